"""What every filter word means, said a second time with SciPy and scikit-image, in float64."""

from collections.abc import Callable
from functools import partial
from math import ceil, inf, sqrt
from typing import NamedTuple

import numpy as np
import skimage.feature
import skimage.filters
from oracles import NUMPY_MODES, SCIPY_MODES
from scipy import ndimage


class Reference(NamedTuple):
    """A word by somebody else.

    Attributes:
        apply: the response of a float64 image (H, W), with one of our borders and the word's arguments.
        tried: the arguments to compare with; an empty text for the word alone.
        gain: the most by which the response may change where no pixel changes by more than 1, for given arguments.
        is_exact: true if the response is made of the image's own numbers.
        is_binary: true if the response is black and white.
    """

    apply: Callable[..., np.ndarray]
    tried: tuple[str, ...]
    gain: Callable[..., float]
    is_exact: bool = False
    is_binary: bool = False


def _padded(function, image, mode, size):
    """What a function of SciPy makes of windows; NumPy pads, since SciPy's own borders err where they reflect twice."""
    rows, columns = size[0] // 2, size[1] // 2
    padded = np.pad(image, ((rows, rows), (columns, columns)), NUMPY_MODES[mode])
    return function(padded)[rows : rows + image.shape[0], columns : columns + image.shape[1]]


def _sides(size, width=None):
    return (int(size), int(size if width is None else width))


def _correlated(image, mode, kernel):
    """The odd pixel of an even kernel is below and on the right, as `same` pads; in SciPy above and on the left."""
    origin = [length % 2 - 1 for length in np.shape(kernel)]
    filtered = partial(ndimage.correlate, weights=np.asarray(kernel, float), origin=origin)
    return _padded(filtered, image, mode, np.shape(kernel))


def _scipys(function):
    """A Gaussian filter of SciPy, called as references are."""
    return lambda image, mode, sigma=1: function(image, sigma, mode=SCIPY_MODES[mode])


blurred = _scipys(ndimage.gaussian_filter)


def _gaussian(image, mode, sigma=None):
    return _correlated(image, mode, np.outer(_BINOMIAL, _BINOMIAL)) if sigma is None else blurred(image, mode, sigma)


def _difference(image, mode, low=1, high=None):
    return blurred(image, mode, low) - blurred(image, mode, 1.6 * low if high is None else high)


def _box(image, mode, height=3, width=None):
    size = _sides(height, width)
    return ndimage.uniform_filter(image, size, mode=SCIPY_MODES[mode])


def _gabor(image, mode, wavelength=8, degrees=0, sigma=None):
    kernel = skimage.filters.gabor_kernel(1 / wavelength, np.radians(degrees), sigma_x=sigma, sigma_y=sigma)
    return _correlated(image, mode, kernel.real[::-1, ::-1])


def _line(length, degrees):
    """A line as a kernel: the weight of a pixel is 1 less its distance to the line, which is turned to lie flat."""
    half, radius = (length - 1) / 2, ceil((length - 1) / 2)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    turned = (x + 1j * y) * np.exp(-1j * np.radians(degrees))
    weights = np.maximum(1 - np.abs(turned - np.clip(turned.real, -half, half)), 0)
    return weights / weights.sum()


def _rank(function, image, mode, height=3, width=None):
    size = _sides(height, width)
    return _padded(partial(function, size=size), image, mode, size)


def _canny(image, mode, sigma=1, low=0.1, high=0.2):
    """Thresholds are shares of a full step from 0 to 1: 4 in the Sobel filter of SciPy."""
    return skimage.feature.canny(image, sigma, 4 * low, 4 * high, mode=SCIPY_MODES[mode])


def _threshold(image, mode, level="otsu"):
    return image > skimage.filters.threshold_otsu(image) if level == "otsu" else image >= level


def _opposite(function):
    """A derivative of SciPy along an axis, with the course's sign: bright on the left, or above, is positive."""
    return lambda image, mode, axis: -function(image, axis, mode=SCIPY_MODES[mode])


def _pair(vertical):
    return lambda image, mode, axis: _correlated(image, mode, vertical if axis == 1 else np.transpose(vertical))


def _roberts(image, mode, axis):
    return _correlated(image, mode, [[1, 0], [0, -1]] if axis == 1 else [[0, 1], [-1, 0]])


def _slope(image, mode, axis, sigma):
    return -ndimage.gaussian_filter(image, sigma, order=(1, 0) if axis == 0 else (0, 1), mode=SCIPY_MODES[mode])


GRADIENTS = {
    "sobel": _opposite(ndimage.sobel),
    "scharr": _pair([[3, 0, -3], [10, 0, -10], [3, 0, -3]]),
    "prewitt": _opposite(ndimage.prewitt),
    "roberts": _roberts,
    "gradient": _slope,
}
"""Words that have directions: the response to vertical edges (axis 1) and to horizontal ones (axis 0)."""


def _magnitude(name):
    return lambda image, mode, *arguments: np.hypot(
        *(GRADIENTS[name](image, mode, axis, *arguments) for axis in (0, 1))
    )


def _along(axis):
    return lambda image, mode: GRADIENTS["prewitt"](image, mode, axis)


def _sharpened(image, mode):
    return image - ndimage.laplace(image, mode=SCIPY_MODES[mode])


def _constant(gain):
    return lambda *arguments: gain


_BINOMIAL = np.array([1, 4, 6, 4, 1]) / 16
_EMBOSS = [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]
SIGMAS = ("0.1", "0.5", "1", "1.4", "3.3", "10", "200")
SIZES = ("", *map(str, (1, 2, 3, 4, 5, 8, 15, 31)), "3x5", "4x1", "1x31", "6x9")

REFERENCES = {
    "vertical": Reference(_along(1), ("",), _constant(6)),
    "horizontal": Reference(_along(0), ("",), _constant(6)),
    "sobel": Reference(_magnitude("sobel"), ("",), _constant(8 * sqrt(2))),
    "scharr": Reference(_magnitude("scharr"), ("",), _constant(32 * sqrt(2))),
    "prewitt": Reference(_magnitude("prewitt"), ("",), _constant(6 * sqrt(2))),
    "roberts": Reference(_magnitude("roberts"), ("",), _constant(2 * sqrt(2))),
    "laplacian": Reference(lambda image, mode: ndimage.laplace(image, mode=SCIPY_MODES[mode]), ("",), _constant(8)),
    "sharpen": Reference(_sharpened, ("",), _constant(9)),
    "emboss": Reference(lambda image, mode: _correlated(image, mode, _EMBOSS), ("",), _constant(9)),
    "gaussian": Reference(_gaussian, ("", *SIGMAS), _constant(1)),
    "box": Reference(_box, SIZES, _constant(1)),
    "gradient": Reference(_scipys(ndimage.gaussian_gradient_magnitude), ("", *SIGMAS), lambda sigma=1: 1.2 / sigma),
    "log": Reference(_scipys(ndimage.gaussian_laplace), ("", *SIGMAS), lambda sigma=1: 4 / sigma**2),
    "dog": Reference(
        _difference,
        ("", "0.1,0.5", "1,1.6", "2", "1.4,3.3", "3,10", "10,200"),
        _constant(2),
    ),
    "gabor": Reference(
        _gabor,
        ("", "2,0", "4", "4,90", "5.5,30", "8,-45", "12,135", "10,60,3", "4,20,0.5", "7,345,5"),
        _constant(1.1),
    ),
    "motion": Reference(
        lambda image, mode, length=9, degrees=0: _correlated(image, mode, _line(length, degrees)),
        ("", "1,0", "5", "2,0", "4,90", "9,30", "15,-45", "6.5,110"),
        _constant(1),
    ),
    "unsharp": Reference(
        lambda image, mode, sigma=1, amount=1: image + amount * (image - blurred(image, mode, sigma)),
        ("", "0.5", "1,0.5", "2,1.5", "10,3", "200,1", "1,0"),
        lambda sigma=1, amount=1: 1 + 2 * amount,
    ),
    "median": Reference(partial(_rank, ndimage.median_filter), SIZES, _constant(1), is_exact=True),
    "min": Reference(partial(_rank, ndimage.minimum_filter), SIZES, _constant(1), is_exact=True),
    "max": Reference(partial(_rank, ndimage.maximum_filter), SIZES, _constant(1), is_exact=True),
    "canny": Reference(
        _canny,
        ("", "2", "0.5,10%", "0,15%,30%", "1.4,5%,15%", "3.3,1%,2%", "2,10%,10%", "10,0.5%,1%"),
        _constant(inf),
        is_binary=True,
    ),
    "threshold": Reference(_threshold, ("", "otsu", "0.3", "0.5", "0"), _constant(inf), is_binary=True),
}


def parsed(word):
    """The name of a word, and its arguments as the reference takes them; a percentage is a share."""
    name, _, text = word.partition(":")
    return name, [_number(part) for part in text.replace("x", ",").split(",") if part]


def _number(text):
    if text.endswith("%"):
        return float(text[:-1]) / 100
    return text if text.isalpha() else float(text)


class Step(NamedTuple):
    """The response to a chain, and the most by which another may differ.

    Attributes:
        response: in float64, or black and white as a boolean array.
        tolerance: of numbers, or of those that were made black and white.
    """

    response: np.ndarray
    tolerance: float


def response(image, chain, mode="reflect", *, relative, rounding):
    """The response of an image to a chain, each word by its reference.

    Args:
        image: (H, W), computed with in float64 as it is.
        chain: words.
        mode: one of our borders.
        relative: what a word may be off, as a share of the largest number of its response.
        rounding: what it may be off in any case, as a share of the largest number that it could give.
    """
    found = Step(np.asarray(image, np.float64), 0.0)
    for word in chain.split():
        name, arguments = parsed(word)
        reference, largest = REFERENCES[name], np.abs(found.response).max()
        made = reference.apply(found.response, mode, *arguments)
        if reference.is_binary:
            return Step(made, found.tolerance)
        gain = reference.gain(*arguments)
        own = 0 if reference.is_exact else relative * np.abs(made).max() + rounding * gain * largest
        found = Step(made, gain * found.tolerance + own)
    return found
