"""Sheets: a picture, and beside it the maps of what spoke for a class, each over the picture."""

import numpy as np

from cnncli.arrays import Array
from cnncli.drawing.boxes import PALETTE, as_rgb
from cnncli.drawing.sheets import Sheet
from cnncli.models.why.explanations import ClassExplanation

_AGAINST, _FOR = PALETTE[0], PALETTE[3]  # blue and vermilion, which people with any colour vision tell apart
_PALE, _STRONG = 0.35, 0.75  # of a picture's darkness that is left, and of the strongest colour over it
_STRIP = 1_000_000  # pixels that are mixed at a time


def draw_explanation(found: ClassExplanation, title: str = "") -> Array:
    """Return the picture and its maps side by side, (H, W, 3) bytes.

    What speaks for the class is vermilion, what speaks against it blue; full colour is the largest number of each map.

    Args:
        found: the explanation.
        title: what was explained, such as the name of the picture.
    """
    words = f"{found.class_name}, {found.probability:.1%}"
    note = "orange speaks for it, blue against it; full colour is the largest number of a map"
    labels = ["picture", *(f"{one.title}: {np.abs(one.cells).max():.3g}" for one in found.found)]
    sheet = Sheet(f"{title}: {words}" if title else words, note, labels, [found.size] * len(labels))
    pixels = as_rgb(_shown(found.picture))
    sheet.put(0, pixels)
    for number, one in enumerate(found.found, start=1):
        sheet.put(number, over_picture(pixels, found.map(one.method)))
    return sheet.pixels()


def _shown(picture: Array) -> Array:
    """Return a picture on the scale 0 to 255: numbers that are no levels are stretched to it."""
    low, high = float(picture.min()), float(picture.max())
    is_picture = picture.dtype == np.uint8 or (low >= 0 and high <= 1.1 * 255)
    return picture if is_picture else (picture - low) * (255 / ((high - low) or 1))


def over_picture(pixels: Array, values: Array) -> Array:
    """Return a pale grey picture with the colours of a map over it.

    Args:
        pixels: (H, W, 3) bytes.
        values: (H, W), signed.
    """
    largest, rows = float(np.abs(values).max()) or 1, max(1, _STRIP // pixels.shape[1])
    mixed = np.empty_like(pixels)
    for start in range(0, len(pixels), rows):
        part = slice(start, start + rows)
        pale = 255 - _PALE * (255 - pixels[part].mean(axis=2, keepdims=True, dtype=np.float32))
        share = values[part, :, np.newaxis] / largest
        colour = np.where(share < 0, np.array(_AGAINST, np.float32), np.array(_FOR, np.float32))
        mixed[part] = np.rint(pale + _STRONG * np.abs(share) * (colour - pale))
    return mixed
