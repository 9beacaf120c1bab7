"""Named filters, each one entry of `FILTERS` with everything about it.

Kernels are written as in the course: a vertical edge that is bright on the left and dark on the right is positive, and
so is a horizontal edge that is bright above and dark below. OpenCV and SciPy write the gradient kernels with the
opposite sign; the magnitude is the same.
"""

import re
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from cnncli.choices import did_you_mean
from cnncli.errors import ArgumentError
from cnncli.filters.arguments import Argument, ArgumentValue, level, number, read_arguments, size

if TYPE_CHECKING:
    from cnncli.filters.operators.operator import Operator

Kernel = tuple[tuple[float, ...], ...]


class Look(NamedTuple):
    """The default rendering of a filter's responses.

    Attributes:
        scale: of pictures (see `cnncli.filters.rendering.Rendering`).
        signed: rendering of negative numbers in pictures.
        color: `gray`; `each` for filters whose result is a photograph still; `volume` for a kernel with channels.
    """

    scale: str = "unit"
    signed: str = "abs"
    color: str = "gray"


class Filter(NamedTuple):
    """A filter word: a factory of operators from arguments, and the default rendering of their responses.

    An operator and its response state the rest: the rows that they need, the type of the numbers and the response to a
    full step (see `cnncli.filters.operators`).

    Attributes:
        name: the word.
        about: one line for people.
        kernels: the kernel of the bare word, or the (vertical, horizontal) pair, each a tuple of rows; empty for a
            filter that is not a kernel, or only with arguments.
        look: the default rendering.
        in_words: the kernel in words, where its numbers would be hard to read.
        arguments: what may follow the name behind a colon, separated by commas.
        factory: the function of `cnncli.filters.operators` that returns the operator for the values of the arguments:
            `module.function`; empty where there is no more than the kernels of the bare word.
        last: whether nothing may follow it in a chain.
        agrees: the function of another library that computes the same numbers, if there is one.
        how: how a filter without kernels works, in two or three lines.
    """

    name: str
    about: str
    kernels: tuple[Kernel, ...] = ()
    look: Look = Look()
    in_words: str = ""
    arguments: tuple[Argument, ...] = ()
    factory: str = ""
    last: bool = False
    agrees: str = ""
    how: str = ""

    @property
    def word(self) -> str:
        """How a user writes it, with its arguments: `sobel`, `box[:N]`."""
        names = ",".join(argument.name for argument in self.arguments)
        return f"{self.name}[:{names}]" if names else self.name

    def operator(self, word: str) -> "tuple[Operator, tuple[ArgumentValue, ...]]":
        """Return the operator that a word stands for, and the values of its arguments.

        Args:
            word: the name, and arguments behind a colon if any are given.

        Raises:
            ArgumentError: it takes no arguments, or others.
        """
        if not self.factory or (self.kernels and ":" not in word):
            return _made("linear.dense", self.kernels), read_arguments(word, ())
        values = read_arguments(word, self.arguments)
        try:
            return _made(self.factory, values), values
        except ArgumentError as error:
            raise ArgumentError(f"{word}: {error}") from error


def _made(factory: str, values: Sequence[object]) -> "Operator":
    """Call a function of `cnncli.filters.operators`, which loads NumPy, by its name."""
    module, function = factory.split(".")
    operator: Operator = getattr(import_module(f"cnncli.filters.operators.{module}"), function)(*values)
    return operator


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


_EDGES, _BLURRED, _SHARPENED = Look("soft"), Look(color="each"), Look("none", "clip", "each")
_STEP: Kernel = ((1, 0, -1), (1, 0, -1), (1, 0, -1))
_SIGMA = number("SIGMA", 0.01, 500)
_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)

_MEDIAN = "one in the middle (of an even number, the upper one)"


def _rank(name: str, about: str, function: str, taken: str) -> Filter:
    return Filter(
        name,
        about,
        look=Look(signed="clip", color="each"),
        arguments=(size("N", 999, "3"),),
        factory=f"ranks.{function}",
        agrees=f"scipy.ndimage.{function}_filter",
        how=f"The pixels of each window are put in order, and the output is the {taken}.\n"
        "It is one of them, and no weighted sum: there is no kernel and no frequency response.",
    )


_ENTRIES = (
    Filter("vertical", "vertical edges, the course's first filter", (_STEP,), _EDGES),
    Filter("horizontal", "horizontal edges, its transpose", (transposed(_STEP),), _EDGES),
    Filter(
        "sobel",
        "gradient with the middle row weighted 2 (Sobel and Feldman 1968)",
        _pair(((1, 0, -1), (2, 0, -2), (1, 0, -1))),
        look=_EDGES,
        agrees="scipy.ndimage.sobel, of opposite sign",
    ),
    Filter(
        "scharr",
        "gradient weighted 3, 10, 3, closer to the same in every direction (Scharr 2000)",
        _pair(((3, 0, -3), (10, 0, -10), (3, 0, -3))),
        look=_EDGES,
        agrees="cv2.Scharr, of opposite sign",
    ),
    Filter(
        "prewitt",
        "gradient with equal weights (Prewitt 1970)",
        _pair(_STEP),
        look=_EDGES,
        agrees="scipy.ndimage.prewitt, of opposite sign",
    ),
    Filter(
        "roberts",
        "2x2 diagonal differences (Roberts 1963); 'vertical' is the falling diagonal, 'horizontal' the rising one",
        (((1, 0), (0, -1)), ((0, 1), (-1, 0))),
        look=_EDGES,
        agrees="skimage.filters.roberts_pos_diag and roberts_neg_diag, of opposite sign",
    ),
    Filter(
        "laplacian",
        "second derivative in both directions",
        (((0, 1, 0), (1, -4, 1), (0, 1, 0)),),
        look=_EDGES,
        agrees="scipy.ndimage.laplace",
    ),
    Filter(
        "gaussian",
        "blur; without SIGMA, 5x5 binomial weights (sigma about 1.1)",
        (_outer(_BINOMIAL, _BINOMIAL),),
        look=_BLURRED,
        in_words="1 4 6 4 1 down and across, divided by 256",
        arguments=(_SIGMA,),
        factory="formulas.gaussian",
        agrees="scipy.ndimage.gaussian_filter",
    ),
    Filter(
        "box",
        "mean of 3x3 pixels, of NxN, or of HEIGHTxWIDTH",
        (_outer((1 / 3,) * 3, (1 / 3,) * 3),),
        look=_BLURRED,
        in_words="1/9 everywhere",
        arguments=(size("N", 999, "3"),),
        factory="formulas.box",
        agrees="scipy.ndimage.uniform_filter",
    ),
    Filter(
        "sharpen",
        "the image minus its laplacian",
        (((0, -1, 0), (-1, 5, -1), (0, -1, 0)),),
        _SHARPENED,
    ),
    Filter(
        "emboss",
        "relief lit from the bottom right",
        (((-2, -1, 0), (-1, 1, 1), (0, 1, 2)),),
        _SHARPENED,
    ),
    Filter(
        "gradient",
        "magnitude of Gaussian derivatives, which has directions",
        look=_EDGES,
        arguments=(_SIGMA._replace(default="1"),),
        factory="formulas.gradient",
        agrees="scipy.ndimage.gaussian_gradient_magnitude",
    ),
    Filter(
        "log",
        "Laplacian of Gaussian (Marr and Hildreth 1980)",
        look=_EDGES,
        arguments=(_SIGMA._replace(default="1"),),
        factory="formulas.laplacian_of_gaussian",
        agrees="scipy.ndimage.gaussian_laplace",
    ),
    Filter(
        "dog",
        "difference of two Gaussians; without S2, 1.6 times S1",
        look=_EDGES,
        arguments=(_SIGMA._replace(name="S1", default="1"), _SIGMA._replace(name="S2", default="")),
        factory="formulas.difference_of_gaussians",
        agrees="skimage.filters.difference_of_gaussians",
    ),
    Filter(
        "gabor",
        "wave of WAVELENGTH pixels towards DEGREES, clockwise from the right, under a Gaussian (Gabor 1946)",
        look=_EDGES,
        arguments=(
            number("WAVELENGTH", 2, 500, "8"),
            number("DEGREES", -360, 360, "0"),
            _SIGMA._replace(default=""),
        ),
        factory="formulas.gabor",
        agrees="skimage.filters.gabor_kernel, its real part",
    ),
    Filter(
        "motion",
        "blur along a line of LENGTH pixels towards DEGREES, clockwise from the right",
        look=_BLURRED,
        arguments=(number("LENGTH", 1, 500, "9"), number("DEGREES", -360, 360, "0")),
        factory="formulas.motion",
    ),
    Filter(
        "unsharp",
        "the image plus AMOUNT times what a Gaussian blur takes away",
        look=_SHARPENED,
        arguments=(_SIGMA._replace(default="1"), number("AMOUNT", 0, 100, "1")),
        factory="formulas.unsharp",
        agrees="skimage.filters.unsharp_mask",
    ),
    _rank("median", "median of NxN pixels, which removes specks and keeps edges", "median", _MEDIAN),
    _rank("min", "darkest of NxN pixels (erosion)", "minimum", "first"),
    _rank("max", "brightest of NxN pixels (dilation)", "maximum", "last"),
    Filter(
        "canny",
        "thin edges, connected to strong ones; thresholds are magnitudes of Sobel's gradient (Canny 1986)",
        look=Look(signed="clip"),
        arguments=(number("SIGMA", 0, 500, "1"), level("LOW", 0, "10%"), level("HIGH", 0, "20%")),
        factory="canny.Canny",
        agrees="skimage.feature.canny, thresholds converted",
        how="A Gaussian of SIGMA smooths, and Sobel's kernels give a gradient at each pixel.\n"
        "A pixel stays where its magnitude is the largest along its gradient: lines become one pixel thin.\n"
        "Of these, those from HIGH on are edges, and so are those from LOW on that are connected to them.",
    ),
    Filter(
        "threshold",
        "white from T on, or by Otsu's method (1979), otherwise black; last in a chain",
        look=Look(signed="clip"),
        arguments=(level("T", -float("inf"), "otsu", "otsu"),),
        factory="thresholds.threshold",
        last=True,
        agrees="skimage.filters.threshold_otsu",
        how="A number from T on becomes 1 (white), the others 0 (black).\n"
        "Otsu's method takes the T that separates the numbers into two groups with the least variance within them,\n"
        "from the histogram of the whole picture.",
    ),
)
FILTERS: dict[str, Filter] = {entry.name: entry for entry in _ENTRIES}
DEFAULT = "sobel"
"""The filter to apply when none is named."""


def find_filter(name: str) -> Filter:
    """Return the entry of a filter.

    Raises:
        ArgumentError: an unknown name; the message names the nearest, or all.

    Example:
        >>> find_filter("vertical").kernels
        (((1, 0, -1), (1, 0, -1), (1, 0, -1)),)
    """
    if name in FILTERS:
        return FILTERS[name]
    if re.fullmatch(r"[\d.,x%-]+", name):
        raise ArgumentError(f"unknown filter {name!r}: numbers follow a filter and a colon, as in gaussian:2")
    words = re.findall(r"\w+", name)
    if len(words) > 1 and all(word in FILTERS for word in words):
        raise ArgumentError(f"unknown filter {name!r}: separate words by spaces, as in {' '.join(words)!r}")
    raise ArgumentError(f"unknown filter {name!r}: {did_you_mean(name, FILTERS)}")
