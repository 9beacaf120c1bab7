"""Arrays in files that say more than they hold, or hold more than they seem to."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from cnncli import read_image
from cnncli.errors import ImageError
from cnncli.images.reading import open_image


def npy(shape, descr="|u1", body=b"", *, version=1, length=None):
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(header) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + body


def archive(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for number, member in enumerate(members):
            file.writestr(f"{number}.npy", member)
    return path


def refused(path, message, **options):
    """Check that a file is refused with one line, before memory is taken for what it holds."""
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match=message) as caught:
            read_image(path, **options)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


BOMBS = {
    "wide": [((1_000, 1_000), "|u1")],
    "deep": [((100, 100, 20), "<f8")],
    "thick": [((299, 299, 20), "|u1")],
    "many": [((200, 200), "|u1")] * 20,
    "frames": [((50, 100, 200, 1), "|u1")],
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("packed", [True, False])
def test_what_unfolds_to_too_much_is_refused_before_it_does(tmp_path, name, packed):
    shapes = BOMBS[name]
    if packed:
        path = archive(
            tmp_path / "bomb.npz",
            *(npy(shape, kind, bytes(np.dtype(kind).itemsize * int(np.prod(shape)))) for shape, kind in shapes),
        )
        assert path.stat().st_size < 1 << 20
    else:
        path = tmp_path / "bomb.npy"
        path.write_bytes(npy(*shapes[0]))
        if len(shapes) > 1:
            pytest.skip("one array a file")
    refused(path, r"over the limit of 90,000; raise it with --max-pixels \d+$", max_pixels=90_000)


def test_the_limit_in_the_message_is_enough(tmp_path):
    path = tmp_path / "numbers.npz"
    np.savez(path, np.ones((30, 40, 5), np.float64), np.ones((7, 9)))
    with pytest.raises(ImageError) as caught:
        open_image(path, max_pixels=2000)
    limit = int(str(caught.value).split()[-1])
    assert limit == (30 * 40 * 5 + 7 * 9)
    with open_image(path, max_pixels=limit) as image:
        assert [frame.shape for frame in image.frames()] == [(30, 40, 5), (7, 9)]


HOSTILE = {
    "two to the sixty": (npy((2**20, 2**20, 2**20)), "over the limit"),
    "negative": (npy((-2, 2, 2)), "is damaged: a shape"),
    "a header of four gigabytes": (npy((2, 2, 2), version=2, length=2**32 - 1), "a header of 4,294,967,295 bytes"),
    "no array": (b"hello, this is text", "is not an array"),
    "short": (npy((2, 2, 2), body=b"abc"), "damaged"),
    "objects": (npy((2, 2), "|O"), "Python objects"),
    "no picture": (npy((4,)), "is not a picture"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_members_that_lie(tmp_path, name):
    content, message = HOSTILE[name]
    refused(archive(tmp_path / "hostile.npz", content), message)


def test_a_directory_that_lies(tmp_path):
    """The directory says 100 bytes, of which the array's own header says nine millions."""
    path = archive(tmp_path / "small.npz", npy((3000, 3000), body=bytes(9_000_000)))
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    struct.pack_into("<I", content, at + 24, 100)
    path.write_bytes(content)
    refused(path, "damaged")


def test_frames_are_read_one_at_a_time(tmp_path):
    np.savez_compressed(tmp_path / "ten.npz", *[np.full((1000, 1000), number, np.uint8) for number in range(10)])
    tracemalloc.start()
    with open_image(tmp_path / "ten.npz") as image:
        found = [frame.array()[0, 0] for frame in image.frames()]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == list(range(10))
    assert peak < 5_000_000


def test_text_is_limited_by_its_length(tmp_path):
    (tmp_path / "long.txt").write_text("1 2 3\n" * 1000)
    assert read_image(tmp_path / "long.txt", max_pixels=3000).shape == (1000, 3)
    refused(tmp_path / "long.txt", r"6,000 bytes of text, over .* --max-pixels 3001", max_pixels=2999)


def test_what_is_reckoned_for_arrays(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((100, 200)))
    with open_image(tmp_path / "a.npy") as image:
        assert image.decoded_bytes() >= 160_000
    with open_image(io.BytesIO(b"1 2 3\n" * 100)) as image:
        assert image.decoded_bytes() >= 600
