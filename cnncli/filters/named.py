"""Named filters, each one entry of `FILTERS` with everything about it.

Kernels are written as in the course: a vertical edge that is bright on the left and dark on the right is positive, and
so is a horizontal edge that is bright above and dark below. OpenCV and SciPy write the gradient kernels with the
opposite sign; the magnitude is the same.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cnncli.choices import DIRECTIONS, did_you_mean
from cnncli.errors import ArgumentError

Kernel = tuple[tuple[float, ...], ...]


class Filter(NamedTuple):
    """A named filter: one kernel, or a (vertical, horizontal) pair of them.

    Attributes:
        name: the word that stands for it.
        about: one line for people.
        kernels: one kernel or two of a size; each a tuple of rows.
        scale: default scale for pictures of its response (see `cnncli.filters.rendering.Rendering`).
        signed: rendering of negative numbers in these pictures, unless the user chooses another.
        in_words: the kernel in words, where its numbers would be hard to read.
        arguments: what may follow the name behind a colon, as the N of `box:N`, separated by commas.
        of: returns the kernels for given arguments, each a number, and refuses others.
    """

    name: str
    about: str
    kernels: tuple[Kernel, ...]
    scale: str = "unit"
    signed: str = "abs"
    in_words: str = ""
    arguments: str = ""
    of: Callable[..., tuple[Kernel, ...]] | None = None

    @property
    def word(self) -> str:
        """How a user writes it, with its arguments: `sobel`, `box[:N]`."""
        return f"{self.name}[:{self.arguments}]" if self.arguments else self.name

    def with_arguments(self, text: str) -> "Filter":
        """Return the filter that the arguments make of this one; its name is safe in file names.

        Raises:
            ArgumentError: it takes none, or others.

        Example:
            >>> FILTERS["box"].with_arguments("5").name
            'box5'
        """
        if self.of is None:
            raise ArgumentError(f"the filter {self.name!r} takes no arguments, got {text!r}")
        try:
            numbers = [float(word) for word in text.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) != len(self.arguments.split(",")):
            raise ArgumentError(f"{self.name}:{text}: write {self.name}:{self.arguments}, with numbers")
        kernels = self.of(*numbers)
        return self._replace(name=self.name + "-".join(f"{n:g}" for n in numbers), kernels=kernels, in_words="")

    @property
    def is_pair(self) -> bool:
        """True if the filter has directions: a kernel for vertical edges and one for horizontal edges."""
        return len(self.kernels) == 2

    @property
    def unit(self) -> float:
        """The response to a full step between 0 and 1."""
        return unit_scale(self.kernels[0])

    def directed(self, direction: str | None) -> tuple[tuple[Kernel, ...], str | None]:
        """Return the kernels that a direction needs, and how two responses become one: `magnitude` or `angle`.

        Raises:
            ArgumentError: the filter has no directions.
        """
        if not self.is_pair:
            if direction is not None:
                raise no_directions(direction, repr(self.name))
            return self.kernels, None
        if direction in DIRECTIONS[:2]:
            return (self.kernels[DIRECTIONS.index(direction)],), None
        return self.kernels, direction or "magnitude"


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


def _box(size: float) -> tuple[Kernel]:
    if size not in range(1, 1000):
        raise ArgumentError(f"box:N takes an integer from 1 to 999, got {size:g}")
    row = (1 / size,) * int(size)
    return (_outer(row, row),)


_STEP: Kernel = ((1, 0, -1), (1, 0, -1), (1, 0, -1))
_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)

_ENTRIES = (
    Filter("vertical", "vertical edges, the course's first filter", (_STEP,)),
    Filter("horizontal", "horizontal edges, its transpose", (transposed(_STEP),)),
    Filter(
        "sobel",
        "gradient with the middle row weighted 2 (Sobel and Feldman 1968)",
        _pair(((1, 0, -1), (2, 0, -2), (1, 0, -1))),
    ),
    Filter(
        "scharr",
        "gradient weighted 3, 10, 3, closer to the same in every direction (Scharr 2000)",
        _pair(((3, 0, -3), (10, 0, -10), (3, 0, -3))),
    ),
    Filter("prewitt", "gradient with equal weights (Prewitt 1970)", _pair(_STEP)),
    Filter(
        "roberts",
        "2x2 diagonal differences (Roberts 1963); 'vertical' is the falling diagonal, 'horizontal' the rising one",
        (((1, 0), (0, -1)), ((0, 1), (-1, 0))),
    ),
    Filter("laplacian", "second derivative in both directions", (((0, 1, 0), (1, -4, 1), (0, 1, 0)),)),
    Filter(
        "gaussian",
        "5x5 blur with binomial weights (sigma about 1.1)",
        (_outer(_BINOMIAL, _BINOMIAL),),
        in_words="1 4 6 4 1 down and across, divided by 256",
    ),
    Filter("box", "3x3 mean, or NxN", _box(3), in_words="1/9 everywhere", arguments="N", of=_box),
    Filter("sharpen", "the image minus its laplacian", (((0, -1, 0), (-1, 5, -1), (0, -1, 0)),), "none", "clip"),
    Filter("emboss", "relief lit from the bottom right", (((-2, -1, 0), (-1, 1, 1), (0, 1, 2)),), "none", "clip"),
)
FILTERS: dict[str, Filter] = {entry.name: entry for entry in _ENTRIES}
DEFAULT = "sobel"
"""The filter to apply when none is named."""


def parse_filter(word: str) -> Filter:
    """Return the filter that a word stands for: a name, or a name, a colon and arguments.

    Raises:
        ArgumentError: there is no such filter, and the message names the nearest, or all; or its arguments are wrong.

    Example:
        >>> parse_filter("vertical").kernels
        (((1, 0, -1), (1, 0, -1), (1, 0, -1)),)
        >>> parse_filter("box:2").kernels
        (((0.25, 0.25), (0.25, 0.25)),)
    """
    name, colon, arguments = word.partition(":")
    if name not in FILTERS:
        raise ArgumentError(f"unknown filter {word!r}: {did_you_mean(name, FILTERS)}")
    return FILTERS[name].with_arguments(arguments) if colon else FILTERS[name]


def no_directions(direction: str, given: str) -> ArgumentError:
    """Return the error for a direction given to a filter or a kernel without directions."""
    pairs = ", ".join(entry.name for entry in FILTERS.values() if entry.is_pair)
    return ArgumentError(f"direction {direction!r} needs a filter that has directions ({pairs}), got {given}")


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
