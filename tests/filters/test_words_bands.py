"""Every filter word and random chains give the bits of the whole: in bands, tiles, threads, with every BLAS kernel."""

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import numpy as np
import pytest
import tifffile
from blas import BLAS_KERNELS, printed
from references import REFERENCES

from cnncli.choices import PADDING_MODES
from cnncli.filters import bands
from cnncli.filters.bands import ArrayRows, whole
from cnncli.filters.chains import Chain
from cnncli.filters.named import FILTERS
from cnncli.filters.operators.filtering import Filtering
from cnncli.filters.operators.responses import Image
from cnncli.images.reading import open_image
from cnncli.ops import canny
from cnncli.ops.convolution import banded, fourier, fourier_lines, separable, strips, sums
from cnncli.ops.ranks import strips as ranks

THREADS = 3
TRIED = [f"{name}:{text}".rstrip(":") for name, reference in REFERENCES.items() for text in reference.tried]
WORDS = [word.replace("200", "25") for word in TRIED]  # long enough for `small_strips`
BINARY = [word for word in WORDS if REFERENCES[word.partition(":")[0]].is_binary]
QUICK = [word for word in WORDS if word not in BINARY and not any(large in word for large in ("25", "31", ":15"))]


def random_chains(count, rng):
    """Chains of two to four words; a third of them end in black and white."""
    for number in range(count):
        words = rng.choice(QUICK, rng.integers(2, 5)).tolist()
        yield " ".join([*words[:-1], rng.choice(BINARY)] if number % 3 == 0 else words)


CHAINS = [*WORDS, *random_chains(20, np.random.default_rng(7))]


def pictures(rng):
    """Pictures of every kind that is computed with in its own way; not all numbers of one are finite."""
    scene = np.cumsum(rng.normal(size=(211, 37, 3)), axis=0)
    scene = (scene - scene.min()) / np.ptp(scene)
    spoilt = scene[..., 0].astype(np.float32)
    spoilt[20, 30], spoilt[150, 3] = np.nan, np.inf
    yield (scene * 255).astype(np.uint8), "each"
    yield (scene * 65535).astype(np.uint16), "gray"
    yield spoilt, "gray"
    yield scene[..., 1].copy(), "gray"


def cut(height, rng):
    """Rows cut at random into bands of any size, in a random order."""
    edges = [0, *np.sort(rng.choice(np.arange(1, height), min(7, height - 1), replace=False)).tolist(), height]
    spans = [*itertools.pairwise(edges)]
    return [spans[place] for place in rng.permutation(len(spans))]


def read_in(spans, response, read=map):
    """The response gathered from bands."""
    out = np.empty(response.shape, response.dtype)
    for (start, stop), band in zip(spans, read(lambda span: response.rows(*span), spans), strict=True):
        out[start:stop] = band
    return out


def small_strips():
    """Let small pictures be computed in many bands, strips and tiles."""
    bands.BAND_PIXELS, canny.STRIP = 2_000, 1_000
    strips.STRIP_BYTES = banded.STRIP_BYTES = sums.STRIP_BYTES = 20_000
    separable.LONGEST_BANDED = 100
    fourier.TILE, fourier_lines.BLOCK_NUMBERS, fourier_lines.LEAST_TILE = 96, 5_000, 64
    ranks.CACHE_BYTES = 40_000


def is_of_products(response):
    """Whether BLAS computes one of a chain's steps."""
    while not isinstance(response, Image) and response.rows_together == 1:
        response = response.source
    return not isinstance(response, Image)


def compare():
    """Compare bands in order, in any order and on threads with the whole; print a digest of all.

    With a BLAS kernel of its own, only what it computes.
    """
    rng, digest = np.random.default_rng(3), sha256()
    named = "OPENBLAS_CORETYPE" in os.environ
    small_strips()
    with ThreadPoolExecutor(THREADS) as pool:
        for number, chain in enumerate(CHAINS):
            for kind, (picture, color) in enumerate(pictures(np.random.default_rng(number))):
                if chain in WORDS and chain not in (*QUICK, *BINARY) and (number + kind) % 2:
                    continue  # large windows take long

                mode = PADDING_MODES[(number + kind) % len(PADDING_MODES)]

                def response(chain=chain, picture=picture, options=Filtering(color=color, padding_mode=mode)):
                    return Chain.of(chain).over(ArrayRows(picture), options)

                if named and ((number + kind) % 2 or not is_of_products(response())):
                    continue
                expected = response().rows(0, len(picture))
                digest.update(expected.tobytes())
                again = (
                    whole(response()),
                    read_in(cut(len(picture), rng), response()),
                    read_in(cut(len(picture), rng), response(), pool.map),
                )
                for found in again:
                    np.testing.assert_array_equal(found, expected, strict=True, err_msg=f"{chain} {picture.dtype}")
    print(digest.hexdigest())


def test_bands_have_the_bits_of_the_whole():
    printed(__file__, None, threads=2)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", [kernel for kernel in BLAS_KERNELS if kernel])
def test_bands_have_the_bits_of_the_whole_with_every_blas_kernel(kernel):
    assert printed(__file__, kernel, threads=2) == printed(__file__, kernel, threads=1)


@pytest.mark.parametrize("mode", PADDING_MODES)
def test_what_is_not_finite_changes_no_bit_of_rows_that_do_not_see_it(mode, monkeypatch):
    monkeypatch.setattr(banded, "STRIP_BYTES", 20_000)
    spoilt = np.random.default_rng(4).random((260, 2))
    spoilt[30, 1] = np.nan
    response = Chain.of("sobel", "vertical").over(ArrayRows(spoilt), Filtering(padding_mode=mode))
    assert 1 < response.rows_together < 100
    expected = response.rows(0, 260)
    for start, stop in ((240, 260), (0, 20), (100, 260), (0, 200)):
        np.testing.assert_array_equal(response.rows(start, stop), expected[start:stop])


@pytest.fixture
def tiles(tmp_path):
    """Pictures as TIFFs of tiles."""
    paths = []
    for number, (picture, color) in enumerate(pictures(np.random.default_rng(5))):
        paths.append((tmp_path / f"{number}.tif", color))
        tifffile.imwrite(paths[-1][0], np.ascontiguousarray(picture), tile=(32, 16), compression="zlib")
    return paths


@pytest.mark.parametrize("chain", [*FILTERS, *CHAINS[len(WORDS) :]])
def test_tiles_of_a_file_have_the_bits_of_the_whole(chain, tiles, monkeypatch):
    for path, color in tiles:
        with open_image(str(path), gray=color == "gray") as image:
            frame = next(iter(image.frames()))
            response = Chain.of(chain).over(frame, Filtering(color=color))
            expected = Chain.of(chain).over(ArrayRows(tifffile.imread(path)), Filtering(color=color))
            expected = expected.rows(0, expected.shape[0])
            with monkeypatch.context() as small:
                small.setattr(bands, "BAND_PIXELS", 2_000)
                np.testing.assert_array_equal(whole(response), expected, strict=True)


if __name__ == "__main__":
    compare()
