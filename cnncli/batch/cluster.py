"""Running jobs on the workers of a Dask cluster: the only module on Dask, loaded if a scheduler is given."""

import asyncio
import logging
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from importlib.util import find_spec
from itertools import islice
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from cnncli.batch import worker
from cnncli.batch.plan import Job
from cnncli.batch.task import Report, Task, failed, renamed
from cnncli.batch.worker import Done, Needs, absolute, needs_of
from cnncli.errors import ArgumentError, SchedulerError
from cnncli.files.temporary import STANDARD
from cnncli.files.text import printable
from cnncli.signals import held_back

LOCAL = "local"
"""The address of a cluster of processes of this machine, which lives as long as the batch."""

EXTRA = "pip install 'cnncli[dask]'"

_AHEAD = 2  # groups for each worker thread: one under way and one waiting, so that no thread is idle
_LEAD = 8  # groups for each worker thread that may be begun beyond the oldest unfinished one, where order matters
_GIVEN_UP = 3  # workers of a local cluster that one file may kill before it is given up
_PATIENCE = 60.0  # seconds to wait for the first worker
_CONNECTING = 5.0
_LOOKING = 0.2  # seconds between checks of the scheduler and of interrupts, while groups are under way

_SECONDS = 1.0
"""Target seconds per group. A scheduler needs about a millisecond for each; a lost worker loses one at most."""

_FIRST, _MOST, _GROWTH = 2, 1000, 4


class Cluster(NamedTuple):
    """An executor on a Dask cluster.

    Attributes:
        address: address of its scheduler, such as `tcp://head:8786`, or `local`.
        workers: the number of worker processes of a local cluster.
    """

    address: str
    workers: int

    def check(self, jobs: Sequence[Job]) -> None:
        """Refuse inputs and outputs that do not work on a cluster.

        Raises:
            ArgumentError: Dask is not installed, or a job's files exist in this process only.
        """
        if find_spec("distributed") is None:
            raise ArgumentError(f"--scheduler runs batches with Dask, which is missing: {EXTRA}")
        if self.address == LOCAL and find_spec("cryptography") is None:
            raise ArgumentError(f"--scheduler {LOCAL} makes its key with cryptography, which is missing: {EXTRA}")
        for name in (name for job in jobs for name in (job.input.path, *job.outputs)):
            if name == STANDARD:
                raise ArgumentError("--scheduler: other machines have no standard input and output of this: name files")
            if name.startswith("memory://"):
                raise ArgumentError(
                    f"--scheduler: {name} exists in the memory of one process only: use files, or s3://"
                )

    def each(self, jobs: Sequence[Job], task: Task, stop: threading.Event) -> Generator[list[Report], None, None]:
        """Run a task on each job on the workers, and yield the reports of each group when it is finished.

        Raises:
            SchedulerError: the scheduler is not reached or is lost, there are no workers, or they lack something.
        """
        self.check(jobs)
        with _connected(self) as client, needs_of(jobs) as needs:
            yield from _Dispatch(client, self.address, needs, task, stop).each(jobs)


class _Dispatch:
    """The exchange of groups of jobs and reports with the workers."""

    def __init__(self, client: Any, address: str, needs: Needs, task: Task, stop: threading.Event) -> None:
        self._client = client
        self._address = address
        self._needs = needs
        self._task = task
        self._stop = stop
        self._size = GroupSize()
        self._waiting: Iterator[Job] = iter(())
        self._left = 0
        self._suspects: deque[Job] = deque()
        self._flying: dict[str, tuple[Any, list[Job], int]] = {}
        self._finished: SimpleQueue[Any] = SimpleQueue()
        self._serial = 0
        self._watch = _Watch(client)
        self._is_told = False
        self._writes = False

    def each(self, jobs: Sequence[Job]) -> Iterator[list[Report]]:
        """Yield the reports of each job."""
        self._waiting, self._left = iter(jobs), len(jobs)
        self._writes = any(job.outputs for job in jobs)
        self._watch.start()
        try:
            while not self._watch.threads and not self._stop.is_set():
                self._look_around()
                time.sleep(_LOOKING / 4)
            self._check_workers()
            while self._send():
                yield from self._take(self._next_finished())
        finally:
            self._watch.end.set()

    def _check_workers(self) -> None:
        """Refuse workers that lack something, before any work; later ones are checked with their first group."""
        if self._stop.is_set():
            return
        answers = self._client.run(_remotely("lacking"), *self._needs, on_error="return")
        for name, answer in answers.items():
            if isinstance(answer, Exception):
                answer = f"cannot be asked: {answer or type(answer).__name__}"
            if answer is not None:
                raise SchedulerError(f"--scheduler {self._address}: the worker {name} {printable(str(answer))}")

    def _send(self) -> bool:
        """Send groups until enough are in progress; return whether any are."""
        while group := self._next_group():
            here = [_absolute(job) for job in group]
            packed = worker.pack(self._needs, here, self._task.share(here))
            self._serial += 1
            key = f"cnncli-{self._needs.batch}-{self._serial}"
            future = self._client.submit(_remotely("do"), packed, key=key, pure=False)
            self._flying[key] = (future, group, self._serial)
            future.add_done_callback(self._finished.put)
        return bool(self._flying)

    def _next_group(self) -> list[Job]:
        if self._stop.is_set():
            return []
        if self._suspects:
            # One by one, with nothing else running: then it is clear which file killed the worker.
            return [] if self._flying else [self._suspects.popleft()]
        if len(self._flying) >= _AHEAD * max(self._watch.threads, 1) or self._is_far_ahead():
            return []
        group = list(islice(self._waiting, self._size.next(self._left, self._watch.threads)))
        self._left -= len(group)
        return group

    def _is_far_ahead(self) -> bool:
        """Return whether many groups were started since the oldest unfinished one."""
        _, _, oldest = next(iter(self._flying.values()), (None, [], self._serial))
        return self._task.grouping.in_order and self._serial - oldest >= _LEAD * max(self._watch.threads, 1)

    def _next_finished(self) -> Any:
        while True:
            try:
                return self._finished.get(timeout=_LOOKING)
            except Empty:
                self._look_around()

    def _look_around(self) -> None:
        if self._client.status not in ("running", "connecting") or not self._client.scheduler_comm:
            raise self._lost()
        if self._watch.alone > _PATIENCE:
            raise SchedulerError(
                f"--scheduler {self._address}: there was no worker for {_PATIENCE:.0f} s; start some with: "
                f"dask worker {self._address}"
            )
        if self._stop.is_set() and not self._is_told:
            self._is_told = True
            told = (_remotely("stop"), self._needs.batch)
            threading.Thread(target=self._client.run, args=told, kwargs={"on_error": "ignore"}, daemon=True).start()

    def _take(self, future: Any) -> Iterator[list[Report]]:
        """Yield the reports of a group that came back."""
        from distributed import KilledWorker

        _, jobs, _ = self._flying.pop(future.key)
        outcome = self._outcome(future)
        if isinstance(outcome, Done):
            if outcome.reports:
                self._size.learn(len(outcome.reports), outcome.seconds)
            yield from (_as_named(job, made) for job, made in zip(jobs, outcome.reports, strict=False))
        elif isinstance(outcome, str):
            raise SchedulerError(f"--scheduler {self._address}: a worker {outcome}")
        elif not isinstance(outcome, KilledWorker):
            reason = f"a worker failed: {type(outcome).__name__}: {outcome}"
            yield from (failed(job, time.perf_counter(), printable(f"{job.input.path}: {reason}")) for job in jobs)
        elif len(jobs) > 1:
            self._suspects.extend(jobs)
        else:
            reason = (
                f"{jobs[0].input.path}: given up, for {outcome.allowed_failures + 1} workers were killed over it; it "
                "may need more memory than they have, or break a decoder"
            )
            yield failed(jobs[0], time.perf_counter(), printable(reason))

    def _outcome(self, future: Any) -> Done | str | Exception:
        while True:
            try:
                outcome: Done | str = future.result(timeout=_LOOKING)
                return outcome
            except (CancelledError, asyncio.CancelledError) as error:
                raise self._lost() from error
            except TimeoutError as error:
                if future.status == "error":
                    return error
                self._look_around()
            except Exception as error:
                return error

    def _lost(self) -> SchedulerError:
        again = (
            "do the rest with the same command and --skip-existing" if self._writes else "run the same command again"
        )
        return SchedulerError(f"--scheduler {self._address}: the scheduler was lost; start it again, and {again}")


class GroupSize:
    """The number of jobs that take about a second, estimated from earlier ones.

    It begins small, and is never more than four times the last: what is skipped takes no time, and a thousand real
    pictures may come behind a thousand of those.

    Example:
        >>> size = GroupSize()
        >>> size.next(left=1000, threads=2)
        2
        >>> size.learn(jobs=2, seconds=0.1)
        >>> size.next(left=1000, threads=2)
        8
    """

    def __init__(self) -> None:
        self._size = _FIRST

    def next(self, left: int, threads: int) -> int:
        """Return the size of the next group; towards the end groups are smaller, so that all workers end together."""
        share = -(-left // (2 * max(threads, 1)))
        return max(1, min(self._size, share))

    def learn(self, jobs: int, seconds: float) -> None:
        """Record the seconds that a group took."""
        wanted = round(_SECONDS * jobs / max(seconds, 1e-6))
        self._size = max(1, min(wanted, _GROWTH * jobs, _MOST))


class _Watch(threading.Thread):
    """A thread that asks the scheduler for its workers now and then, so that no other thread waits for the answer."""

    def __init__(self, client: Any) -> None:
        super().__init__(daemon=True)
        self.end = threading.Event()
        self.threads = 0
        self._client = client
        self._seen = time.monotonic()

    @property
    def alone(self) -> float:
        """Seconds without workers."""
        return 0.0 if self.threads else time.monotonic() - self._seen

    def run(self) -> None:
        """Ask until `end` is set."""
        while not self.end.is_set():
            with suppress(Exception):  # a scheduler that is lost is noticed elsewhere
                self.threads = sum(self._client.nthreads().values())
            if self.threads:
                self._seen = time.monotonic()
            self.end.wait(1.0 if self.threads else _LOOKING / 2)


def _remotely(name: str) -> Callable[..., Any]:
    """Return a call of a function of `worker`, which travels by value: a scheduler needs no cnncli.

    Where a worker has none it says so, as it says whatever else it lacks.
    """
    here = version("cnncli")

    def call(*words: Any) -> Any:
        from importlib import import_module

        try:
            module = import_module("cnncli.batch.worker")
        except ImportError as error:
            return f"cannot load cnncli ({error}): pip install cnncli=={here} there"
        return getattr(module, name)(*words)

    return call


def _absolute(job: Job) -> Job:
    """Return a job with absolute names."""
    source = job.input._replace(path=absolute(job.input.path))
    return job._replace(input=source, outputs=tuple(absolute(output) for output in job.outputs))


def _as_named(job: Job, reports: Sequence[Report]) -> list[Report]:
    """Return reports with the names that the user knows."""
    there = _absolute(job)
    pairs = zip((there.input.path, *there.outputs), (job.input.path, *job.outputs), strict=True)
    names = {printable(path): name for path, name in pairs}
    return [
        report._replace(input=job.input.path, output=output, error=report.error and renamed(report.error, names))
        for report, output in zip(reports, job.reported, strict=True)
    ]


@contextmanager
def _connected(cluster: Cluster) -> Iterator[Any]:
    """Open a client of a cluster; close everything in the end."""
    try:
        import dask.config

        if not dask.config.get("logging", None):  # what matters is reported here, in one line
            dask.config.set({"logging": dict.fromkeys(("distributed", "distributed.client"), "critical")})
        import distributed
    except ImportError as error:
        raise ArgumentError(f"--scheduler runs batches with Dask, which is broken ({error}): {EXTRA}") from error
    connect: Any = distributed.Client
    with ExitStack() as stack:
        address, security = cluster.address, None
        if address == LOCAL:
            local = stack.enter_context(_local(cluster.workers))
            address, security = local.scheduler_address, local.security
        try:
            client = connect(address, timeout=_CONNECTING, set_as_default=False, name="cnncli", security=security)
        except (OSError, TimeoutError) as error:
            raise SchedulerError(
                f"--scheduler {address}: no scheduler answers there; start one with: dask scheduler"
            ) from error
        except (ValueError, TypeError) as error:
            raise ArgumentError(
                f"--scheduler {address}: not an address such as tcp://head:8786, nor {LOCAL}"
            ) from error
        stack.callback(client.close, timeout=2)
        yield client


@contextmanager
def _local(workers: int) -> Iterator[Any]:
    """Give a cluster of processes on this machine that no other user can use or look into.

    Its ports can be reached by all users of the machine, and whoever may submit a task runs it as the owner of the
    batch. So both ends of every connection show a key that is made for this batch and never leaves its processes; what
    answers to HTTP without a key answers nothing; and its files stand in a folder that only the owner may enter.
    """
    import dask.config
    import distributed

    begin: Any = distributed.LocalCluster
    security: Any = distributed.Security
    settings = {
        "distributed.scheduler.allowed-failures": _GIVEN_UP - 1,
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
    }
    with TemporaryDirectory() as folder, ExitStack() as stack:
        with dask.config.set(settings), _without_interrupts():
            cluster = begin(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                security=security.temporary(),
                local_directory=folder,
                memory_limit=None,  # the room for decoded pictures bounds it, as in one process
                # No fixed port, nor a word on it.
                scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
                silence_logs=logging.CRITICAL,
            )
        stack.callback(cluster.close, timeout=5)
        yield cluster


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Keep Ctrl-C from processes started meanwhile: a terminal sends it to the whole process group.

    What is blocked here stays blocked in threads and processes that begin here; in this one it is only late.
    """
    if not hasattr(signal, "pthread_sigmask") or threading.current_thread() is not threading.main_thread():
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # which unblocks it in the thread that starts it
    with held_back(signal.SIGINT):
        yield
