"""Slow and simple answers to compare with, and pictures to try them on."""

from functools import cache
from itertools import product

import numpy as np
import skimage.data

from cnncli.filters.named import FILTERS

WITH_KERNELS = {name: known for name, known in FILTERS.items() if known.kernels}
"""The filters whose bare word stands for a kernel, or for a pair."""

PHOTOGRAPHS = ("camera", "astronaut", "coffee", "chelsea", "rocket")

NUMPY_MODES = {
    "zeros": "constant",
    "reflect": "reflect",
    "replicate": "edge",
    "circular": "wrap",
    "symmetric": "symmetric",
}
"""NumPy's names of our borders."""

SCIPY_MODES = {
    "zeros": "constant",
    "reflect": "mirror",
    "replicate": "nearest",
    "circular": "wrap",
    "symmetric": "reflect",
}
"""SciPy's names of our borders."""


@cache
def photograph(name):
    """A photograph as it is: (H, W) for `camera`, (H, W, 3) for the others."""
    pixels = getattr(skimage.data, name)()
    pixels.flags.writeable = False
    return pixels


@cache
def gray_photograph(name):
    """One plane of a photograph, (H, W)."""
    pixels = photograph(name)
    return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[:, :, 1])


def random_image(shape, dtype=np.uint8, seed=0):
    """Numbers over the whole range of an integer type, or around zero for floating point."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.normal(size=shape).astype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


def pad(image, padding, mode="zeros", value=0):
    """Pad (H, W, C) by (top, bottom, left, right) with NumPy's own borders."""
    top, bottom, left, right = padding
    options = {"constant_values": value} if mode == "zeros" else {}
    return np.pad(image, ((top, bottom), (left, right), (0, 0)), NUMPY_MODES[mode], **options)


def naive_conv2d(
    image, weight, *, stride=(1, 1), padding=(0, 0, 0, 0), dilation=(1, 1), groups=1, mode="zeros", value=0
):
    """Correlate (H, W, C_in) with (f_h, f_w, C_in / groups, C_out), one output number after the other."""
    wide = np.float64 if image.dtype.kind == "f" or weight.dtype.kind == "f" else np.int64
    padded, weight = pad(image.astype(wide), padding, mode, value), weight.astype(wide)
    span = [d * (f - 1) + 1 for d, f in zip(dilation, weight.shape, strict=False)]
    rows, columns = (range(0, n - s + 1, step) for n, s, step in zip(padded.shape, span, stride, strict=False))
    per_group, filters = weight.shape[2], weight.shape[3] // groups
    out = np.zeros((len(rows), len(columns), weight.shape[3]), wide)
    for (i, top), (j, left), o in product(enumerate(rows), enumerate(columns), range(weight.shape[3])):
        first = o // filters * per_group
        taps = padded[top : top + span[0] : dilation[0], left : left + span[1] : dilation[1], first : first + per_group]
        out[i, j, o] = (taps * weight[..., o]).sum()
    return out
