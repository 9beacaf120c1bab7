"""The workers' side of a cluster: check that a worker has what a batch needs, and process groups of jobs."""

import os
import pickle
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from typing import Any, NamedTuple

from cnncli.batch import objects
from cnncli.batch.memory import reuse_freed_memory
from cnncli.batch.objects import is_url, scheme_of
from cnncli.batch.plan import Job, work_folders
from cnncli.batch.task import Report, Task
from cnncli.errors import CnncliError
from cnncli.files.temporary import open_temporary, remove_leftovers, temporary_file


class Needs(NamedTuple):
    """The needs of a batch: cnncli of a version, files with their sizes, and stores for one URL of each kind."""

    batch: str
    version: str
    files: tuple[tuple[str, int], ...] = ()
    urls: tuple[str, ...] = ()

    def lacking(self) -> str | None:
        """Return what is missing here and how to mend it, or None."""
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


@contextmanager
def needs_of(jobs: Sequence[Job]) -> Iterator[Needs]:
    """Give the needs of a batch; remove the file that was made for the check at the end.

    A file is made in an output folder for it: `/data` may be there on every machine, and not be the same.
    """
    batch = os.urandom(6).hex()
    names = [name for job in jobs for name in (job.input.path, *job.outputs)]
    urls = {scheme_of(name): name for name in names if is_url(name)}
    ends = {job.input.path for job in (*jobs[:1], *jobs[-1:])}
    here = [absolute(path) for path in ends if not is_url(path) and os.path.isfile(path)]
    files = [(path, os.path.getsize(path)) for path in here]
    output = next((name for job in jobs for name in job.outputs if not is_url(name)), None)
    with ExitStack() as stack:
        if output is not None:
            with suppress(OSError):  # where no file can be made, the outputs fail too
                path = stack.enter_context(temporary_file(batch, os.path.dirname(absolute(output))))
                with open_temporary(path) as file:
                    file.write(batch.encode())
                files.append((path, len(batch)))
        yield Needs(batch, version("cnncli"), tuple(files), tuple(urls.values()))


def absolute(path: str) -> str:
    """Return a path that means the same in every folder; URLs do."""
    return path if is_url(path) else os.path.join(os.getcwd(), path)


class Done(NamedTuple):
    """The outcome of a group: reports of each job in order, fewer where the batch was stopped, and its seconds."""

    reports: list[list[Report]]
    seconds: float


_lacking: dict[str, str | None] = {}
_stopped: set[str] = set()
_cleaned: set[str] = set()


def lacking(*needs: Any) -> str | None:
    """Return what this worker lacks for a batch, given the fields of its `Needs`; look only once.

    They are not such a value, which a worker without cnncli could not even read.
    """
    wanted = Needs(*needs)
    if wanted.batch not in _lacking:
        _lacking[wanted.batch] = wanted.lacking()
    return _lacking[wanted.batch]


def stop(batch: str) -> None:
    """Begin no more jobs of a batch."""
    _stopped.add(batch)


def pack(needs: Needs, jobs: Sequence[Job], task: Task) -> bytes:
    """Return the argument of `do`, as bytes, which a scheduler passes on without decoding them."""
    return pickle.dumps((needs, jobs, task), pickle.HIGHEST_PROTOCOL)


def do(packed: bytes) -> Done | str:
    """Process a group of jobs; return what this worker lacks instead, if anything."""
    needs, jobs, task = pickle.loads(packed)
    missing = lacking(*needs)
    if missing is not None:
        return missing
    _prepare(jobs)
    begin = time.perf_counter()
    reports: list[list[Report]] = []
    for group in task.groups(jobs):
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
    """Remove temporaries that killed workers of this machine left in folders that are new to this process."""
    if not _cleaned:
        reuse_freed_memory()
    new = work_folders(jobs) - _cleaned
    _cleaned.update(new)
    remove_leftovers(new)
