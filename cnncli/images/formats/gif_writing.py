"""Writing GIF files: Pillow makes the images, and they are put together here.

Pillow, given all frames at once, leaves out those that it takes for repeated, among them some that only differ in what
is transparent. Here every frame is written, whole and with a palette of its own, and none waits in memory.
"""

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image

from cnncli.errors import ImageError
from cnncli.images.formats import Format
from cnncli.images.formats.gif import read_parts
from cnncli.images.formats.pillow_writing import image_of
from cnncli.images.frames import Array, Picture

_CLEAR = 2 << 2  # the flag of a frame that leaves nothing behind
_LONGEST = 65_535  # hundredths of a second


def write(file: BinaryIO, frames: Iterator[Picture], form: Format) -> None:
    """Write one frame as Pillow does, and several as whole pictures that replace each other."""
    first, second = next(frames), next(frames, None)
    still = _still(first)
    if second is None:
        file.write(still)
        return
    height, width = first.shape[:2]
    file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0))
    if first.metadata.loop is not None:  # a GIF that says nothing plays once
        file.write(b"!\xff\x0bNETSCAPE2.0\3\1" + struct.pack("<HB", min(first.metadata.loop, 65_535), 0))
    picture: Picture | None = second
    file.write(_frame(still, first))
    while picture is not None:
        if picture.shape[:2] != (height, width):
            raise ImageError(f"the frames of a GIF must be alike: {first.shape}, then {picture.shape}")
        file.write(_frame(_still(picture), picture))
        picture = next(frames, None)
    file.write(b";")


def _still(picture: Picture) -> bytes:
    """A GIF file of one picture."""
    stream = io.BytesIO()
    image = _for_gif(image_of(picture))
    try:
        image.save(stream, "gif", optimize=False)
    except (ValueError, SystemError, struct.error) as error:
        raise ImageError(f"{image.width} x {image.height} cannot be written as gif: {error}") from error
    return stream.getvalue()


def _frame(still: bytes, picture: Picture) -> bytes:
    """The image of a GIF file, to stand among others: with its palette, its time, and cleared afterwards."""
    plain = next(read_parts(io.BytesIO(still))).still()  # nothing but a palette, a control and an image
    flags = plain[10] & 0x87
    size = 3 << ((flags & 7) + 1) if flags & 0x80 else 0
    palette, rest = plain[13 : 13 + size], plain[13 + size : -1]
    time = min(round((picture.metadata.duration or 0) / 10), _LONGEST)
    control = rest[:3] + struct.pack("<BH", _CLEAR | (rest[3] & 1), time) + rest[6:8]
    return control + rest[8:17] + bytes([rest[17] | flags]) + palette + rest[18:]


def _for_gif(image: Image.Image) -> Image.Image:
    """A palette image; grey levels stay exact, and half-transparent pixels become opaque or transparent."""
    if image.mode == "LA":
        gray, alpha = (np.asarray(image.getchannel(band)) for band in "LA")
        return _gray_with_hole(gray, alpha < 128)
    if image.mode == "RGBA":
        image.putalpha(image.getchannel("A").point([0] * 128 + [255] * 128))
    return image


def _gray_with_hole(gray: Array, hole: Array) -> Image.Image:
    """Greys with one palette entry for transparency: an unused level, or level 1, which then becomes 0."""
    unused = np.flatnonzero(np.bincount(gray[~hole], minlength=256) == 0)
    entry = int(unused[0]) if len(unused) else 1
    image = Image.fromarray(np.where(hole, entry, np.where(gray == entry, 0, gray)).astype(np.uint8))
    palette = image.copy()
    palette.putpalette([level for level in range(256) for _ in range(3)])
    palette.info["transparency"] = entry
    return palette
