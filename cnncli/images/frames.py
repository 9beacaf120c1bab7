"""Image files that are open, the frames that are read from them, and pictures, which are written.

A band is a few rows of an image, channels last. Working in bands keeps a huge image to one decoded copy.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.errors import ArgumentError, ImageError
from cnncli.images.formats import FileKind
from cnncli.images.metadata import Metadata
from cnncli.images.sources import decoding

# The number types that are computed as they are, and those of files that are computed in a wider one, without loss.
_COMPUTED = ("uint8", "uint16", "int32", "int64", "float32", "float64")
_WIDENED = {"int8": "int32", "int16": "int32", "uint32": "int64", "float16": "float32", "bool": "uint8"}

_LUMA_PIXELS = 1 << 18  # weighted at a time, in wider numbers


class Frame(ABC):
    """One frame of an input.

    Attributes:
        shape: (H, W) for grey, (H, W, C) for colour; alpha is not counted.
        dtype: uint8, uint16, int32, int64, float32 or float64.
        metadata: metadata of the pixels as they are returned.
        typed: whether it is a matrix written as text.
    """

    typed = False
    shape: tuple[int, ...]
    dtype: DType
    metadata: Metadata

    @abstractmethod
    def rows(self, start: int, stop: int) -> Array:
        """Return the pixel rows from `start` up to `stop`, of shape (stop - start, W) or (stop - start, W, C)."""

    @property
    def opaque(self) -> float:
        """The alpha of an opaque pixel: 1 for floating point, otherwise usually the dtype's largest number."""
        return 1.0 if self.dtype.kind == "f" else int(np.iinfo(self.dtype).max)

    @abstractmethod
    def alpha(self) -> Array | None:
        """Return the transparency, of shape (H, W), in the pixels' dtype; None without."""

    def array(self) -> Array:
        """Return all pixels at once."""
        return self.rows(0, self.shape[0])


class ArrayFrame(Frame):
    """A frame whose pixels are an array already, perhaps one that is mapped from a file."""

    def __init__(
        self,
        pixels: Array,
        *,
        alpha: Array | None = None,
        opaque: float | None = None,
        metadata: Metadata | None = None,
        gray: bool = False,
    ) -> None:
        self._pixels, self._alpha, self._opaque, self._gray = pixels, alpha, opaque, gray
        self.dtype = computing_dtype(pixels.dtype)
        self.shape = gray_shape(pixels.shape) if gray else pixels.shape
        self.metadata = (metadata or Metadata()).for_channels(self.shape[2] if len(self.shape) == 3 else 1)

    @property
    def opaque(self) -> float:
        return super().opaque if self._opaque is None else self._opaque

    def rows(self, start: int, stop: int) -> Array:
        band = for_computing(self._pixels[start:stop])
        return luma(band) if self._gray else band

    def alpha(self) -> Array | None:
        return self._alpha


class OpenedImage(AbstractContextManager["OpenedImage"]):
    """A file that is open for reading: its frames, one after another. A context manager that closes the file.

    A subclass writes `_begin` and `_frame`, and `decoded_bytes` where frames are decoded whole. It has the open file
    `_stream`, which is at its beginning, the `_name` for messages, `_gray` (whether frames are wanted as luma) and
    `_max_pixels`, the limit to check in `_begin` by `cnncli.images.sources.check_pixels`.

    Attributes:
        kind: the kind of file, whatever its name says.
        frame_count: number of frames.
    """

    def __init__(self, stream: BinaryIO, name: str, kind: FileKind, *, gray: bool, max_pixels: int | None) -> None:
        self._stream, self._name, self.kind, self._gray, self._max_pixels = stream, name, kind, gray, max_pixels
        with decoding(name, kind.name):
            self.frame_count = self._begin()

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in turn; a frame is of use until the next is asked for.

        Raises:
            ImageError: a frame is damaged, too large or of a kind that cannot be read.
        """
        for index in range(self.frame_count):
            with decoding(self._name, self.kind.name):
                frame = self._frame(index)
            yield frame

    @abstractmethod
    def _begin(self) -> int:
        """Read the header, refuse files that are too large, and return the number of frames."""

    def _frame(self, index: int) -> Frame:
        """Read a frame, for `frames`; a class may have another way instead."""
        raise NotImplementedError

    def _content(self) -> bytes:
        """Return the whole file, for decoders that take it at once."""
        self._stream.seek(0)
        return self._stream.read()

    def upright_size(self) -> tuple[int, int]:
        """Return the first frame's height and width as a viewer sees it."""
        height, width = next(self.frames()).shape[:2]
        return height, width

    @property
    def orientation(self) -> int:
        """How the stored pixels of the first frame are turned to be upright: EXIF's number, 1 for not at all."""
        return 1

    @property
    def pixels(self) -> int:
        """The number of pixels of a frame; 0 where only reading tells."""
        return 0

    def decoded_bytes(self) -> int:
        """Return about how many bytes are needed to decode a frame: its pixels, and what the decoder holds beside them.

        Not what is then computed from the pixels; 0 if the frame is read a band at a time.
        """
        return 0

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def __exit__(self, *exception: object) -> None:
        self.close()


class Picture(NamedTuple):
    """One frame to be written.

    Attributes:
        shape: (H, W), or (H, W, C); for pictures C is 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        dtype: the bands' dtype.
        bands: consecutive bands of rows that together make `shape`.
        metadata: what the file should say of the picture.
        name: the array's name in an `.npz` file.
    """

    shape: tuple[int, ...]
    dtype: DType
    bands: Iterable[Array]
    metadata: Metadata = Metadata()
    name: str = ""

    @property
    def channels(self) -> int:
        """1 for (H, W), otherwise C."""
        return 1 if len(self.shape) == 2 else self.shape[2]

    def array(self) -> Array:
        """Return all bands as one array of shape `shape`; the bands are used up."""
        whole = np.empty(self.shape, self.dtype)
        for start, band in self.placed():
            whole[start : start + len(band)] = band
        return whole

    def placed(self) -> Iterator[tuple[int, Array]]:
        """Yield each band with its first row's number; the bands are used up.

        Raises:
            ImageError: the bands have other dtypes or shapes than the picture, or do not fill it.
        """
        start = 0
        for band in self.bands:
            if band.shape[1:] != self.shape[1:] or band.dtype != self.dtype or start + len(band) > self.shape[0]:
                raise ImageError(
                    f"a band of {band.dtype} {band.shape} at row {start} does not fit {self.dtype} {self.shape}"
                )
            yield start, band
            start += len(band)
        if start != self.shape[0]:
            raise ImageError(f"the bands of a picture with {self.shape[0]} rows ended after {start}")


def computing_dtype(dtype: DType) -> DType:
    """Return the dtype for computing with pixels of this dtype, without loss.

    Raises:
        ImageError: it is not a number type that images have.

    Example:
        >>> computing_dtype(np.dtype(">i2"))
        dtype('int32')
    """
    name = _WIDENED.get(dtype.name, dtype.name)
    if name not in _COMPUTED:
        raise ImageError(f"numbers of type {dtype} are not pixels; convert the array to float64 or int64 first")
    return np.dtype(name)


def for_computing(pixels: Array) -> Array:
    """Return the pixels in their computing dtype and in this machine's byte order; True becomes 255."""
    converted = pixels.astype(computing_dtype(pixels.dtype), copy=False)
    return converted * np.uint8(255) if pixels.dtype == np.bool_ else converted


def as_levels(samples: Array, bits: int) -> Array:
    """Spread samples from 0 to 2 ** bits - 1 over the whole range of their dtype.

    Example:
        >>> as_levels(np.array([0, 1, 1023], np.uint16), 10)
        array([    0,    64, 65535], dtype=uint16)
    """
    most, full = (1 << bits) - 1, np.iinfo(samples.dtype).max
    if most == full:
        return samples
    levels = np.array([round(level * full / most) for level in range(most + 1)], samples.dtype)
    converted: Array = levels[np.minimum(samples, most)]
    return converted


def split_alpha(samples: Array) -> tuple[Array, Array | None]:
    """Split samples (H, W, C) of one to four channels into pixels, (H, W) or (H, W, 3), and alpha, (H, W) or None."""
    has_alpha = samples.shape[2] in (2, 4)
    pixels, alpha = (samples[..., :-1], samples[..., -1]) if has_alpha else (samples, None)
    return (pixels[..., 0] if pixels.shape[2] == 1 else pixels), alpha


def gray_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of an image made grey: (H, W).

    Raises:
        ImageError: there are neither one nor three channels.
    """
    if len(shape) == 3 and shape[2] not in (1, 3):
        raise ImageError(f"grey is made of 1 or 3 channels, found {shape[2]}; filter them as they are (--color each)")
    return shape[:2]


def luma(pixels: Array) -> Array:
    """Return the BT.601 luma: integers exactly as Pillow's `convert("L")`, floats with .299, .587 and .114.

    Args:
        pixels: (H, W), (H, W, 1) or (H, W, 3).

    Returns:
        (H, W), of the same dtype.
    """
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] == 1:
        return pixels[..., 0]
    gray = np.empty(pixels.shape[:2], pixels.dtype)
    step = max(1, _LUMA_PIXELS // max(1, pixels.shape[1]))
    for start in range(0, len(pixels), step):
        gray[start : start + step] = _weighted(pixels[start : start + step])
    return gray


def _weighted(pixels: Array) -> Array:
    red, green, blue = (pixels[..., channel] for channel in range(3))
    if pixels.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):  # infinite and missing numbers stay what they are
            return (0.299 * red + 0.587 * green + 0.114 * blue).astype(pixels.dtype)
    if pixels.dtype.itemsize > 4 and np.abs(pixels.astype(np.float64)).max(initial=0) * 2**16 >= 2**63:
        raise ArgumentError("the luma of numbers this large exceeds 64 bits: convert them to float64")
    # 65535 * 65536 fits uint32, so that pictures need half the memory of the general case.
    wide: Any = np.uint32 if pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2 else np.int64
    weighted: Array = red.astype(wide) * 19595
    weighted += green.astype(wide) * 38470
    weighted += blue.astype(wide) * 7471
    weighted += 0x8000
    weighted >>= 16
    return weighted.astype(pixels.dtype)
