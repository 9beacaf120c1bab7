"""What frames take in memory: measured in processes of their own, beside what batches reckon with."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

SIDE = 3000
# The processes' own differences: of allocators, and of bands on threads.
FLOOR = 40 << 20

MEASURE = """
import json, re, sys
from contextlib import nullcontext
import numpy, scipy.ndimage, PIL.Image
from cnncli.batch.inputs import Input
from cnncli.batch.plan import Job
from cnncli.filters.operators.filtering import Filtering
from cnncli.pipelines import common
from cnncli.pipelines.edging import EdgePipeline
from cnncli.filters.chains import Chain

def peak():
    # Not of resource.getrusage, which gives what the parent had if that is more.
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])

taken = []

class Reckoning:
    def take(self, size):
        taken.append(size)
        return nullcontext()

common.DECODED = Reckoning()
warm, name, color, form = sys.argv[1:]
pipeline = EdgePipeline((Chain.of("sobel"),), Filtering(color=color))
pipeline(Job(Input(warm, warm), (f"w.{form}",)), [f"w.{form}"])
before = peak()
pipeline(Job(Input(name, name), (f"o.{form}",)), [f"o.{form}"])
print(json.dumps([peak() - before, taken[-1]]))
"""

LEVELS = (np.add.outer(np.arange(SIDE) // 16, np.arange(SIDE) // 16) % 256).astype(np.uint8)
COLOURS = np.dstack([LEVELS, 255 - LEVELS, LEVELS // 2])
ALPHA = np.where(LEVELS < 8, 0, 255).astype(np.uint8)


def deep(path, pixels):
    from cnncli import write_image

    write_image(path, pixels.astype(np.uint16) * 257)


def keyed(path, pixels):
    Image.fromarray(pixels).save(path, transparency=(5, 250, 2))


def palette(path, pixels):
    image = Image.fromarray(pixels[..., 0])
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768).astype(np.uint8).tobytes())
    image.save(path, transparency=b"\0\5\xff")


def plain(path, pixels):
    path.write_bytes(b"P6\n%d %d\n4095\n" % (SIDE, SIDE) + (pixels.astype(">u2") * 16).tobytes())


FILES = {
    "grey.png": (lambda path: Image.fromarray(LEVELS).save(path)),
    "deep.png": (lambda path: deep(path, np.dstack([COLOURS, ALPHA]))),
    "keyed.png": (lambda path: keyed(path, COLOURS)),
    "palette.png": (lambda path: palette(path, COLOURS)),
    "progressive.jpg": (lambda path: Image.fromarray(COLOURS).save(path, progressive=True)),
    "alpha.webp": (
        lambda path: Image.fromarray(np.dstack([COLOURS, ALPHA])).save(path, lossless=True, quality=0, method=0)
    ),
    "alpha.avif": (lambda path: Image.fromarray(np.dstack([COLOURS, ALPHA])).save(path, speed=10, subsampling="4:4:4")),
    "colour.bmp": (lambda path: Image.fromarray(COLOURS).save(path)),
    "wide.png": (lambda path: Image.new("L", (5_500_000, 1), 5).save(path)),
    "tall.png": (lambda path: Image.new("L", (1, 9_000_000), 5).save(path)),
    "deep.ppm": (lambda path: plain(path, COLOURS)),
    "floats.npy": (lambda path: np.save(path, LEVELS.astype(float))),
    "packed.npz": (lambda path: np.savez_compressed(path, a=COLOURS, b=COLOURS)),
}


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak of a process is read from /proc")
@pytest.mark.parametrize(
    ("name", "color", "form"),
    [
        *((name, "gray", "png") for name in FILES),
        ("deep.png", "each", "png"),
        ("alpha.webp", "each", "png"),
        ("alpha.avif", "each", "png"),
        ("grey.png", "volume", "png"),
        ("deep.ppm", "volume", "tiff"),
        ("colour.bmp", "volume", "jpg"),
        *(("colour.bmp", "each", form) for form in ("bmp", "gif", "webp", "avif", "npy", "npz")),
        *(("colour.bmp", "gray", form) for form in ("gif", "webp", "avif", "npz")),
    ],
)
def test_what_is_reckoned_is_what_is_taken(tmp_path, name, color, form):
    FILES[name](tmp_path / name)
    Image.fromarray(LEVELS[:40, :40]).save(tmp_path / "warm.png")
    command = [sys.executable, "-c", MEASURE, "warm.png", name, color, form]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    taken, reckoned = json.loads(done.stdout)
    assert taken <= 1.5 * reckoned + FLOOR
    assert reckoned <= 3 * taken + FLOOR
