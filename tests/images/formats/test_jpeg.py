"""JPEG files written band by band: what every decoder makes of them, beside Pillow's own encoding."""

import io
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from skimage import data

from cnncli.errors import ImageError
from cnncli.images.formats import jpeg
from cnncli.images.frames import Picture
from cnncli.images.metadata import Metadata
from cnncli.images.writing import write_frames, write_image

RNG = np.random.default_rng(5)
DEFINE_INTERVAL = b"\xff\xdd\0\4"


@pytest.fixture(params=["simplejpeg", "Pillow"])
def encoder(request, monkeypatch):
    if request.param == "Pillow":
        monkeypatch.setitem(sys.modules, "simplejpeg", None)
    return request.param


def photograph(height, width, channels):
    pixels = np.resize(data.astronaut(), (height, width, 3)) if width > 512 or height > 512 else data.astronaut()
    pixels = pixels[:height, :width]
    return np.ascontiguousarray(pixels[..., 1] if channels == 1 else pixels)


def written(bands, metadata=None, **options):
    """The file of bands that are put below each other."""
    stream = io.BytesIO()
    shape = (sum(map(len, bands)), *bands[0].shape[1:])
    write_frames(stream, [Picture(shape, bands[0].dtype, bands, metadata or Metadata())], format="jpeg", **options)
    return stream.getvalue()


def cut(pixels, height):
    return [pixels[start : start + height] for start in range(0, len(pixels), height)]


def by_pillow(pixels, *, quality=90, **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "jpeg", quality=quality, **options)
    return stream.getvalue()


def decoded(content):
    """The pixels, which must be the same for all decoders that are there."""
    pixels = np.asarray(Image.open(io.BytesIO(content)))
    again = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(again if again.ndim == 2 else again[..., ::-1], pixels)
    try:
        import pyvips
    except (ImportError, OSError):
        return pixels
    image = pyvips.Image.new_from_buffer(content, "", fail_on="warning")
    assert np.array_equal(image.numpy().reshape(pixels.shape), pixels)
    return pixels


def psnr(pixels, expected):
    return -10 * np.log10(np.square(pixels / 255 - expected / 255).mean() + 1e-20)


SHAPES = [(1, 1), (1, 9), (9, 1), (7, 8), (8, 7), (16, 16), (17, 33), (301, 211), (33, 65_500), (65_500, 3)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_in_one_band_it_is_what_pillow_writes(encoder, height, width, channels):
    pixels = photograph(height, width, channels)
    content, reference = written([pixels]), by_pillow(pixels)
    assert DEFINE_INTERVAL not in content
    if encoder == "Pillow":
        assert content == reference
    read, expected = decoded(content), decoded(reference)
    assert psnr(read, expected) > 38
    ours, theirs = Image.open(io.BytesIO(content)), Image.open(io.BytesIO(reference))
    assert ours.quantization == theirs.quantization
    assert ours.layer == theirs.layer  # the components and their sampling
    assert ours.info == theirs.info


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [1, 35, 90, 100])
def test_quality_is_that_of_pillow(encoder, quality, channels):
    pixels = photograph(100, 150, channels)
    content, reference = written([pixels], quality=quality), by_pillow(pixels, quality=quality)
    assert Image.open(io.BytesIO(content)).quantization == Image.open(io.BytesIO(reference)).quantization
    assert psnr(decoded(content), pixels) > psnr(decoded(reference), pixels) - 0.5
    assert encoder != "Pillow" or content == reference


@pytest.mark.parametrize("name", ["astronaut", "camera", "coffee", "page", "text"])
def test_as_true_to_the_picture_as_pillow(name):
    pixels = getattr(data, name)()
    content, reference = written([pixels]), by_pillow(pixels)
    assert psnr(decoded(content), pixels) > psnr(decoded(reference), pixels) - 0.5
    assert len(content) < 1.02 * len(reference)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [shape for shape in SHAPES if shape[0] > 1])
@pytest.mark.parametrize("band", [1, 5, 16, 150])
def test_bands_do_not_show(encoder, height, width, channels, band, monkeypatch):
    monkeypatch.setattr(jpeg, "INTERVAL_PIXELS", 2000)
    pixels = photograph(height, width, channels)
    assert np.array_equal(decoded(written(cut(pixels, band))), decoded(written([pixels])))


def test_more_intervals_than_there_are_markers(encoder, monkeypatch):
    monkeypatch.setattr(jpeg, "INTERVAL_PIXELS", 1)
    pixels = photograph(500, 40, 1)
    content = written(cut(pixels, 300))
    assert DEFINE_INTERVAL + b"\0\5" in content  # 40 pixels are five blocks
    markers = [
        content[at + 1] for at in range(len(content) - 1) if content[at] == 0xFF and content[at + 1] & 0xF8 == 0xD0
    ]
    assert markers == [0xD0 + number % 8 for number in range(62)]
    assert np.array_equal(decoded(content), decoded(written([pixels])))


def test_a_picture_of_many_bands(encoder):
    pixels = photograph(3001, 1999, 1)
    content = written(cut(pixels, 333))
    assert content.count(DEFINE_INTERVAL) == 1
    assert np.array_equal(decoded(content), decoded(written([pixels])))


@given(st.lists(st.integers(0, 40), min_size=1, max_size=9), st.integers(1, 50))
def test_bands_are_cut_anew_without_losing_a_row(heights, height):
    rows = np.arange(sum(heights))
    bands = np.split(rows, np.cumsum(heights)[:-1])
    pieces = list(jpeg._regrouped(iter(bands), height))
    assert all(len(piece) == height for piece in pieces[:-1])
    assert all(0 < len(piece) <= height for piece in pieces[-1:])
    assert np.array_equal(np.concatenate([rows[:0], *pieces]), rows)


VIEWS = {
    "every other column": lambda pixels: pixels[:, ::2],
    "mirrored": lambda pixels: pixels[:, ::-1],
    "upside down": lambda pixels: pixels[::-1],
    "turned": lambda pixels: pixels.swapaxes(0, 1),
    "one column": lambda pixels: pixels[:, 3:4],
    "one row over and over": lambda pixels: np.broadcast_to(pixels[:1], pixels.shape),
    "one pixel over and over": lambda pixels: np.broadcast_to(pixels[:1, :1], pixels.shape),
    "read only": lambda pixels: np.frombuffer(pixels.tobytes(), np.uint8).reshape(pixels.shape),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_of_all_layouts(encoder, view, channels):
    pixels = view(photograph(50, 40, channels))
    assert written([pixels]) == written([np.array(pixels, order="C")])
    if channels == 1:
        assert written([pixels[..., np.newaxis]]) == written([pixels])
    else:
        gray = np.broadcast_to(pixels[..., :1], pixels.shape)
        assert written([gray]) == written([np.array(gray, order="C")])


def profile(size):
    """A colour profile of some size; its header is all that is looked at here."""
    return b"\0" * 16 + b"RGB " + RNG.bytes(size - 20)


METADATA = [
    {"dpi": (300, 150)},
    {"exif": b"Exif\0\0" + RNG.bytes(65_527)},
    {"icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()},
    {"icc_profile": profile(65_519)},
    {"icc_profile": profile(200_001), "exif": b"Exif\0\0MM", "dpi": (72, 72)},
]


@pytest.mark.parametrize("options", METADATA, ids=lambda options: "+".join(options))
@pytest.mark.parametrize("band", [50, 20])
def test_metadata_are_written_as_pillow_writes_them(encoder, options, band, monkeypatch):
    monkeypatch.setattr(jpeg, "INTERVAL_PIXELS", 1)
    pixels = photograph(50, 40, 3)
    content, reference = written(cut(pixels, band), Metadata(**options)), by_pillow(pixels, **options)
    tables = b"\xff\xdb\0\x43"
    assert content[: content.index(tables)] == reference[: reference.index(tables)]
    assert Image.open(io.BytesIO(content)).info == Image.open(io.BytesIO(reference)).info


@pytest.mark.parametrize("dpi", [(0.2, 300.0), (300.0, 70_000.0)])
def test_density_that_the_format_cannot_state_is_left_out(encoder, dpi):
    assert "dpi" not in Image.open(io.BytesIO(written([photograph(9, 9, 1)], Metadata(dpi=dpi)))).info


@pytest.mark.parametrize("shape", [(1, 65_501), (65_501, 1)])
def test_pictures_that_are_too_large(encoder, shape, capfd):
    with pytest.raises(ImageError, match=rf"{shape[1]} x {shape[0]} cannot be written as jpeg, .*; write png or tiff"):
        write_image(io.BytesIO(), np.zeros(shape, np.uint8), format="jpeg")
    assert capfd.readouterr().err == ""  # libjpeg says it there


@pytest.mark.parametrize(
    "metadata",
    [{"exif": b"Exif\0\0" + bytes(65_528)}, {"icc_profile": profile(255 * 65_519 + 1)}, {"dpi": (65_536, 72)}],
)
def test_what_segments_cannot_hold_is_left_out(metadata):
    picture = photograph(9, 9, 3)
    assert written([picture], Metadata(**metadata)) == written([picture], Metadata())


@pytest.mark.parametrize("heights", [[5], [5, 6], [10, 1], []])
def test_bands_that_do_not_make_the_picture(heights):
    bands = [np.zeros((height, 7), np.uint8) for height in heights]
    with pytest.raises(ImageError, match="band"):
        write_frames(io.BytesIO(), [Picture((10, 7), np.dtype(np.uint8), bands)], format="jpeg")
