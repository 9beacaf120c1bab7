"""A huge picture: `cnncli edge` on a tiled TIFF of 30,000 x 30,000, beside the `vips` command where it is installed.

Both read the same file, most of which is a hole (black tiles that take no room on the disk), and write a TIFF that is
not compressed. Run in turn; medians. Writing takes most of the time on a slow disk: TMPDIR chooses another.
"""

import argparse
import shutil
import struct
import sys
import tempfile
from pathlib import Path
from statistics import median

from timing import Spent, spent

SIDE = 30_000
TILE = 256
LIMIT = 250
CNNCLI = [sys.executable, "-c", "from cnncli.__main__ import main; main()"]


def make_tiff(path: Path, side: int) -> None:
    """Write a classic TIFF of bytes in tiles; one tile in a hundred holds a gradient, the others are holes."""
    count = (-(-side // TILE)) ** 2
    size = TILE * TILE
    tags = {256: side, 257: side, 258: 8, 259: 1, 262: 1, 277: 1, 322: TILE, 323: TILE}
    first = 8 + 2 + 12 * (len(tags) + 2) + 4
    begin = -(-(first + 8 * count) // size) * size  # where tiles begin, behind the lists of their offsets and sizes
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items()]
    entries += [struct.pack("<HHII", 324, 4, count, first), struct.pack("<HHII", 325, 4, count, first + 4 * count)]
    with open(path, "wb") as file:
        file.write(struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + b"".join(entries) + bytes(4))
        file.write(struct.pack(f"<{2 * count}I", *range(begin, begin + count * size, size), *[size] * count))
        for number in range(0, count, 100):
            file.seek(begin + number * size)
            file.write(bytes(range(256)) * (size // 256))
        file.truncate(begin + count * size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=SIDE)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "huge.tif")
        make_tiff(source, options.side)
        words = ["edge", str(source), "-o", f"{folder}/cnncli.tif", "--force", "--max-pixels", "0", "-q"]
        commands = {"cnncli edge": [*CNNCLI, *words]}
        if shutil.which("vips"):
            commands["vips sobel"] = ["vips", "sobel", str(source), f"{folder}/vips.tif"]
        runs: dict[str, list[Spent]] = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, command in commands.items():
                runs[name].append(spent(command))
    show(options.side, runs)


def show(side: int, runs: dict[str, list[Spent]]) -> None:
    print(f"{side:,} x {side:,} pixels in tiles of {TILE} x {TILE}")
    print(f"{'':14}{'seconds':>9}{'processor':>11}{'peak MB':>9}")
    for name, rounds in runs.items():
        seconds, processor, megabytes = (median(values) for values in zip(*rounds, strict=True))
        target = f"   (target {LIMIT} MB)" if name == "cnncli edge" else ""
        print(f"{name:14}{seconds:9.2f}{processor:11.2f}{megabytes:9.0f}{target}")
    if "vips sobel" in runs:
        # Ratios of pairs: a busy moment of the machine meets both.
        pairs = zip(runs["cnncli edge"], runs["vips sobel"], strict=True)
        print(f"cnncli takes {median(a.seconds / b.seconds for a, b in pairs):.2f} of the time of vips (target 1)")


if __name__ == "__main__":
    main()
