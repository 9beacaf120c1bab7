"""Tags of TIFF files in odd spellings, missing or misleading, and which directories are pages."""

import io
import struct

import cv2
import numpy as np
import pytest
from tiff_files import DEFLATE, LONG, LZW, NONE, SHORT, file_of, page_of

from cnncli.errors import ImageError
from cnncli.images.reading import open_image, read_image

BYTE, ASCII, RATIONAL, SIGNED_BYTE, SIGNED_SHORT, SIGNED_LONG, FLOAT, LONG8 = 1, 2, 5, 6, 8, 9, 11, 16
ORIENTATION, NEW_SUBFILE_TYPE, SUBFILE_TYPE, SUB_DIRECTORIES = 274, 254, 255, 330
GRAY = np.arange(6, dtype=np.uint8).reshape(2, 3)


def gray_page(value=0, **more):
    return page_of((GRAY + np.uint8(value))[..., np.newaxis], bits=8, photometric=1, **more)


def pages_of(content):
    """The first pixel of each page."""
    with open_image(io.BytesIO(content)) as image:
        found = [int(frame.array()[0, 0]) for frame in image.frames()]
        assert image.frame_count == len(found)
        return found


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        *((kind, [6], 6) for kind in (BYTE, SHORT, LONG, SIGNED_BYTE, SIGNED_SHORT, SIGNED_LONG, LONG8)),
        *((kind, [6, 1], 6) for kind in (BYTE, SHORT, LONG)),
        (SHORT, [6, 1, 1, 1], 6),
        *((SHORT, [value], 1) for value in (0, 9, 65535)),
        (LONG, [65542], 1),
        (SIGNED_LONG, [-6], 1),
        (ASCII, [6], 1),
        (RATIONAL, [6, 1], 1),
        (FLOAT, [6.0], 1),
        (SHORT, [], 1),
    ],
)
def test_every_spelling_of_an_orientation(order, kind, values, expected):
    content = file_of(gray_page(order=order) | {ORIENTATION: (kind, values)}, order=order, big=kind == LONG8)
    found = read_image(io.BytesIO(content))
    assert np.array_equal(found, np.rot90(GRAY, 3) if expected == 6 else GRAY)
    if len(values) == 1 and kind != LONG8:
        assert np.array_equal(found, cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED))


@pytest.mark.parametrize(
    ("tags", "is_page"),
    [
        ({}, True),
        ({NEW_SUBFILE_TYPE: (LONG, [0])}, True),
        ({NEW_SUBFILE_TYPE: (LONG, [2])}, True),
        ({NEW_SUBFILE_TYPE: (LONG, [1])}, False),
        ({NEW_SUBFILE_TYPE: (SHORT, [3])}, False),
        ({NEW_SUBFILE_TYPE: (LONG, [4])}, False),
        ({NEW_SUBFILE_TYPE: (LONG, [5])}, False),
        ({SUBFILE_TYPE: (SHORT, [1])}, True),
        ({SUBFILE_TYPE: (SHORT, [2])}, False),
        ({SUBFILE_TYPE: (SHORT, [3])}, True),
        ({NEW_SUBFILE_TYPE: (LONG, [0]), SUBFILE_TYPE: (SHORT, [2])}, False),
    ],
)
def test_reduced_copies_and_masks_are_not_pages(tags, is_page):
    for place in range(3):
        pages = [gray_page(10 * number) for number in range(3)]
        pages[place] |= tags
        expected = [10 * number for number in range(3) if is_page or number != place]
        assert pages_of(file_of(*pages)) == expected


def test_a_file_of_nothing_but_copies_shows_them():
    reduced, mask = {NEW_SUBFILE_TYPE: (LONG, [1])}, {NEW_SUBFILE_TYPE: (LONG, [4])}
    assert pages_of(file_of(gray_page(1) | mask, gray_page(2) | reduced)) == [2]
    assert pages_of(file_of(gray_page(1) | mask)) == [1]


@pytest.mark.parametrize("preview", [True, False])
def test_directories_below_a_page(preview):
    """They are for a page that is but a preview: the picture of a raw photograph."""
    below = file_of(gray_page(7))
    first = gray_page(1) | {NEW_SUBFILE_TYPE: (LONG, [int(preview)]), SUB_DIRECTORIES: (LONG, [0])}
    content = bytearray(file_of(first))
    start = int.from_bytes(below[4:8], "little")
    base = len(content)
    moved = bytearray(below)
    (count,) = struct.unpack_from("<H", moved, start)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        if struct.unpack_from("<H", moved, at)[0] == 273:
            struct.pack_into("<I", moved, at + 8, struct.unpack_from("<I", moved, at + 8)[0] + base)
    directory = int.from_bytes(content[4:8], "little")
    (count,) = struct.unpack_from("<H", content, directory)
    for at in range(directory + 2, directory + 2 + 12 * count, 12):
        if struct.unpack_from("<H", content, at)[0] == SUB_DIRECTORIES:
            struct.pack_into("<I", content, at + 8, start + base)
    assert pages_of(bytes(content + moved)) == ([7] if preview else [1])


@pytest.mark.parametrize("target", [0, 1, 2])
def test_a_chain_that_loops_ends(target):
    content = file_of(*(gray_page(10 * number) for number in range(3)), chain=target)
    assert pages_of(content) == [0, 10, 20]


MISSING = {
    "byte counts": (279,),
    "rows per strip": (278,),
    "planar configuration": (284,),
    "samples per pixel": (277,),
    "photometric": (262,),
    "compression": (259,),
    "sample format, fill order and predictor": (266, 317, 339),
    "all that have defaults": (259, 262, 266, 277, 278, 279, 284, 317, 339),
}


@pytest.mark.parametrize("tags", MISSING.values(), ids=MISSING)
def test_missing_tags_have_the_defaults_of_libtiff(tags):
    page = {tag: value for tag, value in gray_page().items() if tag not in tags}
    content = file_of(page)
    assert np.array_equal(read_image(io.BytesIO(content)), GRAY)
    by_libtiff = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert by_libtiff is None or np.array_equal(by_libtiff, GRAY)


@pytest.mark.parametrize("compression", [NONE, DEFLATE, LZW])
@pytest.mark.parametrize("rows", [None, 1])
@pytest.mark.parametrize("counts", [None, [0], [0, 0], [1, 1]])
def test_byte_counts_that_are_missing_or_wrong(compression, rows, counts):
    page = gray_page(compression=compression, rows=rows)
    if counts is None:
        del page[279]
    elif rows and len(counts) == 2:
        pytest.skip("a strip of no bytes is left out on purpose")
    else:
        page[279] = (LONG, counts)
    if counts == [1, 1] and compression != NONE:
        with pytest.raises(ImageError):
            read_image(io.BytesIO(file_of(page)))
    else:
        assert np.array_equal(read_image(io.BytesIO(file_of(page))), GRAY)


def test_one_number_of_bits_for_all_samples():
    pixels = np.random.default_rng(0).integers(0, 65536, (5, 7, 3), dtype=np.uint16)
    page = page_of(pixels, bits=16, photometric=2) | {258: (SHORT, [16]), 339: (SHORT, [1])}
    assert np.array_equal(read_image(io.BytesIO(file_of(page))), pixels)


@pytest.mark.parametrize("bits", [8, 16])
def test_four_samples_without_a_word_on_the_fourth_are_rgb_and_alpha(bits):
    pixels = np.random.default_rng(0).integers(0, 2**bits, (5, 7, 4), dtype=f"u{bits // 8}")
    page = page_of(pixels, bits=bits, photometric=2)
    assert np.array_equal(read_image(io.BytesIO(file_of(page)), alpha=True), pixels)


@pytest.mark.parametrize("kind", [BYTE, SHORT, LONG])
def test_sizes_of_any_integer_type(kind):
    page = gray_page() | {256: (kind, [3]), 257: (kind, [2]), 259: (kind, [1]), 262: (kind, [1]), 258: (kind, [8])}
    assert np.array_equal(read_image(io.BytesIO(file_of(page))), GRAY)


def test_tile_offsets_in_the_tags_of_strips():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 1), dtype=np.uint8)
    page = page_of(pixels, bits=8, photometric=1, tile=(16, 16))
    content = bytearray(file_of(page))
    start = int.from_bytes(content[4:8], "little")
    (count,) = struct.unpack_from("<H", content, start)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from("<H", content, at)
        struct.pack_into("<H", content, at, {324: 273, 325: 279}.get(tag, tag))
    assert np.array_equal(read_image(io.BytesIO(content)), pixels[..., 0])


@pytest.mark.parametrize(
    ("unit", "values", "expected"),
    [
        (2, [300, 1], 300),
        (None, [300, 1], 300),
        (3, [100, 1], 254),
        (1, [300, 1], None),
        (2, [1, 1], None),
        (2, [300, 0], None),
    ],
)
def test_resolution(unit, values, expected):
    page = gray_page() | {282: (RATIONAL, values), 283: (RATIONAL, values)}
    page |= {296: (SHORT, [unit])} if unit else {}
    with open_image(io.BytesIO(file_of(page))) as image:
        (frame,) = image.frames()
    assert frame.metadata.dpi == (None if expected is None else (expected, expected))


def many_pages(number):
    """A chain of directories of two tags."""
    entries = struct.pack("<HHHIIHHII", 2, 256, 4, 1, 3, 257, 4, 1, 2)
    size = len(entries) + 4
    links = [struct.pack("<I", 8 + size * (at + 1) if at + 1 < number else 0) for at in range(number)]
    return b"II*\0\x08\0\0\0" + b"".join(entries + link for link in links)


BOMBS = {
    "a million pages": (many_pages(10**5), "has more than 54,613 pages; read it all with --max-pixels 0"),
    "large pages": (
        file_of(*[gray_page() | {256: (LONG, [9000]), 257: (LONG, [9000])}] * 12),
        "its 12 frames count as 972,000,000 pixels",
    ),
    "a large page": (file_of(gray_page() | {256: (LONG, [10**6]), 257: (LONG, [10**6])}), "1,000,000,000,000 pixels"),
    "samples": (
        file_of(gray_page() | {256: (LONG, [9000]), 257: (LONG, [9000]), 258: (SHORT, [8]), 277: (SHORT, [60000])}),
        "9000 x 9000 pixels of 60000 samples",
    ),
    "a strip beyond the end": (file_of(gray_page() | {273: (LONG, [10**9])}), "is truncated"),
    "a strip that is too short": (
        file_of(gray_page() | {257: (SHORT, [200]), 278: (SHORT, [200])}),
        "pixels need 600 bytes",
    ),
    "a large table": (
        file_of(gray_page() | {279: (LONG, [6])}).replace(b"\x17\1\4\0\1", b"\x17\1\4\0\xff"),
        "is truncated",
    ),
}


@pytest.mark.parametrize(("content", "message"), BOMBS.values(), ids=BOMBS)
def test_claims_are_refused_from_the_header(content, message):
    with pytest.raises(ImageError, match=message):
        read_image(io.BytesIO(content))


def test_directories_that_overlap_are_refused():
    """Each claims all that follows it, so that the time to read them would grow with the square of the file."""
    number = 1000
    content = bytearray(b"II*\0\x08\0\0\0" + bytes(20 * number))
    for at in range(8, len(content) - 4000, 14):
        struct.pack_into("<H", content, at, 200)
    content[8 + 2 + 2400 : 8 + 2 + 2400 + 4] = struct.pack("<I", 22)
    with pytest.raises(ImageError):
        read_image(io.BytesIO(content))
