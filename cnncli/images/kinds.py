"""The kinds of file that are read: how each is recognised by its content, and what reads it. Add a kind here."""

import re
import struct
from typing import BinaryIO, NamedTuple

_PILLOW = ("pillow", "PillowImage")
_SPECIAL = "corrected"


class Kind(NamedTuple):
    """A kind of file that is read.

    Attributes:
        name: what messages and reports call it.
        suffixes: usual endings, which folders are searched for; none where they mostly mean something else.
        begins: a regular expression that the first 4096 bytes match; empty where `kind_of_weak` recognises it.
        reader: the module of this package and the class in it.
        plugin: Pillow's module and its file class: naming them loads this plugin alone, and never guesses.
        frames: whether Pillow's frames are moments or pages; elsewhere they are sizes or layers of one picture.
    """

    name: str
    suffixes: tuple[str, ...]
    begins: bytes
    reader: tuple[str, str] = _PILLOW
    plugin: tuple[str, str] = ("", "")
    frames: bool = False


_ALL = (
    Kind("PNG", (".png", ".apng"), rb"\x89PNG\r\n\x1a\n", ("animations", "AnimatedImage"), ("Png", "PngImageFile")),
    # Not the plugin for several pictures: a phone's first picture is the photograph.
    Kind(
        "JPEG",
        (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
        rb"\xff\xd8\xff",
        ("jpeg_reading", "JpegImage"),
        ("Jpeg", "JpegImageFile"),
    ),
    Kind("TIFF", (".tif", ".tiff"), rb"II[*+]\0|MM\0[*+]", ("tiff.reading", "TiffImage"), frames=True),
    Kind("GIF", (".gif",), rb"GIF8[79]a", ("animations", "AnimatedImage"), ("Gif", "GifImageFile")),
    Kind("WebP", (".webp",), rb"RIFF.{4}WEBP", plugin=("WebP", "WebPImageFile"), frames=True),
    Kind("BMP", (".bmp",), rb"BM", plugin=("Bmp", "BmpImageFile")),
    Kind(
        "PNM",
        (".pnm", ".ppm", ".pgm", ".pbm"),
        rb"P[1-6][ \t\n\r#]|Pf\s+\d+\s+\d+\s+-?\d",
        ("pnm", "PnmImage"),
        ("Ppm", "PpmImageFile"),
    ),
    Kind("NPY", (".npy",), rb"\x93NUMPY", ("arrays", "ArraysImage")),
    Kind("NPZ", (), rb"PK\x03\x04", ("arrays", "ArraysImage")),
    # Pillow decodes AVIF to 8 bits, whatever the file has.
    Kind("AVIF", (".avif", ".avifs"), rb".{4}ftyp(avif|avis|mif1|msf1)", plugin=("Avif", "AvifImageFile"), frames=True),
    Kind(
        "JPEG2000",
        (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
        rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n",
        (_SPECIAL, "Jpeg2000Image"),
        ("Jpeg2K", "Jpeg2KImageFile"),
    ),
    # The flattened picture: Pillow's frames are layers without their opacity and blending.
    Kind("PSD", (".psd",), rb"8BPS\0\x01", plugin=("Psd", "PsdImageFile")),
    Kind("QOI", (".qoi",), rb"qoif", plugin=("Qoi", "QoiImageFile")),
    # The largest picture. A cursor is an icon but for a few numbers; a .tga begins as one that holds nothing would.
    Kind("ICO", (".ico",), rb"\0\0\x01\0[^\0]\0", (_SPECIAL, "IconImage"), ("Ico", "IcoImageFile")),
    Kind("CUR", (".cur",), rb"\0\0\x02\0[^\0]\0", (_SPECIAL, "IconImage"), ("Ico", "IcoImageFile")),
    Kind("ICNS", (".icns",), rb"icns", (_SPECIAL, "IconImage"), ("Icns", "IcnsImageFile")),
    Kind("DDS", (".dds",), rb"DDS \x7c\0\0\0", plugin=("Dds", "DdsImageFile")),
    Kind("BLP", (".blp",), rb"BLP[12]", plugin=("Blp", "BlpImageFile")),
    Kind("FTEX", (".ftc", ".ftu"), rb"FTEX", plugin=("Ftex", "FtexImageFile")),
    Kind(
        "SGI", (".sgi",), rb"\x01\xda[\0\x01][\x01\x02]\0[\x01-\x03]", (_SPECIAL, "SgiImage"), ("Sgi", "SgiImageFile")
    ),  # .bw is also genomic
    Kind("PCX", (".pcx",), rb"\n[\0\x02\x03\x05]\x01[\x01\x02\x04\x08]", plugin=("Pcx", "PcxImageFile")),
    Kind("DCX", (".dcx",), rb"\xb1\x68\xde\x3a", (_SPECIAL, "DcxImage")),
    # A bitmap without its file header: sizes of header, one plane, known depths.
    Kind(
        "DIB",
        (".dib",),
        rb"[\x28\x34\x38\x6c\x7c]\0\0\0.{8}\x01\0[\x01\x04\x08\x10\x18\x20]\0.\0\0\0",
        plugin=("Bmp", "DibImageFile"),
    ),
    Kind(
        "FLI",
        (".fli", ".flc"),
        rb".{4}[\x11\x12]\xaf.{8}[\0\x03]\0.{4}\0\0.{20}\0{38}.{8}\0{40}",
        plugin=("Fli", "FliImageFile"),
        frames=True,
    ),
    Kind("SUN", (), rb"\x59\xa6\x6a\x95", plugin=("Sun", "SunImageFile")),  # .ras is many things
    Kind("PIXAR", (".pxr",), rb"\x80\xe8\0\0", plugin=("Pixar", "PixarImageFile")),
    Kind("MSP", (), rb"DanM|LinS", plugin=("Msp", "MspImageFile")),  # .msp is also a patch of Windows
    Kind("XVTHUMB", (), rb"P7 332", plugin=("XVThumb", "XVThumbImageFile")),
    Kind("XPM", (".xpm",), rb"/\* XPM \*/", plugin=("Xpm", "XpmImageFile")),
    # Text in C: the two lines in front of the bits make it a picture.
    Kind(
        "XBM",
        (".xbm",),
        rb"\s*(/\*([^*]|\*(?!/))*\*/\s*)*#define \S*width +\d+\s+#define \S*height +\d+\s.{0,400}_bits\[\] = \{",
        plugin=("Xbm", "XbmImageFile"),
    ),
    # Text in front of numbers: the line that writers put first. Only frames of whole bytes are found by Pillow.
    Kind("IM", (), rb"Image type: ", (_SPECIAL, "ImImage"), ("Im", "ImImageFile"), frames=True),
    # A GIMP brush; .gbr is also a drawing of a circuit board.
    Kind(
        "GBR",
        (),
        rb"\0\0..\0\0\0\x01.{8}\0\0\0[\x01\x04]|\0\0..\0\0\0\x02.{8}\0\0\0[\x01\x04]GIMP",
        plugin=("Gbr", "GbrImageFile"),
    ),
    Kind("MCIDAS", (), rb"\0{7}\x04", plugin=("McIdas", "McIdasImageFile")),
    Kind("PCD", (), rb".{2048}PCD_", plugin=("Pcd", "PcdImageFile")),  # .pcd is also a cloud of points
    Kind("SPIDER", (), b"", (_SPECIAL, "SpiderImage"), ("Spider", "SpiderImageFile"), frames=True),
    Kind("TGA", (".tga",), b"", plugin=("Tga", "TgaImageFile")),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
READABLE = f"{', '.join(KINDS)}, .txt and .csv"

# What Pillow also knows, and why it is not read.
_REFUSED: dict[str, tuple[bytes, str]] = {
    "PostScript": (rb"%!PS|\xc5\xd0\xd3\xc6", "it is a program, which would have to be run"),
    "PDF": (rb"%PDF-", "it is a document; save its pages as pictures"),
    "WMF or EMF": (rb"\xd7\xcd\xc6\x9a\0\0|\x01\0\0\0.{36} EMF", "it is a drawing; save it as a picture"),
    "FITS": (rb"SIMPLE  =", "Pillow leaves out its scale and offset; save it as .npy"),
    "HDF5": (rb"\x89HDF\r\n\x1a\n", "it holds any data; save the array as .npy"),
    "GRIB or BUFR": (rb"GRIB.{3}\x01|BUFR", "it has no decoder; save the array as .npy"),
    "MPEG": (rb"\0\0\x01\xb3", "it is a film; save its frames as pictures"),
    "HEIF": (rb".{4}ftyp(hei[cxms]|hev[cxms])", "it has no decoder; save it as AVIF or JPEG"),
    "OLE": (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "it is a file system of other files"),
    # And without signatures: IPTC, which opens a file of any kind inside itself, and IM Tools, which any text may be.
}
_BEGINNINGS = [(kind.name, re.compile(kind.begins, re.DOTALL)) for kind in _ALL if kind.begins]


def kind_of(beginning: bytes) -> str | None:
    """The kind of file that begins with these bytes, such as "PNG"; None when none is known.

    Example:
        >>> kind_of(b"GIF89a")
        'GIF'
    """
    return next((name for name, begins in _BEGINNINGS if begins.match(beginning)), None)


def why_refused(beginning: bytes) -> str | None:
    """Why a file that begins with these bytes is not read although it is known; None when it is not.

    Example:
        >>> why_refused(b"%PDF-1.7")
        'is a PDF file: it is a document; save its pages as pictures'
    """
    for name, (begins, reason) in _REFUSED.items():
        if re.match(begins, beginning, re.DOTALL):
            return f"is a {name} file: {reason}"
    return None


def kind_of_weak(stream: BinaryIO, beginning: bytes, suffix: str) -> str | None:
    """The kind of a file that has no signature, by all that its header states together; None when none fits.

    Args:
        stream: the file.
        beginning: its first bytes.
        suffix: its ending, lower case: what makes an old .tga one, whose header could be chance.
    """
    if _is_spider(stream, beginning):
        return "SPIDER"
    if _may_be_tga(beginning) and (suffix in (".tga", ".icb", ".vda", ".vst") or _is_whole_tga(stream, beginning)):
        return "TGA"
    return None


def _is_spider(stream: BinaryIO, beginning: bytes) -> bool:
    """Whether it begins with the numbers of 2-D images: whole ones, whose products agree and fit the file."""
    if len(beginning) < 108:
        return False
    for order in "<>":
        numbers = struct.unpack_from(f"{order}27f", beginning)
        rows, columns, records, size, record = counts = [numbers[at] for at in (1, 11, 12, 21, 22)]
        if not all(0 < count < 1 << 24 and count == int(count) for count in counts):
            continue
        is_first_image = numbers[4] == 1 and numbers[26] == 0
        if is_first_image and size == records * record and size + 4 * rows * columns <= stream.seek(0, 2):
            return True
    return False


_TGA_DEPTHS = {1: (8,), 2: (15, 16, 24, 32), 3: (8, 16)}


def _may_be_tga(beginning: bytes) -> bool:
    """Whether a Targa header of 18 bytes contradicts itself nowhere."""
    if len(beginning) < 18:
        return False
    _, mapped, form, _, colours, map_depth, _, _, width, height, depth, flags = struct.unpack_from(
        "<BBBHHBHHHHBB", beginning
    )
    map_fits = colours > 0 and map_depth in (15, 16, 24, 32) if mapped else form & 7 != 1
    return bool(
        mapped in (0, 1)
        and form & ~8 in _TGA_DEPTHS
        and depth in (*_TGA_DEPTHS[form & ~8], 1 if form == 3 else 8)
        and map_fits
        and width * height > 0
        and not flags & 0xC0
        and flags & 15 <= 8
    )


def _is_whole_tga(stream: BinaryIO, beginning: bytes) -> bool:
    """Whether the file ends as the format's second version does, or where its pixels do."""
    length, mapped, form, _, colours, map_depth, _, _, width, height, depth, _ = struct.unpack_from(
        "<BBBHHBHHHHBB", beginning
    )
    size = stream.seek(0, 2)
    stream.seek(max(0, size - 18))
    if stream.read(18) == b"TRUEVISION-XFILE.\0":
        return True
    expected = 18 + length + mapped * colours * (map_depth // 8) + width * height * (depth // 8)
    return bool(form <= 3 and size == expected)
