"""Memory: the peak of training LeNet-5 for an epoch on 60,000 pictures of 28x28 in MNIST's files, all of it counted.

The pictures are noise with a bar whose place tells the class: they take what MNIST takes.
"""

import argparse
import gzip
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

TARGET = 600
CHUNK = 5000


def write_idx(path: Path, shape: tuple[int, ...], chunks: list[np.ndarray], *, packed: bool) -> None:
    """Write an IDX file of bytes (http://yann.lecun.com/exdb/mnist/)."""
    header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
    with gzip.open(f"{path}.gz", "wb", 1) if packed else path.open("wb") as file:
        file.write(header)
        for chunk in chunks:
            file.write(chunk.tobytes())


def make_data(folder: Path, count: int, part: str, *, packed: bool) -> None:
    rng = np.random.default_rng(len(part))
    labels = (np.arange(count) % 10).astype(np.uint8)
    chunks = []
    for start in range(0, count, CHUNK):
        some = labels[start : start + CHUNK]
        pictures = rng.integers(0, 150, (len(some), 28, 28), np.uint8)
        for label in range(10):
            pictures[some == label, 2 * label + 4 : 2 * label + 7] += 100
        chunks.append(pictures)
    write_idx(folder / f"{part}-images-idx3-ubyte", (count, 28, 28), chunks, packed=packed)
    write_idx(folder / f"{part}-labels-idx1-ubyte", (count,), [labels], packed=packed)


def memory(pid: int) -> int:
    """Return the kilobytes of a process and of those that it has started; what they share counts once."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    own = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return own + sum(memory(int(child)) for child in children)


def peak(command: list[str]) -> tuple[float, float]:
    """Return (MB, seconds) of a process and of those that it has started, looked at a hundred times a second."""
    begin, most = time.perf_counter(), 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while process.poll() is None:
        with suppress(OSError, StopIteration):  # one of them has just ended
            most = max(most, memory(process.pid))
        time.sleep(0.01)
    assert process.returncode == 0, process.stderr.read()[-2000:]
    return most / 1024, time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60_000)
    parser.add_argument("--packed", action="store_true", help="gzip the files")
    parser.add_argument("--network", default="lenet5")
    parser.add_argument("--batch-size", default="64")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "mnist")
        data.mkdir()
        make_data(data, options.count, "train", packed=options.packed)
        make_data(data, options.count // 6, "t10k", packed=options.packed)
        words = ["train", str(data), "--network", options.network, "-o", f"{folder}/run"]
        more = ["--epochs", "1", "--batch-size", options.batch_size]
        megabytes, seconds = peak([sys.executable, "-m", "cnncli", *words, *more])
        metrics = Path(folder, "run", "metrics.jsonl").read_text()
    print(f"{options.network}, {options.count:,} pictures: {megabytes:.0f} MB (target {TARGET}), {seconds:.1f} s")
    print(metrics.strip())


if __name__ == "__main__":
    main()
