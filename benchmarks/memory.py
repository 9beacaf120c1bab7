"""Memory: the peak of `edge` and `pool` on 144 Mpixels of grey, PNG and JPEG, beside an OpenCV script."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from timing import spent

from cnncli.images.frames import Picture
from cnncli.images.writing import write_frames

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


def make(path: str, side: int) -> None:
    write_frames(path, [Picture((side, side), np.dtype(np.uint8), bands(side))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=SIDE)
    side = parser.parse_args().side
    cnncli = [sys.executable, "-m", "cnncli"]
    decoded = side * side / 1e6
    limit = 1.5 * decoded + 80
    print(f"decoded image {decoded:.0f} MB; target for edge: {limit:.0f} MB, 1.5 times that and 80")
    with tempfile.TemporaryDirectory() as folder:
        png, jpeg = Path(folder, "large.png"), Path(folder, "large.jpg")
        for source in (png, jpeg):
            maker = get_context("spawn").Process(target=make, args=(str(source), side))
            maker.start()
            maker.join()
            print(f"{source.name} {source.stat().st_size / 1e6:.0f} MB")
        rows = [("edge", png, ".png"), ("edge", png, ".jpg"), ("edge", jpeg, ".jpg"), ("pool", png, ".png")]
        commands = {
            f"cnncli {name} {source.suffix} to {suffix}": [*cnncli, name, str(source), "-o", f"{folder}/out{suffix}"]
            for name, source, suffix in rows
        }
        for name, command in commands.items():
            seconds, _, megabytes = spent([*command, "--force", "--max-pixels", "0"])
            print(f"{name:26} {megabytes:7.0f} MB {seconds:6.2f} s{'   OVER' if megabytes > limit else ''}")
        for suffix in (".png", ".jpg"):
            seconds, _, megabytes = spent([sys.executable, "-c", OPENCV, str(png), f"{folder}/out{suffix}"])
            print(f"{f'OpenCV script .png to {suffix}':26} {megabytes:7.0f} MB {seconds:6.2f} s")


if __name__ == "__main__":
    main()
