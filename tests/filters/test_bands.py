"""Bands of an image have the bits of the whole, with every kernel that BLAS may choose for a processor."""

from hashlib import sha256
from itertools import product

import numpy as np
import pytest
from blas import BLAS_KERNELS, printed

from cnncli.filters import bands
from cnncli.filters.bands import ArrayRows, band_edges, whole
from cnncli.filters.chains import Chain
from cnncli.filters.named import FILTERS
from cnncli.filters.operators.filtering import Filtering
from cnncli.ops.convolution import banded, fourier, strategies, strips

RANDOM = np.random.default_rng(7)
KERNELS = {
    "separable": np.outer(RANDOM.random(9), RANDOM.random(9)),
    "large": RANDOM.standard_normal((33, 33)),
    "huge": RANDOM.standard_normal((65, 65)),
}
COLORS = ("gray", "each", "volume")


def responses():
    """Every filter, and kernels for every strategy, on pictures that are computed with in every type."""
    image = RANDOM.random((403, 61, 3)) * 255
    spoilt = image.astype(np.float32)
    spoilt[40, 30], spoilt[250, 30] = np.nan, np.inf
    for name, color in product(("sobel", "gaussian", "laplacian"), COLORS):
        for picture in (image.astype(np.uint8), image, spoilt):
            yield Chain.of(name).over(ArrayRows(picture), Filtering(color=color))
    for name in (name for name, known in FILTERS.items() if known.kernels):
        yield Chain.of(name).over(ArrayRows(spoilt))
    wide = RANDOM.random((40, 3000)).astype(np.float32)  # its products would be divided among threads
    yield Chain.of(KERNELS["separable"]).over(ArrayRows(wide), Filtering())
    for filter_ in (Chain.of("sobel", "angle"), *map(Chain.of, KERNELS.values())):
        for picture, stride in product((image, spoilt), (1, 2)):
            yield filter_.over(ArrayRows(picture), Filtering(stride))


def compare():
    """Compare bands, and rows cut at random, with the whole; print a digest of all."""
    digest = sha256()
    chosen = set()
    choose = strategies.choose
    strategies.choose = lambda *work, **how: chosen.add(name := choose(*work, **how)) or name
    # Several bands of a small image, each of several groups of rows.
    bands.BAND_PIXELS, strips.STRIP_BYTES, banded.STRIP_BYTES = 2_000, 20_000, 20_000
    fourier.TILE = 96
    for response in responses():
        expected = response.rows(0, response.shape[0])
        edges = band_edges(response.shape, response.rows_together)
        assert len(edges) > 2, (len(edges), response.shape)
        digest.update(expected.tobytes())
        np.testing.assert_array_equal(whole(response), expected, strict=True)
        start, stop = sorted(RANDOM.choice(response.shape[0] + 1, 2, replace=False))
        np.testing.assert_array_equal(response.rows(start, stop), expected[start:stop], strict=True)
    assert chosen >= {"strips", "banded", "fourier"}, chosen
    print(digest.hexdigest())


@pytest.mark.parametrize("kernel", BLAS_KERNELS)
def test_bands_have_the_bits_of_the_whole(kernel):
    assert printed(__file__, kernel, threads=2) == printed(__file__, kernel, threads=1)


if __name__ == "__main__":
    compare()
