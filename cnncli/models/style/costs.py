"""The costs of style transfer: each is a sum of squares over a divisor, with its gradient.

Implementations differ in their divisors, and with them in what a weight means; here they are part of the answer.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array


class Cost(NamedTuple):
    """A cost, which is a sum of squares over a divisor.

    Attributes:
        value: the cost.
        slope: its gradient, as each function says.
        divisor: the number by which the sum of squares is divided.
    """

    value: float
    slope: Array
    divisor: float


def content_cost(output: Array, target: Array) -> Cost:
    """Return the cost of a layer's output that differs from the content's.

    1/2 sum (F - P)^2: equation 1 of Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural
    Networks", CVPR 2016.

    Args:
        output: F, (H, W, N).
        target: P, that of the content, in the same shape.

    Returns:
        The cost; its slope is by F.

    Example:
        >>> content_cost(np.array([[[1.0, 2.0]]]), np.array([[[0.0, 4.0]]])).value
        2.5
    """
    difference = output - target
    flat = difference.ravel()
    return Cost(float(flat @ flat) / 2, difference, 2.0)


def gram(output: npt.ArrayLike, weights: Array | None = None) -> Array:
    """Return the Gram matrix of a layer's output: what its filters answer to together, wherever it is.

    G_ij = sum over positions k of F_ik F_jk: equation 3 of Gatys, Ecker and Bethge 2016.

    Args:
        output: F, (H, W, N).
        weights: (H, W), how much each position counts; None for all alike. Where they are the part of a picture that
            is to get the style, the matrix is that of the part (Gatys et al. 2016, arXiv:1611.07865, section 4).

    Returns:
        (N, N), float64.

    Example:
        >>> gram([[[1, 0], [2, 1]], [[0, 3], [1, 1]]]).tolist()
        [[6.0, 3.0], [3.0, 11.0]]
    """
    output = np.asarray(output)
    features = output.reshape(-1, output.shape[-1])
    weighted = features if weights is None else features * weights.reshape(-1, 1).astype(features.dtype)
    return np.asarray(weighted.T @ features, np.float64)


def style_cost(found: npt.ArrayLike, target: npt.ArrayLike, positions: float) -> Cost:
    """Return the cost of a Gram matrix that differs from the style's.

    sum (G - A)^2 / (4 N^2 M^2), for N filters and M positions: equation 4 of Gatys, Ecker and Bethge 2016.

    Args:
        found: G, (N, N).
        target: A, that of the style. Of a style with other positions it is to be multiplied by M over their number, so
            that the size of a style does not matter.
        positions: M, the number of positions, or the sum of their weights.

    Returns:
        The cost; its slope S (N, N) makes the gradient by the output of F S, times the weights.

    Example:
        >>> target = np.array([[2.0, 1.0], [1.0, 7.0]])
        >>> cost = style_cost(gram(np.array([[[1, 0], [2, 1]], [[0, 3], [1, 1]]])), target, 4)
        >>> cost.value, cost.divisor, cost.slope.tolist()
        (0.15625, 256, [[0.0625, 0.03125], [0.03125, 0.0625]])
    """
    difference = np.asarray(found) - target
    divisor = 4 * len(difference) ** 2 * positions**2
    return Cost(float((difference**2).sum()) / divisor, difference * (4 / divisor), divisor)


def variation_cost(picture: Array) -> Cost:
    """Return the mean squared difference of neighbouring pixels: noise costs more than areas.

    sum ((x[i+1, j] - x[i, j])^2 + (x[i, j+1] - x[i, j])^2) / (H W C): the total variation of Johnson, Alahi and
    Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016, squared as in their
    program.

    Args:
        picture: x, (H, W, C).

    Returns:
        The cost; its slope is by the picture.

    Example:
        >>> variation_cost(np.array([[[0.0], [1.0]]])).value
        0.5
    """
    down, across = np.diff(picture, axis=0), np.diff(picture, axis=1)
    slope = np.zeros_like(picture)
    slope[1:] += down
    slope[:-1] -= down
    slope[:, 1:] += across
    slope[:, :-1] -= across
    divisor = float(picture.size)
    return Cost(float((down**2).sum() + (across**2).sum()) / divisor, slope * (2 / divisor), divisor)
