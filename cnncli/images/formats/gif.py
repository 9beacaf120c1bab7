"""The parts of a GIF file, found without decoding a pixel."""

import io
import struct
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO, NamedTuple

from cnncli.images.formats.parts import Disposal, Part, is_gray

# By the values of the field. 4 is written by old encoders for 3, the others are undefined.
_DISPOSALS = {2: Disposal.CLEAR, 3: Disposal.RESTORE, 4: Disposal.RESTORE}
_EXTENSION, _IMAGE, _TRAILER = b"!", b",", b";"
_GRAPHIC_CONTROL = b"\xf9"
_INTERLACED, _HAS_PALETTE = 0x40, 0x80


class _Control(NamedTuple):
    """The extension in front of an image: how it is shown."""

    flags: int = 0
    duration: float | None = None
    transparent: int = 0

    @property
    def see_through(self) -> bool:
        return bool(self.flags & 1)

    @property
    def disposal(self) -> Disposal:
        return _DISPOSALS.get((self.flags >> 2) & 7, Disposal.KEEP)


def read_parts(stream: BinaryIO) -> Iterator[Part]:
    """Yield the parts of a GIF file; bytes between its blocks that begin none are skipped, as Pillow does.

    Raises:
        struct.error: the file ends within a block.
    """
    stream.seek(6)
    (flags,) = struct.unpack("<4xB2x", stream.read(7))
    palette, control = _palette(stream, flags), _Control()
    over = False
    while (block := stream.read(1)) not in (_TRAILER, b""):
        if block == _EXTENSION:
            control = _extension(stream) or control
        elif block == _IMAGE:
            part = _image(stream, palette, control)
            after = stream.tell()
            yield part._replace(over=over)
            stream.seek(after)
            control, over = _Control(), True


def _extension(stream: BinaryIO) -> _Control | None:
    label, data = stream.read(1), b"".join(_sub_blocks(stream))
    if label != _GRAPHIC_CONTROL or len(data) < 4:
        return None
    flags, hundredths, transparent = struct.unpack("<BHB", data[:4])
    return _Control(flags, hundredths * 10, transparent)


def _image(stream: BinaryIO, palette: bytes, control: _Control) -> Part:
    left, top, width, height, flags = struct.unpack("<HHHHB", stream.read(9))
    palette = _palette(stream, flags) or palette
    start = stream.tell()
    stream.seek(1, io.SEEK_CUR)
    for _ in _sub_blocks(stream):
        pass
    shape, span = (width, height, flags & _INTERLACED), (start, stream.tell() - start)
    return Part(
        left,
        top,
        width,
        height,
        control.disposal,
        over=False,
        see_through=control.see_through,
        gray=is_gray(palette),
        duration=control.duration,
        still=partial(_still, stream, shape, palette, control, span),
    )


def _still(
    stream: BinaryIO, shape: tuple[int, int, int], palette: bytes, control: _Control, span: tuple[int, int]
) -> bytes:
    """A GIF file of one image, whose data lie at (start, length) of `span`."""
    width, height, interlaced = shape
    flags = _HAS_PALETTE | ((len(palette) // 3).bit_length() - 2) if palette else 0
    screen = struct.pack("<HHBBB", width, height, flags, 0, 0)
    shown = struct.pack("<BBHBB", 4, control.flags & 1, 0, control.transparent, 0)
    image = struct.pack("<HHHHB", 0, 0, width, height, interlaced)
    stream.seek(span[0])
    data = stream.read(span[1])
    return b"".join((b"GIF89a", screen, palette, _EXTENSION, _GRAPHIC_CONTROL, shown, _IMAGE, image, data, b";"))


def _palette(stream: BinaryIO, flags: int) -> bytes:
    return stream.read(3 << ((flags & 7) + 1)) if flags & _HAS_PALETTE else b""


def _sub_blocks(stream: BinaryIO) -> Iterator[bytes]:
    while size := stream.read(1):
        if size == b"\0":
            return
        yield stream.read(size[0])
