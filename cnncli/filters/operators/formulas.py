"""Operators whose kernels come from formulas: Gaussians, their derivatives, means, waves and lines."""

import math

import numpy as np

from cnncli.errors import ArgumentError
from cnncli.filters.operators.linear import Linear, dense
from cnncli.filters.operators.separable import SeparableLinear
from cnncli.ops.convolution.lines import box_line, gaussian_line
from cnncli.ops.convolution.separable import Separable


def gaussian(sigma: float) -> Linear:
    """Return the blur with a sampled Gaussian, cut off at 4 sigma, as `scipy.ndimage.gaussian_filter`."""
    line = gaussian_line(sigma)
    return SeparableLinear((Separable.of((line, line)),))


def box(size: tuple[int, int]) -> Linear:
    """Return the mean over (height, width) pixels, as `scipy.ndimage.uniform_filter`."""
    return SeparableLinear((Separable.of((box_line(size[0]), box_line(size[1]))),), early=True)


def gradient(sigma: float) -> Linear:
    """Return the magnitude of the derivatives of a Gaussian, as `scipy.ndimage.gaussian_gradient_magnitude`."""
    smooth, slope = gaussian_line(sigma), gaussian_line(sigma, 1)
    return SeparableLinear((Separable.of((smooth, slope)), Separable.of((slope, smooth))), "magnitude")


def laplacian_of_gaussian(sigma: float) -> Linear:
    """Return the sum of the second derivatives of a Gaussian, as `scipy.ndimage.gaussian_laplace`."""
    smooth, curve = gaussian_line(sigma), gaussian_line(sigma, 2)
    return SeparableLinear((Separable.of((smooth, curve), (curve, smooth)),))


def difference_of_gaussians(low: float, high: float | None) -> Linear:
    """Return a narrow Gaussian minus a wide one, 1.6 times as wide unless given, as scikit-image.

    Raises:
        ArgumentError: the first is not the narrow one.
    """
    if high is None:
        high = 1.6 * low
    if low >= high:
        raise ArgumentError(f"S1 must be smaller than S2, got {low:g} and {high:g}")
    narrow, wide = gaussian_line(low), gaussian_line(high)
    return SeparableLinear((Separable.of((narrow, narrow), (-wide, wide)),))


def unsharp(sigma: float, amount: float) -> Linear:
    """Return the image plus `amount` times what a Gaussian blur takes away, as `skimage.filters.unsharp_mask`."""
    line = gaussian_line(sigma)
    return SeparableLinear((Separable.of(([1 + amount], [1]), (-amount * line, line)),))


def gabor(wavelength: float, degrees: float, sigma: float | None) -> Linear:
    """Return a cosine wave under a Gaussian: the real part of `skimage.filters.gabor_kernel`, cut off at 3 sigma.

    Args:
        wavelength: pixels from crest to crest.
        degrees: from the x axis, along which the wave runs at 0, towards the y axis, which points down.
        sigma: of the Gaussian; None for a bandwidth of one octave (Petkov and Kruizinga 1997).
    """
    if sigma is None:
        sigma = 3 * wavelength / np.pi * np.sqrt(np.log(2) / 2)
    across, down = _towards(degrees)
    radius = int(np.ceil(max(3 * sigma * abs(across), 3 * sigma * abs(down), 1)))
    at = np.arange(-radius, radius + 1)
    bell = np.exp(-0.5 * (at / sigma) ** 2)
    x, y = (2 * np.pi / wavelength * direction * at for direction in (across, down))
    # cos(x + y) = cos x cos y - sin x sin y
    strength = 1 / (2 * np.pi * sigma**2)
    kernel = Separable.of(
        (strength * bell * np.cos(y), bell * np.cos(x)), (-strength * bell * np.sin(y), bell * np.sin(x))
    )
    return SeparableLinear((kernel,), upright=gabor(wavelength, 0, sigma) if degrees else None)


def motion(length: float, degrees: float) -> Linear:
    """Return the mean along a line through the pixel, as a moving camera blurs.

    A pixel's weight is 1 - its distance to the line, no less than 0, divided by the sum of all weights.

    Args:
        length: of the line, in pixels: one of length n and 0 degrees covers n pixels alike where n is odd.
        degrees: of the line, from the x axis towards the y axis, which points down.
    """
    half = (length - 1) / 2
    radius = int(np.ceil(half))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    across, down = _towards(degrees)
    along = np.clip(x * across + y * down, -half, half)
    weights = np.maximum(1 - np.hypot(x - along * across, y - along * down), 0)
    seen = weights > 1e-9
    rows, columns = seen.any(axis=1), seen.any(axis=0)  # alike on both sides of the middle
    return dense((weights / weights[seen].sum())[np.ix_(rows, columns)])


def _towards(degrees: float) -> tuple[float, float]:
    """Return how far one goes across and down in a direction; exact zeros for multiples of 90 degrees."""
    turn = math.radians(degrees)
    return round(math.cos(turn), 15), round(math.sin(turn), 15)
