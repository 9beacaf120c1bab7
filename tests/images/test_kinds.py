"""Files of every kind that is read beside the usual ones: pixels, transparency, frames, and what is no picture."""

import io
import struct
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

from cnncli.errors import ImageError
from cnncli.images.formats import KINDS, PICTURE_SUFFIXES
from cnncli.images.frames import luma
from cnncli.images.reading import open_image, read_image

RNG = np.random.default_rng(3)
HEIGHT, WIDTH = 16, 16
RGBA = RNG.integers(0, 256, (HEIGHT, WIDTH, 4), dtype=np.uint8)
RGB = np.ascontiguousarray(RGBA[..., :3])
GRAY = np.ascontiguousarray(RGBA[..., 0])
PALETTE = RNG.integers(0, 256, 768, dtype=np.uint8)
BITS = GRAY > 100
Image.init()


def palette_image():
    image = Image.fromarray(GRAY)
    image.putpalette(PALETTE.tobytes())
    return image


def saved(image, kind, **options):
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # IM is to be given up
        image.save(stream, kind, **options)
    return stream.getvalue()


def read(content, **options):
    return read_image(io.BytesIO(content), **options)


def frames_of(content, **options):
    with open_image(io.BytesIO(content), **options) as image:
        frames = list(image.frames())
        assert len(frames) == image.frame_count
        return [frame.array() for frame in frames]


COLOURS = PALETTE.reshape(-1, 3)[GRAY]
MODES = {
    "1": (Image.fromarray(BITS), BITS * np.uint8(255)),
    "L": (Image.fromarray(GRAY), GRAY),
    "LA": (Image.fromarray(RGBA[..., :2]), RGBA[..., :2]),
    "P": (palette_image(), COLOURS),
    "RGB": (Image.fromarray(RGB), RGB),
    "RGBA": (Image.fromarray(RGBA), RGBA),
    "I;16": (Image.fromarray(GRAY.astype(np.uint16) * 200), GRAY.astype(np.uint16) * 200),
    "I": (Image.fromarray(GRAY.astype(np.int32) * -70000), GRAY.astype(np.int32) * -70000),
    "F": (Image.fromarray(GRAY.astype(np.float32) / 7), GRAY.astype(np.float32) / 7),
}
WRITTEN = {
    "TGA": ("1", "L", "LA", "P", "RGB", "RGBA"),
    "PCX": ("1", "L", "P", "RGB"),
    "SGI": ("L", "RGB", "RGBA"),
    "IM": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "F"),
    "JPEG2000": ("L", "LA", "RGB", "RGBA", "I;16"),
    "DDS": ("L", "LA", "RGB", "RGBA"),
    "DIB": ("1", "L", "P", "RGB"),
    "MSP": ("1",),
    "SPIDER": ("F",),
    "ICO": ("RGBA",),
    "QOI": ("RGB", "RGBA"),
    "BLP": ("P",),
}


@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind, modes in WRITTEN.items() for mode in modes])
def test_what_pillow_writes_is_read(kind, mode):
    if kind not in Image.SAVE:
        pytest.skip("a newer Pillow writes it")
    image, expected = MODES[mode]
    options = {"bitmap_format": "bmp", "sizes": [(WIDTH, HEIGHT)]} if kind == "ICO" else {}
    content = saved(image, kind, **options)
    with open_image(io.BytesIO(content)) as opened:
        assert (opened.kind.name, opened.frame_count) == (kind, 1)
        (frame,) = opened.frames()
        assert (frame.alpha() is not None) == (mode in ("LA", "RGBA"))
    assert np.array_equal(read(content, alpha=mode in ("LA", "RGBA")), expected)
    colours = expected[..., : -1 if mode in ("LA", "RGBA") else None] if expected.ndim == 3 else expected
    assert np.array_equal(read(content, gray=True), luma(colours))


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("options", [{"compression": "tga_rle"}, {"orientation": 1}], ids=str)
def test_targa_of_other_layouts(mode, options):
    image, expected = MODES[mode]
    assert np.array_equal(read(saved(image, "TGA", **options), alpha=mode == "RGBA"), expected)


def test_targa_of_the_first_version(tmp_path):
    content = saved(Image.fromarray(RGB), "TGA")[:-26]
    assert np.array_equal(read(content), RGB)  # it ends where its pixels do
    packed = saved(Image.fromarray(RGB), "TGA", compression="tga_rle")[:-26]
    with pytest.raises(ImageError, match="is of no known kind"):
        read(packed)
    (tmp_path / "a.tga").write_bytes(packed)
    assert np.array_equal(read_image(tmp_path / "a.tga"), RGB)


def test_a_palette_with_transparency():
    palette = RNG.integers(0, 256, (256, 4), dtype=np.uint8)
    header = struct.pack("<BBBHHBHHHHBB", 0, 1, 1, 0, 256, 32, 0, 0, WIDTH, HEIGHT, 8, 0x28)
    content = header + palette[:, [2, 1, 0, 3]].tobytes() + GRAY.tobytes()
    assert np.array_equal(read(content, alpha=True), palette[GRAY])


def test_jpeg_2000_of_16_bits():
    codecs = pytest.importorskip("imagecodecs")
    pixels = RGBA.astype(np.uint16) * 257
    for channels in (3, 4):
        content = codecs.jpeg2k_encode(pixels[..., :channels].copy(), level=0, reversible=True)
        assert np.array_equal(read(content, alpha=channels == 4), pixels[..., :channels])
    content = codecs.jpeg2k_encode(RGB.astype(np.uint16) * 16, level=0, reversible=True, bitspersample=12)
    assert np.array_equal(read(content), np.rint(RGB * (16 * 65535 / 4095)))


def test_jpeg_2000_of_16_bits_without_the_codecs(monkeypatch):
    codecs = pytest.importorskip("imagecodecs")
    content = codecs.jpeg2k_encode(RGB.astype(np.uint16) * 257, level=0, reversible=True)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(ImageError, match=r"16 bits are not built in; .* 'cnncli\[codecs\]'"):
        read(content)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sgi_of_16_bits(channels):
    pixels = RGBA[..., :channels].astype(np.uint16) * 250
    header = struct.pack(">HBBHHHH", 474, 0, 2, 3 if channels > 1 else 2, WIDTH, HEIGHT, channels).ljust(512, b"\0")
    content = header + np.moveaxis(pixels[::-1], -1, 0).astype(">u2").tobytes()
    expected = pixels if channels > 1 else pixels[..., 0]
    assert np.array_equal(read(content, alpha=channels == 4), expected)
    with pytest.raises(ImageError, match="compressed samples of 16 bits"):
        read(content[:2] + b"\1" + content[3:])


# What Pillow does not write.


def psd(planes, mode, *, layers=b""):
    head = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", len(planes), HEIGHT, WIDTH, 8, mode)
    palette = PALETTE.reshape(-1, 3).T.tobytes() if mode == 2 else b""
    blocks = struct.pack(">I", len(palette)) + palette + bytes(4) + struct.pack(">I", len(layers)) + layers
    return head + blocks + bytes(2) + b"".join(plane.tobytes() for plane in planes)


def fli(*frames):
    """Frames of uncompressed indices; the first has the palette."""
    chunks = []
    for number, indices in enumerate(frames):
        pixels = struct.pack("<IH", 6 + indices.size, 16) + indices.tobytes()
        colours = struct.pack("<IHHBB", 10 + 768, 4, 1, 0, 0) + PALETTE.tobytes() if number == 0 else b""
        body = colours + pixels
        chunks.append(struct.pack("<IHH", 16 + len(body), 0xF1FA, 1 + bool(colours)) + bytes(8) + body)
    size = 128 + sum(map(len, chunks))
    head = struct.pack("<IHHHHHHI", size, 0xAF12, len(frames), WIDTH, HEIGHT, 8, 3, 40)
    return head.ljust(80, b"\0") + struct.pack("<II", 128, 128 + len(chunks[0])) + bytes(40) + b"".join(chunks)


def dcx(*pages):
    offsets, at = [], 4 + 4 * (len(pages) + 1)
    for page in pages:
        offsets.append(at)
        at += len(page)
    return struct.pack(f"<{len(pages) + 2}I", 0x3ADE68B1, *offsets, 0) + b"".join(pages)


def xpm():
    names = [f"{index:02x}" for index in range(256)]
    colours = [
        f'"{name} c #{red:02x}{green:02x}{blue:02x}",'
        for name, (red, green, blue) in zip(names, PALETTE.reshape(-1, 3), strict=True)
    ]
    rows = ['"' + "".join(names[index] for index in row) + '",' for row in GRAY]
    head = ["/* XPM */", "static char *a[] = {", f'"{WIDTH} {HEIGHT} 256 2",']
    return "\n".join([*head, *colours, *rows, "};\n"]).encode()


def spider(*images):
    def header(stack, number):
        numbers = np.zeros(256, "<f4")
        numbers[[0, 1, 4, 11, 12, 21, 22, 23, 25, 26]] = (
            1, HEIGHT, 1, WIDTH, 16, 1024, 64, stack, len(images), number,
        )  # fmt: skip
        return numbers.tobytes()

    parts = [header(0, number) + image.astype("<f4").tobytes() for number, image in enumerate(images, 1)]
    return header(2, 0) + b"".join(parts)


CURSOR = saved(Image.fromarray(RGBA), "ICO", bitmap_format="bmp", sizes=[(WIDTH, HEIGHT)])
CURSOR = CURSOR[:2] + b"\2" + CURSOR[3:10] + bytes(4) + CURSOR[14:]
BIG = ">{}I"
XV_COLOURS = np.array(
    [(r * 255 // 7, g * 255 // 7, b * 255 // 3) for r in range(8) for g in range(8) for b in range(4)]
)
MADE = {
    "PSD grey": (psd([GRAY], 1), GRAY),
    "PSD palette": (psd([GRAY], 2), COLOURS),
    "PSD colour": (psd(np.moveaxis(RGB, -1, 0), 3), RGB),
    "PSD transparency": (psd(np.moveaxis(RGBA, -1, 0), 3), RGBA),
    "PSD inks": (psd(np.moveaxis(255 - RGBA, -1, 0), 4), np.asarray(Image.fromarray(RGBA, "CMYK").convert("RGB"))),
    "CUR": (CURSOR, RGBA),
    "FLI": (fli(GRAY), COLOURS),
    "FTEX": (struct.pack("<4s8i", b"FTEX", 0, WIDTH, HEIGHT, 1, 1, 1, 32, RGB.size) + RGB.tobytes(), RGB),
    "GBR 1": (struct.pack(">5I", 23, 1, WIDTH, HEIGHT, 1) + b"ab\0" + GRAY.tobytes(), GRAY),
    "GBR 2": (struct.pack(">5I4sI", 30, 2, WIDTH, HEIGHT, 4, b"GIMP", 9) + b"a\0" + RGBA.tobytes(), RGBA),
    "PIXAR": (
        b"\x80\xe8\0\0".ljust(416, b"\0") + struct.pack("<HH", HEIGHT, WIDTH) + struct.pack("<HHHH", 0, 0, 14, 2)
        + bytes(1024 - 428) + RGB.tobytes(),
        RGB,
    ),
    "SUN": (struct.pack(">8I", 0x59A66A95, WIDTH, HEIGHT, 24, RGB.size, 1, 0, 0) + RGB[..., ::-1].tobytes(), RGB),
    "SUN of a palette": (
        struct.pack(">8I", 0x59A66A95, WIDTH, HEIGHT, 8, GRAY.size, 1, 1, 768)
        + PALETTE.reshape(-1, 3).T.tobytes() + GRAY.tobytes(),
        COLOURS,
    ),
    "XVTHUMB": (b"P7 332\n#END_OF_COMMENTS\n%d %d 255\n" % (WIDTH, HEIGHT) + GRAY.tobytes(), XV_COLOURS[GRAY]),
    "XPM": (xpm(), COLOURS),
    "XBM": (
        b"/* a *//* b */\n#define a_width 16\n#define a_height 2\n"
        b"static char a_bits[] = {\n0x01, 0x80, 0xff, 0x00 };\n",
        np.array([[255] + [0] * 14 + [255], [255] * 8 + [0] * 8]),
    ),
    "MCIDAS": (
        struct.pack(">64i", 0, 4, *[0] * 6, HEIGHT, WIDTH, 1, 0, 0, 1, *[0] * 19, 256, *[0] * 30) + GRAY.tobytes(),
        GRAY,
    ),
    "PFM": (b"Pf\n%d %d\n-1.0\n" % (WIDTH, HEIGHT) + (GRAY[::-1] / np.float32(3)).tobytes(), GRAY / np.float32(3)),
    "PCD": (
        bytes(2048) + b"PCD_" + bytes(96 * 2048 - 2052) + b"\x80" * (768 * 512 * 2),
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_what_pillow_only_reads(name):
    content, expected = MADE[name]
    with open_image(io.BytesIO(content)) as opened:
        assert opened.kind.name == {"PFM": "PNM"}.get(name, name.split()[0])
        assert opened.frame_count == 1
    if expected is None:
        assert read(content).shape == (512, 768, 3)
        return
    pixels = read(content, alpha=expected.shape[2:] == (4,))
    assert pixels.dtype in (np.uint8, np.float32)
    assert np.array_equal(pixels, expected)


def test_frames_in_time_and_pages():
    other = GRAY[::-1].copy()
    assert np.array_equal(frames_of(fli(GRAY, other)), [COLOURS, COLOURS[::-1]])
    one_colour = np.full_like(GRAY, 7)
    gray_first = fli(one_colour, GRAY).replace(
        PALETTE.tobytes(), PALETTE[:21].tobytes() + b"\5\5\5" + PALETTE[24:].tobytes()
    )
    assert [frame.shape for frame in frames_of(gray_first)] == [(HEIGHT, WIDTH, 3)] * 2
    colour, gray = saved(palette_image(), "PCX"), saved(Image.fromarray(GRAY[:9]), "PCX")
    for pages in ([colour, gray], [gray, colour]):
        for page, content in zip(frames_of(dcx(*pages)), pages, strict=True):
            assert np.array_equal(page, read(content))
    stack = [GRAY / np.float32(index + 1) for index in range(3)]
    assert np.array_equal(frames_of(spider(*stack)), stack)


@pytest.mark.parametrize("kind", ["ICO", "ICNS"])
def test_the_largest_of_an_icon(kind):
    sides = (16, 32, 64, 256) if kind == "ICO" else (32, 64, 128, 256)
    images = [Image.new("RGBA", (side, side), (side % 256, 1, 2, 255)) for side in sides]
    options = {"sizes": [(side, side) for side in sides]} if kind == "ICO" else {}
    content = saved(images[-1], kind, append_images=images[:-1], **options)
    (pixels,) = frames_of(content)
    assert pixels.shape[:2] >= (256, 256)
    assert (pixels == (0, 1, 2)).all()


def test_the_size_inside_an_icon_counts():
    png = saved(Image.new("L", (3000, 2000)), "PNG")
    content = struct.pack("<HHH", 0, 1, 1) + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(png), 22) + png
    with pytest.raises(ImageError, match="3000 x 2000 is 6,000,000 pixels, over the limit of 1,000,000"):
        read(content, max_pixels=10**6)


def test_layers_of_a_psd_are_no_frames():
    layer = struct.pack(">iiii", 0, 0, 1, 1) + struct.pack(">H", 1) + struct.pack(">hI", 0, 3) + b"8BIMnorm\xff\0\0\0"
    layers = struct.pack(">h", 2) + 2 * (layer + bytes(4)) + 2 * b"\0\0\7"
    content = psd([GRAY], 1, layers=struct.pack(">I", len(layers)) + layers)
    assert np.array_equal(frames_of(content), [GRAY])


NO_PICTURES = {
    "a program": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is a PostScript file: it is a program"),
    "a document": (b"%PDF-1.7\n%\xe2\xe3", "is a PDF file"),
    "a drawing": (b"\xd7\xcd\xc6\x9a\0\0" + bytes(50), "is a WMF or EMF file"),
    "a table of stars": (b"SIMPLE  =                    T", "is a FITS file"),
    "an archive of numbers": (b"\x89HDF\r\n\x1a\n" + bytes(50), "is a HDF5 file"),
    "a film": (b"\0\0\1\xb3" + bytes(50), "is a MPEG file"),
    "a header in C": (b"#define image_width 16\nint image_height(void);\n", "holds text"),
    "a text about pictures": (b"* Image\nwidth 5\nheight 6\n\x0c", "holds text"),
    "zeros": (bytes(5000), "is of no known kind"),
    "floats": (np.ones(200, "<f4").tobytes() + b"\xff", "is of no known kind"),
    "chance": (np.random.default_rng(1).bytes(5000), "is of no known kind"),
    "a font": (b"\0\1\0\0\0\x0f\0\x80" + bytes(200), "is of no known kind"),
}


@pytest.mark.parametrize(("content", "message"), NO_PICTURES.values(), ids=NO_PICTURES)
@pytest.mark.parametrize("suffix", ["bin", "tga"])
def test_what_is_no_picture(tmp_path, content, message, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert len(str(caught.value)) < 600


def test_chance_is_no_picture():
    random = np.random.default_rng(7)
    for _ in range(2000):
        with pytest.raises(ImageError, match=r"is of no known kind|damaged|holds|pixels"):
            read(random.bytes(200))


@pytest.mark.parametrize("module", ["pillow_heif", "_pillow_heif"])
@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"mif1"])
def test_the_extra_for_heic_is_named_where_it_is_missing(monkeypatch, tmp_path, module, brand):
    for name in list(sys.modules):
        if name.partition(".")[0] in ("pillow_heif", "_pillow_heif"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    path = tmp_path / "photo.heic"
    path.write_bytes(struct.pack(">I4s4sI4s", 20, b"ftyp", brand, 0, b"heic") + bytes(40))
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert str(caught.value) == f"{path}: HEIC pictures need the extra: pip install 'cnncli[heif]'"


@pytest.mark.parametrize("suffix", ["psd", "tga", "ico", "jp2", "avif", "heic", "heif", "qoi", "jfif", "pcx"])
def test_folders_are_searched_for_them(suffix):
    assert f".{suffix}" in PICTURE_SUFFIXES


@pytest.mark.parametrize("suffix", ["pcd", "gbr", "bw", "ras", "msp", "im", "vst", "rgb", "txt", "npz", "eps", "pdf"])
def test_folders_are_not_searched_for_names_that_mean_other_things(suffix):
    assert f".{suffix}" not in PICTURE_SUFFIXES


SMALL_FILES = {name: content for name, (content, _) in MADE.items() if name != "PCD"}
SMALL_FILES |= {"DCX": dcx(saved(palette_image(), "PCX")), "FLI 2": fli(GRAY, GRAY), "SPIDER": spider(GRAY, GRAY)}


@pytest.mark.parametrize("name", SMALL_FILES)
def test_damage_is_one_line_or_pictures(name, capfd):
    random = np.random.default_rng(5)
    for _ in range(40):
        damaged = bytearray(SMALL_FILES[name])
        for place in random.integers(0, min(150, len(damaged)), 2):
            damaged[place] = random.integers(256)
        del damaged[random.integers(100, 2 * len(damaged)) :]
        try:
            assert frames_of(bytes(damaged), max_pixels=10**6)
        except ImageError as error:
            assert "\n" not in str(error)  # noqa: PT017
    assert capfd.readouterr() == ("", "")


def test_every_kind_is_tested():
    tested = {*WRITTEN, "HEIC", "DCX", "ICNS", "SPIDER"} | {name.split()[0] for name in MADE}
    assert tested - {"PFM"} == {kind.name for kind in KINDS.values() if not kind.written}
