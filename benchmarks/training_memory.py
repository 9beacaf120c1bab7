"""Memory: the peak of training LeNet-5 for an epoch on 60,000 pictures of 28x28 in MNIST's files, all of it counted.

The pictures are noise with a bar whose place tells the class: they take what MNIST takes.
"""

import argparse
import gzip
import os
import subprocess
import sys
import tempfile
import time
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


def peak(command: list[str]) -> tuple[float, float]:
    """Return (MB, seconds) of a process."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, error[-2000:]
    return usage.ru_maxrss / 1024, time.perf_counter() - begin


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
