"""Convolution in the frequency domain: large kernels, by overlap-save on square tiles.

A correlation is a product of spectra, one of them conjugated. A tile of T x T input pixels gives the
(T - f + 1) x (T - f + 1) outputs that the cyclic wrap does not reach (Oppenheim and Schafer, Discrete-Time Signal
Processing, section 8.7).
"""

import numpy as np

from cnncli.arrays import Array
from cnncli.ops.convolution.correlation import Correlation
from cnncli.ops.loading import Loader

# Measured on 4096 x 4096: 256 and 1024 are slower.
TILE = 512


def able(work: Correlation) -> bool:
    """Return whether rounding recovers integers."""
    # While the error, some 1e-16 of the bound times log2(tile), is far below one half.
    return not work.exact or work.bound < 2**40


def cost(work: Correlation) -> float:
    """Return nanoseconds for transforms and products of spectra."""
    transforms, spectra = work.images.shape[3] + work.weight.shape[3], work.weight.shape[2] * work.weight.shape[3]
    # Positions between strides are computed too, and a wide kernel needs a larger tile than its outputs pay for.
    positions = work.window.stride[0] * work.window.stride[1]
    positions *= max(1, 2 * max(work.window.span) // TILE) ** 2
    return float((6 * transforms + 5 * (spectra - 1)) * positions * (2 if work.exact else 1))


def rows_together(work: Correlation) -> int:
    """Return the number of output rows in a row of tiles."""
    span, stride = work.window.span[0], work.window.stride[0]
    return max(1, (_tile_size(TILE, span) - span) // stride + 1)


def run(work: Correlation, image: Array, out: Array) -> None:
    """Correlate one image by tiles.

    Every position is computed and a stride picks from them. Results for an integer `out` are rounded.
    """
    from scipy import fft  # 50 ms that only large kernels should pay for

    window, border, groups = work.window, work.border, work.groups
    weight = work.weight.astype(np.float64 if work.exact else work.dtype)
    together, wide = rows_together(work), _tile_size(len(border.columns), window.span[1])
    # (C_in / groups, C_out, span, span), zeros between dilated taps.
    planes = np.zeros((*weight.shape[2:], *window.span), weight.dtype)
    planes[:, :, :: window.dilation[0], :: window.dilation[1]] = weight.transpose(2, 3, 0, 1)
    loader = Loader(border, (1, 1), len(border.columns))
    tile, spectra, strip = (0, 0), planes, planes
    for first in range(0, len(out), together):
        target = out[first : first + together]
        seen = (len(target) - 1) * window.stride[0] + window.span[0]
        tall = _tile_size(seen, window.span[0])
        if (tall, wide) != tile:  # the first row of tiles and, where it is lower, the last
            tile = (tall, wide)
            spectra = np.conj(fft.rfft2(planes, tile))
            strip = np.zeros((image.shape[2], tall, len(border.columns) + wide), weight.dtype)
        for channel, plane in enumerate(strip):
            loader.load(image[:, :, channel], first * window.stride[0], (0, 0), plane[:seen])
            plane[seen:] = 0
        for left in range(0, len(border.columns) - window.span[1] + 1, wide - window.span[1] + 1):
            spectrum = _apply(fft.rfft2(strip[:, :, left : left + wide]), spectra, groups)
            result = fft.irfft2(spectrum, tile, overwrite_x=True)
            _store(result[:, :: window.stride[0], : wide - window.span[1] + 1], left, window.stride[1], target)


def _tile_size(n: int, span: int) -> int:
    from scipy import fft

    # A kernel of nearly a tile's size would leave few outputs a tile.
    return int(fft.next_fast_len(max(min(TILE, n), 2 * span), real=True))


def _apply(spectrum: Array, spectra: Array, groups: int) -> Array:
    """Multiply (C_in, ...) by (C_in / groups, C_out, ...) and sum over each group's input channels: (C_out, ...)."""
    per_group, filters = spectra.shape[0], spectra.shape[1] // groups
    product: Array = np.zeros((spectra.shape[1], *spectrum.shape[1:]), spectrum.dtype)
    for number in range(spectra.shape[1]):
        for channel in range(per_group):
            product[number] += spectrum[number // filters * per_group + channel] * spectra[channel, number]
    return product


def _store(result: Array, left: int, stride: int, out: Array) -> None:
    """Write those columns of a tile's results (C_out, rows, columns from `left` on) that fall on the stride's grid."""
    first = -(-left // stride)
    picked = result[:, : len(out), first * stride - left :: stride][:, :, : out.shape[1] - first].transpose(1, 2, 0)
    target = out[:, first : first + picked.shape[1]]
    target[:] = np.rint(picked) if np.issubdtype(out.dtype, np.integer) else picked
