"""Operators, and their responses to images: exact, signed numbers, computed for the rows that are asked for.

An operator is what a filter word stands for. Over a source of rows it makes a response, which is a source of rows in
its turn: operators in a row are a chain. A response asks its source for the rows that it needs, no more, so that a
chain reads each band of an image with the sum of its steps' borders; nothing is rounded between them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.filters.operators.filtering import ACTIVATIONS, Filtering
from cnncli.images.frames import gray_shape, luma
from cnncli.ops.borders import Index, Rows, border_index, take_rows
from cnncli.shapes import Four, Window

# Numbers beyond this are computed in float64.
FLOAT32_LARGE = 1e30

# Responses to a full step between these are computed with in the cheapest way.
_BOUNDS = (1e-9, 1e9)

Finish = Callable[[Array], Array]


class Response:
    """The numbers that an operator makes of a source, computed on demand.

    Attributes:
        source: what it is made of; an `Image` has no source.
        image: the image at the beginning of the chain.
        shape: (H_out, W_out), or (H_out, W_out, C) where every channel is filtered by itself.
        window: the geometry; None where the response has the size of its source and sees single pixels.
        full_step: the largest response to a full black-to-white step: the product of the kernels' units.
        contrast: what is left of the difference between black and white, and percentages are of: as `full_step`, but a
            kernel that keeps brightness keeps it.
        word: what the user calls it.
        direction: `magnitude` or `angle`, where two responses became one.
        never_negative: whether no number can be below 0.
        in_memory: whether rows are there already, and nothing is computed for them.
        finished_in_pieces: whether `finished_rows` holds neither the whole response nor its source.
    """

    source: "Response"
    image: Rows
    shape: tuple[int, ...]
    window: Window | None = None
    full_step: float
    contrast: float
    word = ""
    direction: str | None = None
    never_negative = False
    in_memory = False
    finished_in_pieces = False

    def __init__(self, source: "Response") -> None:
        """Take over the size and the full step of a source."""
        self.source, self.image, self.shape = source, source.image, source.shape
        self.full_step, self.contrast = source.full_step, source.contrast

    @property
    def dtype(self) -> DType:
        """The type of the numbers."""
        raise NotImplementedError

    @property
    def rows_together(self) -> int:
        """Number of rows computed together, in the source or here: bands begin best at multiples of it."""
        return self.source.rows_together

    @property
    def bounded(self) -> bool:
        """True if all numbers are finite, and neither they nor their squares too large or small for float32."""
        least, most = _BOUNDS
        return self.source.bounded and least < self.full_step < most

    @property
    def windows(self) -> tuple[Window, ...]:
        """The geometry of each step that has one, from the image on."""
        return self.source.windows + ((self.window,) if self.window else ())

    @property
    def doubt(self) -> str:
        """What to tell the user if the numbers may not be what they want, known once all rows are read; or empty."""
        return ""

    def rows(self, start: int, stop: int) -> Array:
        """Return the rows [start, stop)."""
        return self.finished_rows(start, stop, lambda piece: piece)

    def finished_rows(self, start: int, stop: int, finish: Finish) -> Array:
        """Return rows with `finish` applied, where possible to pieces in the cache."""
        return finish(self.rows(start, stop))


class Image(Response):
    """An image as a chain sees it: luma, or its channels."""

    def __init__(self, image: Rows, *, gray: bool) -> None:
        self.image = image
        self.gray = gray
        self.shape = gray_shape(image.shape) if gray else image.shape
        self.full_step = self.contrast = white_level(image.dtype)
        self.in_memory = self.shape == image.shape
        self.never_negative = image.dtype.kind in "bu"

    @property
    def dtype(self) -> DType:
        return self.image.dtype

    @property
    def bounded(self) -> bool:
        return self.dtype.kind in "iu" and self.dtype.itemsize <= 2

    @property
    def rows_together(self) -> int:
        return 1

    @property
    def windows(self) -> tuple[Window, ...]:
        return ()

    def rows(self, start: int, stop: int) -> Array:
        pixels = self.image.rows(start, stop)
        return luma(pixels) if self.gray else pixels


class WindowedResponse(Response):
    """A response whose numbers are made of windows of the source: the base of those that need a border."""

    window: Window

    def __init__(
        self, source: Response, kernel_size: tuple[int, ...], filtering: Filtering, *, early: bool = False
    ) -> None:
        """Lay a window over a source.

        Args:
            source: what lies under the window.
            kernel_size: (height, width).
            filtering: stride, padding and dilation.
            early: whether `same` padding puts the odd pixel of an even window at the top and left, as SciPy does.
        """
        super().__init__(source)
        self.filtering = filtering
        over = partial(
            Window.over,
            (source.shape[0], source.shape[1]),
            kernel_size,
            stride=filtering.stride,
            dilation=filtering.dilation,
        )
        self.window = over(padding=filtering.padding)
        if early and filtering.padding == "same":
            top, bottom, left, right = self.window.padding
            rows = (top, bottom) if kernel_size[0] % 2 else (bottom, top)
            columns = (left, right) if kernel_size[1] % 2 else (right, left)
            self.window = over(padding=(*rows, *columns))
        self.shape = (*self.window.output_size, *source.shape[2:])

    def respond(self, pixels: Array, padding: Four, finish: Finish, asked: slice = slice(None)) -> Array:
        """Return what is made of some rows of the source.

        Args:
            pixels: rows of the source, with the border above and below.
            padding: what is still to be padded.
            finish: applied to the result.
            asked: the rows of the result to return.
        """
        raise NotImplementedError

    def finished_rows(self, start: int, stop: int, finish: Finish) -> Array:
        height, window = self.source.shape[0], self.window
        if (start, stop) == (0, self.shape[0]):
            return self.respond(self.source.rows(0, height), window.padding, finish)
        first = start - start % self.rows_together
        last = min(stop + -stop % self.rows_together, self.shape[0])
        _, _, left, right = window.padding
        asked = slice(start - first, stop - first) if (start, stop) != (first, last) else slice(None)
        return self.respond(take_rows(self.source, self.needed(first, last)), (0, 0, left, right), finish, asked)

    def needed(self, start: int, stop: int) -> Index:
        """Return the rows of the source under the rows [start, stop): an index that names the border's rows too."""
        height, (top, bottom, _, _), stride = self.source.shape[0], self.window.padding, self.window.stride[0]
        taken = slice(start * stride, (stop - 1) * stride + self.window.span[0])
        return border_index(height, top, bottom, self.filtering.border, taken=taken)

    def activated(self, response: Array) -> Array:
        """Return numbers of the response with the bias added and the activation applied."""
        if self.filtering.bias:
            bias = _bias(self.filtering.bias, response.dtype)
            # By the types alone: older NumPy looks at the number and may take a type that is too small.
            with np.errstate(over="ignore"):  # beyond the type is infinity
                response = np.add(response, bias, dtype=np.promote_types(response.dtype, bias.dtype))
        if self.filtering.activation is not None:
            response = ACTIVATIONS[self.filtering.activation](response)
        return response

    def activated_step(self, full_step: float) -> float:
        """Return the full step after the activation."""
        return 1.0 if self.filtering.activation in ("tanh", "sigmoid") else full_step


def _bias(bias: float, dtype: DType) -> np.number[Any]:
    number = float(bias)
    if dtype.kind == "i" and number.is_integer() and abs(number) < 2**62:
        return np.int64(number)
    kind: np.number[Any] = np.promote_types(dtype, np.float32 if abs(number) < FLOAT32_LARGE else np.float64).type(
        number
    )
    return kind


def white_level(dtype: DType) -> float:
    """Return the white level: 65535 for uint16, 1 for floating point, otherwise 255.

    Example:
        >>> white_level(np.dtype(np.uint8))
        255.0
    """
    return 1.0 if dtype.kind == "f" else 65535.0 if dtype == np.uint16 else 255.0
