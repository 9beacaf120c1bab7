"""A strip of an image in flat memory, where every tap of a window is the same memory at another offset."""

from typing import NamedTuple

from cnncli.arrays import Array
from cnncli.ops.loading import Scratch
from cnncli.shapes import Pair


class Strip(NamedTuple):
    """Rows of pixels with their border, and the windows over them.

    Attributes:
        pixels: flat; one window begins at each pixel but the last ones, which `reach` counts.
        kernel_size: (height, width) of a window.
        steps: numbers from a pixel to the one below it, and to the one at its right.
        scratch: buffers as long as `pixels`; "pixels" is one of them.
    """

    pixels: Array
    kernel_size: Pair
    steps: Pair
    scratch: Scratch

    @property
    def reach(self) -> int:
        """Numbers from the first pixel of a window to its last."""
        return sum((size - 1) * step for size, step in zip(self.kernel_size, self.steps, strict=True))
