"""Errors in the text of a network, with their place in it."""

from typing import TYPE_CHECKING

from cnncli.errors import ArgumentError
from cnncli.files.text import cleaned
from cnncli.shapes import Shape, show_shape

if TYPE_CHECKING:
    from cnncli.networks.layers.base import Layer

SHOWN = 100
"""Characters of a text around the place of an error that are shown."""


class TextError(ArgumentError):
    """An error with a place in the text of a network.

    Attributes:
        text: the text, or None where the network was not made from one.
        start: start of the place in it.
        end: end of the place.
        file: the file that holds the text, or empty.
    """

    def __init__(self, message: str, text: str | None = None, start: int = 0, end: int = 0) -> None:
        super().__init__(message)
        self.text, self.start, self.end = text, start, end
        self.file = ""

    @property
    def message(self) -> str:
        """The message without the file."""
        return str(self.args[0])

    def __str__(self) -> str:
        return f"{self.file}: {self.message}" if self.file else self.message

    @property
    def pointed(self) -> str:
        """The line of the text with the place, and below it a line of carets; empty without a text.

        Example:
            >>> print(TextError("...", "6x6x3 conf3-10", 6, 14).pointed)
            6x6x3 conf3-10
                  ^^^^^^^^
        """
        if not self.text:
            return ""
        first = self.text.rfind("\n", 0, self.start) + 1
        line_end = f"{self.text}\n".find("\n", self.start)
        left = max(first, self.start - SHOWN // 2)
        right = min(line_end, left + SHOWN)
        line = cleaned(self.text[left:right])
        carets = max(1, min(self.end, right) - self.start)
        return f"{line}\n{' ' * (self.start - left)}{'^' * carets}"


class NotationError(TextError):
    """A text that is not of the notation.

    Example:
        >>> from cnncli.networks import parse_network
        >>> parse_network("6x6x3 conf3-10")
        Traceback (most recent call last):
        ...
        cnncli.networks.errors.NotationError: unknown layer 'conf3-10': did you mean conv?
    """


class ShapeError(TextError):
    """A layer that cannot take its input.

    Attributes:
        layer: the layer.
        needs: the input that it needs.
        got: the input that it gets.
        fits: a change that would fit, or empty.
        input_shape: the shape that comes in, once the layer's place is known.
        after: the word of the layer before it, or `the input`.
        path: its place, from the outermost: `layer 5`, `main`, `layer 1`.

    Example:
        >>> from cnncli.networks import parse_network
        >>> parse_network("10x10x3 max2 conv7-8")
        Traceback (most recent call last):
        ...
        cnncli.networks.errors.ShapeError: layer 2 (conv7-8 after 5x5x3): conv7-8 needs at least 7x7, got 5x5 after \
max2; padding p1 would fit
    """

    def __init__(self, layer: "Layer", needs: str, got: str, fits: str = "") -> None:
        super().__init__(f"{layer.label} needs {needs}, got {got}")
        self.layer, self.needs, self.got, self.fits = layer, needs, got, fits
        self.item = layer
        self.input_shape: Shape | None = None
        self.after = ""
        self.path: tuple[str, ...] = ()

    def place(self, item: "Layer", number: int, input_shape: Shape, after: str) -> None:
        """Add the place in a sequence of layers, from the innermost sequence outwards."""
        if not self.path:
            self.item, self.input_shape, self.after = item, input_shape, after
        self.path = (f"layer {number}", *self.path)

    def enter(self, branch: str) -> None:
        """Add the branch of a block."""
        self.path = (branch, *self.path)

    @property
    def message(self) -> str:
        """The place, the needed and the given input, and what would fit."""
        place = ""
        if self.path and self.input_shape is not None:
            place = f"{', '.join(self.path)} ({self.item.label} after {show_shape(self.input_shape)}): "
        after = f" after {self.after}" if self.after else ""
        fits = f"; {self.fits}" if self.fits else ""
        return f"{place}{self.layer.label} needs {self.needs}, got {self.got}{after}{fits}"
