"""The size of a picture as a viewer sees it, asked for without its pixels."""

import numpy as np
import pytest
from PIL import Image

from cnncli.images.reading import open_image, read_image


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", [None, *range(1, 9)])
def test_it_is_that_of_the_pixels(suffix, orientation, tmp_path):
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / f"a{suffix}", exif=exif)
    shape = read_image(tmp_path / f"a{suffix}").shape
    with open_image(tmp_path / f"a{suffix}") as image:
        assert image.upright_size() == shape[:2]
        if suffix != ".tif":
            assert image.orientation == (orientation or 1)
    with open_image(tmp_path / f"a{suffix}", gray=True) as image:
        assert image.upright_size() == shape[:2]
        assert next(image.frames()).shape == shape[:2]  # it can still be read


def test_of_arrays_it_is_their_shape(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 7, 3)))
    with open_image(tmp_path / "a.npy") as image:
        assert (image.upright_size(), image.orientation) == ((4, 7), 1)
