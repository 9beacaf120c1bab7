"""The formats that are written: what each can hold, and which module writes it. Add a format here."""

import math
from math import prod
from pathlib import PurePath
from typing import NamedTuple

from cnncli.errors import ImageError
from cnncli.images.kinds import KINDS
from cnncli.images.metadata import Room

_LONG = (1 << 31) - 1
_BYTES = ("uint8",)
_PIXELS = ("uint8", "uint16")
_NUMBERS = ("uint8", "uint16", "int16", "int32", "int64", "float32", "float64")


class Format(NamedTuple):
    """A format that can be written.

    Attributes:
        name: what `--format` and messages call it.
        suffixes: the file name endings that mean it; the first is the usual one.
        module: the module of this package that writes it.
        dtypes: the number types that it holds.
        channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; empty where any number will do.
        frames: whether it holds several.
        numeric: whether it holds exact signed numbers of any size, not only the levels of a picture.
        side: the most pixels of a side.
        size: the most bytes of a picture that is not compressed.
        room: for metadata.
        held: bytes that the writer holds for each pixel beside the bands: of a grey picture, and of one in colour.
    """

    name: str
    suffixes: tuple[str, ...]
    module: str
    dtypes: tuple[str, ...] = _BYTES
    channels: tuple[int, ...] = (1, 2, 3, 4)
    frames: bool = False
    numeric: bool = False
    side: float = math.inf
    size: float = math.inf
    room: Room = Room()
    held: tuple[int, int] = (0, 0)

    def holds(self, dtype: str, channels: int) -> bool:
        """Whether a picture of this dtype and number of channels can be written."""
        return dtype in self.dtypes and (not self.channels or channels in self.channels)

    def has_room(self, shape: tuple[int, ...]) -> bool:
        """Whether a picture (H, W) or (H, W, C) is not too large."""
        return max(shape[:2]) <= self.side and prod(shape) <= self.size


_ALL = (
    Format(
        "png", (".png", ".apng"), "png", _PIXELS, frames=True, side=_LONG, room=Room(duration=65_535_000, loop=_LONG)
    ),
    # The sides are libjpeg's limit; segments hold 64 KB, of which a profile may have 255.
    Format(
        "jpeg",
        (".jpg", ".jpeg"),
        "jpeg",
        channels=(1, 3),
        side=65_500,
        room=Room((1, 65_535), exif=65_533, icc_profile=255 * 65_519),
    ),
    Format("tiff", (".tif", ".tiff"), "tiff.writing", _NUMBERS, channels=(), frames=True, room=Room((1e-9, 4e9))),
    Format("bmp", (".bmp",), "pillow_writing", channels=(1, 3), side=_LONG, size=4_000_000_000, held=(1, 4)),
    Format(
        "gif",
        (".gif",),
        "gif_writing",
        frames=True,
        side=65_535,
        room=Room(duration=655_350, loop=65_535),
        held=(2, 12),
    ),
    Format(
        "webp",
        (".webp",),
        "pillow_writing",
        frames=True,
        side=16_383,
        room=Room(duration=16_777_215, loop=65_535),
        held=(20, 24),
    ),
    Format("pnm", (".pnm",), "pnm", _PIXELS, channels=(1, 3)),
    Format("ppm", (".ppm",), "pnm", _PIXELS, channels=(1, 3)),
    Format("pgm", (".pgm",), "pnm", _PIXELS, channels=(1,)),
    Format("pbm", (".pbm",), "pnm", channels=(1,)),
    Format("npy", (".npy",), "arrays", _NUMBERS, channels=(), frames=True, numeric=True),
    Format("npz", (".npz",), "arrays", _NUMBERS, channels=(), frames=True, numeric=True),
    Format("txt", (".txt",), "arrays", _NUMBERS, channels=(1,), numeric=True),
    Format("csv", (".csv",), "arrays", _NUMBERS, channels=(1,), numeric=True),
)
FORMATS: dict[str, Format] = {entry.name: entry for entry in _ALL}

# The endings that those look for who go through folders, where text and archives are seldom pictures.
PICTURE_SUFFIXES = tuple({suffix: None for kind in KINDS.values() for suffix in kind.suffixes})


def find_format(name: str) -> Format:
    """The format that a file name, a suffix or a format's name means.

    Raises:
        ImageError: none is known by it.

    Example:
        >>> find_format("photo.JPG").name, find_format("jpg").name
        ('jpeg', 'jpeg')
    """
    suffix = PurePath(name).suffix.lower() or f".{name.lower()}"
    for entry in _ALL:
        if suffix in entry.suffixes or suffix == f".{entry.name}":
            return entry
    known = " ".join(suffix for entry in _ALL for suffix in entry.suffixes)
    raise ImageError(f"{name}: no format is known by {suffix!r}; known are {known}")


def formats_for(
    dtype: str, channels: int, *, frames: int = 1, shape: tuple[int, ...] = (1, 1), most: int | None = None
) -> str:
    """The names of the formats that can hold such pictures, or of the first few, for messages.

    Example:
        >>> formats_for("uint16", 4)
        'png, tiff, npy or npz'
    """
    able = [
        entry.name
        for entry in _ALL
        if entry.holds(dtype, channels) and entry.has_room(shape) and (entry.frames or frames == 1)
    ][:most]
    return " or ".join(filter(None, [", ".join(able[:-1]), *able[-1:]]))
