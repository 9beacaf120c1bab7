"""Running a function over jobs on threads, and reporting as they are finished."""

import os
import stat
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from cnncli.batch.inputs import STANDARD
from cnncli.batch.manifest import Manifests, Stamp, same_content
from cnncli.batch.memory import reuse_freed_memory
from cnncli.batch.plan import Job
from cnncli.batch.temporary import whole_file
from cnncli.errors import CnncliError, ImageError, one_line


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


Work = Callable[[Job, Sequence[str]], list[dict[str, Any]]]
"""What is done with a job: given paths to write its outputs to, it returns the details of each."""


def run(
    jobs: Sequence[Job],
    work: Work,
    *,
    workers: int,
    manifests: Manifests | None = None,
    skip: bool = False,
    stop: threading.Event | None = None,
) -> Iterator[Report]:
    """Run a function over jobs on threads, and yield reports as inputs are finished.

    Threads are enough: Pillow, NumPy and the deflate let go of the interpreter while they work, and for forty
    photographs two threads took 613 ms where forked processes took 639 and spawned ones 691 (one thread: 985).

    Args:
        jobs: what to do.
        work: how; an error fails that input alone.
        workers: number of threads.
        manifests: where finished outputs are listed, if they are.
        skip: leave out what `manifests` lists as done.
        stop: when set, no new input is begun; those under way are finished.
    """
    if len(jobs) == 1:
        yield from _run_job(jobs[0], work, manifests, skip)
        return
    do = partial(_run_one_of_many, work=work, manifests=manifests, skip=skip)
    from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait  # 5 ms, for batches alone

    reuse_freed_memory()
    stop = stop or threading.Event()
    waiting = iter(jobs)
    with ThreadPoolExecutor(workers) as pool:
        running: deque[Future[list[Report]]] = deque()
        try:
            while True:
                # One job waits for each worker, so that none is idle while a report is written.
                ahead = 0 if stop.is_set() else 2 * workers - len(running)
                running.extend(pool.submit(_unless, stop, do, job) for job in islice(waiting, ahead))
                if not running:
                    return
                wait(running, return_when=FIRST_COMPLETED)
                done = [future for future in running if future.done()]
                running = deque(future for future in running if future not in done)
                for future in done:
                    yield from future.result()
        finally:
            for future in running:
                future.cancel()


def _unless(stop: threading.Event, do: Callable[[Job], list["Report"]], job: Job) -> list["Report"]:
    return [] if stop.is_set() else do(job)


def _run_one_of_many(job: Job, work: Work, manifests: Manifests | None, skip: bool) -> list["Report"]:
    begin = time.perf_counter()
    try:
        return _run_job(job, work, manifests, skip)
    except BrokenPipeError:
        raise
    except Exception as error:  # a mistake in this program over one file must not stop thousands of others
        message = f"{job.input.path}: unexpected {type(error).__name__}: {' '.join(str(error).split())}"
        return [_report(job, output, begin, "failed", message) for output in job.outputs]


def _run_job(job: Job, work: Work, manifests: Manifests | None, skip: bool) -> list["Report"]:
    begin = time.perf_counter()
    targets: list[str] = []
    try:
        if skip and manifests is not None and manifests.is_done(job):
            return [_report(job, output, begin, "skipped") for output in job.outputs]
        finish = _Finish(job, manifests, skip)
        with ExitStack() as stack:
            targets = [stack.enter_context(whole_file(output, partial(finish, output))) for output in job.outputs]
            details = work(job, targets)
    except BrokenPipeError:
        raise
    except (CnncliError, OSError, MemoryError) as error:
        message = _one_line(error, job)
        for output, target in zip(job.outputs, targets, strict=False):
            message = message.replace(target, output)  # the name that the user knows
        return [_report(job, output, begin, "failed", message) for output in job.outputs]
    return [
        _report(job, output, begin, "skipped" if output in finish.kept else "ok", details=detail)
        for output, detail in zip(job.outputs, details, strict=True)
    ]


class _Finish:
    """What happens when an output is complete under its temporary name: it is listed, if outputs are."""

    def __init__(self, job: Job, manifests: Manifests | None, skip: bool) -> None:
        self.kept: set[str] = set()
        self._manifests = manifests
        self._skip = skip
        # Taken before the input is read, so that a change while it is read will be noticed.
        self._source = Stamp.of(job.input.path) if manifests and _can_be_read_twice(job.input.path) else None

    def __call__(self, output: str, temporary: str) -> bool:
        """List an output, and say whether it shall get its name: not where the same stands there already."""
        if self._manifests is None or self._source is None:
            return True
        if self._skip and os.path.lexists(output) and not self._manifests.may_replace(output, temporary):
            # Made by a run that kept no list, or by somebody else.
            if not os.path.isfile(output) or not same_content(output, temporary):
                raise ImageError(
                    f"{output} exists, and is no result of this input and these options: --force overwrites it"
                )
            self.kept.add(output)
            temporary = output
        self._manifests.record(output, temporary, self._source)
        return output not in self.kept


def _can_be_read_twice(path: str) -> bool:
    """Whether an input is a file; standard input and pipes with a name are not."""
    if path == STANDARD:
        return False
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        os.listdir(path)  # one that may not be listed says so here; any other is the reader's to refuse
    return stat.S_ISREG(mode)


def _report(
    job: Job, output: str, begin: float, status: str, error: str | None = None, details: dict[str, Any] | None = None
) -> Report:
    seconds = round(time.perf_counter() - begin, 6)
    return Report(job.input.path, output, status, error, details or {}, seconds)


def _one_line(error: BaseException, job: Job) -> str:
    if isinstance(error, MemoryError):
        return f"{job.input.path}: does not fit into memory"
    if isinstance(error, OSError):
        return one_line(f"{error.filename or job.input.path}: {error.strerror or error}")
    message, source = one_line(str(error)), one_line(job.input.path)
    return message if message.startswith(source) else f"{source}: {message}"


def summary(statuses: Counter[str], left: int, seconds: float) -> str:
    """Return one line on a batch.

    Example:
        >>> summary(Counter(ok=3, failed=1), 0, 2.0)
        '3 done, 1 failed in 2.0 s (2.0 a second)'
        >>> summary(Counter(ok=3), 7, 2.0)
        'interrupted: 3 done, 7 left in 2.0 s (1.5 a second)'
    """
    counts = {"done": statuses["ok"], "skipped": statuses["skipped"], "failed": statuses["failed"], "left": left}
    words = ", ".join(f"{count} {word}" for word, count in counts.items() if count or word == "done")
    rate = statuses.total() / max(seconds, 1e-9)
    return f"{'interrupted: ' if left else ''}{words} in {seconds:.1f} s ({rate:.1f} a second)"
