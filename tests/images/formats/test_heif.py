"""HEIC, as phones write it: depths, channels, orientation, tiles, several pictures, damage, and the missing extra."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from cnncli.errors import ImageError
from cnncli.images import exif as exif_block
from cnncli.images.reading import open_image, read_image

pillow_heif = pytest.importorskip("pillow_heif", reason="the extra cnncli[heif] is not installed")

RNG = np.random.default_rng(2)
NOISE = RNG.integers(0, 256, (13, 22, 4), dtype=np.uint8)
SMOOTH = np.add.outer(np.arange(48) * 2, np.arange(60) * 2).astype(np.uint8)
LOSSLESS = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}


def encoded(mode, pixels, *, orientation=None, info=None, **options):
    """A file with one picture, whose rotation stands in the container and in EXIF, as phones write it."""
    opened = pillow_heif.from_bytes(mode, pixels.shape[1::-1], np.ascontiguousarray(pixels).tobytes())
    if orientation:
        opened.info["exif"] = exif_of(orientation)
    opened.info.update(info or {})
    stream = io.BytesIO()
    opened.save(stream, **(LOSSLESS | options))
    return stream.getvalue()


def exif_of(orientation):
    exif = Image.Exif()
    exif[exif_block.ORIENTATION] = orientation
    exif[0x010F] = "maker"
    return exif.tobytes()


def read(content, **options):
    return read_image(io.BytesIO(content), **options)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (13, 21)], ids=str)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_every_size_and_mode(size, mode):
    pixels = np.resize(NOISE[..., : len(mode)], (*size, len(mode)))
    content = encoded(mode, pixels)
    with open_image(io.BytesIO(content)) as image:
        assert (image.kind.name, image.frame_count, image.pixels) == ("HEIC", 1, size[0] * size[1])
        assert image.decoded_bytes() > pixels.nbytes
    assert np.array_equal(read(content, alpha=mode == "RGBA").reshape(pixels.shape), pixels)


@pytest.mark.parametrize(("mode", "bits"), [("RGB", 10), ("RGBA", 10), ("RGBA", 12), ("I", 10), ("I", 12)])
def test_more_than_8_bits_are_spread_over_16(mode, bits):
    most = (1 << bits) - 1
    samples = RNG.integers(0, most + 1, (9, 14, len(mode)), dtype=np.uint16)
    samples[0, 0], samples[0, 1] = 0, most
    found = read(encoded(f"{mode};{bits}", samples), alpha=mode == "RGBA")
    assert found.dtype == np.uint16
    assert np.array_equal(found.reshape(samples.shape), np.rint(samples * (65535 / most)))


def test_colours_that_were_multiplied_by_their_alpha_are_divided_by_it():
    colours = NOISE.copy()
    colours[..., 3] = np.maximum(colours[..., 3], 100)
    colours[0, :5, 3] = 0
    multiplied = colours.copy()
    multiplied[..., :3] = np.rint(colours[..., :3] * (colours[..., 3:] / 255))
    found = read(encoded("RGBa", multiplied), alpha=True).astype(int)
    assert np.array_equal(found[..., 3], colours[..., 3])
    visible = colours[..., 3] > 0
    assert np.abs(found - colours)[visible].max() <= 2
    assert (found[~visible] == 0).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_file_is_turned_once(orientation):
    content = encoded("L", SMOOTH, orientation=orientation)
    expected = exif_block.turned(SMOOTH, orientation)
    with open_image(io.BytesIO(content)) as image:
        assert image.pixels == SMOOTH.size
        frame = next(image.frames())
        assert np.array_equal(frame.array(), expected)
    assert b"maker" in frame.metadata.exif
    assert exif_block.orientation(frame.metadata.exif) == 1


def test_tiles_thumbnails_and_a_profile_as_in_a_phones_photograph():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    colours = np.kron(NOISE[..., :3], np.ones((12, 12, 1), np.uint8))
    info = {"icc_profile": profile, "icc_profile_type": "prof", "thumbnails": [64]}
    content = encoded("RGB", colours, orientation=6, info=info, tile_size=64)
    assert content.count(b"hvc1") > 5
    with open_image(io.BytesIO(content)) as image:
        assert image.frame_count == 1
        frame = next(image.frames())
        assert np.array_equal(frame.array(), exif_block.turned(colours, 6))
    assert frame.metadata.icc_profile == profile


def test_luma_of_colours():
    colours = NOISE[..., :3]
    assert np.array_equal(read(encoded("RGB", colours), gray=True), np.asarray(Image.fromarray(colours).convert("L")))


def test_the_primary_picture_of_several():
    opened = pillow_heif.HeifFile()
    for level in (10, 100, 200):
        opened.add_frombytes("L", (16, 16), bytes([level]) * 256)
    stream = io.BytesIO()
    opened.save(stream, primary_index=1, **LOSSLESS)
    with open_image(io.BytesIO(stream.getvalue())) as image:
        assert image.frame_count == 1
        (frame,) = image.frames()
        assert (frame.array() == 100).all()


def test_sizes_are_checked_before_pixels_are_decoded(monkeypatch):
    content = encoded("L", SMOOTH, orientation=6)
    monkeypatch.setattr(pillow_heif.heif.BaseImage, "load", None)
    with pytest.raises(ImageError, match="48 x 60 is 2,880 pixels, over the limit of 2,879"):
        read(content, max_pixels=2_879)


def test_a_stated_size_that_is_not_that_of_the_pixels_is_refused():
    content = bytearray(encoded("L", SMOOTH, tile_size=0))
    place = content.index(b"ispe") + 8
    for size in (b"\x7f\xff\xff\xff" * 2, b"\0\0\0\0" * 2, b"\0\1\0\0" * 2):
        content[place : place + 8] = size
        with pytest.raises(ImageError, match=r"pixels|size"):
            read(bytes(content))


@pytest.mark.parametrize("tile_size", [0, 64])
def test_a_file_that_is_cut_off_anywhere_is_one_line(tile_size):
    content = encoded("L", np.tile(NOISE[..., 0], (9, 7)), tile_size=tile_size)
    for length in range(0, len(content), 7):
        with pytest.raises(ImageError) as caught:
            read(content[:length])
        assert "\n" not in str(caught.value)


def test_what_stands_behind_the_pixels_is_no_part_of_them():
    content = encoded("L", SMOOTH)
    assert np.array_equal(read(content + b"\xff\xff\xff\xffSEFT and a film" * 9), SMOOTH)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_damage_anywhere_is_one_line_or_a_picture(mode, capfd):
    content = encoded(mode, NOISE[..., : len(mode)], orientation=6)
    random = np.random.default_rng(3)
    for _ in range(300):
        damaged = bytearray(content)
        for place in random.integers(0, len(damaged), 3):
            damaged[place] = random.integers(256)
        try:
            read(bytes(damaged), max_pixels=10**6)
        except ImageError as error:
            assert "\n" not in str(error)  # noqa: PT017
    assert capfd.readouterr() == ("", "")


def test_a_film_in_the_same_container_is_no_picture():
    content = bytearray(encoded("L", SMOOTH))
    content[content.index(b"hvc1") : content.index(b"hvc1") + 4] = b"none"
    with pytest.raises(ImageError, match=r"holds no still picture|HEIC"):
        read(bytes(content))


def test_pillow_itself_reads_no_more_kinds_than_before():
    content = encoded("L", SMOOTH)
    before = list(Image.ID)
    read(content)
    assert before == Image.ID
