"""The colours of a style transfer that are to be the content's.

Both ways are those of Gatys, Bethge, Hertzmann and Shechtman, "Preserving Color in Neural Artistic Style Transfer",
arXiv:1606.05897.
"""

import numpy as np

from cnncli.arrays import Array

LUMA = np.array([0.299, 0.587, 0.114])  # BT.601, as everywhere here
SLIGHT = 1e-5  # of the variance of colours, so that a picture of few colours has an inverse


def matched(style: Array, content: Array) -> Array:
    """Return a style with the mean and the covariance of a content's colours.

    x becomes A x + b with A = C^(1/2) S^(-1/2), for the covariances C of the content and S of the style (section 4.1,
    the symmetric root).

    Args:
        style: (H, W, C) on the scale 0 to 255.
        content: (H, W, C) of any size.

    Example:
        >>> style = np.array([[[0.0], [100.0]]])
        >>> matched(style, np.array([[[40.0], [50.0]]])).round(3).tolist()
        [[[40.0], [50.0]]]
    """
    pixels, wanted = (picture.reshape(-1, picture.shape[-1]).astype(np.float64) for picture in (style, content))
    mean, spread = _moments(pixels)
    wanted_mean, wanted_spread = _moments(wanted)
    turned = (pixels - mean) @ (_power(spread, -0.5) @ _power(wanted_spread, 0.5)) + wanted_mean
    result: Array = turned.reshape(style.shape).clip(0, 255).astype(np.float32)
    return result


def _moments(pixels: Array) -> tuple[Array, Array]:
    mean = pixels.mean(axis=0)
    apart = pixels - mean
    return mean, apart.T @ apart / len(pixels) + SLIGHT * np.eye(pixels.shape[1])


def _power(matrix: Array, exponent: float) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    power: Array = (vectors * values.clip(SLIGHT) ** exponent) @ vectors.T
    return power


def brightness(picture: Array) -> Array:
    """Return a picture in grey, in as many channels: (H, W, C)."""
    if picture.shape[-1] != len(LUMA):
        return picture
    return np.repeat((picture @ LUMA)[..., None], len(LUMA), axis=2).astype(np.float32)


def recolored(picture: Array, content: Array) -> Array:
    """Return the brightness of a picture with the colours of a content of its size (section 4.2)."""
    return (content + brightness(picture) - brightness(content)).clip(0, 255)
