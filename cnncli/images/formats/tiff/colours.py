"""Conversion of samples to colours: one rule per photometric interpretation, for any number of bits."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ImageError
from cnncli.images.formats.pillow import lab_to_rgb
from cnncli.images.formats.tiff import page as tiff
from cnncli.images.formats.tiff.libtiff import ycbcr_to_rgb
from cnncli.images.formats.tiff.page import Page
from cnncli.images.frames import computing_dtype

_COLOR_MAP, _INK_SET, _CMYK_INKS = 320, 332, 1
_ASSOCIATED, _ALPHAS = 1, (1, 2, 999)  # 999 is Corel Draw's
_NAMES = {10: "ITU Lab", 32803: "raw camera (CFA)", 32844: "LogL", 32845: "LogLuv", 34892: "raw camera (linear)"}


class Colours(NamedTuple):
    """The way from a page's samples to its pixels.

    Attributes:
        channels: 1 grey, 3 RGB, or the number of a grey page's bands.
        dtype: dtype of the pixels, before they are widened for computing.
        opaque: the alpha of an opaque pixel.
        scale: factor for samples of fewer than 8 bits.
        shown: the samples that `convert` takes.
        convert: from samples (H, W, samples) to (H, W) or (H, W, channels).
        alpha: the sample that is transparency, or None.
        is_associated: whether colours are stored multiplied by it.
    """

    channels: int
    dtype: np.dtype[np.generic]
    opaque: float
    scale: int | float
    shown: list[int]
    convert: Callable[[Array], Array]
    alpha: int | None
    is_associated: bool

    def picture(self, samples: Array) -> tuple[Array, Array | None]:
        """Return the pixels, (H, W) or (H, W, channels), and the alpha (H, W) of samples (H, W, samples)."""
        if self.scale != 1:
            samples = np.rint(samples * self.scale).astype(np.uint8)
        stored = samples if len(self.shown) == samples.shape[2] else samples[..., self.shown]
        pixels = self.convert(stored)
        pixels = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
        if self.alpha is None:
            return pixels, None
        alpha = samples[..., self.alpha]
        return _divided(pixels, alpha, self.opaque) if self.is_associated else pixels, np.ascontiguousarray(alpha)


def colours(page: Page) -> Colours:
    """Choose how a page is shown.

    Raises:
        ImageError: such colours are not read.
    """
    if page.shown_as not in _RULES:
        name = _NAMES.get(page.photometric, f"photometric interpretation {page.photometric}")
        raise ImageError(f"{name} colours are not read")
    own = tiff.own_samples(page.shown_as)
    if page.samples < own:
        raise ImageError(f"has {page.samples} samples per pixel, too few for its colours, which need {own}")
    alpha = next((own + at for at, kind in enumerate(page.extras) if kind in _ALPHAS), None)
    is_gray = page.shown_as in (tiff.WHITE_IS_ZERO, tiff.BLACK_IS_ZERO)
    # The extra samples of a grey page are bands like the first; those of other pages are not for showing.
    shown = [at for at in range(page.samples if is_gray else own) if at != alpha]
    convert, channels = _RULES[page.shown_as](page)
    return Colours(
        channels=len(shown) if is_gray else channels,
        dtype=np.dtype(np.uint8) if page.shown_as == tiff.PALETTE else page.dtype,
        opaque=_full(page),
        scale=1 if page.bits >= 8 or page.shown_as == tiff.PALETTE else 255 / (2**page.bits - 1),
        shown=shown,
        convert=convert,
        alpha=alpha,
        is_associated=alpha is not None and page.extras[alpha - own] == _ASSOCIATED,
    )


def _full(page: Page) -> float:
    """Return the level of full light: of less than 8 bits that of 8, to which they are scaled."""
    if page.kind == "f":
        return 1.0
    return int(np.iinfo(page.dtype).max) if page.kind == "i" else 2 ** max(page.bits, 8) - 1


def _as_stored(page: Page) -> tuple[Callable[[Array], Array], int]:
    return lambda samples: samples, 3 if page.shown_as == tiff.RGB else 1


def _turned_over(page: Page) -> tuple[Callable[[Array], Array], int]:
    """Turn levels over, white being zero; signed and floating-point numbers stay, for their zero is not white."""
    full = page.dtype.type(_full(page))
    return (lambda samples: full - samples if page.kind == "u" else samples), 1


def _palette(page: Page) -> tuple[Callable[[Array], Array], int]:
    stored = page.tags.integers(_COLOR_MAP)
    entries = len(stored) // 3
    if page.kind != "u" or page.bits > 16 or entries < 1:
        raise ImageError("a palette page without a palette" if entries < 1 else f"a palette of {page.bits}-bit samples")
    table = stored[: 3 * entries].reshape(3, entries).T
    # Levels are of 16 bits, but some writers store those of 8: as libtiff finds out.
    levels = np.zeros((2**page.bits, 3), np.uint8)
    used = table[: len(levels)]
    levels[: len(used)] = used >> 8 if table.max() > 255 else used
    if (levels == levels[:, :1]).all():
        return (lambda samples: levels[samples[..., 0], 0]), 1
    return (lambda samples: levels[samples[..., 0]]), 3


def _cmyk(page: Page) -> tuple[Callable[[Array], Array], int]:
    """Convert inks to light, (full - ink) * (full - black) / full, as Pillow does with 8 bits."""
    if page.tags.integer(_INK_SET, _CMYK_INKS) != _CMYK_INKS:
        raise ImageError("inks other than cyan, magenta, yellow and black are not read")
    if page.kind != "u" or page.bits > 32 or _ASSOCIATED in page.extras:
        raise ImageError("CMYK is read only as unsigned integers without premultiplied alpha")
    full = int(_full(page))

    def convert(samples: Array) -> Array:
        light: Array = full - samples.astype(np.uint64 if page.bits > 16 else np.uint32)
        return ((light[..., :3] * light[..., 3:] + full // 2) // full).astype(samples.dtype)

    return convert, 3


def _ycbcr(page: Page) -> tuple[Callable[[Array], Array], int]:
    if page.kind != "u" or page.bits != 8:
        raise ImageError(f"YCbCr of {page.bits} bits is not read, only of 8 bits")
    return (lambda samples: ycbcr_to_rgb(samples, page)), 3


def _lab(page: Page) -> tuple[Callable[[Array], Array], int]:
    """Convert Lab to RGB: CIE Lab has signed chroma, ICC Lab the same plus 128."""
    if page.bits != 8:
        raise ImageError(f"CIE Lab of {page.bits} bits is not read, only of 8 bits")
    offset = np.array([0, 128, 128], np.uint8) if page.shown_as == tiff.ICCLAB else np.zeros(3, np.uint8)

    def convert(samples: Array) -> Array:
        from PIL import Image

        height, width = samples.shape[:2]
        stored = np.ascontiguousarray(samples.view(np.uint8) ^ offset)
        return np.asarray(lab_to_rgb(Image.frombytes("LAB", (width, height), stored.tobytes())))

    return convert, 3


_RULES = {
    tiff.WHITE_IS_ZERO: _turned_over,
    tiff.BLACK_IS_ZERO: _as_stored,
    tiff.RGB: _as_stored,
    tiff.PALETTE: _palette,
    tiff.MASK: _as_stored,
    tiff.CMYK: _cmyk,
    tiff.YCBCR: _ycbcr,
    tiff.CIELAB: _lab,
    tiff.ICCLAB: _lab,
}


def _divided(pixels: Array, alpha: Array, opaque: float) -> Array:
    """Divide colours that are stored multiplied by their alpha; round, or with 8 bits cut as Pillow does."""
    under = np.where(alpha > 0, alpha, alpha.dtype.type(opaque))
    under = under if pixels.ndim == 2 else under[..., np.newaxis]
    if pixels.dtype.kind != "u":
        with np.errstate(over="ignore", invalid="ignore"):  # floating point may hold anything
            colours = pixels / under.astype(np.float64) * opaque
            colours = colours if pixels.dtype.kind == "f" else np.rint(colours).clip(max=opaque)
            return colours.astype(computing_dtype(pixels.dtype))
    whole, rest = np.divmod(pixels.astype(np.uint64) * int(opaque), under.astype(np.uint64))
    if pixels.dtype != np.uint8:
        whole += (2 * rest > under) | ((2 * rest == under) & (whole % 2 == 1))
    return np.minimum(whole, int(opaque)).astype(pixels.dtype)
