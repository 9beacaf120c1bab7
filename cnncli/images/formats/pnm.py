"""The plain formats PBM, PGM and PPM: 8 and 16 bits, grey and colour; Pillow reads all but 16 bits."""

import io
import re
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ImageError
from cnncli.images.formats import Format
from cnncli.images.formats.pillow import PillowImage
from cnncli.images.frames import ArrayFrame, Frame, Picture
from cnncli.images.memory import working_bytes
from cnncli.images.sources import check_pixels

_HEADER = re.compile(rb"P([2356])" + 3 * rb"(?:\s|#[^\n]*\n)+(\d{1,10})" + rb"\s")
_SPACE = re.compile(rb"\s")
_AT_A_TIME = 1 << 18


class PnmImage(PillowImage):
    """A PNM file; its 16-bit samples are read here, because Pillow cuts colours to 8 bits."""

    def _begin(self) -> int:
        header = _HEADER.match(self._stream.read(4096))
        self._deep = header if header and int(header[4]) > 255 else None
        if not self._deep:
            return super()._begin()
        check_pixels(self._name, *self.size, self._max_pixels)
        return 1

    def decoded_bytes(self) -> int:
        if not self._deep:
            return super().decoded_bytes()
        # Deep samples, which Pillow does not hold, and the file's text.
        text = self._stream.seek(0, io.SEEK_END)
        return 2 * self.pixels * _channels(self._deep) + text + working_bytes(self.pixels, 2)

    def _frame(self, index: int) -> Frame:
        return ArrayFrame(self._samples(self._deep), gray=self._gray) if self._deep else super()._frame(index)

    @property
    def size(self) -> tuple[int, int]:
        return (int(self._deep[2]), int(self._deep[3])) if self._deep else super().size

    def _samples(self, header: re.Match[bytes]) -> Array:
        (width, height), channels = self.size, _channels(header)
        maximum, count = int(header[4]), width * height * channels
        self._stream.seek(header.end())
        text = self._stream.read(2 * count) if header[1] in b"56" else self._stream.read()
        numbers = np.frombuffer(text[: len(text) // 2 * 2], ">u2") if header[1] in b"56" else _numbers(text)
        if numbers.size < count or maximum > 65535:
            raise ImageError(f"holds {numbers.size} samples of {count} (largest {maximum})")
        samples = numbers[:count].astype(np.uint16)
        for start in range(0, count if maximum < 65535 else 0, _AT_A_TIME):
            part = samples[start : start + _AT_A_TIME]
            part[:] = ((part * np.uint32(65535) + maximum // 2) // maximum).clip(0, 65535)
        return samples.reshape((height, width, 3) if channels == 3 else (height, width))


def _channels(header: re.Match[bytes]) -> int:
    return 3 if header[1] in b"36" else 1


def _numbers(text: bytes) -> Array:
    """Return the numbers of a text without its comments, read in pieces: a list of all would be many times as large."""
    text = re.sub(rb"#[^\n]*", b"", text)
    pieces = [np.empty(0, np.uint16)]
    start = 0
    while start < len(text):
        space = _SPACE.search(text, start + _AT_A_TIME)
        stop = space.start() if space else len(text)
        pieces.append(np.array(text[start:stop].split(), np.uint16))
        start = stop
    return np.concatenate(pieces)


def write(file: BinaryIO, frames: Iterator[Picture], form: Format) -> None:
    """Write one picture, its bands as they come; a grey one becomes colour in a .ppm."""
    picture = next(frames)
    height, width = picture.shape[:2]
    if form.name == "pbm":
        _write_bits(file, picture)
        return
    colour = picture.channels == 3 or form.name == "ppm"
    largest = 65535 if picture.dtype == np.uint16 else 255
    file.write(b"P%d\n%d %d\n%d\n" % (6 if colour else 5, width, height, largest))
    for _, band in picture.placed():
        samples = band.reshape(len(band), width, -1)
        if colour and picture.channels == 1:
            samples = samples.repeat(3, axis=2)
        file.write(samples.astype(samples.dtype.newbyteorder(">")).tobytes())


def _write_bits(file: BinaryIO, picture: Picture) -> None:
    height, width = picture.shape[:2]
    file.write(b"P4\n%d %d\n" % (width, height))
    for start, band in picture.placed():
        black, white = band == 0, band == 255
        if not (black | white).all():
            raise ImageError(f"PBM holds only 0 and 255, found other levels from row {start} on; write .pgm")
        file.write(np.packbits(black.reshape(len(band), width), axis=1).tobytes())
