"""A small picture in the terminal: two pixels a character, or shades of letters without colour."""

import os
import shutil
import sys

import numpy as np

from cnncli.filters.rendering import render
from cnncli.images.reading import read_image

_SHADES = " .:-=+*#%@"
_MOST_COLUMNS = 100


def preview(path: str) -> str:
    """Return the lines that show an image file."""
    pixels = read_image(path, max_pixels=None)
    if pixels.ndim == 3 and pixels.shape[2] != 3:
        pixels = pixels[:, :, 0]  # the first of the responses that are stacked
    if pixels.dtype != np.uint8:
        pixels = render(pixels, scale="auto")
    columns, rows = _size(*pixels.shape[:2])
    if os.environ.get("NO_COLOR") or not sys.stderr.isatty():
        shades = _resized(pixels, columns, rows).mean(axis=2) * (len(_SHADES) - 1) / 255
        return "\n".join("".join(_SHADES[round(shade)] for shade in row) for row in shades)
    small = _resized(pixels, columns, 2 * rows)
    return "\n".join(
        "".join(_half_blocks(*pair) for pair in zip(upper, lower, strict=True)) + "\x1b[0m"
        for upper, lower in zip(small[::2], small[1::2], strict=True)
    )


def _size(height: int, width: int) -> tuple[int, int]:
    """Return the columns and rows of characters, twice as high as wide, that fit into the terminal."""
    terminal = shutil.get_terminal_size()
    across, down = min(terminal.columns, _MOST_COLUMNS), max(terminal.lines - 1, 1)
    shrink = min(1, across / width, 2 * down / height)
    return max(1, round(width * shrink)), max(1, round(height * shrink / 2))


def _resized(pixels: np.ndarray, columns: int, rows: int) -> np.ndarray:
    from PIL import Image

    image = Image.fromarray(pixels).convert("RGB")
    return np.asarray(image.resize((columns, rows), Image.Resampling.BOX))


def _half_blocks(upper: np.ndarray, lower: np.ndarray) -> str:
    foreground, background = (";".join(map(str, colour.tolist())) for colour in (upper, lower))
    return f"\x1b[38;2;{foreground};48;2;{background}m▀"
