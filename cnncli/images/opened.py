"""An image file that is open for reading."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Self

from cnncli.images.frames import Frame


class OpenedImage(ABC):
    """A file's frames, one after another; a context manager that closes the file.

    Attributes:
        format: the kind of file, such as "PNG", whatever its name says.
        suffix: the usual file name ending of that kind.
        frame_count: how many frames there are.
    """

    format: str
    suffix: str
    frame_count: int

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """The frames in turn; a frame is of use until the next is asked for.

        Raises:
            ImageError: a frame is damaged, too large or of a kind that cannot be read.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    def decoded_bytes(self) -> int:
        """About how much memory a decoded frame takes; 0 where it is read a band at a time."""
        return 0

    @property
    def pixels(self) -> int:
        """How many pixels a frame has; 0 where only reading tells."""
        return 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
