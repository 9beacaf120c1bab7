"""The facts of a page: its tags, with libtiff's defaults for missing ones."""

from typing import Literal, NamedTuple

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.errors import ImageError
from cnncli.images.formats.tiff.directories import Directory, TiffFile

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIP_OFFSETS, _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP, _STRIP_COUNTS, _PLANES = 273, 274, 277, 278, 279, 284
_PREDICTOR, _TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_COUNTS = 317, 322, 323, 324, 325
_EXTRA_SAMPLES, _SAMPLE_FORMAT, _SUBSAMPLING, _DEPTH = 338, 339, 530, 32997

UNCOMPRESSED, LZW, OLD_JPEG, JPEG, PACKBITS, FAX = 1, 5, 6, 7, 32773, (2, 3, 4)
_NUMBERS = {
    "CCITT RLE": (2,),
    "CCITT Group 3": (3,),
    "CCITT Group 4": (4,),
    "LZW": (5,),
    "old JPEG": (6,),
    "JPEG": (7, 33007, 34892),
    "PackBits": (32773,),
    "ThunderScan": (32809,),
    "JPEG 2000": (33003, 33004, 33005, 34712),
    "SGI LogLuv": (34676, 34677),
    "LERC": (34887,),
    "Zstandard": (34926, 50000),
    "WebP": (34927, 50001),
    "PNG": (34933,),
    "JPEG XR": (34934, 22610),
    "JPEG XL": (50002, 52546),
}
_NAMES = {number: name for name, numbers in _NUMBERS.items() for number in numbers}
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, CMYK, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 4, 5, 6, 8, 9
_MOST_SAMPLES = 65535
_COLOURS = {RGB: 3, CMYK: 4, YCBCR: 3, CIELAB: 3, ICCLAB: 3}
_KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}  # 4 is "undefined"


class Page(NamedTuple):
    """The facts that decide how a page is decoded and shown.

    Attributes:
        size: height and width.
        bits: bits per sample, the same for all samples.
        kind: "u" unsigned, "i" signed, "f" floating point.
        samples: samples per pixel, including extra samples.
        extras: the kinds of the extra samples: 0 unspecified, 1 associated alpha, 2 unassociated alpha.
        planar: whether each sample has segments of its own.
        reversed_bits: whether the lowest bit of a byte comes first.
        order: "<" or ">".
        tiled: whether segments are tiles; otherwise strips.
        segment: the height and width of a segment.
        subsampling: pixels across and down that share their YCbCr chroma.
        offsets: offset of each segment.
        counts: the bytes of each segment.
        tags: the directory, for what few pages have.
    """

    size: tuple[int, int]
    bits: int
    kind: str
    samples: int
    extras: tuple[int, ...]
    planar: bool
    compression: int
    predictor: int
    photometric: int
    reversed_bits: bool
    order: Literal["<", ">"]
    tiled: bool
    segment: tuple[int, int]
    subsampling: tuple[int, int]
    offsets: Array
    counts: Array
    tags: Directory

    @property
    def shown_as(self) -> int:
        """The photometric interpretation of decoded samples: JPEG makes RGB of YCbCr."""
        if self.photometric == YCBCR and self.samples == 1:
            return BLACK_IS_ZERO
        is_made_rgb = self.compression == OLD_JPEG or (self.compression == JPEG and not self.planar)
        return RGB if self.photometric == YCBCR and is_made_rgb else self.photometric

    @property
    def contiguous(self) -> int:
        """The number of samples of a pixel that are stored side by side."""
        return 1 if self.planar else self.samples

    @property
    def dtype(self) -> DType:
        """The smallest type that holds a sample."""
        for itemsize in (1, 2, 4, 8):
            if self.bits <= 8 * itemsize and (self.kind, itemsize) != ("f", 1):
                return np.dtype(f"{self.kind}{itemsize}")
        raise ImageError(f"samples of {self.bits} bits are not read; at most 64 are")

    @property
    def grid(self) -> tuple[int, int]:
        """The number of segments, down and across."""
        down, across = (-(-length // step) for length, step in zip(self.size, self.segment, strict=True))
        return down, across

    @property
    def orientation(self) -> int:
        """1 to 8; any other number is 1."""
        value = self.tags.integer(_ORIENTATION, 1)
        return value if 1 <= value <= 8 else 1


def read_page(file: TiffFile, offset: int) -> Page:
    """Read the tags of the page whose directory is at an offset.

    Raises:
        ImageError: they contradict each other, or are of a kind that is not read.
    """
    tags = file.directory(offset)
    size = tags.integer(_LENGTH, 0), tags.integer(_WIDTH, 0)
    if tags.integer(_DEPTH, 1) != 1:
        raise ImageError(f"a volume of {tags.integer(_DEPTH, 1)} slices is not a picture")
    compression = tags.integer(_COMPRESSION, UNCOMPRESSED)
    photometric = _photometric(tags, compression)
    is_old = compression == OLD_JPEG
    samples = tags.integer(_SAMPLES, 3 if is_old and photometric == YCBCR else 1)
    planes = tags.integer(_PLANES, 1)
    if not 1 <= samples <= _MOST_SAMPLES or planes not in (1, 2):
        raise ImageError(f"{samples} samples per pixel in planar configuration {planes} is not a picture")
    tiled = _TILE_WIDTH in tags and _TILE_LENGTH in tags
    page = Page(
        size=size,
        bits=_same(tags, _BITS, 8 if is_old else 1, samples, "numbers of bits"),
        kind=_kind(tags, samples),
        samples=samples,
        extras=_extras(tags, photometric, samples),
        planar=planes == 2 and samples > 1,
        compression=compression,
        predictor=tags.integer(_PREDICTOR, 1),
        photometric=photometric,
        reversed_bits=tags.integer(_FILL_ORDER, 1) == 2,
        order=file.order,
        tiled=tiled,
        segment=_segment(tags, size, tiled=tiled),
        subsampling=_subsampling(tags) if photometric == YCBCR else (1, 1),
        offsets=_first_of(tags, _TILE_OFFSETS, _STRIP_OFFSETS),
        counts=_first_of(tags, _TILE_COUNTS, _STRIP_COUNTS),
        tags=tags,
    )
    if is_old:  # its tables and data may be anywhere: the decoder is given the file
        return page._replace(segment=size, tiled=False, offsets=np.zeros(1, int), counts=np.array([file.size]))
    return page


def name_of(compression: int) -> str:
    """Name a compression for a message."""
    return f"{_NAMES[compression]} ({compression})" if compression in _NAMES else f"unknown ({compression})"


def own_samples(photometric: int) -> int:
    """Return the number of samples that the colours of a page need; any more are extra."""
    return _COLOURS.get(photometric, 1)


def _photometric(tags: Directory, compression: int) -> int:
    if compression == OLD_JPEG and tags.integer(_PHOTOMETRIC, YCBCR) == RGB:
        return YCBCR
    if _PHOTOMETRIC in tags:
        return tags.integer(_PHOTOMETRIC, -1)
    if compression == OLD_JPEG:
        return YCBCR
    return RGB if tags.integer(_SAMPLES, 1) == 3 else WHITE_IS_ZERO if compression in FAX else BLACK_IS_ZERO


def _same(tags: Directory, tag: int, default: int, samples: int, what: str) -> int:
    """Return the value that all samples share; a file may write it once for all."""
    values = {int(value) for value in tags.integers(tag)[:samples]} or {default}
    if len(values) > 1 or min(values) < 1:
        raise ImageError(f"samples of these {what} are not read: {sorted(values)}")
    return values.pop()


def _kind(tags: Directory, samples: int) -> str:
    form = _same(tags, _SAMPLE_FORMAT, 1, samples, "sample formats")
    if form not in _KINDS:
        raise ImageError("complex numbers are not pixels" if form in (5, 6) else f"sample format {form} is not known")
    return _KINDS[form]


def _extras(tags: Directory, photometric: int, samples: int) -> tuple[int, ...]:
    """Return the kinds of the extra samples; those that the file does not state are unspecified."""
    stated = [int(kind) for kind in tags.integers(_EXTRA_SAMPLES)]
    missing = samples - own_samples(photometric)
    if photometric == RGB and samples == 4 and not stated:
        return (2,)  # as Pillow reads it
    return tuple((stated + [0] * max(0, missing))[: max(0, missing)])


def _segment(tags: Directory, size: tuple[int, int], *, tiled: bool) -> tuple[int, int]:
    if tiled:
        height, width = tags.integer(_TILE_LENGTH, 0), tags.integer(_TILE_WIDTH, 0)
    else:
        height, width = min(tags.integer(_ROWS_PER_STRIP, 0) or size[0], size[0]), size[1]
    if height < 1 or width < 1:
        raise ImageError(f"segments of {width} x {height} pixels")
    return height, width


def _subsampling(tags: Directory) -> tuple[int, int]:
    across, down = (int(value) for value in [*tags.integers(_SUBSAMPLING), 2, 2][:2])
    if {across, down} - {1, 2, 4}:
        raise ImageError(f"YCbCr subsampling of {across} x {down} is not read; 1, 2 and 4 are")
    return across, down


def _first_of(tags: Directory, *names: int) -> Array:
    return next((tags.integers(name) for name in names if name in tags), tags.integers(names[0])).astype(np.int64)


def with_segments(page: Page, file: TiffFile) -> Page:
    """Return the page with as many segments as its size needs, missing byte counts computed.

    Raises:
        ImageError: there are fewer.
    """
    if page.compression == OLD_JPEG:
        return page
    needed = page.grid[0] * page.grid[1] * (page.samples if page.planar else 1)
    if len(page.offsets) < needed:
        raise ImageError(f"has {len(page.offsets)} of the {needed} segments that its size needs")
    offsets, counts = page.offsets[:needed], page.counts[:needed]
    if min(offsets.min(), counts.min(initial=0)) < 0:
        raise ImageError("has segments at impossible places")
    # A segment without a count ends where another begins, or with the file; so does the only one without compression,
    # whose count libtiff does not believe.
    if len(counts) < needed or (needed == 1 and (not counts[0] or page.compression == UNCOMPRESSED)):
        ends = np.append(np.unique(offsets), max(file.size, int(offsets.max()) + 1))
        counts = ends[np.searchsorted(ends, offsets, side="right")] - offsets
    return page._replace(offsets=offsets, counts=counts)
