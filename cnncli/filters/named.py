"""The named kernels, as plain tuples.

They are written as in the course: a vertical edge that is bright on the left and dark on the right is positive, and so
is a horizontal edge that is bright above and dark below. OpenCV and SciPy write the gradient kernels with the opposite
sign; the magnitude is the same.

To add a filter, add one entry to `FILTERS`: the command line, the documentation and the tests take it from there.
"""

from collections.abc import Sequence
from typing import NamedTuple

from cnncli.choices import did_you_mean
from cnncli.errors import ArgumentError

Kernel = tuple[tuple[float, ...], ...]


class Filter(NamedTuple):
    """A named filter: one kernel, or a (vertical, horizontal) pair of them.

    Attributes:
        about: one line for people.
        kernels: one kernel or two; each a tuple of rows.
        scale: how its response becomes a picture unless the user says otherwise (`cnncli.filters.edges.render`).
        signed: what becomes of negative numbers in a picture, likewise.
    """

    about: str
    kernels: tuple[Kernel, ...]
    scale: str = "unit"
    signed: str = "abs"

    @property
    def is_pair(self) -> bool:
        """Whether the filter has a direction: a kernel for vertical edges and one for horizontal edges."""
        return len(self.kernels) == 2


def transposed(kernel: Kernel) -> Kernel:
    """Return a kernel with its rows and columns exchanged.

    Example:
        >>> transposed(((1, 0, -1),))
        ((1,), (0,), (-1,))
    """
    return tuple(zip(*kernel, strict=True))


def _pair(vertical: Kernel) -> tuple[Kernel, Kernel]:
    return vertical, transposed(vertical)


def _outer(column: tuple[float, ...], row: tuple[float, ...]) -> Kernel:
    return tuple(tuple(a * b for b in row) for a in column)


_STEP: Kernel = ((1, 0, -1), (1, 0, -1), (1, 0, -1))
_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)

FILTERS: dict[str, Filter] = {
    "vertical": Filter("vertical edges, the course's first filter", (_STEP,)),
    "horizontal": Filter("horizontal edges, its transpose", (transposed(_STEP),)),
    "sobel": Filter(
        "gradient with the middle row weighted 2 (Sobel and Feldman 1968)",
        _pair(((1, 0, -1), (2, 0, -2), (1, 0, -1))),
    ),
    "scharr": Filter(
        "gradient weighted 3, 10, 3, closer to the same in every direction (Scharr 2000)",
        _pair(((3, 0, -3), (10, 0, -10), (3, 0, -3))),
    ),
    "prewitt": Filter("gradient with equal weights (Prewitt 1970)", _pair(_STEP)),
    "roberts": Filter(
        "2x2 diagonal differences (Roberts 1963); 'vertical' is the falling diagonal, 'horizontal' the rising one",
        (((1, 0), (0, -1)), ((0, 1), (-1, 0))),
    ),
    "laplacian": Filter("second derivative in both directions", (((0, 1, 0), (1, -4, 1), (0, 1, 0)),)),
    "gaussian": Filter("5x5 blur with binomial weights (sigma about 1.1)", (_outer(_BINOMIAL, _BINOMIAL),)),
    "box": Filter("3x3 mean", (_outer((1 / 3,) * 3, (1 / 3,) * 3),)),
    "sharpen": Filter("the image minus its laplacian", (((0, -1, 0), (-1, 5, -1), (0, -1, 0)),), "none", "clip"),
    "emboss": Filter("relief lit from the bottom right", (((-2, -1, 0), (-1, 1, 1), (0, 1, 2)),), "none", "clip"),
}


def get_filter(name: str) -> Filter:
    """Return the filter of that name.

    Raises:
        ArgumentError: there is no such filter; the message names the nearest, or all.

    Example:
        >>> get_filter("vertical").kernels
        (((1, 0, -1), (1, 0, -1), (1, 0, -1)),)
    """
    if name in FILTERS:
        return FILTERS[name]
    raise ArgumentError(f"unknown filter {name!r}: {did_you_mean(name, FILTERS)}")


def unit_scale(kernel: Sequence[Sequence[float]]) -> float:
    """Return the sum of a kernel's positive weights, the response to a full black-to-white step.

    A kernel without positive weights is measured by its negative ones, so that it never divides by zero.

    Example:
        >>> unit_scale(((1, 0, -1), (2, 0, -2), (1, 0, -1)))
        4
    """
    weights = [weight for row in kernel for weight in row]
    positive = sum(weight for weight in weights if weight > 0)
    return positive or -sum(weights) or 1
