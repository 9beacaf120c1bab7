"""The cost of a cluster on one machine: `cnncli edge --scheduler` beside the same command on threads.

A scheduler and two worker processes on loopback, the same photographs, whole commands in turn; what is printed are
medians, and their quotient is what the cluster costs. Then how many groups of files a scheduler can hand out in a
second, which bounds how many workers one can keep busy, and what a local cluster takes to begin.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batch import emptied, make_photographs
from timing import alternating

from cnncli.batch.inputs import Input
from cnncli.batch.plan import Job
from cnncli.batch.task import Task
from cnncli.batch.worker import Needs, pack

WORKERS = 2
TARGET = 1.3


def run(sources: Path, target: Path, *words: str) -> None:
    command = [sys.executable, "-m", "cnncli", "edge", str(sources), "-r", "-o", f"{target}/", "-q", *words]
    emptied(target)
    subprocess.run(command, check=True)


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[str]:
    """Give the address of a scheduler with workers of one thread each."""
    described = folder / "scheduler.json"
    log = open(folder / "log", "wb")  # noqa: SIM115
    dask = [sys.executable, "-m"]
    words = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(described)]
    started = [subprocess.Popen([*dask, "distributed.cli.dask_scheduler", *words], stdout=log, stderr=log)]
    try:
        while not described.exists():
            time.sleep(0.1)
        for _ in range(workers):
            words = ["--scheduler-file", str(described), "--nthreads", "1", "--no-nanny", "--no-dashboard"]
            started.append(subprocess.Popen([*dask, "distributed.cli.dask_worker", *words], stdout=log, stderr=log))
        from distributed import Client

        with Client(scheduler_file=str(described), set_as_default=False) as client:
            client.wait_for_workers(workers)
            yield client.scheduler.address
    finally:
        for process in started:
            process.kill()
            process.wait()
        log.close()


def nothing(job: Job, targets: object) -> list[dict[str, object]]:
    """Work that takes no time."""
    return [{}]


def groups_a_second(address: str, count: int) -> float:
    """Return how many groups of thirty jobs of no work a client, a scheduler and its workers pass on in a second."""
    from distributed import Client

    jobs = [Job(Input(f"/photographs/2024/{number:08d}.jpg", f"{number:08d}.jpg"), ()) for number in range(30)]
    packed = pack(Needs("benchmark", ""), jobs, Task(nothing))
    with Client(address, set_as_default=False) as client:
        client.gather(client.map(len, [packed] * 10, pure=False))
        begin = time.perf_counter()
        for _ in range(count // 100):
            client.gather([client.submit(len, packed, pure=False) for _ in range(100)])
        return count / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", "--count", type=int, default=500, help="photographs")
    parser.add_argument("-r", "--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources, target = emptied(folder / "in"), folder / "out"
        make_photographs(sources, arguments.count)
        size = sum(path.stat().st_size for path in sources.iterdir())
        with cluster(folder, WORKERS) as address:
            calls = [
                lambda: run(sources, target, "-j", str(WORKERS)),
                lambda: run(sources, target, "--scheduler", address),
            ]
            local, remote = alternating(calls, arguments.rounds)
            rate = groups_a_second(address, 2000)
        (begins,) = alternating([lambda: run(first(sources, folder), target, "--scheduler", "local", "-j", "2")], 1)
    count = arguments.count
    print(f"{count} photographs of 1920 x 1280, {size / 1e6:.0f} MB, {os.cpu_count()} cores")
    print(f"threads:                {local:6.2f} s  {count / local:6.1f} images/s  {size / local / 1e6:6.1f} MB/s read")
    print(f"scheduler and workers:  {remote:6.2f} s  {count / remote:6.1f} images/s")
    print(f"quotient:               {remote / local:6.2f}    at most {TARGET}")
    print(f"groups passed on:       {rate:6.0f} a second")
    print(f"one photograph on a local cluster, begun and ended: {begins:.1f} s")
    sys.exit(remote / local > TARGET)


def first(sources: Path, folder: Path) -> Path:
    """Return a folder with one of the photographs."""
    alone = emptied(folder / "one")
    source = min(sources.iterdir())
    (alone / source.name).write_bytes(source.read_bytes())
    return alone


if __name__ == "__main__":
    main()
