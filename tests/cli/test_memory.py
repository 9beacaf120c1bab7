"""How much memory large pictures take: each in a process of its own, which says what it held at its peak."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from cnncli.images.formats.tiff import reading
from cnncli.images.frames import Picture
from cnncli.images.writing import write_frames

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read as Linux says it")

# The peak of the program alone; what a parent is told counts its own memory too.
MEASURED = """
import sys
from cnncli.__main__ import main
try:
    main()
finally:
    with open("/proc/self/status") as status:
        print(*(line.split()[1] for line in status if line.startswith("VmHWM:")))
"""


def peak(*words):
    """The peak in MB of a command that must succeed."""
    command = [sys.executable, "-c", MEASURED, *map(str, words), "-q", "--max-pixels", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return int(ended.stdout) * 1024 / 1e6


def write_tiles(path, height, width, *, tile=256):
    """A TIFF whose tiles are all the same, deflated: little on the disk, much when it is decoded."""
    ramp = np.add.outer(np.arange(tile), np.arange(tile)).astype(np.uint8)
    tiles = (ramp for _ in range(-(-height // tile) * (-(-width // tile))))
    tifffile.imwrite(path, tiles, shape=(height, width), dtype=np.uint8, tile=(tile, tile), compression="zlib")


def test_a_tiled_tiff_takes_as_much_however_large_it_is(tmp_path):
    width, height = 4096, reading.LARGE_PIXELS // 4096 + 256
    peaks = []
    for times in (1, 3):
        write_tiles(tmp_path / "tiles.tif", times * height, width)
        peaks.append(peak("edge", tmp_path / "tiles.tif", "-o", tmp_path / f"{times}.png"))
    assert peaks[1] < peaks[0] + 0.1 * 2 * height * width / 1e6, peaks


def rows_of(height, width):
    columns = np.arange(width)
    for start in range(0, height, 100):
        yield (np.add.outer(np.arange(start, start + 100), columns) // 8 % 256).astype(np.uint8)


@pytest.mark.parametrize("target", [".png", ".jpg"])
@pytest.mark.parametrize("source", [".png", ".jpg"])
def test_formats_that_are_decoded_whole_take_half_as_much_again(tmp_path, source, target):
    height, width = 10_000, 8_000
    write_frames(tmp_path / f"in{source}", [Picture((height, width), np.dtype(np.uint8), rows_of(height, width))])
    assert peak("edge", tmp_path / f"in{source}", "-o", tmp_path / f"out{target}") < 1.5 * height * width / 1e6 + 80
