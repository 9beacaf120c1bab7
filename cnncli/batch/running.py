"""Running a function over jobs, and reporting as they are finished."""

import threading
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import takewhile
from typing import NamedTuple, Protocol

from cnncli.batch.memory import reuse_freed_memory
from cnncli.batch.plan import Job
from cnncli.batch.task import Report, Task
from cnncli.threads import mapped

_FEWEST_GROUPS = 8  # so that threads have work where files are few; their number changes no result


class Executor(Protocol):
    """An executor of jobs: the threads of this process, or the workers of a cluster."""

    def each(self, jobs: Sequence[Job], task: Task, stop: threading.Event) -> Generator[list[Report], None, None]:
        """Run a task on each job, a few at a time, and yield the reports of each as jobs are finished, in any order.

        When `stop` is set no new job is begun, and those under way are finished.
        """


class Threads(NamedTuple):
    """An executor on so many threads.

    Threads are enough: Pillow, NumPy and the deflate let go of the interpreter while they work, and for forty
    photographs two threads took 613 ms where forked processes took 639 and spawned ones 691 (one thread: 985).
    """

    workers: int

    def each(self, jobs: Sequence[Job], task: Task, stop: threading.Event) -> Generator[list[Report], None, None]:
        """Run a task on each job, and yield its reports as groups are finished, or in order where the task asks."""
        reuse_freed_memory()
        workers = max(1, min(self.workers, len(jobs)))

        def work(group: Sequence[Job]) -> list[list[Report]]:
            return [] if stop.is_set() else task.group(group)

        # One group waits for each worker, so that none is idle while a report is written.
        groups = takewhile(lambda _: not stop.is_set(), task.groups(jobs, _FEWEST_GROUPS))
        for reports in mapped(work, groups, workers, ahead=2 * workers, in_order=task.grouping.in_order):
            yield from reports


def run(
    jobs: Sequence[Job],
    task: Task,
    *,
    workers: int = 1,
    stop: threading.Event | None = None,
    executor: Executor | None = None,
) -> Generator[Report, None, None]:
    """Run a task over jobs, and yield reports as inputs are finished.

    Close it (`contextlib.closing`) to stop early: the lists of what is done are written then, and that may fail.

    Args:
        jobs: the jobs to process.
        task: the task to do with each.
        workers: number of threads.
        stop: when set, no new input is started; those in progress are finished.
        executor: where, by default on threads.

    Raises:
        ArgumentError: something else stands where a list of what is done should.
    """
    manifests = task.manifests
    if manifests is not None:
        manifests.check(jobs)
    try:
        if executor is None and len(jobs) == 1:
            yield from task.group(jobs)[0]
            return
        if task.skip and manifests is not None:
            manifests.look(jobs)
        # Closed before the lists are written: jobs in progress when the reader leaves are finished, and listed.
        with closing((executor or Threads(workers)).each(jobs, task, stop or threading.Event())) as groups:
            for reports in _in_order(jobs, groups) if task.grouping.in_order else groups:
                yield from reports
    finally:
        if manifests is not None:
            manifests.flush()


def _in_order(jobs: Sequence[Job], finished: Iterator[list[Report]]) -> Iterator[list[Report]]:
    """Yield reports in the order of their jobs; where some were never begun, those of the others."""
    waiting: dict[str, list[list[Report]]] = {}
    for job in jobs:
        path = job.input.path
        while path not in waiting and (reports := next(finished, None)) is not None:
            waiting.setdefault(reports[0].input, []).append(reports)
        if path in waiting:
            reports, *others = waiting.pop(path)
            if others:
                waiting[path] = others
            yield reports


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
