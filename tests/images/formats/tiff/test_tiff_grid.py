"""TIFF pages of every layout: sample types, byte orders, compressions, planes, photometrics, predictors, segments."""

import io
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import tifffile
from tiff_files import DEFLATE, LZMA, LZW, NONE, PACKBITS, SHORT, file_of, page_of

from cnncli.images.formats.tiff import reading
from cnncli.images.reading import open_image, read_image

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, CMYK = range(6)
# Photometric, samples per pixel, kinds of the extra ones.
PIXELS = {
    "gray": (BLACK_IS_ZERO, 1, ()),
    "white is zero": (WHITE_IS_ZERO, 1, ()),
    "gray, alpha": (BLACK_IS_ZERO, 2, (2,)),
    "gray, associated alpha": (BLACK_IS_ZERO, 2, (1,)),
    "white is zero, alpha": (WHITE_IS_ZERO, 2, (2,)),
    "two bands": (BLACK_IS_ZERO, 2, (0,)),
    "five bands": (BLACK_IS_ZERO, 5, (0, 0, 0, 0)),
    "RGB": (RGB, 3, ()),
    "RGB, alpha": (RGB, 4, (2,)),
    "RGB, associated alpha": (RGB, 4, (1,)),
    "RGB, another": (RGB, 4, (0,)),
    "RGB, another, alpha": (RGB, 5, (0, 2)),
    "palette": (PALETTE, 1, ()),
    "mask": (MASK, 1, ()),
    "CMYK": (CMYK, 4, ()),
    "CMYK, alpha": (CMYK, 5, (2,)),
}
TYPES = [("u", bits) for bits in (1, 2, 4, 6, 8, 12, 16, 32)]
TYPES += [("i", bits) for bits in (8, 16, 32, 64)] + [("f", bits) for bits in (16, 32, 64)]
LAYOUTS = {"one strip": {}, "strips": {"rows": 7}, "tiles": {"tile": (16, 32)}}
COMPRESSIONS = {"none": NONE, "LZW": LZW, "deflate": DEFLATE, "LZMA": LZMA, "PackBits": PACKBITS}


def is_possible(pixels, kind, bits, compression, predictor):
    """Whether the format has such a page, of colours that are read."""
    photometric = PIXELS[pixels][0]
    if photometric == PALETTE and (kind, bits > 8) != ("u", False):
        return False
    if photometric == MASK and (kind, bits) != ("u", 1):
        return False
    if photometric == CMYK and (kind != "u" or bits > 32):
        return False
    if "associated" in pixels and kind == "i":
        return False
    if predictor > 1 and compression in ("none", "PackBits"):
        return False
    return predictor == 1 or (bits >= 8 and bits != 12 if predictor == 2 else kind == "f")


ALL = [
    (pixels, *sample, order, compression, planar, predictor, layout, big, turned)
    for pixels, sample, order, compression, planar, predictor, layout, big, turned in product(
        PIXELS, TYPES, "<>", COMPRESSIONS, (False, True), (1, 2, 3), LAYOUTS, (False, True), (False, True)
    )
    if is_possible(pixels, *sample, compression, predictor)
]
RNG = np.random.default_rng(5)
CHOSEN = [ALL[number] for number in sorted(RNG.choice(len(ALL), 2000, replace=False))]


PALETTE_COLOURS = RNG.integers(0, 256, (256, 3))


def samples_of(channels, kind, bits, seed):
    random = np.random.default_rng(seed)
    shape = (19, 37, channels)
    if kind == "f":
        return random.random(shape).astype(f"f{bits // 8}")
    itemsize = next(size for size in (1, 2, 4, 8) if bits <= 8 * size)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind == "i" else (0, 2**bits - 1)
    return random.integers(low, high, shape, dtype=f"{kind}{itemsize}", endpoint=True)


def shown(samples, pixels, kind, bits):
    """What a viewer sees, in exact numbers: (pixels, alpha)."""
    photometric, _, extras = PIXELS[pixels]
    if photometric == PALETTE:
        return PALETTE_COLOURS[samples[..., 0]], None
    full = 1 if kind == "f" else 2 ** (bits - (kind == "i")) - 1
    exact = samples.astype(np.float64 if kind == "f" else object)
    if bits < 8:
        exact, full = (2 * exact * 255 + full) // (2 * full), 255
    own = {RGB: 3, CMYK: 4}.get(photometric, 1)
    alphas = [own + at for at, extra in enumerate(extras) if extra in (1, 2)]
    alpha = exact[..., alphas[0]] if alphas else None
    colours = exact[..., : own if own > 1 or alphas else None]
    if photometric == WHITE_IS_ZERO and kind == "u":
        colours = full - colours
    if photometric == CMYK:
        light = full - colours
        colours = (2 * light[..., :3] * light[..., 3:] + full) // (2 * full)
    if 1 in extras:
        under = np.where(alpha == 0, full, alpha)[..., np.newaxis]
        if kind == "f":
            colours = colours / under
        else:
            rounded = np.vectorize(lambda over, by: round(Fraction(over, by)) if bits > 8 else over // by, otypes="O")
            colours = np.minimum(rounded(colours * full, under), full)
    return colours[..., 0] if colours.shape[2] == 1 else colours, alpha


def page_for(pixels, kind, bits, order, compression, planar, predictor, layout, big, turned, *, seed=0):
    """The samples of a case, and its file."""
    photometric, channels, extras = PIXELS[pixels]
    samples = samples_of(channels, kind, bits, seed)
    more = {"t320": (SHORT, (PALETTE_COLOURS[: 2**bits].T * 257).ravel().tolist())} if photometric == PALETTE else {}
    options = {"compression": COMPRESSIONS[compression], "predictor": predictor, "planar": planar, **LAYOUTS[layout]}
    page = page_of(
        samples,
        bits=bits,
        photometric=photometric,
        extras=extras,
        order=order,
        reversed_bits=turned,
        **options,
        **more,
    )
    return samples, file_of(page, order=order, big=big)


def check(found, expected):
    """Compare numbers: floating-point ones may be rounded, others not."""
    assert found.shape == expected.shape
    if found.dtype.kind == "f":
        np.testing.assert_allclose(found, expected.astype(float), rtol=1e-5)
    else:
        assert (found == expected).all()


def check_case(case, *, seed=0):
    samples, content = page_for(*case, seed=seed)
    pixels, alpha = shown(samples, *case[:3])
    with open_image(io.BytesIO(content)) as image:
        (frame,) = image.frames()
        check(frame.array(), pixels)
        if alpha is not None:
            check(frame.alpha(), alpha)
            assert frame.opaque == (
                1 if case[1] == "f" else max(2 ** (case[2] - (case[1] == "i")) - 1, 255 * (case[1] == "u"))
            )
        return frame


@pytest.mark.parametrize("pixels", PIXELS)
def test_every_layout_is_shown_as_its_tags_say(pixels):
    cases = [case for case in CHOSEN if case[0] == pixels]
    assert len(cases) > 5
    for case in cases:
        try:
            check_case(case)
        except Exception as error:
            raise AssertionError(f"{case}: {error}") from error


@pytest.mark.slow
@pytest.mark.parametrize("share", range(2))
def test_more_layouts(share):
    for number in np.random.default_rng(share).choice(len(ALL), 2000, replace=False):
        check_case(ALL[number], seed=share)


def test_tifffile_reads_the_same_samples():
    """The files of this grid are what they are taken for."""
    pytest.importorskip("imagecodecs")
    for case in CHOSEN[::10]:
        samples, content = page_for(*case)
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            page = file.pages[0]
            found = page.asarray()
        found = np.moveaxis(found, 0, -1) if page.axes == "SYX" else found
        assert np.array_equal(found.reshape(samples.shape), samples), case


def test_bands_hold_the_same_pixels(monkeypatch):
    for case in CHOSEN[::7]:
        _, content = page_for(*case)
        whole = read_image(io.BytesIO(content))
        with monkeypatch.context() as patch, open_image(io.BytesIO(content)) as image:
            patch.setattr(reading, "LARGE_PIXELS", 10)
            (frame,) = image.frames()
            for start, stop in ((17, 19), (0, 1), (5, 18)):
                assert np.array_equal(frame.rows(start, stop), whole[start:stop]), case


def test_pages_and_segments_of_any_size():
    random = np.random.default_rng(8)
    for number in random.choice(len(ALL), 200, replace=False):
        pixels, kind, bits, order, compression, planar, predictor, *_ = ALL[number]
        photometric, channels, extras = PIXELS[pixels]
        height, width = random.integers(1, 19), random.integers(1, 37)
        samples = samples_of(channels, kind, bits, number)[:height, :width]
        tile = tuple(int(side) for side in 16 * random.integers(1, 4, 2))
        layout = {"tile": tile} if random.random() < 0.5 else {"rows": int(random.integers(1, 30))}
        levels = (PALETTE_COLOURS[: 2**bits].T * 257).ravel().tolist() if photometric == PALETTE else []
        options = {"order": order, "compression": COMPRESSIONS[compression], "planar": planar, "predictor": predictor}
        page = page_of(
            samples, bits=bits, photometric=photometric, extras=extras, t320=(SHORT, levels), **options, **layout
        )
        page = {tag: value for tag, value in page.items() if value != (SHORT, [])}
        expected, _ = shown(samples, pixels, kind, bits)
        check(read_image(io.BytesIO(file_of(page, order=order))), expected)
