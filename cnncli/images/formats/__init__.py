"""The formats of image files: recognising, reading and writing them. Add a format here.

An entry names the modules of this package that read and write such files; they are loaded when a file needs them. A
reader is a subclass of `cnncli.images.frames.OpenedImage`, a writer a function `write(file, frames, form)`; that of a
lossy format also takes `quality`, from 1 to 100, or None for its default.
"""

import math
from collections.abc import Callable, Sequence
from math import prod
from pathlib import PurePath
from typing import BinaryIO, NamedTuple

from cnncli.errors import ImageError
from cnncli.images.formats.headers import is_spider, is_tga
from cnncli.images.metadata import Capacity

_LONG = (1 << 31) - 1
_BYTES = ("uint8",)
_PIXELS = ("uint8", "uint16")
_NUMBERS = ("uint8", "uint16", "int16", "int32", "int64", "float32", "float64")


class Format(NamedTuple):
    """A format that can be written.

    Attributes:
        name: name in `--format` and messages.
        suffixes: the file name endings that mean it; the first is the usual one.
        module: the module of this package that writes it.
        dtypes: the number types that it holds.
        channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; empty if it holds any number.
        frames: whether it holds several frames.
        numeric: whether it holds exact signed numbers of any size, not only the levels of a picture.
        responses: how one file holds the responses of several filters: as `frames`, or as a `stack` on the last axis;
            empty if it holds only one.
        text: whether a terminal shows it.
        side: the largest width or height, in pixels.
        size: the largest picture, in bytes before compression.
        capacity: room for metadata.
        held: extra bytes per pixel while writing: (grey, colour).
        ending: suffix of generated output names, if `suffixes` is empty.
        lossy: whether it can be written at a quality from 1 to 100, with losses.
    """

    name: str
    suffixes: tuple[str, ...]
    module: str
    dtypes: tuple[str, ...] = _BYTES
    channels: tuple[int, ...] = (1, 2, 3, 4)
    frames: bool = False
    numeric: bool = False
    responses: str = ""
    text: bool = False
    side: float = math.inf
    size: float = math.inf
    capacity: Capacity = Capacity()
    held: tuple[int, int] = (0, 0)
    ending: str = ""
    lossy: bool = False

    @property
    def floating(self) -> bool:
        """True if it holds only floating-point numbers."""
        return all(dtype.startswith("float") for dtype in self.dtypes)

    @property
    def coloured(self) -> bool:
        """True if it holds coloured pictures, and not any numbers."""
        return self.holds("uint8", 3) and not self.numeric

    @property
    def suffix(self) -> str:
        """The suffix of generated output names."""
        return self.ending or self.suffixes[0]

    def holds(self, dtype: str, channels: int) -> bool:
        """Return whether a picture of this dtype and number of channels can be written."""
        return dtype in self.dtypes and (not self.channels or channels in self.channels)

    def has_room(self, shape: tuple[int, ...]) -> bool:
        """Return whether a picture (H, W) or (H, W, C) is small enough."""
        return max(shape[:2]) <= self.side and prod(shape) <= self.size


class FileKind(NamedTuple):
    """A kind of file that is read.

    Attributes:
        name: name in messages and reports.
        suffixes: usual suffixes, for the search of folders; empty if they mostly mean another kind of file.
        begins: a regular expression for the first 4096 bytes; empty if `seems` recognises it.
        reader: the class that reads it, in a module of this package.
        plugin: the name of Pillow's plugin, the only one loaded, and of its file class if that differs.
        frames: whether Pillow's frames are moments or pages, not sizes or layers of one picture.
        decoder: extra bytes per pixel of Pillow's decoder: while it decodes, and until the file is closed.
        seems: recognises files without a signature by a header that is consistent; called with the file, its first
            bytes and its suffix.
        container: whether the signature is also that of non-image files, such as zip.
        written: the formats in which it can be written; empty if it can only be read.
    """

    name: str
    suffixes: tuple[str, ...]
    begins: bytes
    reader: str = "pillow.PillowImage"
    plugin: str = ""
    frames: bool = False
    decoder: tuple[int, int] = (0, 0)
    seems: Callable[[BinaryIO, bytes, str], bool] | None = None
    container: bool = False
    written: Sequence[Format] = ()

    @property
    def numeric(self) -> bool:
        """True if its numbers have no fixed white level, as those of pictures have."""
        return bool(self.written) and all(form.numeric for form in self.written)


_ALL = (
    FileKind(
        "PNG",
        (".png", ".apng"),
        rb"\x89PNG\r\n\x1a\n",
        "png.PngImage",
        "Png",
        written=[
            Format(
                "png",
                (".png", ".apng"),
                "png",
                _PIXELS,
                frames=True,
                side=_LONG,
                capacity=Capacity(duration=65_535_000, loop=_LONG),
            )
        ],
    ),
    # Not the plugin for several pictures: a phone's first picture is the photograph. The sides are libjpeg's limit;
    # segments hold 64 KB, and a profile may have 255 of them.
    FileKind(
        "JPEG",
        (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
        rb"\xff\xd8\xff",
        "jpeg.JpegImage",
        "Jpeg",
        written=[
            Format(
                "jpeg",
                (".jpg", ".jpeg"),
                "jpeg",
                channels=(1, 3),
                side=65_500,
                capacity=Capacity((1, 65_535), exif=65_533, icc_profile=255 * 65_519),
                lossy=True,
            )
        ],
    ),
    FileKind(
        "TIFF",
        (".tif", ".tiff"),
        rb"II[*+]\0|MM\0[*+]",
        "tiff.reading.TiffImage",
        written=[
            Format(
                "tiff",
                (".tif", ".tiff"),
                "tiff.writing",
                _NUMBERS,
                channels=(),
                frames=True,
                responses="frames",
                capacity=Capacity((1e-9, 4e9)),
            ),
            # Exact responses as floating point, instead of pictures.
            Format(
                "float-tiff",
                (),
                "tiff.writing",
                ("float32", "float64"),
                channels=(),
                frames=True,
                numeric=True,
                responses="frames",
                capacity=Capacity((1e-9, 4e9)),
                ending=".tif",
            ),
        ],
    ),
    # A text may begin with the same letters.
    FileKind(
        "BMP",
        (".bmp",),
        rb"BM[^\0]*\0",
        plugin="Bmp",
        written=[Format("bmp", (".bmp",), "pillow", channels=(1, 3), side=_LONG, size=4_000_000_000, held=(1, 4))],
    ),
    FileKind(
        "GIF",
        (".gif",),
        rb"GIF8[79]a",
        "gif.GifImage",
        "Gif",
        written=[
            Format(
                "gif",
                (".gif",),
                "gif",
                frames=True,
                side=65_535,
                capacity=Capacity(duration=655_350, loop=65_535),
                held=(2, 12),
            )
        ],
    ),
    FileKind(
        "WebP",
        (".webp",),
        rb"RIFF.{4}WEBP",
        plugin="WebP",
        frames=True,
        decoder=(12, 8),
        written=[
            Format(
                "webp",
                (".webp",),
                "pillow",
                frames=True,
                side=16_383,
                capacity=Capacity(duration=16_777_215, loop=65_535),
                held=(20, 24),
                lossy=True,
            )
        ],
    ),
    FileKind(
        "PNM",
        (".pnm", ".ppm", ".pgm", ".pbm"),
        rb"P[1-6][ \t\n\r#]|Pf\s+\d+\s+\d+\s+-?\d",
        "pnm.PnmImage",
        "Ppm",
        written=[
            Format("pnm", (".pnm",), "pnm", _PIXELS, channels=(1, 3)),
            Format("ppm", (".ppm",), "pnm", _PIXELS, channels=(1, 3)),
            Format("pgm", (".pgm",), "pnm", _PIXELS, channels=(1,)),
            Format("pbm", (".pbm",), "pnm", channels=(1,)),
        ],
    ),
    FileKind(
        "NPY",
        (".npy",),
        rb"\x93NUMPY",
        "arrays.ArraysImage",
        written=[
            Format("npy", (".npy",), "arrays", _NUMBERS, channels=(), frames=True, numeric=True, responses="stack")
        ],
    ),
    FileKind(
        "NPZ",
        (),
        rb"PK\x03\x04",
        "arrays.ArraysImage",
        container=True,
        written=[
            Format("npz", (".npz",), "arrays", _NUMBERS, channels=(), frames=True, numeric=True, responses="frames")
        ],
    ),
    # AVIF and HEIF share a container; where its first word is neither, a file that names AVIF further on is one. Larger
    # pictures than these libavif does not read.
    FileKind(
        "AVIF",
        (".avif", ".avifs"),
        rb".{4}ftyp(avi[fs]|(mif1|msf1|miaf).{4}(.{4}){0,9}avi[fs])",
        "corrected.AvifImage",
        "Avif",
        frames=True,
        written=[
            Format(
                "avif",
                (".avif",),
                "pillow",
                frames=True,
                side=32_768,
                size=1 << 28,
                capacity=Capacity(duration=_LONG),
                held=(18, 30),
                lossy=True,
            )
        ],
    ),
    FileKind("HEIC", (".heic", ".heif", ".hif"), rb".{4}ftyp(hei[cxms]|hev[cxms]|mif1|msf1|miaf)", "heif.HeifImage"),
    FileKind(
        "JPEG2000",
        (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
        rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n",
        "corrected.Jpeg2000Image",
        "Jpeg2K",
    ),
    # The flattened picture: Pillow's frames are layers without their opacity and blending.
    FileKind("PSD", (".psd",), rb"8BPS\0\x01", plugin="Psd"),
    FileKind("QOI", (".qoi",), rb"qoif", plugin="Qoi"),
    # The largest picture. A cursor is an icon but for a few numbers; a .tga begins as one that holds nothing would.
    FileKind("ICO", (".ico",), rb"\0\0\x01\0[^\0]\0", "corrected.IconImage", "Ico"),
    FileKind("CUR", (".cur",), rb"\0\0\x02\0[^\0]\0", "corrected.IconImage", "Ico"),
    FileKind("ICNS", (".icns",), rb"icns", "corrected.IconImage", "Icns"),
    FileKind("DDS", (".dds",), rb"DDS \x7c\0\0\0", plugin="Dds"),
    FileKind("BLP", (".blp",), rb"BLP[12]", plugin="Blp"),
    FileKind("FTEX", (".ftc", ".ftu"), rb"FTEX", plugin="Ftex"),
    # A file .bw is also genomic.
    FileKind("SGI", (".sgi",), rb"\x01\xda[\0\x01][\x01\x02]\0[\x01-\x03]", "corrected.SgiImage", "Sgi"),
    FileKind("PCX", (".pcx",), rb"\n[\0\x02\x03\x05]\x01[\x01\x02\x04\x08]", plugin="Pcx"),
    FileKind("DCX", (".dcx",), rb"\xb1\x68\xde\x3a", "corrected.DcxImage", "Pcx"),
    # A bitmap without its file header: sizes of header, one plane, known depths.
    FileKind(
        "DIB",
        (".dib",),
        rb"[\x28\x34\x38\x6c\x7c]\0\0\0.{8}\x01\0[\x01\x04\x08\x10\x18\x20]\0.\0\0\0",
        plugin="Bmp.Dib",
    ),
    FileKind(
        "FLI",
        (".fli", ".flc"),
        rb".{4}[\x11\x12]\xaf.{8}[\0\x03]\0.{4}\0\0.{20}\0{38}.{8}\0{40}",
        plugin="Fli",
        frames=True,
    ),
    FileKind("SUN", (), rb"\x59\xa6\x6a\x95", plugin="Sun"),  # .ras is many things
    FileKind("PIXAR", (".pxr",), rb"\x80\xe8\0\0", plugin="Pixar"),
    FileKind("MSP", (), rb"DanM|LinS", plugin="Msp"),  # .msp is also a patch of Windows
    FileKind("XVTHUMB", (), rb"P7 332", plugin="XVThumb"),
    FileKind("XPM", (".xpm",), rb"/\* XPM \*/", plugin="Xpm"),
    # Text in C: the two lines in front of the bits make it a picture.
    FileKind(
        "XBM",
        (".xbm",),
        rb"\s*(/\*([^*]|\*(?!/))*\*/\s*)*#define \S*width +\d+\s+#define \S*height +\d+\s.{0,400}_bits\[\] = \{",
        plugin="Xbm",
    ),
    # Text in front of numbers: the line that writers put first. Only frames of whole bytes are found by Pillow.
    FileKind("IM", (), rb"Image type: ", "corrected.ImImage", "Im", frames=True),
    # A GIMP brush; .gbr is also a drawing of a circuit board.
    FileKind(
        "GBR", (), rb"\0\0..\0\0\0\x01.{8}\0\0\0[\x01\x04]|\0\0..\0\0\0\x02.{8}\0\0\0[\x01\x04]GIMP", plugin="Gbr"
    ),
    FileKind("MCIDAS", (), rb"\0{7}\x04", plugin="McIdas"),
    FileKind("PCD", (), rb".{2048}PCD_", plugin="Pcd"),  # .pcd is also a cloud of points
    FileKind("SPIDER", (), b"", "corrected.SpiderImage", "Spider", frames=True, seems=is_spider),
    FileKind("TGA", (".tga",), b"", plugin="Tga", seems=is_tga),
    # Seldom pictures, so that only a stream or a suffix of text makes it a matrix.
    FileKind(
        "TXT",
        (),
        b"",
        "arrays.TextImage",
        written=[
            Format("txt", (".txt",), "arrays", _NUMBERS, channels=(1,), numeric=True, text=True),
            Format("csv", (".csv",), "arrays", _NUMBERS, channels=(1,), numeric=True, text=True),
        ],
    ),
)
KINDS: dict[str, FileKind] = {kind.name: kind for kind in _ALL}
FORMATS: dict[str, Format] = {form.name: form for kind in _ALL for form in kind.written}

# The endings that are looked for in folders, where text and archives are seldom pictures.
PICTURE_SUFFIXES = tuple({suffix: None for kind in _ALL for suffix in kind.suffixes})


def find_format(name: str) -> Format:
    """Return the format that a file name, a suffix or a format's name means.

    Raises:
        ImageError: none is known by it.

    Example:
        >>> find_format("photo.JPG").name, find_format("jpg").name
        ('jpeg', 'jpeg')
    """
    if form := _found(name):
        return form
    unknown = PurePath(name).suffix.lower() or PurePath(name).name
    known = " ".join(word for form in FORMATS.values() for word in form.suffixes or (form.name,))
    if read := next((kind.name for kind in _ALL if unknown in kind.suffixes), ""):
        raise ImageError(f"{name}: {read} is read but not written; written are {known}")
    raise ImageError(f"{name}: no format is known by {unknown!r}; known are {known}")


def is_format(name: str) -> bool:
    """Return whether `find_format` knows a format by a name."""
    return _found(name) is not None


def _found(name: str) -> Format | None:
    suffix = _suffix(name)
    return next((form for form in FORMATS.values() if suffix in (*form.suffixes, f".{form.name}")), None)


def _suffix(name: str) -> str:
    return PurePath(name).suffix.lower() or f".{name.lower()}"


def formats_for(
    dtype: str, channels: int, *, frames: int = 1, shape: tuple[int, ...] = (1, 1), most: int | None = None
) -> str:
    """Name the formats that can hold such pictures, or the first few, for messages.

    Example:
        >>> formats_for("uint16", 4, most=2)
        'png or tiff'
    """
    able = [
        form.name
        for form in FORMATS.values()
        if form.suffixes and form.holds(dtype, channels) and form.has_room(shape) and (form.frames or frames == 1)
    ][:most]
    return listed(able)


def listed(names: Sequence[str]) -> str:
    """Return names as a message has them.

    Example:
        >>> listed(["jpeg", "webp", "avif"])
        'jpeg, webp or avif'
    """
    return " or ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
