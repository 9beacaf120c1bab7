"""The plan of a batch: every output named, and whatever would lose a file refused, before any work begins."""

import errno
import os
import shlex
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple
from unicodedata import normalize

from cnncli.batch import objects
from cnncli.batch.inputs import Input
from cnncli.batch.naming import OutputRule
from cnncli.batch.objects import is_url
from cnncli.errors import ArgumentError, NoInputError
from cnncli.files.temporary import STANDARD, is_special, scratch
from cnncli.files.web import is_web


class Job(NamedTuple):
    """An input and the outputs to be made of it; none where only details are reported.

    Attributes:
        input: the file to work on.
        outputs: the files to write.
        together: whether there is one report for all outputs, under the name of the first, instead of one for each.
    """

    input: Input
    outputs: tuple[str, ...]
    together: bool = False

    @property
    def reported(self) -> tuple[str, ...]:
        """The outputs that are reported: one without a name where nothing is written."""
        return (self.outputs[:1] if self.together else self.outputs) or ("",)


def plan(inputs: Sequence[Input], rule: OutputRule) -> list[Job]:
    """Return a job for each input; refuse whatever would lose a file. Nothing is written yet.

    A file found in a folder that is an output of another input is a result of an earlier run, and left out.

    Raises:
        ArgumentError: two outputs of one name, an output that is an input, or a folder that is not there.
    """
    try:
        return _planned(inputs, rule)
    except _CollisionError as collision:
        raise ArgumentError(f"{collision}: {_way_out(collision.inputs, rule)}") from None


class _CollisionError(ArgumentError):
    """Two of the inputs that are left would get an output of one name."""

    def __init__(self, message: str, inputs: Sequence[Input]) -> None:
        super().__init__(message)
        self.inputs = inputs


def _planned(inputs: Sequence[Input], rule: OutputRule) -> list[Job]:
    if rule.names_one and len(inputs) > 1:
        raise ArgumentError(
            f"{len(inputs)} inputs do not fit into one output {rule.target!r}: name a folder (ending in /) or a "
            "template such as '{stem}-{filter}.png'"
        )
    jobs = [Job(source, rule.outputs(source), rule.together) for source in inputs]
    if away := next(filter(is_web, _outputs(jobs)), None):
        raise ArgumentError(f"{away}: web addresses are read, not written: name a file or a folder with -o")
    places = _Places()
    made = {places.of(output) for job in jobs for output in job.outputs}
    jobs = [job for job in jobs if not (job.input.found and places.of(job.input.path) in made)]
    if not jobs:
        raise NoInputError("every file found is an output of another file: there are no inputs left")
    _refuse_collisions(jobs, places)
    _refuse_inputs(jobs, places)
    _refuse_missing_folders(jobs, rule)
    return jobs


class _Places:
    """The places of names: two names with one place are one file, however they lead to it.

    A folder is known by its device and number, so that links, mounts and spellings of it are one.
    """

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, path: str) -> str:
        """Return the place of a name, whether anything stands there or not.

        Folders are looked up once: a hundred thousand files are planned in seconds.
        """
        if path == STANDARD:
            return path
        if is_url(path):
            return objects.place(path)
        folder, slash, name = path.rpartition("/")
        if os.sep != "/" or name in ("", os.curdir, os.pardir):
            return _folder_place(path)
        if folder not in self._folders:
            self._folders[folder] = _folder_place(folder + slash)
        return f"{self._folders[folder]}/{name}"

    def file(self, path: str) -> str:
        """Return the identity of the file that a name leads to; its place where no file is there."""
        if path == STANDARD or is_url(path):
            return self.of(path)
        return _number(path) or self.of(os.path.realpath(path))


def _folder_place(path: str) -> str:
    """Return the number of a folder, or of the nearest one above it that exists, and the rest of the path."""
    rest: list[str] = []
    path = os.path.realpath(path)
    while not (number := _number(path)) and os.path.dirname(path) != path:
        path, name = os.path.split(path)
        rest.insert(0, name)
    return "/".join([number or path, *rest])


def _number(path: str) -> str | None:
    """Return the numbers of a file and its device; None where no file is there."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return f"{status.st_dev}:{status.st_ino}" if status.st_ino else None


def _refuse_collisions(jobs: Sequence[Job], places: _Places) -> None:
    first: dict[str, Job] = {}
    for job in jobs:
        made = [places.of(output) for output in job.outputs]
        for place, output in zip(made, job.outputs, strict=True):
            other = first.setdefault(place, job)
            if other is not job:
                both = other.input.path, job.input.path
                if places.of(both[0]) == places.of(both[1]):
                    raise ArgumentError(f"{both[0]} and {both[1]} are one file: name it once")
                inputs = [job.input for job in jobs]
                raise _CollisionError(f"{both[0]} and {both[1]} would both become {output}", inputs)
        if len(set(made)) < len(made):
            raise ArgumentError(f"{job.outputs[0]} would be written several times: put {{filter}} into the name")


def _way_out(inputs: Sequence[Input], rule: OutputRule) -> str:
    """Return advice on outputs of one name: a template under which the same inputs can be planned."""
    for template in rule.alternatives(inputs):
        with suppress(ArgumentError, NoInputError):
            jobs = _planned(inputs, rule.renamed(template))
            if len(jobs) == len(inputs):  # none of them is taken for an output of another
                return f"tell them apart with a template such as {shlex.quote(template)}"
    return "process them in separate runs, each with an output of its own"


def _refuse_one_file(outputs: Sequence[str], places: _Places) -> None:
    """Refuse outputs whose names differ only in spelling, where both spellings are one file.

    Where a folder does not tell `A` from `a`, this is seen as soon as a file is there.
    """
    spelled: dict[str, list[str]] = defaultdict(list)
    for output in outputs:
        spelled[normalize("NFC", places.of(output)).casefold()].append(output)
    for alike in (alike for alike in spelled.values() if len(alike) > 1):
        seen: dict[str, str] = {}
        for output in alike:
            other = seen.setdefault(places.file(output), output)
            if other != output:
                raise ArgumentError(f"{other} and {output} are one file: outputs must have names that differ there")


def _refuse_inputs(jobs: Sequence[Job], places: _Places) -> None:
    """Refuse outputs that are inputs, also by way of links, mounts and other spellings of their names."""
    existing = [output for output in _outputs(jobs) if is_url(output) or _is_file(output) or os.path.isfile(output)]
    if not existing:
        return
    inputs = {places.file(job.input.path) for job in jobs if job.input.path != STANDARD}
    for output in existing:
        if places.file(output) in inputs:
            raise ArgumentError(f"{output} is an input: inputs are never overwritten, choose another output")
    _refuse_one_file([output for output in existing if not is_url(output)], places)


def _outputs(jobs: Sequence[Job]) -> list[str]:
    return [output for job in jobs for output in job.outputs if output != STANDARD]


def _is_file(output: str) -> bool:
    return os.path.lexists(output) and not is_special(output)


def _folders(jobs: Sequence[Job]) -> list[str]:
    return sorted({os.path.dirname(output) for output in _outputs(jobs)} - {""})


def _refuse_missing_folders(jobs: Sequence[Job], rule: OutputRule) -> None:
    if rule.target is None:  # beside an input that is not there: it will fail by name
        return
    for folder in _folders(jobs):
        if rule.makes_folders:
            _refuse_file_in_path(folder)
        elif is_url(folder):
            objects.refuse_missing(folder)
        elif not os.path.isdir(folder):
            raise ArgumentError(f"{folder}: no such folder; make it first, or write -o {folder}/ to have it made")


def _refuse_file_in_path(folder: str) -> None:
    """Refuse a folder that cannot be made because a file is in its place, or in that of one above it."""
    above = "" if is_url(folder) else folder
    while above and not os.path.lexists(above):
        above = os.path.dirname(above.rstrip(os.sep))
    if above and not os.path.isdir(above):
        raise ArgumentError(f"{folder}: the folder cannot be made: {above} is not a folder")


def make_folders(jobs: Sequence[Job], rule: OutputRule) -> None:
    """Make the folders of outputs, where the rule names a folder or `{below}`.

    Raises:
        ArgumentError: one cannot be made.
    """
    for folder in _folders(jobs) if rule.makes_folders else ():
        try:
            if is_url(folder):
                objects.make_folder(folder)
            else:
                _make_folder(folder)
        except OSError as error:
            raise ArgumentError(f"{folder}: the folder cannot be made: {error.strerror}") from error


def _make_folder(folder: str) -> None:
    """Make a folder and those above it; `os.makedirs` recurses, and fails a thousand deep."""
    missing = []
    while folder and not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder.rstrip(os.sep))
    for one in reversed(missing):
        with suppress(FileExistsError):
            os.mkdir(one)
        if not os.path.isdir(one):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), one)


def refuse_existing(jobs: Sequence[Job]) -> None:
    """Refuse jobs whose outputs exist already.

    Raises:
        ArgumentError: some do.
    """
    outputs = _outputs(jobs)
    there = objects.look_at_all(output for output in outputs if is_url(output))
    existing = [output for output in outputs if (there[output] if is_url(output) else _is_file(output))]
    if existing:
        more = f" and {len(existing) - 1} more exist" if len(existing) > 1 else " exists"
        raise ArgumentError(f"{existing[0]}{more} already: --force overwrites, --skip-existing keeps what is done")


def work_folders(jobs: Sequence[Job]) -> set[str]:
    """Return the folders of this machine that hold temporary files while jobs are done."""
    outputs = _outputs(jobs)
    remote = any(is_url(name) for name in outputs) or any(is_url(job.input.path) for job in jobs)
    here = {os.path.dirname(output) for output in outputs if not is_url(output)}
    return here | {scratch()} if remote else here
