"""Convolution in the frequency domain: large kernels, by overlap-save on square tiles.

A correlation is a product of spectra, one of them conjugated. A tile of T x T input pixels gives the
(T - f + 1) x (T - f + 1) outputs that the cyclic wrap does not reach (Oppenheim and Schafer, Discrete-Time Signal
Processing, section 8.7).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from cnncli.ops.loading import Border, Loader
from cnncli.shapes import Pair, Window

Array = npt.NDArray[Any]

# Measured on 4096 x 4096: 256 and 1024 are slower.
TILE = 512


def run(image: Array, weight: Array, groups: int, window: Window, border: Border, out: Array) -> None:
    """Correlate one image by tiles; arguments as in `cnncli.ops.products.run`.

    Every position is computed and a stride picks from them. Results for an integer `out` are rounded.
    """
    from scipy import fft  # 50 ms that only large kernels should pay for

    padded = (len(border.rows), len(border.columns))
    tile = _tile_size(padded, window.span)
    step = (tile[0] - window.span[0] + 1, tile[1] - window.span[1] + 1)
    spectra = np.conj(fft.rfft2(_planes(weight, window), tile))
    strip = np.zeros((image.shape[2], tile[0], padded[1] + tile[1]), weight.dtype)
    loader = Loader(border, (1, 1), padded[1])
    for top in range(0, padded[0] - window.span[0] + 1, step[0]):
        for channel, plane in enumerate(strip):
            loader.load(image[:, :, channel], top, (0, 0), plane)
        for left in range(0, padded[1] - window.span[1] + 1, step[1]):
            spectrum = fft.rfft2(strip[:, :, left : left + tile[1]])
            result = fft.irfft2(_apply(spectrum, spectra, groups), tile, overwrite_x=True)
            _store(result[:, : step[0], : step[1]], (top, left), window.stride, out)


def _tile_size(padded: Pair, span: Pair) -> Pair:
    from scipy import fft

    # A kernel of nearly a tile's size would leave few outputs a tile.
    sizes = (max(min(TILE, n), 2 * f) for n, f in zip(padded, span, strict=True))
    height, width = (int(fft.next_fast_len(size, real=True)) for size in sizes)
    return height, width


def _planes(weight: Array, window: Window) -> Array:
    """Return the weights as (C_in / groups, C_out, span, span), zeros between dilated taps."""
    planes = np.zeros((*weight.shape[2:], *window.span), weight.dtype)
    planes[:, :, :: window.dilation[0], :: window.dilation[1]] = weight.transpose(2, 3, 0, 1)
    return planes


def _apply(spectrum: Array, spectra: Array, groups: int) -> Array:
    """Multiply (C_in, ...) by (C_in / groups, C_out, ...) and sum over each group's input channels: (C_out, ...)."""
    per_group, filters = spectra.shape[0], spectra.shape[1] // groups
    product: Array = np.zeros((spectra.shape[1], *spectrum.shape[1:]), spectrum.dtype)
    for number in range(spectra.shape[1]):
        for channel in range(per_group):
            product[number] += spectrum[number // filters * per_group + channel] * spectra[channel, number]
    return product


def _store(result: Array, corner: Pair, stride: Pair, out: Array) -> None:
    """Write those results of a tile that fall on the stride's grid."""
    first = tuple(-(-at // s) for at, s in zip(corner, stride, strict=True))
    picked = result[:, first[0] * stride[0] - corner[0] :: stride[0], first[1] * stride[1] - corner[1] :: stride[1]]
    target = out[first[0] : first[0] + picked.shape[1], first[1] : first[1] + picked.shape[2]]
    picked = picked[:, : target.shape[0], : target.shape[1]].transpose(1, 2, 0)
    target[:] = np.rint(picked) if np.issubdtype(out.dtype, np.integer) else picked
