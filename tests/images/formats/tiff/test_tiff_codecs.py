"""TIFF compressions beyond the grid, with imagecodecs and without it, and colours that codecs have a hand in."""

import io
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image
from tiff_files import DEFLATE, LONG, LZW, NONE, SHORT, compress, file_of, page_of

from cnncli.errors import ImageError
from cnncli.images.formats.pillow import lab_to_rgb
from cnncli.images.formats.tiff.libtiff import libtiff
from cnncli.images.reading import read_image

ROWS, COLUMNS = np.mgrid[:24, :36]
SMOOTH = np.stack([COLUMNS * 7, 255 - ROWS * 9, ROWS * COLUMNS % 256], -1).astype(np.uint8)
BITS = np.random.default_rng(1).random((40, 50)) < 0.5
YCBCR = np.asarray(Image.fromarray(SMOOTH).convert("YCbCr"))


def saved(image, **options):
    stream = io.BytesIO()
    image.save(stream, "tiff", **options)
    stream.seek(0)
    return stream


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("strip", [8, 1000])
def test_jpeg_is_read_as_pillow_reads_it(mode, strip):
    stream = saved(Image.fromarray(SMOOTH).convert(mode), compression="jpeg", tiffinfo={278: strip})
    with Image.open(stream) as image:
        expected = np.asarray(image.convert("RGB") if mode == "CMYK" else image)
    stream.seek(0)
    assert np.array_equal(read_image(stream), expected)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
@pytest.mark.parametrize("photometric", [0, 1])
def test_fax(compression, photometric):
    stream = saved(Image.fromarray(BITS), compression=compression, tiffinfo={262: photometric})
    assert np.array_equal(read_image(stream), np.where(BITS, 255, 0))


def test_damaged_fax_is_no_picture():
    content = bytearray(saved(Image.fromarray(BITS), compression="group4").getvalue())
    content[20:60] = bytes(40)
    with pytest.raises(ImageError, match=r"CCITT Group 4 \(4\) data are damaged"):
        read_image(io.BytesIO(content))


def blocks(across, down):
    """YCbCr in blocks that share their chroma."""
    parts = []
    for top in range(0, len(YCBCR), down):
        for left in range(0, YCBCR.shape[1], across):
            block = YCBCR[top : top + down, left : left + across]
            parts += [block[..., 0].tobytes(), block[0, 0, 1:].tobytes()]
    return b"".join(parts)


@pytest.mark.parametrize("compression", [NONE, LZW, DEFLATE])
@pytest.mark.parametrize("across", [1, 2, 4])
@pytest.mark.parametrize("down", [1, 2, 4])
@pytest.mark.parametrize("rows", [8, 24])
def test_shared_chroma(compression, across, down, rows):
    data = blocks(across, down)
    length = len(data) * rows // 24
    strips = [compress(data[start : start + length], compression) for start in range(0, len(data), length)]
    page = {256: (SHORT, [36]), 257: (SHORT, [24]), 258: (SHORT, [8] * 3), 259: (SHORT, [compression])}
    page |= {262: (SHORT, [6]), 277: (SHORT, [3]), 278: (SHORT, [rows]), 530: (SHORT, [across, down])}
    page |= {279: (LONG, [len(strip) for strip in strips]), "segments": strips}
    whole = YCBCR.copy()
    whole[..., 1:] = np.kron(YCBCR[::down, ::across, 1:], np.ones((down, across, 1), np.uint8))
    expected = np.asarray(Image.frombytes("YCbCr", (36, 24), whole.tobytes()).convert("RGB"))
    found = read_image(io.BytesIO(file_of(page)))
    assert np.abs(found.astype(int) - expected).max() <= 1
    if (across, down) == (2, 2):
        by_libtiff = cv2.imdecode(np.frombuffer(file_of(page), np.uint8), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(found, by_libtiff[..., ::-1])


@pytest.mark.parametrize("orientation", [1, 6])
def test_jpeg_before_its_redesign(orientation):
    stream = io.BytesIO()
    Image.fromarray(SMOOTH).save(stream, "jpeg", quality=95, subsampling=0)
    data = stream.getvalue()
    page = {256: (SHORT, [36]), 257: (SHORT, [24]), 258: (SHORT, [8] * 3), 259: (SHORT, [6]), 262: (SHORT, [6])}
    page |= {274: (SHORT, [orientation]), 277: (SHORT, [3]), 278: (SHORT, [24]), 279: (LONG, [len(data)])}
    page |= {513: (LONG, [8]), 514: (LONG, [len(data)]), 530: (SHORT, [1, 1]), "segments": [data]}
    expected = np.rot90(np.asarray(Image.open(stream)), 3 if orientation == 6 else 0)
    found = read_image(io.BytesIO(file_of(page)))
    assert np.abs(found.astype(int) - expected).max() <= 2


@pytest.mark.parametrize("planar", [False, True])
def test_lab(planar):
    expected = np.asarray(lab_to_rgb(Image.frombytes("LAB", (36, 24), SMOOTH.tobytes())))
    signed = page_of(SMOOTH, bits=8, photometric=8, planar=planar)
    assert np.array_equal(read_image(io.BytesIO(file_of(signed))), expected)
    shifted = page_of(SMOOTH ^ np.array([0, 128, 128], np.uint8), bits=8, photometric=9, planar=planar)
    assert np.array_equal(read_image(io.BytesIO(file_of(shifted))), expected)


@pytest.mark.parametrize("eight_bits", [False, True])
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_palettes_of_either_range(eight_bits, bits):
    random = np.random.default_rng(bits)
    colours = random.integers(0, 256, (2**bits, 3))
    samples = random.integers(0, 2**bits, (7, 9, 1), dtype=np.uint8)
    levels = colours if eight_bits else colours * 256 + random.integers(0, 256, colours.shape)
    page = page_of(samples, bits=bits, photometric=3, t320=(SHORT, levels.T.ravel().tolist()))
    assert np.array_equal(read_image(io.BytesIO(file_of(page))), colours[samples[..., 0]])


def test_a_palette_of_greys_is_gray():
    samples = np.arange(16, dtype=np.uint8).reshape(4, 4, 1)
    levels = np.repeat(np.arange(16)[::-1] * 4096, 3).reshape(16, 3)
    page = page_of(samples, bits=4, photometric=3, t320=(SHORT, levels.T.ravel().tolist()))
    assert np.array_equal(read_image(io.BytesIO(file_of(page))), 240 - 16 * samples[..., 0])


EXOTIC = {
    "jpeg2000": ["uint8", "uint16", "int16"],
    "jpeg_2000_lossy": ["uint8"],
    "webp": ["uint8"],
    "png": ["uint8", "uint16"],
    "jpegxl": ["uint8", "uint16", "float32"],
    "jpegxr": ["uint8", "float32"],
    "lerc": ["uint8", "int16", "float32"],
    "jpeg": ["uint8", "uint16"],
    "zstd": ["uint8", "uint16", "float32"],
}


def exotic_files():
    """What tifffile writes with imagecodecs: (name, file, what tifffile reads of it)."""
    for compression, dtypes in EXOTIC.items():
        for dtype in dtypes:
            for layout in ({}, {"tile": (16, 16)}):
                stream = io.BytesIO()
                pixels = SMOOTH.astype(dtype)
                options = {"photometric": "rgb", "compression": compression, "metadata": None}
                tifffile.imwrite(stream, pixels, **options, **layout)
                stream.seek(0)
                with tifffile.TiffFile(stream) as file:
                    expected = file.pages[0].asarray()
                yield f"{compression} {dtype} {layout}", stream.getvalue(), expected


def test_what_imagecodecs_decodes():
    pytest.importorskip("imagecodecs")
    for name, content, expected in exotic_files():
        assert np.array_equal(read_image(io.BytesIO(content)), expected), name


def test_without_imagecodecs_one_line_says_what_helps(tmp_path):
    pytest.importorskip("imagecodecs")
    names = []
    for number, (name, content, _) in enumerate(exotic_files()):
        (tmp_path / f"{number:02}.tif").write_bytes(content)
        names.append(name)
    code = (
        "import sys; sys.modules['imagecodecs'] = None\n"
        "from pathlib import Path; from cnncli.errors import ImageError; from cnncli.images.reading import read_image\n"
        f"for path in sorted(Path({str(tmp_path)!r}).glob('*.tif')):\n"
        "    try: read_image(path); print('read')\n"
        "    except ImageError as error: print(error)\n"
    )
    lines = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.splitlines()
    for name, line in zip(names, lines, strict=True):
        if name.startswith(("jpeg uint8", "zstd")):
            assert line == "read", name
        else:
            assert "is not built in; install it with: pip install 'cnncli[codecs]'" in line, name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({259: (SHORT, [34661])}, r"unknown \(34661\) compression of 1 x 8 bits is not read"),
        ({259: (SHORT, [33003])}, r"JPEG 2000 \(33003\) compression"),
        ({259: (SHORT, [34677])}, r"SGI LogLuv \(34677\) compression"),
        ({262: (SHORT, [32803])}, r"raw camera \(CFA\) colours are not read"),
        ({262: (SHORT, [2])}, "has 1 samples per pixel, too few for its colours, which need 3"),
        ({262: (SHORT, [3])}, "a palette page without a palette"),
        ({317: (SHORT, [9])}, "predictor 9 is not known"),
        ({339: (SHORT, [6])}, "complex numbers are not pixels"),
        ({258: (SHORT, [24])}, "integer samples of 24 bits, unsigned, are not read"),
        ({32997: (LONG, [5])}, "a volume of 5 slices is not a picture"),
        ({284: (SHORT, [3])}, "planar configuration 3"),
        ({278: (SHORT, [1])}, "has 1 of the 4 segments"),
        ({258: (SHORT, [0])}, r"these numbers of bits are not read: \[0\]"),
        ({277: (LONG, [2**32 - 1])}, "4294967295 samples per pixel"),
        ({279: (16, [2**64 - 1])}, "segments at impossible places"),
        ({273: (16, [2**63])}, "segments at impossible places"),
    ],
)
def test_what_is_not_read_is_one_line(change, message):
    page = page_of(np.zeros((4, 4, 1), np.uint8), bits=8, photometric=1, compression=DEFLATE) | change
    with pytest.raises(ImageError, match=message):
        read_image(io.BytesIO(file_of(page)))


def test_samples_of_different_depth_are_refused():
    page = page_of(SMOOTH, bits=8, photometric=2) | {258: (SHORT, [8, 8, 16])}
    with pytest.raises(ImageError, match=r"samples of these numbers of bits are not read: \[8, 16\]"):
        read_image(io.BytesIO(file_of(page)))


def test_inks_that_are_not_cmyk_are_refused():
    page = page_of(np.zeros((4, 4, 4), np.uint8), bits=8, photometric=5, t332=(SHORT, [2]))
    with pytest.raises(ImageError, match="inks other than cyan, magenta, yellow and black"):
        read_image(io.BytesIO(file_of(page)))


def test_libtiff_says_nothing_on_standard_error(capfd):
    content = bytearray(saved(Image.fromarray(SMOOTH), compression="tiff_lzw").getvalue())
    content[40:90] = bytes(50)
    with pytest.raises(ImageError, match=r"LZW \(5\) data are damaged"):
        read_image(io.BytesIO(content))
    assert libtiff() is not None
    assert capfd.readouterr() == ("", "")
