"""Real schedulers and workers on loopback, each a process of its own, and commands beside them."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import pairwise

from terminal import START

PATIENCE = 600


def start(*words, cwd, program=START, env=None):
    """Start a command."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words)],
        cwd=cwd,
        env=os.environ | (env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process, code):
    """Wait for a command, check its exit code, and return (stdout, stderr)."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(process.communicate()) from None
    assert process.returncode == code, (out[-500:], err[-2000:])
    assert "Traceback" not in err
    return out, err


def cnncli(*words, cwd, code=0, **options):
    return end(start(*words, cwd=cwd, **options), code)


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


class LoopbackCluster:
    """A scheduler and its workers."""

    def __init__(self, folder, *, port=0, failures=3):
        self.folder = folder
        self.workers = []
        self._serial = 0
        log = folder / "scheduler.log"
        setting = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(failures)}
        self.scheduler = self._start(
            log, "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard", env=setting
        )
        self.address = wait_for(lambda: self._address(log))

    def _start(self, log, kind, *words, env=None):
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *map(str, words)]
        with open(log, "ab") as file:
            return subprocess.Popen(
                command, cwd=self.folder, env=os.environ | (env or {}), stdout=file, stderr=file, start_new_session=True
            )

    def _address(self, log):
        assert self.scheduler.poll() is None, log.read_text()
        words = log.read_text().split()
        return next((word for before, word in pairwise(words) if before == "at:"), None)

    def add_workers(self, *words, count=1):
        """Start workers, and wait until all are there."""
        logs = []
        for _ in range(count):
            self._serial += 1
            logs.append(self.folder / f"worker-{self._serial}.log")
            options = ("--nthreads", 1, "--no-dashboard", "--local-directory", self.folder, *words)
            self.workers.append(self._start(logs[-1], "worker", self.address, *options))
        for worker, log in zip(self.workers[-count:] if count else [], logs, strict=True):
            wait_for(lambda worker=worker, log=log: worker.poll() is not None or "Registered to:" in log.read_text())
            assert worker.poll() is None, log.read_text()

    @contextmanager
    def own_workers(self, *words, count=1):
        """Give workers that are gone, as the scheduler knows, when the next test begins."""
        try:
            self.add_workers(*words, count=count)
            yield self.workers
        finally:
            for worker in self.workers:
                worker.kill()
                worker.wait()
            self.workers.clear()
            wait_for(lambda: self._logged("Register worker") == self._logged("Remove worker"))

    def _logged(self, words):
        return (self.folder / "scheduler.log").read_text().count(words)

    def close(self):
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@contextmanager
def loopback_cluster(folder, *, workers=2, words=("--no-nanny",), **options):
    folder.mkdir(parents=True, exist_ok=True)
    cluster = LoopbackCluster(folder, **options)
    try:
        cluster.add_workers(*words, count=workers)
        yield cluster
    finally:
        cluster.close()
