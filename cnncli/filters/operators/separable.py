"""Operators that correlate with separable kernels, sums of outer products: blurs of any size, and the like."""

from functools import cached_property

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.filters.operators.filtering import Filtering
from cnncli.filters.operators.linear import DenseLinear, Linear, LinearResponse
from cnncli.filters.operators.responses import Finish, Response
from cnncli.ops.convolution.correlation import SlidingOptions
from cnncli.ops.convolution.separable import Separable, correlate_separable, result_type, separable_rows_together
from cnncli.shapes import Four


class SeparableLinear(Linear):
    """Correlation with one separable kernel, or with a pair."""

    kernels: tuple[Separable, ...]  # type: ignore[misc]

    @property
    def weights(self) -> tuple[Array, ...]:
        return tuple(kernel.dense() for kernel in self.kernels)

    def summed(self, axis: int) -> tuple[Separable, ...]:
        return tuple(kernel.summed(axis) for kernel in self.kernels)

    def over(self, source: Response, filtering: Filtering) -> LinearResponse:
        if filtering.color == "volume":
            return DenseLinear(self.weights, self.direction, self.early).over(source, filtering)
        return SeparableResponse(source, self, filtering)


class SeparableResponse(LinearResponse):
    """The response to separable kernels."""

    squares = True

    def __init__(self, source: Response, operator: SeparableLinear, filtering: Filtering) -> None:
        super().__init__(source, operator, filtering)
        self.kernels = tuple(kernel.turned() if filtering.flip else kernel for kernel in operator.kernels)
        positive, negative = operator.kernels[0].signed_sums()
        self.never_negative |= self.count == 1 and source.never_negative and not (negative or filtering.bias)
        self.measure(positive, negative)

    @cached_property
    def dtype(self) -> DType:
        return self.activated(np.zeros(1, result_type(self.source.dtype))).dtype

    @property
    def weights(self) -> tuple[Array, ...]:
        return tuple(kernel.dense() for kernel in self.kernels)

    @property
    def finished_in_pieces(self) -> bool:  # type: ignore[override]
        return self.count == 1 and self.source.in_memory

    def respond(self, pixels: Array, padding: Four, finish: Finish, asked: slice = slice(None)) -> Array:
        if self.count > 1 or asked != slice(None):
            return super().respond(pixels, padding, finish, asked)
        (kernel,) = self.kernels
        return correlate_separable(
            pixels, kernel, finish=lambda piece: finish(self.activated(piece)), **self.options(padding)
        )

    def correlate(self, number: int, pixels: Array, options: SlidingOptions) -> Array:
        return correlate_separable(pixels, self.kernels[number], **options)

    def together(self, number: int, pixels: Array, options: SlidingOptions) -> int:
        return separable_rows_together(pixels, self.kernels[number], **options)
