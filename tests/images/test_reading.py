import io
import struct
import zlib

import cv2
import numpy as np
import png
import pytest
import tifffile
from PIL import Image, ImageOps
from skimage import data

from cnncli.errors import ImageError
from cnncli.images.reading import open_image, read_image

RNG = np.random.default_rng(7)
SMALL = RNG.integers(0, 256, (40, 30, 3), dtype=np.uint8)
PHOTOGRAPHS = {"astronaut": data.astronaut, "coffee": data.coffee, "chelsea": data.chelsea}


def saved(image, suffix, **options):
    stream = io.BytesIO()
    image.save(stream, suffix, **options)
    stream.seek(0)
    return stream


def luma(pixels):
    return np.asarray(Image.fromarray(pixels).convert("L"))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("suffix", ["png", "tiff", "bmp", "ppm"])
def test_lossless_photographs_are_read_exactly(name, suffix):
    pixels = PHOTOGRAPHS[name]()
    stream = saved(Image.fromarray(pixels), suffix)
    assert np.array_equal(read_image(stream), pixels)
    stream.seek(0)
    assert np.array_equal(read_image(stream, gray=True), luma(pixels))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("subsampling", [0, 2])
def test_gray_jpeg_is_the_luma_plane_that_opencv_reads(tmp_path, name, subsampling):
    path = tmp_path / "photo.jpg"
    # An odd size smaller than the whole would show a decoder that scales.
    Image.fromarray(PHOTOGRAPHS[name]()[:-3, :-5]).save(path, subsampling=subsampling, quality=85)
    expected = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    assert np.array_equal(read_image(path, gray=True), expected)
    assert read_image(path).shape == (*expected.shape, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpeg", "png", "webp", "tiff"])
@pytest.mark.parametrize("gray", [False, True])
def test_orientation_is_applied_and_its_tag_dropped(orientation, suffix, gray):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "maker"
    stream = saved(Image.fromarray(SMALL), suffix, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(stream))
    with open_image(stream if not stream.seek(0) else None, gray=gray) as image:
        (frame,) = image.frames()
        if suffix == "jpeg" and gray:
            assert frame.shape == (expected.height, expected.width)
        else:
            assert np.array_equal(frame.array(), np.asarray(expected.convert("L" if gray else "RGB")))
        if suffix != "tiff":
            kept = Image.Exif()
            kept.load(frame.metadata.exif)
            assert dict(kept) == {0x010F: "maker"}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_alpha_turns_with_its_pixels(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = RNG.integers(0, 256, (5, 7, 4), dtype=np.uint8)
    stream = saved(Image.fromarray(pixels), "png", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(stream)))
    stream.seek(0)
    assert np.array_equal(read_image(stream, alpha=True), expected)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("dtype", [np.float64, np.uint16])
def test_orientation_of_a_tiff_beyond_pillow(orientation, dtype):
    pixels = RNG.integers(0, 65536, (4, 6, 3)).astype(dtype)
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, photometric="rgb", extratags=[(274, 3, 1, orientation, True)])
    stream.seek(0)
    turns = {1: 0, 3: 2, 6: 3, 8: 1}[orientation]
    assert np.array_equal(read_image(stream), np.rot90(pixels, turns))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("interlace", [False, True])
def test_16_bit_png_keeps_every_bit(channels, interlace):
    shape = (9, 11) if channels == 1 else (9, 11, channels)
    pixels = RNG.integers(0, 65536, shape, dtype=np.uint16)
    stream = io.BytesIO()
    writer = png.Writer(11, 9, greyscale=channels < 3, alpha=channels in (2, 4), bitdepth=16, interlace=interlace)
    writer.write(stream, pixels.reshape(9, -1))
    stream.seek(0)
    read = read_image(stream, alpha=channels in (2, 4))
    assert read.dtype == np.uint16
    assert np.array_equal(read, pixels)


def test_16_bit_gray_is_pillows_formula_on_16_bits():
    pixels = RNG.integers(0, 65536, (9, 11, 3), dtype=np.uint16)
    stream = io.BytesIO()
    png.Writer(11, 9, greyscale=False, bitdepth=16).write(stream, pixels.reshape(9, -1))
    stream.seek(0)
    red, green, blue = (pixels[..., channel].astype(object) for channel in range(3))
    expected = (19595 * red + 38470 * green + 7471 * blue + 0x8000) // 65536
    assert np.array_equal(read_image(stream, gray=True), expected.astype(np.uint16))


TIFFS = {
    "raw": {},
    "big-endian": {"byteorder": ">"},
    "deflate": {"compression": "zlib"},
    "predictor": {"compression": "zlib", "predictor": 2},
    "tiles": {"compression": "zlib", "tile": (16, 16)},
    "planes": {"planarconfig": "separate"},
    "bigtiff": {"bigtiff": True},
}


@pytest.mark.parametrize("options", TIFFS.values(), ids=TIFFS)
@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_colour_tiff_keeps_every_bit(options, channels):
    pixels = RNG.integers(0, 65536, (40, 50, channels), dtype=np.uint16)
    stream = io.BytesIO()
    stored = np.moveaxis(pixels, -1, 0) if options.get("planarconfig") else pixels
    extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    tifffile.imwrite(stream, stored, photometric="rgb", **extra, **options)
    stream.seek(0)
    assert np.array_equal(read_image(stream, alpha=channels == 4), pixels)


def test_16_bit_colour_tiff_with_lzw_needs_no_more_libraries(tmp_path):
    pixels = RNG.integers(0, 65536, (40, 50, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "lzw.tif"), pixels[..., ::-1])
    assert np.array_equal(read_image(tmp_path / "lzw.tif"), pixels)


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ("uint8", "uint8"),
        ("int8", "int32"),
        ("uint16", "uint16"),
        ("int16", "int32"),
        ("int32", "int32"),
        ("uint32", "int64"),
        ("int64", "int64"),
        ("float16", "float32"),
        ("float32", "float32"),
        ("float64", "float64"),
    ],
)
@pytest.mark.parametrize("suffix", ["tif", "npy"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_numbers_of_every_type_are_read_exactly(tmp_path, stored, read, suffix, byteorder):
    limits = np.iinfo(stored) if "int" in stored else np.finfo(stored)
    pixels = np.array([[limits.min, 0, 1], [2, 3, limits.max]], stored)
    path = tmp_path / f"image.{suffix}"
    if suffix == "npy":
        np.save(path, pixels.astype(pixels.dtype.newbyteorder(byteorder)))
    else:
        tifffile.imwrite(path, pixels, byteorder=byteorder)
    result = read_image(path)
    assert result.dtype == np.dtype(read)
    assert result.dtype.isnative
    assert np.array_equal(result, pixels.astype(read))


def test_a_tiff_where_zero_is_white():
    pixels = RNG.integers(0, 65536, (4, 6), dtype=np.uint16)
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, photometric="miniswhite")
    stream.seek(0)
    assert np.array_equal(read_image(stream), 65535 - pixels)


def test_pages_of_different_sizes_and_types():
    pages = [np.full((4, 5), 9, np.uint8), np.full((3, 2), 0.5, np.float64), np.full((2, 6, 3), 7, np.uint16)]
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        for page in pages:
            writer.write(page, photometric="rgb" if page.ndim == 3 else "minisblack")
    stream.seek(0)
    with open_image(stream) as image:
        assert image.frame_count == 3
        for frame, page in zip(image.frames(), pages, strict=True):
            assert frame.dtype == page.dtype
            assert np.array_equal(frame.array(), page)


def test_one_bit_images_are_black_and_white():
    bits = RNG.integers(0, 2, (9, 13), dtype=np.uint8).astype(bool)
    for suffix in ("png", "tiff", "ppm", "bmp"):
        assert np.array_equal(read_image(saved(Image.fromarray(bits), suffix)), bits * np.uint8(255))


def test_palettes():
    palette = RNG.integers(0, 256, 768, dtype=np.uint8)
    indices = RNG.integers(0, 256, (9, 13), dtype=np.uint8)
    image = Image.fromarray(indices)
    image.putpalette(palette.tobytes())
    colours = palette.reshape(-1, 3)[indices]
    assert np.array_equal(read_image(saved(image, "png")), colours)
    assert np.array_equal(read_image(saved(image, "png"), gray=True), luma(colours))
    opacity = RNG.integers(0, 256, 256, dtype=np.uint8)
    see_through = saved(image, "png", transparency=opacity.tobytes())
    assert np.array_equal(read_image(see_through, alpha=True), np.dstack([colours, opacity[indices]]))
    image.putpalette(np.repeat(np.arange(256)[::-1], 3).astype(np.uint8).tobytes())
    assert np.array_equal(read_image(saved(image, "png")), 255 - indices)


def test_one_transparent_colour():
    gray = np.array([[7, 8], [9, 7]], np.uint8)
    keyed = read_image(saved(Image.fromarray(gray), "png", transparency=7), alpha=True)
    assert np.array_equal(keyed, np.dstack([gray, [[0, 255], [255, 0]]]))
    colour = np.dstack([gray, gray, gray])
    keyed = read_image(saved(Image.fromarray(colour), "png", transparency=(7, 7, 7)), alpha=True)
    assert np.array_equal(keyed[..., 3], [[0, 255], [255, 0]])


@pytest.mark.parametrize("bits", [1, 2, 4, 16])
def test_one_transparent_level_at_other_depths(bits):
    levels = np.arange(min(2**bits, 16), dtype=np.uint16).reshape(1, -1)
    stream = io.BytesIO()
    png.Writer(levels.size, 1, greyscale=True, bitdepth=bits, transparent=1).write(stream, levels.tolist())
    stream.seek(0)
    full, step = (65535, 1) if bits == 16 else (255, 255 // (2**bits - 1))
    expected = np.dstack([levels * step, np.where(levels == 1, 0, full)])
    assert np.array_equal(read_image(stream, alpha=True), expected)


def test_modes_become_gray_or_rgb():
    rgba = RNG.integers(0, 256, (4, 5, 4), dtype=np.uint8)
    assert np.array_equal(read_image(saved(Image.fromarray(rgba), "png")), rgba[..., :3])
    la = Image.fromarray(rgba[..., :2])
    assert np.array_equal(read_image(saved(la, "png"), alpha=True), rgba[..., :2])
    cmyk = Image.frombytes("CMYK", (5, 4), rgba.tobytes())
    assert np.array_equal(read_image(saved(cmyk, "tiff")), np.asarray(cmyk.convert("RGB")))
    for mode in ("YCbCr", "LAB"):
        read = read_image(saved(Image.frombytes(mode, (5, 4), rgba[..., :3].tobytes()), "tiff"))
        assert read.shape == (4, 5, 3)


@pytest.mark.parametrize("maximum", [65535, 4095])
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("plain", [False, True])
def test_16_bit_pnm(maximum, colour, plain):
    shape = (3, 5, 3) if colour else (3, 5)
    samples = RNG.integers(0, maximum + 1, shape)
    kind = {(False, False): 5, (True, False): 6, (False, True): 2, (True, True): 3}[colour, plain]
    body = " ".join(map(str, samples.ravel())).encode() if plain else samples.astype(">u2").tobytes()
    read = read_image(io.BytesIO(b"P%d # a comment\n5 3\n%d\n" % (kind, maximum) + body))
    assert read.dtype == np.uint16
    assert np.array_equal(read, np.rint(samples / maximum * 65535))


def test_opencv_agrees_on_plain_files(tmp_path):
    for suffix in ("png", "tiff", "bmp", "ppm", "webp"):
        path = str(tmp_path / f"image.{suffix}")
        cv2.imwrite(path, SMALL[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 101])
        assert np.array_equal(read_image(path), SMALL), suffix


def test_text_is_a_matrix(tmp_path):
    (tmp_path / "step.txt").write_text("# course\n10 10 0\n10 10 0\n")
    assert np.array_equal(read_image(tmp_path / "step.txt"), [[10, 10, 0]] * 2)
    assert read_image(io.BytesIO(b"1,2;3,4.5")).dtype == np.float64
    (tmp_path / "bad.csv").write_text("1,2\n3,x\n")
    with pytest.raises(ImageError, match=r"bad.csv: row 2, column 2: 'x' is not a number"):
        read_image(tmp_path / "bad.csv")


def test_arrays_are_mapped_and_stacks_are_frames(tmp_path):
    volume = np.arange(2 * 6 * 5 * 3).reshape(2, 6, 5, 3)
    np.save(tmp_path / "stack.npy", volume)
    with open_image(tmp_path / "stack.npy") as image:
        assert image.frame_count == 2
        for frame, expected in zip(image.frames(), volume, strict=True):
            assert np.array_equal(frame.rows(2, 4), expected[2:4])
    np.savez(tmp_path / "pair.npz", a=volume[0], b=volume[1, ..., 0])
    with open_image(tmp_path / "pair.npz") as image:
        assert [frame.shape for frame in image.frames()] == [(6, 5, 3), (6, 5)]
    np.save(tmp_path / "mask.npy", np.array([[True, False]]))
    assert np.array_equal(read_image(tmp_path / "mask.npy"), np.array([[255, 0]], np.uint8))


def test_gray_of_other_channel_counts_is_refused(tmp_path):
    np.save(tmp_path / "five.npy", np.zeros((4, 4, 5)))
    with pytest.raises(ImageError, match="1 or 3 channels, found 5"):
        read_image(tmp_path / "five.npy", gray=True)


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("kind", ["RGB", "P", "1", "I;16", "deep", "npy"])
def test_bands_in_any_order_make_the_whole(tmp_path, kind, gray, monkeypatch):
    monkeypatch.setattr("cnncli.images.formats.pillow._PIXELS_PER_BAND", 60)
    path = tmp_path / "image.png"
    if kind == "npy":
        path = tmp_path / "image.npy"
        np.save(path, SMALL)
    elif kind == "deep":
        png.from_array((SMALL.astype(int) * 257).reshape(40, -1).tolist(), "RGB;16").save(path)
    elif kind == "I;16":
        Image.fromarray(SMALL[..., 0].astype(np.uint16) * 200).save(path)
    else:
        Image.fromarray(SMALL).convert(kind).save(path)
    with open_image(path, gray=gray) as image:
        (frame,) = image.frames()
        whole = frame.array()
        assert whole.shape == frame.shape
        assert whole.dtype == frame.dtype
        for start, stop in ((30, 40), (0, 1), (7, 31)):
            assert np.array_equal(frame.rows(start, stop), whole[start:stop])


def test_content_not_the_name_says_the_kind(tmp_path):
    path = tmp_path / "really_a_png.jpg"
    Image.fromarray(SMALL).save(path, "png")
    with open_image(path) as image:
        assert image.kind.name == "PNG"
        assert np.array_equal(next(image.frames()).array(), SMALL)


def test_only_the_photograph_of_a_phone_picture_is_read():
    other = Image.fromarray(SMALL[:9])
    stream = saved(Image.fromarray(SMALL), "mpo", save_all=True, append_images=[other])
    with open_image(stream) as image:
        assert [frame.shape for frame in image.frames()] == [SMALL.shape]


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


HUGE_PNG = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 40000, 40000, 8, 0, 0, 0, 0))
HUGE = {
    "png": HUGE_PNG + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
    "16-bit png": b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 40000, 40000, 16, 2, 0, 0, 0))
    + chunk(b"IDAT", b"")
    + chunk(b"IEND", b""),
    "pgm": b"P5 40000 40000 255\n",
    "deep ppm": b"P6 40000 40000 65535\n",
    "bmp": b"BM" + struct.pack("<IHHI", 90, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 40000, 40000, 1, 24, *[0] * 6),
    "gif": b"GIF89a" + struct.pack("<HHBBB", 40000, 40000, 0, 0, 0) + b",\0\0\0\0\x40\x9c\x40\x9c\0\x02\0;",
}


@pytest.mark.parametrize("content", HUGE.values(), ids=HUGE)
def test_a_bomb_is_one_line_from_its_header(content):
    with pytest.raises(ImageError) as caught:
        read_image(io.BytesIO(content))
    message = str(caught.value)
    assert "40000 x 40000 is 1,600,000,000 pixels" in message
    assert "89,478,485" in message
    assert "--max-pixels" in message
    assert "\n" not in message


def test_the_limit_is_pillows_and_can_be_moved():
    from cnncli.images.sources import MAX_PIXELS

    assert MAX_PIXELS == 89478485
    stream = saved(Image.fromarray(SMALL), "png")
    with pytest.raises(ImageError, match="30 x 40 is 1,200 pixels, over the limit of 1,199"):
        read_image(stream, max_pixels=1199)
    stream.seek(0)
    assert read_image(stream, max_pixels=1200).shape == SMALL.shape


def test_a_row_that_is_very_wide_counts_as_several():
    wide = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 89_000_000, 1, 8, 0, 0, 0, 0))
    with pytest.raises(
        ImageError, match=r"89000000 x 1 counts as 16 rows, 1,424,000,000 pixels, .* --max-pixels 1424000"
    ):
        read_image(io.BytesIO(wide + chunk(b"IDAT", b"")))
    for shape in ((70_000, 1), (16, 70_000), (1, 65_536)):
        stream = saved(Image.new("L", shape[::-1]), "png")
        assert read_image(stream, max_pixels=shape[0] * shape[1]).shape == shape


def test_a_raised_limit_reads_what_pillow_alone_would_refuse(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for suffix in ("png", "tiff", "webp", "gif", "jpeg"):
        stream = saved(Image.fromarray(SMALL), suffix)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        assert read_image(stream, max_pixels=2000).shape == SMALL.shape


@pytest.mark.parametrize("suffix", ["png", "jpeg", "tiff", "gif", "webp", "bmp", "ppm", "npy"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_truncated_file_is_one_line(tmp_path, suffix, share):
    path = tmp_path / f"cut.{suffix}"
    if suffix == "npy":
        np.save(path, SMALL)
    else:
        Image.fromarray(data.astronaut()[:200, :200]).save(path, suffix)
    path.write_bytes(path.read_bytes()[: max(20, int(path.stat().st_size * share))])
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_each_unusable_path_has_its_own_line(tmp_path):
    empty, text, noise = tmp_path / "empty.png", tmp_path / "text.png", tmp_path / "noise.png"
    empty.touch()
    text.write_text("not a picture\n")
    noise.write_bytes(bytes(range(100, 200)) + b"\0")
    expected = {
        tmp_path / "none.png": "no such file",
        tmp_path: "is a folder, not a picture",
        empty: "is empty (0 bytes)",
        text: "holds text, not a picture; matrices are read from .txt and .csv",
        noise: "is of no known kind; pictures are read from PNG, JPEG",
    }
    for path, message in expected.items():
        with pytest.raises(ImageError) as caught:
            read_image(path)
        assert str(caught.value).startswith(f"{path}: {message}")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ImageError, match="permission denied"):
        read_image(tmp_path / "image.png")


def test_a_pickle_is_not_loaded(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([[{}]]), allow_pickle=True)
    with pytest.raises(ImageError, match=r"objects\.npy"):
        read_image(tmp_path / "objects.npy")


def test_png_and_jpeg_load_no_other_codec(tmp_path):
    import subprocess
    import sys

    Image.fromarray(SMALL).save(tmp_path / "a.png")
    Image.fromarray(SMALL).save(tmp_path / "a.jpg")
    code = (
        "import sys; from cnncli import read_image, write_image\n"
        "assert 'PIL.Image' not in sys.modules and 'tifffile' not in sys.modules\n"
        f"write_image({str(tmp_path / 'b.png')!r}, read_image({str(tmp_path / 'a.png')!r}))\n"
        f"read_image({str(tmp_path / 'a.jpg')!r})\n"
        "loaded = {'tifffile', 'png', 'PIL.GifImagePlugin', 'PIL.TiffImagePlugin'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
