"""Running jobs on threads of this process."""

import threading
from collections.abc import Generator, Sequence
from itertools import takewhile
from typing import NamedTuple

from cnncli.batch.groups import grouped
from cnncli.batch.memory import reuse_freed_memory
from cnncli.batch.plan import Job
from cnncli.batch.task import Report, Task
from cnncli.threads import mapped


class Threads(NamedTuple):
    """An executor on threads.

    Threads are enough: Pillow, NumPy and the deflate let go of the interpreter while they work, and for forty
    photographs two threads took 613 ms where forked processes took 639 and spawned ones 691 (one thread: 985).

    Attributes:
        workers: how many.
    """

    workers: int

    def each(self, jobs: Sequence[Job], task: Task, stop: threading.Event) -> Generator[list[Report], None, None]:
        """Do a task for each job, and yield its reports as groups are finished, or in order where the task asks."""
        reuse_freed_memory()
        workers = max(1, min(self.workers, len(jobs)))

        def work(group: Sequence[Job]) -> list[list[Report]]:
            return [] if stop.is_set() else task.group(group)

        # One group waits for each worker, so that none is idle while a report is written.
        groups = takewhile(lambda _: not stop.is_set(), grouped(jobs, task.grouping.together))
        for reports in mapped(work, groups, workers, ahead=2 * workers, in_order=task.grouping.in_order):
            yield from reports
