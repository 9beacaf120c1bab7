"""AVIF: depths, channels, orientation, sequences, metadata, damage, and a Pillow that does not know it."""

import io
import struct
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from cnncli.errors import ImageError
from cnncli.images import exif as exif_block
from cnncli.images.frames import Picture
from cnncli.images.metadata import Metadata
from cnncli.images.reading import kind_of, open_image, read_image
from cnncli.images.writing import write_frames, write_image

pytestmark = pytest.mark.skipif(not features.check("avif"), reason="this Pillow was built without libavif")

RNG = np.random.default_rng(2)
NOISE = RNG.integers(0, 256, (13, 22, 4), dtype=np.uint8)
SMOOTH = np.add.outer(np.arange(48) * 2, np.arange(60) * 2).astype(np.uint8)


def saved(pixels, **options):
    stream = io.BytesIO()
    options = {"quality": 100, "subsampling": "4:0:0" if pixels.ndim == 2 else "4:4:4"} | options
    Image.fromarray(pixels).save(stream, "AVIF", **options)
    return stream.getvalue()


def read(content, **options):
    return read_image(io.BytesIO(content), **options)


def exif_of(orientation):
    exif = Image.Exif()
    exif[exif_block.ORIENTATION] = orientation
    exif[0x010F] = "maker"
    return exif.tobytes()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (13, 21)], ids=str)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_size_and_number_of_channels(size, channels):
    pixels = np.resize(NOISE[..., :channels], (*size, channels))
    has_alpha = channels in (2, 4)
    found = read(saved(pixels[..., 0] if channels == 1 else pixels), alpha=has_alpha)
    expected = pixels[..., [0, 0, 0, 1]] if channels == 2 else pixels
    found = found.reshape(*size, -1).astype(int)
    assert found.shape == expected.shape
    # Colours are stored as luma and chroma, which rounds them; grey and alpha are exact.
    assert np.abs(found - expected).max() <= (4 if channels > 2 else 0)
    if has_alpha:
        assert np.array_equal(found[..., -1], pixels[..., -1])


def test_subsampled_and_premultiplied_colours_are_those_that_were_stored():
    colours = np.dstack([SMOOTH, SMOOTH[::-1], SMOOTH[:, ::-1], np.full_like(SMOOTH, 200)])
    for options in ({"subsampling": "4:2:0"}, {"alpha_premultiplied": True}):
        assert np.abs(read(saved(colours, **options), alpha=True).astype(int) - colours).max() <= 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_file_is_turned_once_as_its_container_says(orientation):
    content = saved(SMOOTH, exif=exif_of(orientation))
    expected = exif_block.turned(SMOOTH, orientation)
    assert np.array_equal(read(content), expected)
    with open_image(io.BytesIO(content)) as image:
        metadata = next(image.frames()).metadata
    assert b"maker" in metadata.exif
    assert exif_block.orientation(metadata.exif) == 1


def test_an_orientation_in_exif_alone_does_not_turn():
    exif = Image.Exif()
    exif[0x0115] = 6  # another short number, because Pillow moves an orientation into the container
    content = saved(SMOOTH, exif=exif.tobytes())
    entry, turning = (struct.pack(">HHI", tag, 3, 1) for tag in (0x0115, exif_block.ORIENTATION))
    assert content.count(entry) == 1
    assert np.array_equal(read(content.replace(entry, turning)), SMOOTH)


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_more_than_8_bits_are_spread_over_16(bits, channels):
    codecs = pytest.importorskip("imagecodecs")
    most = (1 << bits) - 1
    samples = RNG.integers(0, most + 1, (9, 14, channels), dtype=np.uint16)
    samples[0, 0], samples[0, 1] = 0, most
    content = codecs.avif_encode(samples[..., 0] if channels == 1 else samples, level=100, bitspersample=bits)
    found = read(content, alpha=channels in (2, 4))
    assert found.dtype == np.uint16
    assert np.array_equal(found.reshape(samples.shape), np.rint(samples * (65535 / most)))
    with open_image(io.BytesIO(content)) as image:
        assert image.decoded_bytes() > found.nbytes


def test_more_than_8_bits_without_the_codecs(monkeypatch):
    codecs = pytest.importorskip("imagecodecs")
    content = codecs.avif_encode(SMOOTH.astype(np.uint16) * 4, level=100, bitspersample=10)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(ImageError, match=r"AVIF pictures of 10 bits are not built in; .* 'cnncli\[codecs\]'"):
        read(content)


def test_frames_of_a_sequence_and_no_duration_for_a_picture():
    flat = [np.full((32, 32, 3), level, np.uint8) for level in (10, 100, 200)]
    content = saved(flat[0], save_all=True, append_images=[Image.fromarray(level) for level in flat[1:]], duration=50)
    with open_image(io.BytesIO(content)) as image:
        frames = [(frame.array().astype(int), frame.metadata.duration) for frame in image.frames()]
    assert [duration for _, duration in frames] == [50] * 3
    assert np.abs(np.subtract([pixels for pixels, _ in frames], flat)).max() <= 2
    with open_image(io.BytesIO(saved(SMOOTH))) as image:
        assert next(image.frames()).metadata.duration is None


def test_written_sequences_keep_their_times():
    stream = io.BytesIO()
    frames = [(SMOOTH, 40.0), (SMOOTH, 60.0), (SMOOTH[::-1].copy(), 1e12)]
    write_frames(
        stream,
        [Picture(pixels.shape, pixels.dtype, [pixels], Metadata(duration=time)) for pixels, time in frames],
        format="avif",
    )
    with open_image(io.BytesIO(stream.getvalue())) as image:
        assert [round(frame.metadata.duration) for frame in image.frames()] == [40, 60, (1 << 31) - 1]


def test_written_pictures_keep_profile_and_exif():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = exif_block.without(exif_of(1), [exif_block.ORIENTATION])
    stream = io.BytesIO()
    write_image(stream, NOISE[..., :3].copy(), format="avif", metadata=Metadata(icc_profile=profile, exif=exif))
    with open_image(io.BytesIO(stream.getvalue())) as image:
        assert next(image.frames()).metadata == Metadata(icc_profile=profile, exif=exif)


def test_what_is_written_does_not_depend_on_the_machine(monkeypatch):
    pixels = np.kron(RNG.integers(0, 256, (30, 40), dtype=np.uint8), np.ones((40, 40), np.uint8))
    files = []
    for cores in (1, 8):
        monkeypatch.setattr("PIL.AvifImagePlugin._get_default_max_threads", lambda cores=cores: cores)
        stream = io.BytesIO()
        write_image(stream, pixels, format="avif")
        files.append(stream.getvalue())
    assert files[0] == files[1]


def test_a_picture_too_large_for_readers_is_refused():
    wide = Picture((1, 32_769), np.dtype(np.uint8), [np.zeros((1, 32_769), np.uint8)])
    with pytest.raises(ImageError, match="avif"):
        write_frames(io.BytesIO(), [wide], format="avif")


@pytest.mark.parametrize("module", ["PIL._avif", "PIL.AvifImagePlugin"])
def test_a_pillow_without_avif(monkeypatch, module):
    content = saved(SMOOTH)
    monkeypatch.setitem(sys.modules, "PIL._avif", None)
    monkeypatch.setattr("PIL._avif", None, raising=False)
    monkeypatch.delattr("PIL._avif")
    monkeypatch.setitem(sys.modules, module, None)
    for act in (lambda: read(content), lambda: write_image(io.BytesIO(), SMOOTH, format="avif")):
        with pytest.raises(ImageError, match=r"AVIF needs Pillow 11\.3 or newer.*: pip install -U pillow"):
            act()


def test_the_brand_decides_between_avif_and_heic():
    def brands(major, *others):
        names = b"".join(others)
        return struct.pack(">I4s4sI", 16 + len(names), b"ftyp", major, 0) + names + bytes(20)

    assert kind_of(brands(b"avif")).name == kind_of(brands(b"avis", b"msf1")).name == "AVIF"
    assert kind_of(brands(b"mif1", b"miaf", b"MA1B", b"avif")).name == "AVIF"
    assert kind_of(brands(b"heic", b"mif1")).name == kind_of(brands(b"mif1", b"heic", b"hevc")).name == "HEIC"
    assert kind_of(brands(b"isom", b"mp42")) is None


def test_sizes_are_checked_before_pixels_are_decoded():
    content = saved(SMOOTH)
    with pytest.raises(ImageError, match="60 x 48 is 2,880 pixels, over the limit of 2,879"):
        read(content[: len(content)], max_pixels=2_879)


@pytest.mark.parametrize("content", [saved(NOISE), saved(NOISE[..., 0].copy(), exif=exif_of(6))], ids=["RGBA", "L"])
def test_a_file_that_is_cut_off_anywhere_is_one_line(content):
    for length in range(len(content)):
        with pytest.raises(ImageError) as caught:
            read(content[:length])
        assert "\n" not in str(caught.value)


def test_two_depths_in_one_file_are_refused():
    content = saved(SMOOTH)
    place = content.index(b"av1C\x81") + 6
    damaged = content[:place] + bytes([content[place] | 0x40]) + content[place + 1 :]
    with pytest.raises(ImageError, match="states samples of 10 bits and of 8"):
        read(damaged)


def test_a_picture_that_its_container_crops_is_refused():
    content = saved(SMOOTH)
    box = content.index(b"colr") - 4
    size = int.from_bytes(content[box : box + 4])
    cropping = struct.pack(">I4s8i", 40, b"clap", 30, 1, 20, 1, 0, 1, 0, 1)
    grown = bytearray(content[:box] + cropping + content[box + size :])
    for name in (b"meta", b"iprp", b"ipco"):
        place = content.index(name) - 4
        grown[place : place + 4] = (int.from_bytes(content[place : place + 4]) + 40 - size).to_bytes(4)
    with pytest.raises(ImageError, match="its container crops it"):
        read(bytes(grown))
