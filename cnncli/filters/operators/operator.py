"""The operator that a filter word stands for."""

from typing import ClassVar, Self

from cnncli.arrays import Array
from cnncli.errors import ArgumentError
from cnncli.filters.operators.filtering import OF_THE_LAST, Filtering
from cnncli.filters.operators.responses import Response
from cnncli.ops.convolution.separable import Separable
from cnncli.values import Value

Kernel = Array | Separable
"""A kernel (f_h, f_w) or (f_h, f_w, C), or a sum of separable ones."""


class Operator(Value):
    """A filter with its arguments, which makes a response of a source of rows.

    The response states what is true of it over that source: the rows that it needs for which of its own, or that it
    needs all (`rows`, `WindowedResponse.needed`, `Once`), its exact type (`dtype`) and its answer to a full step
    (`full_step`). A subclass overrides `over`, and what else is not as here.

    Attributes:
        kernels: the kernels that it correlates with: one, the (vertical, horizontal) pair of a gradient, or none.
        direction: `magnitude` or `angle`, where two responses become one.
        early: whether padding puts the odd pixel of an even window at the top and left, as SciPy does.
        takes: the fields of `Filtering` that it takes as the last step of a chain, among `OF_THE_LAST`; `color` stands
            for color `volume`.
    """

    takes: ClassVar[tuple[str, ...]] = ()
    kernels: ClassVar[tuple[Kernel, ...]] = ()
    direction: ClassVar[str | None] = None
    early: ClassVar[bool] = False

    @property
    def weights(self) -> tuple[Array, ...]:
        """The kernels as arrays (f_h, f_w) or (f_h, f_w, C)."""
        return ()

    def directed(self, direction: str) -> Self | None:
        """Return the operator for a direction; None if it has no directions."""
        return None

    def along(self, axis: int) -> "Operator":
        """Return the operator that does the same to images that do not change along an axis, in less time."""
        return self

    def over(self, source: Response, filtering: Filtering) -> Response:
        """Return the response to a source.

        Raises:
            ArgumentError: the source is too small, or an option does not suit it.
        """
        raise NotImplementedError

    def check(self, word: str, filtering: Filtering) -> None:
        """Refuse options that mean nothing for this operator as the last step.

        Raises:
            ArgumentError: there is one.
        """
        if "color" not in self.takes and filtering.color == "volume":
            said = f"on {filtering.on!r}" if filtering.on else "color 'volume'"
            raise ArgumentError(f"{said} sums over the channels with a kernel, and {word} has none")
        plain = Filtering()
        for name in OF_THE_LAST:
            value = getattr(filtering, name)
            if name not in self.takes and value != getattr(plain, name):
                given = "" if value is True else f", got {value:g}" if isinstance(value, float) else f", got {value!r}"
                raise ArgumentError(f"{word}, the last word of the filter, does not take {name}{given}")
