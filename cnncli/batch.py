"""One function over many files: inputs, output names, workers, whole files or none, and one report a file.

Nothing here knows what the function does. The plan is complete before any work begins: every input is found, every
output named, and whatever would lose a file is refused.
"""

import glob
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count, islice
from string import Formatter
from typing import Any, NamedTuple

from cnncli.errors import ArgumentError, CnncliError, NoInputError

STANDARD = "-"
"""Stands for standard input among inputs and for standard output among outputs."""

TEMPLATE_FIELDS = ("stem", "name", "ext", "parent", "filter")

_TEMPORARY_SUFFIX = ".cnncli-part"
_serial = count()


class Input(NamedTuple):
    """A file to work on.

    Attributes:
        path: as it was given or found, or `-`.
        below: its path below the folder that it was found in, or its name.
        found: whether it was found in a folder or by a glob, and not named itself.
    """

    path: str
    below: str
    found: bool = False


class Job(NamedTuple):
    """An input and the outputs to be made of it, one a label."""

    input: Input
    outputs: tuple[str, ...]


class Report(NamedTuple):
    """What became of one output.

    Attributes:
        input: path of the input.
        output: path of the output, or None where it was never named.
        status: `ok`, `skipped` or `failed`.
        error: one line where it failed.
        details: what the function says of its work.
        seconds: time that the input took.
    """

    input: str
    output: str
    status: str
    error: str | None
    details: dict[str, Any]
    seconds: float


def find_inputs(words: Iterable[str], *, recursive: bool = False, suffixes: Sequence[str] = ()) -> list[Input]:
    """Return the files that words stand for: files, globs, folders (with `recursive`) and `-`.

    A file that is not there is an input all the same: it will fail by name, and the others will not. A file named twice
    is worked on once.

    Args:
        words: what the user wrote.
        recursive: go through folders, taking files with one of `suffixes`.
        suffixes: lower-case endings.

    Raises:
        ArgumentError: a folder without `recursive`.
        NoInputError: a glob or a folder that holds nothing.
    """
    inputs: dict[str, Input] = {}
    for word in words:
        for found in _expand(word, recursive, tuple(suffixes)):
            inputs.setdefault(found.path, found)
    if not inputs:
        raise NoInputError("the list of inputs is empty")
    return list(inputs.values())


def _expand(word: str, recursive: bool, suffixes: tuple[str, ...]) -> Iterator[Input]:
    if word == STANDARD:
        yield Input(word, "stdin")
    elif os.path.isdir(word):
        if not recursive:
            raise ArgumentError(f"{word} is a folder: add -r to go through it, or quote a glob such as '{word}/*.jpg'")
        yield from _walk(word, suffixes)
    elif glob.has_magic(word) and not os.path.lexists(word):
        matches = [path for path in sorted(glob.glob(word, recursive=True)) if not os.path.isdir(path)]
        if not matches:
            raise NoInputError(f"{word}: the glob matches no file")
        yield from (Input(path, os.path.basename(path), found=True) for path in matches)
    else:
        yield Input(word, os.path.basename(word))


def _walk(folder: str, suffixes: tuple[str, ...]) -> Iterator[Input]:
    empty = True
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if name.lower().endswith(suffixes) and not name.startswith("."):
                path = os.path.join(parent, name)
                yield Input(path, os.path.relpath(path, folder), found=True)
                empty = False
    if empty:
        raise NoInputError(f"{folder}: the folder holds no files that end in {' '.join(suffixes)}")


@dataclass(frozen=True)
class OutputRule:
    """How outputs are named.

    Attributes:
        target: a file, a folder (one that exists, or a word that ends in `/`), a template with fields such as `{stem}`,
            `-` for standard output, or None for `{stem}-{filter}` beside the input.
        labels: what `{filter}` stands for: one output each.
        suffix: the ending of names that the rule makes up.
    """

    target: str | None
    labels: tuple[str, ...]
    suffix: str = ".png"

    def __post_init__(self) -> None:
        if self.is_template:
            fields = {name for _, name, _, _ in _parsed(self.target or "") if name is not None}
            unknown = fields - set(TEMPLATE_FIELDS)
            if unknown:
                known = " ".join(f"{{{name}}}" for name in TEMPLATE_FIELDS)
                raise ArgumentError(f"output {self.target!r}: unknown field {{{unknown.pop()}}}; there are {known}")

    @property
    def is_template(self) -> bool:
        """Whether the target has fields to fill in."""
        return self.target is not None and "{" in self.target

    @property
    def is_folder(self) -> bool:
        """Whether the target is a folder."""
        target = self.target
        return target is not None and not self.is_template and (target.endswith(("/", os.sep)) or os.path.isdir(target))

    @property
    def names_one(self) -> bool:
        """Whether the target can only be one output."""
        return not (self.target is None or self.is_template or self.is_folder)

    def outputs(self, source: Input) -> tuple[str, ...]:
        """Return the output of each label."""
        if self.names_one:
            return (self.target or STANDARD,)
        folder, name = os.path.split(source.path if source.path != STANDARD else source.below)
        stem, ext = os.path.splitext(name)
        if self.target is None:
            template = os.path.join(_escaped(folder), f"{{stem}}-{{filter}}{self.suffix}")
        elif self.is_folder:
            below = os.path.join(self.target, os.path.dirname(source.below))
            template = os.path.join(_escaped(below), f"{{stem}}-{{filter}}{self.suffix}")
        else:
            template = self.target
        fields = {"stem": stem, "name": name, "ext": ext.lstrip("."), "parent": folder or "."}
        return tuple(template.format(**fields, filter=label) for label in self.labels)


def _parsed(template: str) -> list[tuple[Any, ...]]:
    try:
        return list(Formatter().parse(template))
    except ValueError as error:
        raise ArgumentError(f"output {template!r}: {error}; write {{{{ and }}}} for braces that are none") from error


def _escaped(path: str) -> str:
    return path.replace("{", "{{").replace("}", "}}")


def plan(inputs: Sequence[Input], rule: OutputRule) -> list[Job]:
    """Return a job for each input, having refused whatever would lose a file.

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
    made = {_identity(output) for job in jobs for output in job.outputs}
    jobs = [job for job in jobs if not (job.input.found and _identity(job.input.path) in made)]
    if not jobs:
        raise NoInputError("every file found is an output of another: nothing is left to work on")
    _refuse_collisions(jobs)
    _refuse_inputs(jobs)
    _make_folders(jobs, rule)
    return jobs


def _identity(path: str) -> str:
    return path if path == STANDARD else os.path.abspath(path)


def _refuse_collisions(jobs: Sequence[Job]) -> None:
    first: dict[str, Job] = {}
    for job in jobs:
        for output in job.outputs:
            other = first.setdefault(_identity(output), job)
            if other is not job:
                raise ArgumentError(
                    f"{other.input.path} and {job.input.path} would both become {output}: tell them apart with a "
                    "template such as '{parent}/{name}-{filter}.png'"
                )
        if len({_identity(output) for output in job.outputs}) < len(job.outputs):
            raise ArgumentError(f"{job.outputs[0]} would be written several times: put {{filter}} into the name")


def _refuse_inputs(jobs: Sequence[Job]) -> None:
    inputs = {os.path.realpath(job.input.path) for job in jobs if job.input.path != STANDARD}
    for job in jobs:
        for output in job.outputs:
            if output != STANDARD and os.path.lexists(output) and os.path.realpath(output) in inputs:
                raise ArgumentError(f"{output} is an input: inputs are never overwritten, choose another output")


def _make_folders(jobs: Sequence[Job], rule: OutputRule) -> None:
    folders = {os.path.dirname(output) for job in jobs for output in job.outputs if output != STANDARD}
    for folder in sorted(folders - {""}):
        if os.path.isdir(folder):
            continue
        if not rule.is_folder:
            hint = "" if rule.target is None else "; make it, or end the output with / to have it made"
            if rule.target is not None:
                raise ArgumentError(f"{folder}: no such folder{hint}")
            continue  # beside an input that is not there: it will fail by name
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise ArgumentError(f"{folder}: the folder cannot be made: {error.strerror}") from error


def refuse_existing(jobs: Sequence[Job]) -> None:
    """Refuse to begin where outputs exist already.

    Raises:
        ArgumentError: some do.
    """
    existing = [output for job in jobs for output in job.outputs if output != STANDARD and os.path.lexists(output)]
    if existing:
        more = f" and {len(existing) - 1} more outputs exist" if len(existing) > 1 else " exists"
        raise ArgumentError(f"{existing[0]}{more} already: --force overwrites, --skip-existing keeps what is done")


Work = Callable[[Job, Sequence[str]], list[dict[str, Any]]]
"""What is done with a job: given paths to write its outputs to, it returns the details of each."""


def run(jobs: Sequence[Job], work: Work, *, workers: int, stop: threading.Event | None = None) -> Iterator[Report]:
    """Run a function over jobs on threads, and yield reports as inputs are finished.

    Threads are enough: Pillow and NumPy let go of the interpreter while they work.

    Args:
        jobs: what to do.
        work: how; errors that are a `CnncliError` or an `OSError` fail that input alone.
        workers: number of threads.
        stop: when set, no new input is begun; those under way are finished.
    """
    if len(jobs) == 1:
        yield from _run_job(jobs[0], work)
        return
    from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait  # 5 ms, for batches alone

    stop = stop or threading.Event()
    waiting = iter(jobs)
    with ThreadPoolExecutor(workers) as pool:
        running: set[Future[list[Report]]] = set()
        try:
            while True:
                ahead = 0 if stop.is_set() else workers + 1 - len(running)
                running |= {pool.submit(_run_job, job, work) for job in islice(waiting, ahead)}
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from future.result()
        finally:
            for future in running:
                future.cancel()


def _run_job(job: Job, work: Work) -> list[Report]:
    begin = time.perf_counter()
    try:
        with ExitStack() as stack:
            targets = [stack.enter_context(whole_file(output)) for output in job.outputs]
            details = work(job, targets)
    except (CnncliError, OSError, MemoryError) as error:
        message = _one_line(error, job)
        return [_report(job, output, begin, "failed", message) for output in job.outputs]
    return [
        _report(job, output, begin, "ok", details=detail) for output, detail in zip(job.outputs, details, strict=True)
    ]


def _report(
    job: Job, output: str, begin: float, status: str, error: str | None = None, details: dict[str, Any] | None = None
) -> Report:
    seconds = round(time.perf_counter() - begin, 6)
    return Report(job.input.path, output, status, error, details or {}, seconds)


def _one_line(error: BaseException, job: Job) -> str:
    if isinstance(error, MemoryError):
        return f"{job.input.path}: does not fit into memory"
    if isinstance(error, OSError):
        return f"{error.filename or job.input.path}: {error.strerror or error}"
    message = " ".join(str(error).split())
    return message if message.startswith(job.input.path) else f"{job.input.path}: {message}"


@contextmanager
def whole_file(path: str) -> Iterator[str]:
    """Give a temporary name to write to, in the same folder; it becomes `path` at the end, or vanishes on an error.

    So `path` is there whole or not at all, whatever happens. Standard output is given through as it is.
    """
    if path == STANDARD:
        yield path
        return
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}-{next(_serial)}{_TEMPORARY_SUFFIX}")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise


def summary(statuses: Counter[str], seconds: float) -> str:
    """Return one line on a batch.

    Example:
        >>> summary(Counter(ok=3, failed=1), 2.0)
        '3 done, 1 failed in 2.0 s (2.0 a second)'
    """
    words = [f"{statuses[key]} {word}" for key, word in _WORDS.items() if statuses[key] or key == "ok"]
    return f"{', '.join(words)} in {seconds:.1f} s ({sum(statuses.values()) / max(seconds, 1e-9):.1f} a second)"


_WORDS = {"ok": "done", "skipped": "skipped", "failed": "failed"}
