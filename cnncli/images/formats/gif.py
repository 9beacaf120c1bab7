"""GIF files: their parts, found without decoding a pixel, and writing.

Pillow, given all frames at once, leaves out those that it takes for repeated, among them some that only differ in what
is transparent. Here Pillow makes the images, every frame whole and with a palette of its own, and none waits in memory.
"""

import io
import struct
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from cnncli.errors import ImageError
from cnncli.images.formats import Format
from cnncli.images.formats.animations import AnimatedImage, Disposal, Part, is_gray
from cnncli.images.formats.pillow import image_of
from cnncli.images.frames import Picture

if TYPE_CHECKING:
    from PIL import Image

# By the values of the field. 4 is written by old encoders for 3, the others are undefined.
_DISPOSALS = {2: Disposal.CLEAR, 3: Disposal.RESTORE, 4: Disposal.RESTORE}
_EXTENSION, _IMAGE, _TRAILER = b"!", b",", b";"
_GRAPHIC_CONTROL = b"\xf9"
_INTERLACED, _HAS_PALETTE = 0x40, 0x80
_CLEAR = 2 << 2  # the flag of a frame that leaves nothing behind
_LONGEST = 65_535  # hundredths of a second


class _Control(NamedTuple):
    """The graphic control extension in front of an image."""

    flags: int = 0
    duration: float | None = None
    transparent: int = 0


class GifImage(AnimatedImage):
    """A GIF file."""

    def _read_parts(self) -> Iterator[Part]:
        return read_parts(self._stream)


def read_parts(stream: BinaryIO) -> Iterator[Part]:
    """Yield the parts of a GIF file; stray bytes between its blocks are skipped, as Pillow does.

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
        _DISPOSALS.get((control.flags >> 2) & 7, Disposal.KEEP),
        over=False,
        see_through=bool(control.flags & 1),
        gray=is_gray(palette),
        duration=control.duration,
        still=partial(_still, stream, shape, palette, control, span),
    )


def _still(
    stream: BinaryIO, shape: tuple[int, int, int], palette: bytes, control: _Control, span: tuple[int, int]
) -> bytes:
    """Make a GIF file of one image, whose data lie at (start, length) of `span`."""
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


def write(file: BinaryIO, frames: Iterator[Picture], form: Format) -> None:
    """Write one frame as Pillow does, and several as whole pictures that replace each other."""
    first, second = next(frames), next(frames, None)
    still = _encoded(first)
    if second is None:
        file.write(still)
        return
    height, width = first.shape[:2]
    file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0))
    if first.metadata.loop is not None:  # a GIF that says nothing plays once
        file.write(b"!\xff\x0bNETSCAPE2.0\3\1" + struct.pack("<HB", min(first.metadata.loop, 65_535), 0))
    file.write(_frame(still, first))
    for picture in chain([second], frames):
        if picture.shape[:2] != (height, width):
            raise ImageError(f"the frames of a GIF must be alike: {first.shape}, then {picture.shape}")
        file.write(_frame(_encoded(picture), picture))
    file.write(b";")


def _encoded(picture: Picture) -> bytes:
    """Encode one picture as a GIF file."""
    stream = io.BytesIO()
    image = _for_gif(image_of(picture))
    try:
        image.save(stream, "gif", optimize=False)
    except (ValueError, SystemError, struct.error) as error:
        raise ImageError(f"{image.width} x {image.height} cannot be written as gif: {error}") from error
    return stream.getvalue()


def _frame(still: bytes, picture: Picture) -> bytes:
    """Return the image of a GIF file as a frame: with its palette, its duration, and cleared afterwards."""
    plain = next(read_parts(io.BytesIO(still))).still()  # nothing but a palette, a control and an image
    flags = plain[10] & 0x87
    size = 3 << ((flags & 7) + 1) if flags & 0x80 else 0
    palette, rest = plain[13 : 13 + size], plain[13 + size : -1]
    time = min(round((picture.metadata.duration or 0) / 10), _LONGEST)
    control = rest[:3] + struct.pack("<BH", _CLEAR | (rest[3] & 1), time) + rest[6:8]
    return control + rest[8:17] + bytes([rest[17] | flags]) + palette + rest[18:]


def _for_gif(image: "Image.Image") -> "Image.Image":
    """Make a palette image; grey levels stay exact, and half-transparent pixels become opaque or transparent."""
    if image.mode == "RGBA":
        image.putalpha(image.getchannel("A").point([0] * 128 + [255] * 128))
    if image.mode != "LA":
        return image
    from PIL import Image

    gray, alpha = (np.asarray(image.getchannel(band)) for band in "LA")
    hole = alpha < 128
    # Greys get one palette entry for transparency: an unused level, or level 1, which then becomes 0.
    unused = np.flatnonzero(np.bincount(gray[~hole], minlength=256) == 0)
    entry = int(unused[0]) if len(unused) else 1
    image = Image.fromarray(np.where(hole, entry, np.where(gray == entry, 0, gray)).astype(np.uint8))
    palette = image.copy()
    palette.putpalette([level for level in range(256) for _ in range(3)])
    palette.info["transparency"] = entry
    return palette
