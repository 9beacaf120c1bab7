"""Process one job: fetch, run, write atomically, record, report."""

import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

from cnncli.batch import objects
from cnncli.batch.manifest import Manifests, same_content, stamp_of
from cnncli.batch.objects import is_url, without_query
from cnncli.batch.plan import Job
from cnncli.errors import CnncliError, ImageError, shortage
from cnncli.files.temporary import STANDARD, Ending, scratch, taken, temporary_file, whole_file
from cnncli.files.text import printable


class Report(NamedTuple):
    """The report of one output.

    Attributes:
        input: path of the input.
        output: path of the output; empty if the job has none.
        status: `ok`, `skipped` or `failed`.
        error: one line where it failed.
        details: facts about the output from the task's function.
        seconds: time taken by the input.
    """

    input: str
    output: str
    status: str
    error: str | None
    details: dict[str, Any]
    seconds: float


Work = Callable[[Job, Sequence[str]], list[dict[str, Any]]]
"""The function of a batch: given a job and paths to write its outputs to, it returns the details of each."""


Alike = Callable[[str, str], bool]
"""Return whether a new output and an existing file have equal content but different bytes."""


class Grouping(NamedTuple):
    """The grouping of jobs that are processed a few at a time.

    Attributes:
        together: the most jobs of a group.
        then: a function of the reports of a group, which returns them changed; None for none.
        in_order: yield reports in the order of the jobs. No executor goes far ahead of the oldest unfinished job, so
            that few reports wait for it.
    """

    together: int = 1
    then: Callable[[list[list[Report]]], list[list[Report]]] | None = None
    in_order: bool = False


ALONE = Grouping()


class Task(NamedTuple):
    """The task of a batch: its function and options, a value that can be sent to other machines.

    Attributes:
        work: the function; an error fails its input alone.
        manifests: the lists of finished outputs, if there are any.
        skip: skip the outputs that `manifests` lists as done.
        replace: replace an existing file in an output's place; with `skip`, only one that cnncli wrote.
        alike: whether two files have equal content although their bytes differ.
        grouping: which jobs are done together, and whether reports are in the order of the jobs.
        elsewhere: whether another machine does it, and may do a job again whose first worker was lost at the end.
    """

    work: Work
    manifests: Manifests | None = None
    skip: bool = False
    replace: bool = True
    alike: Alike | None = None
    grouping: Grouping = ALONE
    elsewhere: bool = False

    def share(self, jobs: Sequence[Job]) -> "Task":
        """Return the task as another machine needs it for some jobs."""
        manifests = None if self.manifests is None else self.manifests.share(jobs, skip=self.skip)
        return self._replace(manifests=manifests, elsewhere=True)

    def groups(self, jobs: Sequence[Job], fewest: int = 1) -> Iterator[Sequence[Job]]:
        """Yield jobs in groups that may be done together: at least so many of them, if there are as many jobs."""
        together = max(1, min(self.grouping.together, len(jobs) // fewest))
        for start in range(0, len(jobs), together):
            yield jobs[start : start + together]

    def group(self, jobs: Sequence[Job]) -> list[list[Report]]:
        """Process the jobs of a group, and return the reports of each."""
        reports = [self.safely(job) for job in jobs]
        return reports if self.grouping.then is None else self.grouping.then(reports)

    def safely(self, job: Job) -> list[Report]:
        """Process a job; turn an unexpected error into a failure, because thousands of other jobs wait."""
        begin = time.perf_counter()
        try:
            return self(job)
        except BrokenPipeError:
            raise
        except Exception as error:
            message = printable(f"{job.input.path}: unexpected {type(error).__name__}: {' '.join(str(error).split())}")
            return failed(job, begin, message)

    def __call__(self, job: Job) -> list[Report]:
        """Process a job, and return a report for each output."""
        begin = time.perf_counter()
        names: dict[str, str] = {}
        try:
            if self.skip and self.manifests is not None and self.manifests.is_done(job, renew=True):
                return [_report(job, output, begin, "skipped") for output in job.reported]
            finish = _Finish(job, self)
            names[job.input.path] = job.input.path
            with ExitStack() as stack:
                here = stack.enter_context(_fetched(job))
                names[here.input.path] = job.input.path
                targets = [stack.enter_context(_whole(output, finish)) for output in job.outputs]
                names |= dict(zip(targets, job.outputs, strict=True))
                details = self.work(here, targets)
        except BrokenPipeError:
            raise
        except (CnncliError, OSError, MemoryError, ImportError, RuntimeError) as error:
            if not (isinstance(error, CnncliError | OSError) or shortage(error)):
                raise
            return failed(job, begin, _message(error, job, names))
        return [
            _report(job, output, begin, "skipped" if self.skip and output in finish.kept else "ok", details=detail)
            for output, detail in zip(job.reported, details, strict=True)
        ]


def failed(job: Job, begin: float, message: str) -> list[Report]:
    """Return the reports of a job that failed."""
    return [_report(job, output, begin, "failed", message) for output in job.reported]


@contextmanager
def _fetched(job: Job) -> Iterator[Job]:
    """Give a job whose input is a local file: an object is copied, and keeps its suffix, by which text is known."""
    url = job.input.path
    if not is_url(url):
        yield job
        return
    name = without_query(url)  # which may be a signature, and others see the names of temporaries
    ending = os.path.splitext(name)[1]
    with temporary_file(name, scratch(), ending=ending if ending[1:].isalnum() else "", private=True) as path:
        objects.fetch(url, path)
        yield job._replace(input=job.input._replace(path=path))


@contextmanager
def _whole(output: str, finish: "_Finish") -> Iterator[str]:
    """Give a name to write an output to; it appears whole at the end, or not at all."""
    if not is_url(output):
        with whole_file(output, partial(finish, output)) as temporary:
            yield temporary
        return
    with temporary_file(output, scratch(), ending=os.path.splitext(output)[1], private=True) as temporary:
        yield temporary
        finish.put(output, temporary)


class _Finish:
    """The last step of an output, complete under its temporary name: decide what becomes of it, and list it."""

    def __init__(self, job: Job, task: Task) -> None:
        self.kept: set[str] = set()
        self._task = task
        self._manifests = task.manifests
        # Taken before the input is read, so that a change while it is read will be noticed.
        self._source = None
        with suppress(FileNotFoundError):  # the work says so, in the same words as without manifests
            if task.manifests and _can_be_read_twice(job.input.path):
                self._source = stamp_of(job.input)

    def __call__(self, output: str, temporary: str) -> Ending:
        """List an output; return its fate."""
        ending = self._ending(output, temporary)
        self._record(output, output if ending == "discard" else temporary)
        return ending

    def put(self, output: str, temporary: str) -> None:
        """Put an output into its store, and list it afterwards: its line holds the facts that the store states."""
        if self._ending(output, temporary) != "discard":
            objects.put(temporary, output)
        self._record(output, output)

    def _record(self, output: str, complete: str) -> None:
        if self._manifests is not None and self._source is not None:
            self._manifests.record(output, complete, self._source)

    def _ending(self, output: str, temporary: str) -> Ending:
        """Decide on an output whose name may be taken, by an earlier run without a list or by another program."""
        if self._task.replace and not self._task.skip:
            return "replace"
        if not (objects.look(output) if is_url(output) else os.path.lexists(output)):
            return "add"
        if not (self._task.skip or self._task.elsewhere):
            raise taken(output)
        if self._manifests is not None and self._manifests.may_replace(output, temporary):
            return "replace"
        if not self._is_same(output, temporary):
            raise ImageError(
                f"{output} exists, and is not a result of this input and these options: --force overwrites it"
            )
        self.kept.add(output)
        return "discard"

    def _is_same(self, output: str, temporary: str) -> bool:
        """Return whether an existing output holds the same result as the new one."""
        if not (is_url(output) or os.path.isfile(output)):
            return False
        alike = self._task.alike
        if same_content(output, temporary):
            return True
        if alike is None:
            return False
        if not is_url(output):
            return alike(temporary, output)
        with temporary_file(output, scratch(), private=True) as here:
            objects.fetch(output, here)
            return alike(temporary, here)


def _can_be_read_twice(path: str) -> bool:
    """Return whether an input can be read twice; standard input and named pipes cannot."""
    if path == STANDARD:
        return False
    if is_url(path):
        return True
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        os.listdir(path)  # one that may not be listed says so here; any other is the reader's to refuse
    return stat.S_ISREG(mode)


def _report(
    job: Job, output: str, begin: float, status: str, error: str | None = None, details: dict[str, Any] | None = None
) -> Report:
    seconds = round(time.perf_counter() - begin, 6)
    return Report(job.input.path, output, status, error, details or {}, seconds)


def _message(error: BaseException, job: Job, names: Mapping[str, str]) -> str:
    """Return an error as one line, with the user's names instead of temporary ones."""
    source = printable(job.input.path)
    if words := shortage(error):
        return f"{source}: {words}"
    if isinstance(error, FileNotFoundError) and not (is_url(job.input.path) or os.path.lexists(job.input.path)):
        return f"{source}: no such file"  # its output was to go beside it
    if isinstance(error, OSError):
        return renamed(f"{error.filename or job.input.path}: {error.strerror or error}", names)
    message = renamed(str(error), names)
    return message if message.startswith(source) else f"{source}: {message}"


def renamed(message: str, names: Mapping[str, str]) -> str:
    """Return a message as one line; line ends in names are escaped, those in a library's words become spaces."""
    for temporary, name in names.items():
        message = message.replace(temporary, printable(name))
    return printable(" ".join(line.strip() for line in message.splitlines()))
