"""Large TIFF pages, read by segments: the same pixels as read whole, in little memory."""

import zlib
from itertools import pairwise

import numpy as np
import pytest
import tifffile

from cnncli.images.formats.tiff import reading
from cnncli.images.formats.tiff.segments import SegmentFrame
from cnncli.images.reading import open_image, read_image

LAYOUTS = {
    "tiles": {"tile": (64, 48)},
    "strips": {"rowsperstrip": 37},
    "one strip": {"rowsperstrip": 1000},
    "deflated tiles": {"tile": (64, 64), "compression": "zlib"},
    "BigTIFF": {"tile": (32, 32), "bigtiff": True},
}


@pytest.fixture(autouse=True)
def _every_page_is_large(monkeypatch):
    monkeypatch.setattr(reading, "LARGE_PIXELS", 100)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(150, 211), (150, 211, 3)])
def test_segments_hold_the_same_pixels(tmp_path, layout, dtype, shape):
    pixels = (np.random.default_rng(0).random(shape) * 255).astype(dtype)
    path = tmp_path / "page.tif"
    tifffile.imwrite(path, pixels, photometric="rgb" if len(shape) == 3 else "minisblack", **LAYOUTS[layout])
    with open_image(path) as image:
        frame = next(image.frames())
        assert isinstance(frame, SegmentFrame)
        assert np.array_equal(frame.array(), pixels)
        for start, stop in pairwise([0, 1, 63, 64, 65, 140, 150]):
            assert np.array_equal(frame.rows(start, stop), pixels[start:stop])
        assert np.array_equal(frame.rows(0, 3), pixels[:3]), "rows that were given up are decoded again"


def test_grey_of_a_large_page_is_its_luma(tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    path = tmp_path / "page.tif"
    tifffile.imwrite(path, pixels, tile=(32, 32), photometric="rgb")
    by_segments = read_image(path, gray=True)
    monkeypatch.setattr(reading, "LARGE_PIXELS", 1 << 26)
    assert np.array_equal(by_segments, read_image(path, gray=True))


def test_tiles_that_a_sparse_file_leaves_out_are_black(tmp_path):
    path = tmp_path / "sparse.tif"
    ones = np.ones((32, 32), np.uint8)
    tiles = (zlib.compress(ones) if number % 2 else b"" for number in range(16))
    tifffile.imwrite(
        path, tiles, shape=(128, 128), dtype=np.uint8, tile=(32, 32), photometric="minisblack", compression="zlib"
    )
    assert read_image(path).sum() == 8 * 32 * 32


@pytest.mark.parametrize(
    "options",
    [{"extrasamples": ["unassalpha"]}, {"extratags": [(274, 3, 1, 6, True)]}],
    ids=["transparent", "turned"],
)
def test_pages_that_need_all_of_their_rows_are_read_whole(tmp_path, options):
    path = tmp_path / "page.tif"
    pixels = np.arange(150 * 20 * 2, dtype=np.uint8).reshape(150, 20, 2)
    options = {"photometric": "minisblack", "planarconfig": "contig", **options}
    tifffile.imwrite(path, pixels, **options)
    with open_image(path) as image:
        assert not isinstance(next(image.frames()), SegmentFrame)
