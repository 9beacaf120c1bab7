import io
import sys
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from skimage import data

from cnncli.errors import ImageError
from cnncli.images.formats import FORMATS, KINDS, find_format, png
from cnncli.images.frames import Picture
from cnncli.images.metadata import Metadata
from cnncli.images.reading import open_image, read_image
from cnncli.images.writing import write_frames, write_image

RNG = np.random.default_rng(11)
CLAIMS = [
    (name, dtype, channels)
    for name, form in FORMATS.items()
    for dtype in form.dtypes
    for channels in form.channels or (1, 2, 3, 4, 7)
]
# What a format changes on purpose: its compression, its palette, or the lack of a grey mode.
LOSSY = {"jpeg", "avif"}
WIDENED = {("webp", 1): 3, ("webp", 2): 4, ("ppm", 1): 3, ("avif", 2): 4}


def example(name, dtype, channels, height=21, width=34):
    """A picture that uses the range of its type, smooth enough for JPEG."""
    y, x, c = np.mgrid[:height, :width, :channels]
    unit = (np.sin(x / 9 + c) * np.cos(y / 7 - c) + 1) / 2
    scale = {"uint8": 255, "uint16": 65535, "int32": 2**31 - 1, "int64": 2**62}.get(dtype, 1)
    signed = -1 if FORMATS[name].numeric and dtype.startswith(("int", "float")) else 1
    pixels = (unit * scale * signed).astype(dtype)
    if name == "pbm":
        pixels = (pixels > 127).astype(np.uint8) * np.uint8(255)
    return pixels[..., 0] if channels == 1 else pixels


def written(pixels, name, **options):
    stream = io.BytesIO()
    write_image(stream, pixels, format=name, **options)
    stream.seek(0)
    return stream


@pytest.mark.parametrize(("name", "dtype", "channels"), CLAIMS)
def test_every_format_holds_what_the_table_claims(name, dtype, channels):
    pixels = example(name, dtype, channels)
    if name == "gif":
        return  # palettes: tested below
    form = FORMATS[name]
    is_picture = not next(kind for kind in KINDS.values() if form in kind.written).numeric
    read = read_image(written(pixels, name), alpha=channels in (2, 4) and is_picture)
    widened = WIDENED.get((name, channels))
    expected = pixels
    if widened:
        colour = pixels if pixels.ndim == 2 else pixels[..., 0]
        expected = np.dstack([colour] * 3 + ([pixels[..., 1]] if channels == 2 else []))
    if name in LOSSY:
        assert read.shape == expected.shape
        assert np.abs(read.astype(int) - expected).mean() < 4
        return
    if not form.text:  # which says nothing of the type
        assert read.dtype == ("int32" if dtype == "int16" else dtype)  # the type in which it is computed
    assert np.array_equal(read, expected)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_other_decoders_read_the_same_from_our_png(dtype, channels):
    pixels = example("png", dtype, channels)
    content = written(pixels, "png").getvalue()
    read = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    expected = {
        1: pixels,
        2: pixels[..., [0, 0, 0, -1]] if channels == 2 else None,
        3: pixels[..., ::-1] if channels == 3 else None,
        4: pixels[..., [2, 1, 0, 3]] if channels == 4 else None,
    }[channels]
    assert np.array_equal(read, expected)
    if dtype == "uint8" or channels == 1:
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), pixels)
    pyvips = pytest.importorskip("pyvips")
    assert np.array_equal(pyvips.Image.new_from_buffer(content, "").numpy().reshape(pixels.shape), pixels)


@pytest.mark.parametrize("name", ["tiff", "ppm", "bmp", "webp"])
def test_opencv_reads_the_same(name, tmp_path):
    pixels = data.chelsea()
    write_image(tmp_path / f"cat.{name}", pixels)
    assert np.array_equal(cv2.imread(str(tmp_path / f"cat.{name}"), cv2.IMREAD_UNCHANGED)[..., ::-1], pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_opencv_and_pillow_read_our_gray_tiff(dtype, tmp_path):
    pixels = example("tiff", dtype, 1)
    write_image(tmp_path / "gray.tiff", pixels)
    assert np.array_equal(cv2.imread(str(tmp_path / "gray.tiff"), cv2.IMREAD_UNCHANGED), pixels)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "gray.tiff")), pixels)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.sampled_from(["png", "tiff", "npy", "ppm", "bmp"]))
def test_how_the_rows_are_cut_into_bands_does_not_show(heights, name):
    pixels = np.random.default_rng(0).integers(0, 256, (sum(heights), 5, 3), dtype=np.uint8)
    bands = np.split(pixels, np.cumsum(heights)[:-1])
    stream = io.BytesIO()
    write_frames(stream, [Picture(pixels.shape, pixels.dtype, bands)], format=name)
    assert stream.getvalue() == written(pixels, name).getvalue()
    stream.seek(0)
    assert np.array_equal(read_image(stream), pixels)


@pytest.mark.parametrize("bands", [[(3, 5)], [(3, 5), (4, 5)], [(6, 4)]])
def test_bands_that_do_not_make_the_picture_are_refused(bands):
    arrays = [np.zeros(shape, np.uint8) for shape in bands]
    with pytest.raises(ImageError, match="band"):
        write_frames(io.BytesIO(), [Picture((6, 5), np.dtype(np.uint8), arrays)], format="png")


@pytest.mark.parametrize("zlib_alone", [False, True])
def test_png_is_small_and_does_not_need_isal(zlib_alone, monkeypatch):
    if zlib_alone:
        monkeypatch.setitem(sys.modules, "isal", None)
    for pixels in (data.camera(), data.text()):
        content = written(pixels, "png")
        reference = io.BytesIO()
        Image.fromarray(pixels).save(reference, "png", compress_level=1)
        assert len(content.getvalue()) < 1.1 * len(reference.getvalue())
        assert np.array_equal(read_image(content), pixels)


@pytest.mark.parametrize("name", ["png", "gif", "webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_animations_keep_frames_durations_and_loops(name, channels):
    levels = np.array([0, 80, 160, 240]) if (name, channels) == ("gif", 3) else np.arange(256)
    shape = (12, 15) if channels == 1 else (12, 15, 3)
    frames = [RNG.choice(levels, shape).astype(np.uint8) for _ in range(4)]
    durations = [40, 120, 70, 200]
    stream = io.BytesIO()
    pictures = [
        Picture(shape, frame.dtype, [frame], Metadata(duration=duration, loop=3))
        for frame, duration in zip(frames, durations, strict=True)
    ]
    write_frames(stream, pictures, format=name)
    stream.seek(0)
    with open_image(stream) as image:
        assert image.frame_count == 4
        for frame, expected, duration in zip(image.frames(), frames, durations, strict=True):
            assert (frame.metadata.duration, frame.metadata.loop) == (duration, 3)
            read = frame.array()
            assert np.array_equal(read if read.ndim == expected.ndim else read[..., 0], expected)


def test_16_bit_animated_png():
    frames = RNG.integers(0, 65536, (3, 5, 7, 3), dtype=np.uint16)
    stream = io.BytesIO()
    write_frames(stream, [Picture(frame.shape, frame.dtype, [frame]) for frame in frames], format="png")
    stream.seek(0)
    with open_image(stream) as image:
        for frame, expected in zip(image.frames(), frames, strict=True):
            assert np.array_equal(frame.array(), expected)


@pytest.mark.parametrize("channels", [2, 4])
def test_gif_transparency_is_all_or_nothing(channels):
    pixels = np.full((8, 8, channels), 80, np.uint8)
    pixels[..., 0] = 200
    pixels[:4, :, -1], pixels[4:, :, -1] = 0, 255
    read = read_image(written(pixels, "gif"), alpha=True)
    assert np.array_equal(read[..., -1], pixels[..., -1])
    assert np.array_equal(read[4:], pixels[4:])


def test_gif_frames_of_gray_and_alpha_that_use_every_level():
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    alpha = np.full((16, 16), 255, np.uint8)
    alpha[0] = 0
    read = read_image(written(np.dstack([gray, alpha]), "gif"), alpha=True)
    assert np.array_equal(read[1:], np.dstack([gray, alpha])[1:])


@pytest.mark.parametrize("name", ["tiff", "npz"])
def test_frames_of_different_sizes(name):
    frames = [np.full((4, 5), -1.5), np.full((2, 3, 3), 7.25, np.float32)]
    stream = io.BytesIO()
    write_frames(stream, [Picture(frame.shape, frame.dtype, [frame]) for frame in frames], format=name)
    stream.seek(0)
    with open_image(stream) as image:
        for frame, expected in zip(image.frames(), frames, strict=True):
            assert np.array_equal(frame.array(), expected)


def test_npz_names_and_npy_stacks(tmp_path):
    first, second = example("npy", "float64", 1), example("npy", "float64", 1) * 2
    pictures = [
        Picture(first.shape, first.dtype, [first], name="sobel"),
        Picture(second.shape, second.dtype, [second], name="scharr"),
    ]
    write_frames(tmp_path / "both.npz", pictures)
    with np.load(tmp_path / "both.npz") as archive:
        assert archive.files == ["sobel", "scharr"]
        assert np.array_equal(archive["scharr"], second)
    write_frames(tmp_path / "both.npy", pictures)
    assert np.array_equal(np.load(tmp_path / "both.npy"), np.stack([first, second])[..., np.newaxis])
    write_image(tmp_path / "one.npz", first)
    with np.load(tmp_path / "one.npz") as archive:
        assert archive.files == ["image"]
    differing = [Picture(shape, np.dtype(np.uint8), [np.zeros(shape, np.uint8)]) for shape in ((2, 3), (3, 2))]
    with pytest.raises(ImageError, match=r"write \.npz"):
        write_frames(tmp_path / "x.npy", differing)


def gray_profile():
    """A colour profile's header is all that is looked at here."""
    return b"\0" * 16 + b"GRAY" + b"\0" * 108


@pytest.mark.parametrize("name", ["png", "jpeg", "tiff", "webp"])
def test_metadata_is_kept(name):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010F] = "maker"
    metadata = Metadata(icc_profile=profile, exif=exif.tobytes(), dpi=(300.0, 150.0))
    pixels = example("png", "uint8", 3)
    with open_image(written(pixels, name, metadata=metadata)) as image:
        found = next(image.frames()).metadata
    assert found.icc_profile == profile
    if name != "tiff":
        kept = Image.Exif()
        kept.load(found.exif)
        assert kept[0x010F] == "maker"
    if name != "webp":
        assert found.dpi == pytest.approx((300, 150), abs=0.02)


@pytest.mark.parametrize("name", ["png", "jpeg", "tiff"])
def test_a_profile_of_other_channels_is_not_written(name):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    gray = written(example("png", "uint8", 1), name, metadata=Metadata(icc_profile=profile))
    assert "icc_profile" not in Image.open(gray).info
    colour = written(example("png", "uint8", 3), name, metadata=Metadata(icc_profile=gray_profile()))
    assert "icc_profile" not in Image.open(colour).info


def test_a_profile_is_not_true_of_the_gray_of_a_colour_picture():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for name in ("png", "jpeg"):
        stream = written(example("png", "uint8", 3), name, metadata=Metadata(icc_profile=profile))
        with open_image(stream, gray=True) as image:
            assert next(image.frames()).metadata.icc_profile is None


def able(dtype, channels, *, several=False):
    """Return the names of the formats that hold such pictures, as messages list them."""
    forms = [form for form in FORMATS.values() if form.suffixes and (form.frames or not several)]
    *names, last = (form.name for form in forms if dtype in form.dtypes and channels in (form.channels or [channels]))
    return f"{', '.join(names)} or {last}"


@pytest.mark.parametrize(
    ("name", "dtype", "channels", "some"),
    [
        ("jpeg", "uint16", 1, ["png", "tiff", "pgm", "csv"]),
        ("png", "float32", 3, ["tiff", "npy", "npz"]),
        ("txt", "int64", 3, ["tiff", "npy", "npz"]),
        ("pgm", "uint8", 3, ["png", "jpeg", "bmp", "gif"]),
        ("png", "uint8", 5, ["tiff", "npy", "npz"]),
    ],
)
def test_what_a_format_cannot_hold_names_those_that_can(name, dtype, channels, some):
    found = refusal(name, np.zeros((4, 4) if channels == 1 else (4, 4, channels), dtype))
    words = able(dtype, channels)
    assert found == f"{name} cannot hold {dtype} with {channels} channel{'s' * (channels > 1)}; {words} can"
    assert set(some) <= {*words.replace(" or ", ", ").split(", ")} - {name}


def test_numbers_that_no_format_holds():
    found = refusal("png", np.zeros((4, 4), "complex64"))
    assert found == "png cannot hold complex64 with 1 channel; convert the numbers first"


def refusal(name, pixels):
    with pytest.raises(ImageError) as caught:
        write_image(io.BytesIO(), pixels, format=name)
    return str(caught.value)


@pytest.mark.parametrize("name", ["jpeg", "bmp", "pnm"])
def test_alpha_is_dropped_only_where_it_is_opaque(name):
    pixels = example(name, "uint8", 4)
    pixels[..., 3] = 255
    assert read_image(written(pixels, name)).shape == (21, 34, 3)
    pixels[20, 33, 3] = 254
    assert refusal(name, pixels) == f"{name} cannot hold transparency; {able('uint8', 4)} can"


def test_several_frames_where_one_fits_name_the_formats_that_hold_more():
    frames = [Picture((4, 4), np.dtype(np.uint8), [np.zeros((4, 4), np.uint8)]) for _ in range(2)]
    words = able("uint8", 1, several=True)
    with pytest.raises(ImageError, match=f"bmp holds one frame, found several; {words} hold more"):
        write_frames(io.BytesIO(), frames, format="bmp")


def test_levels_that_a_bitmap_cannot_hold():
    with pytest.raises(ImageError, match=r"only 0 and 255, .*write \.pgm"):
        written(np.full((3, 3), 9, np.uint8), "pbm")


def test_names_that_cannot_be_written(tmp_path):
    image = np.zeros((3, 3), np.uint8)
    with pytest.raises(ImageError, match=r"image\.xyz: no format is known by '\.xyz'; known are \.png"):
        write_image(tmp_path / "image.xyz", image)
    with pytest.raises(ImageError, match="cannot be written: No such file or directory"):
        write_image(tmp_path / "none" / "image.png", image)
    with pytest.raises(ImageError, match="cannot be written: Is a directory"):
        write_image(tmp_path, image, format="png")
    with pytest.raises(ImageError, match="no frames"):
        write_frames(tmp_path / "image.png", [])
    with pytest.raises(ImageError, match="is not a picture"):
        write_image(tmp_path / "image.png", np.zeros((3, 0), np.uint8))
    with pytest.raises(ImageError, match="cannot be written as webp"):
        write_image(tmp_path / "image.webp", np.zeros((1, 20000), np.uint8))


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_found_by_every_name_it_has(name):
    form = FORMATS[name]
    assert form.name == name
    for text in (name, name.upper(), *(f"{stem}{suffix}" for suffix in form.suffixes for stem in ("photo", "A.B"))):
        assert find_format(text) is form


def test_tiff_pages_read_by_tifffile_alone(tmp_path):
    response = example("tiff", "float64", 7)
    write_image(tmp_path / "volume.tif", response)
    assert np.array_equal(tifffile.imread(tmp_path / "volume.tif"), response)


RASTERS = [name for name, form in FORMATS.items() if not form.numeric]
DTYPES = ("uint8", "uint16", "int16", "int32", "int64", "uint64", "float16", "float32", "float64", "bool", "c8")
SHAPES = [(9, 8), (9, 8, 1), (9, 8, 2), (9, 8, 3), (9, 8, 4), (9, 8, 5), (0, 8), (9, 0, 3), (9,), (2, 9, 8, 3), (1, 1)]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_array_is_written_exactly_or_refused_in_one_line(name, shape):
    refused = []
    for dtype in DTYPES:
        image = (np.arange(np.prod(shape)).reshape(shape) % 2 * 255).astype(dtype)
        has_alpha = len(shape) == 3 and shape[2] in (2, 4) and not FORMATS[name].numeric
        if has_alpha:
            image[..., -1] = 255
        stream = io.BytesIO()
        try:
            write_image(stream, image, format=name)
        except ImageError as error:
            refused.append(str(error))
            continue
        stream.seek(0)
        found = read_image(stream, alpha=has_alpha)
        if name in ("png", "tiff", "npy", "bmp", "pnm"):
            assert np.array_equal(found if found.shape == shape else found.reshape(shape), image)
    assert all(line.isprintable() for line in refused)
    assert len(refused) < len(DTYPES) or shape not in [(9, 8), (1, 1)] or 1 not in (FORMATS[name].channels or (1,))


ODD_RESOLUTIONS = [(dots, dots) for dots in (0.0, -1.0, 1e-30, 72.0, 70_000.0, 2e8, 1e30, np.inf, np.nan)]
ODD_RESOLUTIONS += [(72.0, np.inf), (np.nan, 72.0)]


@pytest.mark.parametrize("name", RASTERS)
@pytest.mark.parametrize("dpi", ODD_RESOLUTIONS, ids=str)
def test_resolutions_that_a_format_cannot_hold_are_left_out(name, dpi):
    form = FORMATS[name]
    pixels = example(name, form.dtypes[0], min(form.channels or (1,)))
    with open_image(written(pixels, name, metadata=Metadata(dpi=dpi))) as opened:
        found = next(opened.frames()).metadata.dpi
    if dpi == (72.0, 72.0) and name in ("png", "jpeg", "tiff", "bmp"):
        assert found == pytest.approx((72.0, 72.0), rel=1e-3)
    elif name != "bmp":  # which says 96 where it is told nothing
        assert found is None or (np.isfinite(found).all() and min(found) > 0)


@pytest.mark.parametrize("name", [name for name in RASTERS if FORMATS[name].frames and name != "tiff"])
@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize(
    ("duration", "loop"),
    [
        (None, -1),
        (0.0, 1 << 40),
        (-5.0, 0),
        (0.4, None),
        (100.0, 3),
        (7e4, 70_000),
        (6.5e7, 2),
        (np.inf, 0),
        (np.nan, 0),
    ],
)
def test_times_that_a_format_cannot_hold_are_cut(name, duration, loop, alike):
    frames = [
        Picture((5, 5), np.dtype(np.uint8), [np.full((5, 5), value, np.uint8)], Metadata(duration=duration, loop=loop))
        for value in ((0, 0, 0) if alike else (0, 100, 200))
    ]
    stream = io.BytesIO()
    write_frames(stream, frames, format=name)
    stream.seek(0)
    with open_image(stream) as opened:
        found = next(opened.frames()).metadata
    if duration == 100 and loop == 3 and not alike:
        assert (found.duration, found.loop) == (100, None if name == "avif" else 3)  # which has no repetitions


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if form.side < 1 << 20])
@pytest.mark.parametrize("turned", [False, True])
def test_a_picture_too_large_for_a_format_is_refused_before_any_work(name, turned):
    side = int(FORMATS[name].side) + 1
    shape = (1, side) if turned else (side, 1)
    picture = Picture(shape, np.dtype(np.uint8), (pytest.fail("work was done") for _ in range(1)))
    with pytest.raises(
        ImageError, match=rf"{shape[1]} x {shape[0]} cannot be written as {name}, .*; write png or tiff"
    ):
        write_frames(io.BytesIO(), [picture], format=name)


class TestAlike:
    """Two PNGs of the same pixels, however they are packed."""

    @pytest.fixture
    def ours(self, tmp_path):
        rng = np.random.default_rng(0)
        write_image(tmp_path / "ours.png", np.cumsum(rng.integers(0, 3, (40, 50)), 1).astype(np.uint8))
        return tmp_path / "ours.png"

    @staticmethod
    def packed_anew(content, *, pieces=1, level=9, change=lambda rows: rows):
        """The same file with its rows packed by zlib."""
        parts, at, packed = [], 8, b""
        while at < len(content):
            size = int.from_bytes(content[at : at + 4], "big")
            name, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + size]
            if name == b"IDAT":
                packed += data
            else:
                parts.append((name, data))
            at += size + 12
        rows = zlib.compress(change(zlib.decompress(packed)), level)
        step = -(-len(rows) // pieces)
        parts[1:1] = [(b"IDAT", rows[start : start + step]) for start in range(0, len(rows), step)]
        chunks = (
            len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
            for name, data in parts
        )
        return content[:8] + b"".join(chunks)

    @pytest.mark.parametrize("options", [{"level": 9}, {"level": 6, "pieces": 5}])
    def test_packing_does_not_count(self, ours, options):
        other = ours.with_name("other.png")
        other.write_bytes(self.packed_anew(ours.read_bytes(), **options))
        assert other.read_bytes() != ours.read_bytes()
        assert png.alike(str(ours), str(other))

    @pytest.mark.parametrize(
        "damage",
        [
            lambda content: TestAlike.packed_anew(content, change=lambda rows: rows[:-1] + bytes([rows[-1] ^ 1])),
            lambda content: TestAlike.packed_anew(content, change=lambda rows: rows[:-1]),
            lambda content: TestAlike.packed_anew(content, change=lambda rows: rows + bytes(1)),
            lambda content: TestAlike.packed_anew(content, change=lambda rows: rows + bytes(100_000_000)),
            lambda content: TestAlike.packed_anew(content).replace(b"\0\0\0\x32\0\0\0\x28", b"\0\0\0\x28\0\0\0\x32"),
            lambda content: content[: len(content) // 2],
            lambda content: content[:9],
            lambda content: b"",
            lambda content: b"other" + content,
            lambda content: content[:8] + b"other",
        ],
    )
    def test_all_else_does(self, ours, damage):
        other = ours.with_name("other.png")
        other.write_bytes(damage(ours.read_bytes()))
        assert not png.alike(str(ours), str(other))


@pytest.mark.parametrize(("name", "channels"), [("webp", 1), ("webp", 2), ("avif", 2)])
def test_a_profile_for_grey_is_left_out_where_grey_becomes_colour(name, channels):
    gray = b"\0" * 16 + b"GRAY" + b"\0" * 108
    content = written(example(name, "uint8", channels), name, metadata=Metadata(icc_profile=gray))
    assert "icc_profile" not in Image.open(content).info
