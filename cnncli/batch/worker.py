"""What the workers of a cluster do: hold themselves against the one who asks, and do groups of jobs."""

import os
import pickle
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

from cnncli.batch import objects
from cnncli.batch.groups import grouped
from cnncli.batch.memory import reuse_freed_memory
from cnncli.batch.plan import Job, work_folders
from cnncli.batch.task import Report, Task
from cnncli.errors import CnncliError
from cnncli.files.temporary import remove_leftovers


class Needs(NamedTuple):
    """What a worker must have to do the jobs of a batch.

    Attributes:
        batch: what this batch is called.
        version: of cnncli.
        files: paths that must be there, with their sizes.
        urls: one URL of each kind that is used.
    """

    batch: str
    version: str
    files: tuple[tuple[str, int], ...] = ()
    urls: tuple[str, ...] = ()

    def lacking(self) -> str | None:
        """Return what is missing here and what to do, or None."""
        here = version("cnncli")
        if here != self.version:
            return f"has cnncli {here} where this is {self.version}: install the same version on both"
        for path, size in self.files:
            if not os.path.isfile(path) or os.path.getsize(path) != size:
                return (
                    f"does not see {path} as this machine does: put inputs and outputs where all machines have them "
                    "by the same name, or use URLs such as s3://"
                )
        try:
            for url in self.urls:
                objects.check(url)
        except CnncliError as error:
            return f"lacks something: {error}"
        return None


class Done(NamedTuple):
    """What became of a group.

    Attributes:
        reports: of each job that was done, in order; fewer than jobs where the batch was stopped.
        seconds: that it took.
    """

    reports: list[list[Report]]
    seconds: float


_lacking: dict[str, str | None] = {}
_stopped: set[str] = set()
_cleaned: set[str] = set()


def lacking(*needs: Any) -> str | None:
    """Return what this worker lacks for a batch, having looked once.

    Args:
        needs: the fields of `Needs`; not such a value, which a worker without cnncli could not even read.
    """
    wanted = Needs(*needs)
    if wanted.batch not in _lacking:
        _lacking[wanted.batch] = wanted.lacking()
    return _lacking[wanted.batch]


def stop(batch: str) -> None:
    """Begin no more jobs of a batch."""
    _stopped.add(batch)


def pack(needs: Needs, jobs: Sequence[Job], task: Task) -> bytes:
    """Return what `do` takes: bytes, which a scheduler passes on without understanding them."""
    return pickle.dumps((needs, jobs, task), pickle.HIGHEST_PROTOCOL)


def do(packed: bytes) -> Done | str:
    """Do a group of jobs, as many together as the task allows; return what this worker lacks instead, if it does."""
    needs, jobs, task = pickle.loads(packed)
    missing = lacking(*needs)
    if missing is not None:
        return missing
    _prepare(jobs)
    begin = time.perf_counter()
    reports: list[list[Report]] = []
    for group in grouped(jobs, task.grouping.together):
        if needs.batch in _stopped:
            break
        try:
            reports += task.group(group)
        except CnncliError as error:  # of no single job: they fail by themselves
            return f"lacks something: {error}"
    if task.manifests is not None:
        task.manifests.flush()
    return Done(reports, time.perf_counter() - begin)


def _prepare(jobs: Sequence[Job]) -> None:
    """Remove what killed workers of this machine left in folders that are new to this process."""
    if not _cleaned:
        reuse_freed_memory()
    new = work_folders(jobs) - _cleaned
    _cleaned.update(new)
    remove_leftovers(new)
