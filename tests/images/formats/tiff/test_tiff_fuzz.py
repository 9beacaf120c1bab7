"""Damaged TIFF files: one line or a picture, in bounded time and memory, and not a word from libraries."""

import io
import random
import time

import numpy as np
import pytest
from PIL import Image
from test_tiff_grid import CHOSEN, page_for

from cnncli import edge_picture
from cnncli.errors import CnncliError, ImageError
from cnncli.images.reading import open_image, read_image
from cnncli.images.writing import write_image


def sound_files():
    files = [page_for(*case)[1] for case in CHOSEN[::12]]
    bits = Image.fromarray(np.random.default_rng(0).random((40, 50)) < 0.5)
    photograph = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8))
    for image, compression in ((bits, "group3"), (bits, "group4"), (photograph, "jpeg")):
        stream = io.BytesIO()
        image.save(stream, "tiff", compression=compression)
        files.append(stream.getvalue())
    return files


def damaged(content, chance):
    """Bits turned, the end cut off, fields of the directory replaced, or pieces moved."""
    data = bytearray(content)
    directory = int.from_bytes(data[4:8], "little" if data[:2] == b"II" else "big")
    field = min(directory + 2 + 12 * chance.randrange(16), len(data) - 16)
    kind = chance.randrange(5)
    if kind == 0:
        for _ in range(chance.randrange(1, 5)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == 1:
        del data[chance.randrange(8, len(data)) :]
    elif kind == 2:
        data[field + chance.randrange(12)] = chance.choice((0, 1, 2, 255, chance.randrange(256)))
    elif kind == 3:
        data[field + 8 : field + 12] = chance.choice((b"\xff" * 4, b"\0\0\1\0", b"\0\1\0\0", b"\0\0\0\x7f", bytes(4)))
    else:
        start, length = chance.randrange(8, len(data)), chance.randrange(1, 40)
        data[field : field + length] = data[start : start + length]
    return bytes(data)


def read_filter_write(content, *, gray):
    with open_image(io.BytesIO(content), gray=gray, max_pixels=10**7) as image:
        assert image.decoded_bytes() < 2**30
        for frame in image.frames():
            pixels, alpha = frame.array(), frame.alpha()
            assert (pixels.shape, pixels.dtype) == (frame.shape, frame.dtype)
            assert alpha is None or alpha.shape == pixels.shape[:2]
            if gray and pixels.dtype == np.uint8:
                write_image(io.BytesIO(), edge_picture(pixels, "sobel"), format="tiff")


def fuzz(seed, number):
    chance = random.Random(seed)
    files = sound_files()
    read = 0
    for _ in range(number):
        content = damaged(chance.choice(files), chance)
        start = time.process_time()
        try:
            read_filter_write(content, gray=chance.random() < 0.5)
            read += 1
        except CnncliError as error:
            assert "\n" not in str(error)  # noqa: PT017
        assert time.process_time() - start < 5
    assert number / 20 < read < number


def test_damage_is_one_line_or_a_picture(capfd):
    fuzz(0, 400)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 3))
def test_more_damage(seed, capfd):
    fuzz(seed, 1200)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("compression", ["none", "deflate", "LZW", "PackBits"])
def test_a_small_file_cannot_claim_a_large_page(compression):
    """The size of a page of 19 x 37 pixels becomes 9,000 x 9,000, in strips that all lead to the same bytes."""
    _, content = page_for("gray", "f", 64, "<", compression, False, 1, "one strip", False, False)
    data = bytearray(content)
    directory = int.from_bytes(data[4:8], "little")
    for at in range(directory + 2, len(data) - 12, 12):
        tag = int.from_bytes(data[at : at + 2], "little")
        if tag in (256, 257, 278):
            data[at + 2 : at + 12] = b"\4\0\1\0\0\0" + (9000).to_bytes(4, "little")
    with pytest.raises(ImageError, match=r"truncated|damaged"):
        read_image(io.BytesIO(data), max_pixels=10**8)
