"""JPEG files of every kind, beside what OpenCV and Pillow make of them."""

import io
import re
import struct
import sys

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image
from skimage import data

from cnncli.errors import ImageError
from cnncli.images.frames import luma
from cnncli.images.reading import read_image

PHOTOGRAPH = np.ascontiguousarray(data.astronaut()[40:117, 150:241])
RNG = np.random.default_rng(11)
START, JFIF, ADOBE, FRAME, TABLE, SCAN = b"\xff\xd8", 0xFFE0, 0xFFEE, 0xFFC0, 0xFFC4, 0xFFDA
LOSSLESS_FRAME = 0xFFC3


@pytest.fixture(params=["simplejpeg", "Pillow"], autouse=True)
def decoder(request, monkeypatch):
    if request.param == "Pillow":
        monkeypatch.setitem(sys.modules, "simplejpeg", None)


def segment(marker, content):
    return struct.pack(">HH", marker, len(content) + 2) + content


MARKERS = {
    "none": b"",
    "JFIF": segment(JFIF, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
    "Adobe RGB": segment(ADOBE, b"Adobe\0\x64\0\0\0\0\0"),
    "Adobe YCbCr": segment(ADOBE, b"Adobe\0\x64\0\0\0\0\1"),
    "Adobe of another kind": segment(ADOBE, b"Adobe\0\x64\0\0\0\0\2"),
}
MARKERS["JFIF and Adobe RGB"] = MARKERS["JFIF"] + MARKERS["Adobe RGB"]
NAMES = {"numbers": b"\1\2\3", "from zero": b"\0\1\2", "letters": b"RGB", "small letters": b"rgb"}


def renamed(content, markers, names):
    """The same file with other markers, and other names for its components."""
    out, at = START + markers, 2
    while at + 2 < len(content):
        marker, size = struct.unpack_from(">HH", content, at)
        body = bytearray(content[at + 4 : at + 2 + size])
        if marker in (FRAME, 0xFFC2):
            body[6::3] = names
        if marker == SCAN:
            places = slice(1, 1 + 2 * body[0], 2)
            body[places] = bytes(names[number - 1] for number in body[places])
        if marker not in (JFIF, ADOBE):
            out += segment(marker, bytes(body))
        at += 2 + size
        if marker == SCAN:
            end = re.compile(rb"\xff[^\0\xd0-\xd7]").search(content, at).start()
            out += content[at:end]
            at = end
    return out + content[at:]


def lossless(pixels, *, bits=8, names=b"RGB", markers=MARKERS["Adobe RGB"]):
    """A file of samples that are stored as they are, each less the one to its left."""
    height, width, count = pixels.shape
    table = b"\0" + bytes([0, 0, 0, 0, bits + 1] + [0] * 11) + bytes(range(bits + 1))
    frame = struct.pack(">BHHB", bits, height, width, count)
    out = START + markers + segment(TABLE, table)
    out += segment(LOSSLESS_FRAME, frame + b"".join(bytes([name, 0x11, 0]) for name in names[:count]))
    out += segment(SCAN, bytes([count]) + b"".join(bytes([name, 0]) for name in names[:count]) + b"\1\0\0")
    text = []
    for y, x, c in np.ndindex(pixels.shape):
        before = pixels[y, x - 1, c] if x else pixels[y - 1, 0, c] if y else 1 << (bits - 1)
        difference = (int(pixels[y, x, c]) - int(before) + 32767) % 65536 - 32767
        size = abs(difference).bit_length()
        text.append(f"{size:05b}")
        if 0 < size < 16:
            text.append(f"{difference if difference > 0 else difference + (1 << size) - 1:0{size}b}")
    text = "".join(text)
    text += "1" * (-len(text) % 8)
    return out + int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0") + b"\xff\xd9"


def saved(image, **options):
    stream = io.BytesIO()
    image.save(stream, "jpeg", quality=90, **options)
    return stream.getvalue()


def by_opencv(content, flag):
    read = cv2.imdecode(np.frombuffer(content, np.uint8), flag | cv2.IMREAD_IGNORE_ORIENTATION)
    return read if read.ndim == 2 else read[..., ::-1]


def check(content, *, stores_luma):
    colours = read_image(io.BytesIO(content))
    expected = by_opencv(content, cv2.IMREAD_COLOR)
    assert np.array_equal(colours, expected)
    gray = read_image(io.BytesIO(content), gray=True)
    assert np.array_equal(gray, by_opencv(content, cv2.IMREAD_GRAYSCALE) if stores_luma else luma(expected))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("marker", MARKERS)
def test_grey_is_the_first_component_only_where_that_is_luma(marker, name, progressive):
    content = saved(Image.fromarray(PHOTOGRAPH), subsampling=0, progressive=progressive)
    rgb = marker == "Adobe RGB" or (marker == "none" and name == "letters")
    check(renamed(content, MARKERS[marker], NAMES[name]), stores_luma=not rgb)


@pytest.mark.parametrize("sampling", ["444", "422", "420", "440", "411"])
def test_samplings(sampling):
    check(simplejpeg.encode_jpeg(PHOTOGRAPH, 90, colorsubsampling=sampling), stores_luma=True)


@pytest.mark.parametrize(
    "options", [{"restart_marker_blocks": 3}, {"restart_marker_rows": 1}, {"keep_rgb": True}, {"optimize": True}]
)
def test_ways_to_store(options):
    check(saved(Image.fromarray(PHOTOGRAPH), **options), stores_luma="keep_rgb" not in options)


@pytest.mark.parametrize("gray", [False, True])
def test_cmyk_is_inverted_as_adobe_does(gray):
    inks = RNG.integers(0, 256, (4, 4, 4), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    content = saved(Image.fromarray(inks, "CMYK"))
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert np.abs(expected - np.asarray(Image.fromarray(inks, "CMYK").convert("RGB")).astype(int)).mean() < 10
    assert np.array_equal(read_image(io.BytesIO(content), gray=gray), luma(expected) if gray else expected)


SMALL = RNG.integers(0, 256, (5, 6, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("marker", ["none", "Adobe RGB"])
def test_lossless_colours(marker, name):
    content = lossless(SMALL, names=NAMES[name], markers=MARKERS[marker])
    assert np.array_equal(read_image(io.BytesIO(content)), SMALL)
    assert np.array_equal(read_image(io.BytesIO(content), gray=True), luma(SMALL))


@pytest.mark.parametrize("marker", ["JFIF", "Adobe YCbCr", "JFIF and Adobe RGB"])
def test_lossless_luma_and_chroma(marker):
    content = lossless(SMALL, names=b"\1\2\3", markers=MARKERS[marker])
    assert np.array_equal(read_image(io.BytesIO(content)), Image.fromarray(SMALL, "YCbCr").convert("RGB"))
    assert np.array_equal(read_image(io.BytesIO(content), gray=True), SMALL[..., 0])


def test_lossless_grey():
    content = lossless(SMALL[..., :1], markers=MARKERS["JFIF"])
    for gray in (False, True):
        assert np.array_equal(read_image(io.BytesIO(content), gray=gray), SMALL[..., 0])


@pytest.mark.parametrize("bits", [2, 7, 12, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_more_and_fewer_bits_become_levels(bits, channels):
    pytest.importorskip("imagecodecs")
    samples = RNG.integers(0, 1 << bits, (5, 6, channels), dtype=np.uint16)
    content = lossless(samples, bits=bits)
    full = 255 if bits < 8 else 65535
    expected = np.rint(samples / ((1 << bits) - 1) * full).astype(np.uint16 if bits > 8 else np.uint8)
    expected = expected[..., 0] if channels == 1 else expected
    read = read_image(io.BytesIO(content))
    assert read.dtype == expected.dtype
    assert np.array_equal(read, expected)
    assert np.array_equal(read_image(io.BytesIO(content), gray=True), luma(expected))


def test_luma_of_12_bits_and_its_metadata():
    codecs = pytest.importorskip("imagecodecs")
    smooth = np.add.outer(np.arange(32) * 60, np.arange(24) * 80)[..., np.newaxis] + [0, 300, 100]
    content = codecs.jpeg8_encode(
        smooth.astype(np.uint16), 98, colorspace="RGB", outcolorspace="YCBCR", bitspersample=12
    )
    exif = Image.Exif()
    exif[0x0112] = 3
    content = START + segment(0xFFE1, exif.tobytes()) + content[2:]
    gray = read_image(io.BytesIO(content), gray=True)
    assert np.abs(gray[::-1, ::-1] / 16 - luma(smooth)).max() < 40


def test_12_bits_without_the_codecs(monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    content = lossless(RNG.integers(0, 4096, (5, 6, 3)), bits=12)
    with pytest.raises(ImageError, match=r"JPEGs of 12 bits are not built in; .* 'cnncli\[codecs\]'"):
        read_image(io.BytesIO(content))


@pytest.mark.parametrize("gray", [False, True])
def test_what_cannot_be_read_is_one_line(gray):
    content = saved(Image.fromarray(PHOTOGRAPH))
    two = lossless(SMALL[..., :2])
    for damaged in (content[: len(content) // 2], content[:3], content[:100], two, START + content[300:]):
        with pytest.raises(ImageError) as caught:
            read_image(io.BytesIO(damaged), gray=gray)
        assert "\n" not in str(caught.value)


def test_bytes_between_segments_are_skipped():
    content = saved(Image.fromarray(PHOTOGRAPH))
    filled = content[:20] + b"\xff\xff\xff" + content[20:]
    check(filled, stores_luma=True)
