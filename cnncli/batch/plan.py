"""The plan of a batch: every output named, and whatever would lose a file refused, before any work begins."""

import errno
import os
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from string import Formatter
from typing import NamedTuple
from unicodedata import normalize

from cnncli.batch import objects
from cnncli.batch.inputs import Input
from cnncli.batch.objects import is_url, without_file_scheme, without_query
from cnncli.errors import ArgumentError, NoInputError
from cnncli.files.temporary import STANDARD, is_special, scratch

TEMPLATE_FIELDS = ("stem", "name", "ext", "parent", "below", "filter")
"""The fields of a template; `below` is an input's path below the folder that was searched, without its name."""


class Job(NamedTuple):
    """An input and the outputs to be made of it, one a label; none where only details are reported."""

    input: Input
    outputs: tuple[str, ...]

    @property
    def reported(self) -> tuple[str, ...]:
        """The outputs that are reported: one without a name where nothing is written."""
        return self.outputs or ("",)


class OutputRule:
    """A rule that names outputs.

    Args:
        target: a file, a folder (one that exists, or a word that ends in `/`), a template with fields such as `{stem}`,
            `-` for standard output, or None for `{stem}-{filter}` beside the input.
        labels: values of `{filter}`, one output for each.
        suffix: the ending of names that the rule makes up.

    Raises:
        ArgumentError: a template with fields that nothing fills.
    """

    def __init__(self, target: str | None, labels: tuple[str, ...], suffix: str = ".png") -> None:
        self.target = None if target is None else without_file_scheme(target)
        self.labels, self.suffix = labels, suffix
        word = self.target or ""
        self.is_template = "{" in word
        fields = _fields(word) if self.is_template else set()
        is_folder = objects.is_folder if is_url(word) else os.path.isdir
        self.is_folder = bool(word) and not self.is_template and (word.endswith(("/", os.sep)) or is_folder(word))
        self.makes_folders = self.is_folder or "below" in fields
        self.names_one = not (self.target is None or self.is_template or self.is_folder)

    def outputs(self, source: Input) -> tuple[str, ...]:
        """Return the output of each label."""
        if self.names_one:
            return (self.target or STANDARD,)
        folder, name = os.path.split(without_query(source.path) if source.path != STANDARD else source.below)
        stem, ext = os.path.splitext(name)
        below = os.path.dirname(source.below)
        if self.target is None or self.is_folder:
            kept = folder if self.target is None else os.path.join(self.target, below)
            return tuple(os.path.join(kept, f"{stem}-{label}{self.suffix}") for label in self.labels)
        fields = {"stem": stem, "name": name, "ext": ext.lstrip("."), "parent": folder or ".", "below": below or "."}
        template = self.target if below else self.target.replace("{below}/", "")
        return tuple(template.format(**fields, filter=label) for label in self.labels)


def _fields(template: str) -> set[str]:
    """Return the names of a template's fields; refuse those that nothing fills, and other braces."""
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise ArgumentError(f"output {template!r}: {error}; write {{{{ and }}}} for literal braces") from error
    if any(spec or conversion for _, _, spec, conversion in parsed):
        raise ArgumentError(f"output {template!r}: fields stand alone, such as {{stem}}, without : or !")
    fields = {name for _, name, _, _ in parsed if name is not None}
    if unknown := fields - set(TEMPLATE_FIELDS):
        known = " ".join(f"{{{name}}}" for name in TEMPLATE_FIELDS)
        raise ArgumentError(f"output {template!r}: unknown field {{{unknown.pop()}}}; there are {known}")
    return fields


def plan(inputs: Sequence[Input], rule: OutputRule) -> list[Job]:
    """Return a job for each input; refuse whatever would lose a file. Nothing is written yet.

    A file found in a folder that is an output of another input is a result of an earlier run, and left out.

    Raises:
        ArgumentError: two outputs of one name, an output that is an input, or a folder that is not there.
    """
    if rule.names_one and len(inputs) > 1:
        raise ArgumentError(
            f"{len(inputs)} inputs do not fit into one output {rule.target!r}: name a folder (ending in /) or a "
            "template such as '{stem}-{filter}.png'"
        )
    jobs = [Job(source, rule.outputs(source)) for source in inputs]
    places = _Places()
    made = {places.of(output) for job in jobs for output in job.outputs}
    jobs = [job for job in jobs if not (job.input.found and places.of(job.input.path) in made)]
    if not jobs:
        raise NoInputError("every file found is an output of another file: there are no inputs left")
    _refuse_collisions(jobs, rule, places)
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


def _refuse_collisions(jobs: Sequence[Job], rule: OutputRule, places: _Places) -> None:
    first: dict[str, Job] = {}
    for job in jobs:
        made = [places.of(output) for output in job.outputs]
        for place, output in zip(made, job.outputs, strict=True):
            other = first.setdefault(place, job)
            if other is not job:
                both = other.input.path, job.input.path
                raise ArgumentError(
                    f"{both[0]} and {both[1]} would both become {output}: tell them apart with a template such as "
                    f"{_apart(rule, *both, output)!r}"
                )
        if len(set(made)) < len(made):
            raise ArgumentError(f"{job.outputs[0]} would be written several times: put {{filter}} into the name")


def _apart(rule: OutputRule, one: str, other: str, output: str) -> str:
    """Return a template that names outputs of two inputs differently, in the folder of the output where it can."""
    folder, suffix = os.path.dirname(output), os.path.splitext(output)[1]
    if rule.target is not None and rule.is_folder and folder != rule.target.rstrip("/"):
        folder = os.path.join(rule.target, "{below}")
    if os.path.basename(one) == os.path.basename(other):
        folder = "{parent}"
    return os.path.join(folder, f"{{name}}-{{filter}}{suffix}")


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
    if rule.target is None or rule.makes_folders:  # beside an input that is not there: it will fail by name
        return
    for folder in _folders(jobs):
        if is_url(folder):
            objects.refuse_missing(folder)
        elif not os.path.isdir(folder):
            raise ArgumentError(f"{folder}: no such folder; make it, or end the output with / to have it made")


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
