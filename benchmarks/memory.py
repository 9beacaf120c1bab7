"""Memory: the peak of `edge` and `pool` on a 144-Mpixel 8-bit PNG, beside an OpenCV script on the same file."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cnncli.images import Picture, write_frames

SIDE = 12_000
OPENCV = """
import os, sys
os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(1 << 40)
import cv2
gray = cv2.imread(sys.argv[1], cv2.IMREAD_GRAYSCALE)
x, y = cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1)
cv2.imwrite(sys.argv[2], cv2.convertScaleAbs(cv2.magnitude(x, y), alpha=0.25))
"""


def bands(side: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    columns = np.arange(side)
    for start in range(0, side, 500):
        rows = np.arange(start, min(start + 500, side))[:, None]
        waves = 128 + 60 * np.sin(columns / 37) * np.cos(rows / 51) + 4 * rng.normal(size=(len(rows), side))
        yield waves.clip(0, 255).astype(np.uint8)


def peak(command: list[str]) -> tuple[float, float]:
    """Return (MB, seconds) of a process."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return usage.ru_maxrss / 1024, time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=SIDE)
    side = parser.parse_args().side
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "large.png"), Path(folder, "out.png")
        write_frames(source, [Picture((side, side), np.dtype(np.uint8), bands(side))])
        cnncli = [sys.executable, "-m", "cnncli"]
        options = [str(source), "-o", str(target), "--force", "--max-pixels", "0"]
        decoded = side * side / 1e6
        print(f"decoded image {decoded:.0f} MB, file {source.stat().st_size / 1e6:.0f} MB")
        for name, command in {
            "cnncli edge": [*cnncli, "edge", *options],
            "cnncli pool": [*cnncli, "pool", *options],
            "OpenCV script": [sys.executable, "-c", OPENCV, str(source), str(target)],
        }.items():
            megabytes, seconds = peak(command)
            target = "   (target 400 MB)" if name == "cnncli edge" else ""
            print(f"{name:14} {megabytes:7.0f} MB {seconds:6.2f} s{target}")


if __name__ == "__main__":
    main()
