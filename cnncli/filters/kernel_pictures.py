"""Pictures of kernels: their weights as cells, and their frequency response."""

import numpy as np

from cnncli.arrays import Array
from cnncli.drawing.canvas import FAINT, Box, Canvas, text_width
from cnncli.filters.rendering import Rendering
from cnncli.filters.statistics import finite_range

_SIDE = 320  # pixels of a picture's longer edge, about
_FLOOR = -60.0  # decibels that become black
_FREQUENCIES = 256  # across a response, at least
_LEFT, _TOP, _RIGHT, _BOTTOM = 84, 66, 96, 62  # margins around the response


def kernel_picture(kernel: Array) -> Array:
    """Return a kernel as cells of several pixels: orange above 0, blue below, black at 0; (H, W, 3) bytes.

    Example:
        >>> kernel_picture(np.array([[1, 0, -1]]))[0, ::107].tolist()
        [[230, 158, 0], [0, 0, 0], [0, 115, 230]]
    """
    rendering = Rendering(scale="auto", signed="diverging")
    (renderer,) = rendering.renderers(full_step=1, white=1, dtype=np.uint8, extent=finite_range(kernel))
    cell = max(1, -(-_SIDE // max(kernel.shape)))
    return renderer(kernel).repeat(cell, axis=0).repeat(cell, axis=1)


def frequency_response(kernel: Array) -> Array:
    """Return the magnitudes by which a kernel multiplies waves, without a wave in the middle.

    Returns:
        (n, n), n at least 256: row and column i belong to (i - n // 2) / n cycles per pixel, down and to the right.

    Example:
        >>> response = frequency_response(np.array([[1, 0, -1]]))
        >>> response.shape, response[128, [128, 192]].round(3).tolist()
        ((256, 256), [0.0, 2.0])
    """
    count = max(_FREQUENCIES, *kernel.shape)
    magnitudes: Array = np.abs(np.fft.fftshift(np.fft.fft2(kernel, (count, count))))
    return magnitudes


def draw_frequency_response(kernel: Array, title: str) -> Canvas:
    """Draw the frequency response of a kernel in decibels below its largest magnitude, frequencies at its edges."""
    response = frequency_response(kernel)
    largest = float(response.max())
    with np.errstate(divide="ignore"):
        decibels = 20 * np.log10(response / (largest or 1))
    box = Box(_LEFT, _TOP, _LEFT + _SIDE, _TOP + _SIDE)
    note = f"magnitude of the Fourier transform; 0 dB is {largest:.4g}"
    width = max(box.right + _RIGHT, 24 + max(text_width(title, 17), text_width(note, 13)) + 24)
    canvas = Canvas(min(width, 1500), box.bottom + _BOTTOM)
    canvas.text(24, 14, title, size=17, room=1450)
    canvas.text(24, 40, note, fill=FAINT)
    canvas.picture(box, _grey(decibels))
    canvas.box(box, outline=FAINT)
    _draw_axes(canvas, box)
    _draw_scale(canvas, Box(box.right + 24, box.top, box.right + 40, box.bottom))
    return canvas


def _grey(decibels: Array) -> Array:
    """Return decibels as bytes: 0 is white, `_FLOOR` and below are black."""
    levels: Array = np.rint(255 * (1 - np.clip(decibels, _FLOOR, 0) / _FLOOR)).astype(np.uint8)
    return levels


def _draw_axes(canvas: Canvas, box: Box) -> None:
    for frequency in (-0.5, -0.25, 0, 0.25, 0.5):
        share = frequency + 0.5
        x, y = box.left + share * (box.right - box.left), box.top + share * (box.bottom - box.top)
        canvas.line([(x, box.bottom), (x, box.bottom + 5)], fill=FAINT)
        canvas.text(x, box.bottom + 9, f"{frequency:g}", anchor="ma", fill=FAINT)
        canvas.line([(box.left - 5, y), (box.left, y)], fill=FAINT)
        canvas.text(box.left - 9, y, f"{frequency:g}", anchor="rm", fill=FAINT)
    canvas.text((box.left + box.right) / 2, box.bottom + 34, "cycles per pixel, to the right", anchor="ma", fill=FAINT)
    words = "cycles per pixel, down"
    canvas.upright(24, (box.top + box.bottom - text_width(words, 13)) / 2, words, fill=FAINT)


def _draw_scale(canvas: Canvas, box: Box) -> None:
    canvas.picture(box, _grey(np.linspace(0, _FLOOR, _SIDE)[:, np.newaxis]))
    canvas.box(box, outline=FAINT)
    for decibels in (0, -20, -40, -60):
        y = box.top + decibels / _FLOOR * (box.bottom - box.top)
        canvas.text(box.right + 6, y, f"{decibels} dB", anchor="lm", fill=FAINT)
