import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from cnncli.data import Reading, open_dataset, recognise
from cnncli.errors import DataError

RNG = np.random.default_rng(9)


def pictures(*shape, dtype="uint8"):
    return RNG.integers(0, 256, shape).astype(dtype)


def saved(tmp_path, *, compressed=True, **arrays):
    path = tmp_path / "data.npz"
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


@pytest.mark.parametrize("compressed", [True, False])
def test_x_and_y(tmp_path, compressed):
    x, y = pictures(6, 4, 5), np.array([3, 1, 3, 1, 12, 12])
    path = saved(tmp_path, compressed=compressed, x=x, y=y)
    assert recognise(path) == "npz"
    parts = open_dataset(path)
    data = parts.train
    assert parts.validation is parts.test is None
    assert data.class_names == ("1", "3", "12")
    assert data.labels.tolist() == [1, 0, 1, 0, 2, 2]
    assert data.shape == (4, 5, 1)
    assert np.array_equal(data.images([5, 0])[..., 0], x[[5, 0]])
    assert data.names[2] == f"{path}:x[2]"


def test_the_names_that_keras_gives(tmp_path):
    arrays = {"x_train": pictures(8, 4, 4, 3), "y_train": np.arange(8)[:, np.newaxis] % 4}
    arrays |= {"x_test": pictures(4, 4, 4, 3), "y_test": np.array([[3], [0], [3], [0]])}
    parts = open_dataset(saved(tmp_path, **arrays))
    assert parts.train.class_names == parts.test.class_names == ("0", "1", "2", "3")
    assert parts.test.labels.tolist() == [3, 0, 3, 0]
    assert np.array_equal(parts.test.images(np.arange(4)), arrays["x_test"])
    assert parts.validation is None


def test_a_validation_part(tmp_path):
    arrays = {f"x_{part}": pictures(4, 2, 2) for part in ("train", "val", "test")}
    arrays |= {f"y_{part}": np.array([0, 1, 0, 1]) for part in ("train", "val", "test")}
    parts = open_dataset(saved(tmp_path, **arrays))
    assert len(parts.validation) == len(parts.test) == 4


def test_labels_may_be_texts_in_natural_order(tmp_path):
    data = open_dataset(saved(tmp_path, x=pictures(3, 2, 2), y=np.array(["item10", "item9", "item9"]))).train
    assert data.class_names == ("item9", "item10")
    assert data.labels.tolist() == [1, 0, 0]


@pytest.mark.parametrize("dtype", ["int64", "int16", "uint32", ">i4"])
def test_whole_numbers_that_are_bytes_are_kept_as_bytes(tmp_path, dtype):
    x = pictures(4, 3, 3).astype(dtype)
    images = open_dataset(saved(tmp_path, x=x, y=np.arange(4) % 2)).train.images(np.arange(4))
    assert images.dtype == np.uint8
    assert np.array_equal(images[..., 0], x)


def test_fractions_and_sixteen_bits_are_put_on_the_scale_of_picture_files(tmp_path):
    fractions = RNG.uniform(0, 1, (4, 3, 3))
    parts = open_dataset(saved(tmp_path, x=fractions, y=np.arange(4) % 2))
    assert [finding.kind for finding in parts.findings] == ["scale"]
    assert np.allclose(parts.train.images(np.arange(4))[..., 0], fractions * 255, atol=1e-4)
    deep = RNG.integers(0, 65536, (4, 3, 3)).astype(np.uint16)
    parts = open_dataset(saved(tmp_path, x=deep, y=np.arange(4) % 2))
    assert [finding.kind for finding in parts.findings] == ["scale"]
    assert np.allclose(parts.train.images(np.arange(4))[..., 0], deep / 257, atol=1e-4)


def test_other_numbers_are_taken_as_they_are(tmp_path):
    x = RNG.normal(size=(4, 3, 3))
    parts = open_dataset(saved(tmp_path, x=x, y=np.arange(4) % 2))
    assert [finding.kind for finding in parts.findings] == ["scale"]
    assert parts.train.scale == "raw"
    images = parts.train.images(np.arange(4))
    assert images.dtype == np.float32
    assert np.allclose(images[..., 0], x, atol=1e-6)


def test_fortran_order(tmp_path):
    x = np.asfortranarray(pictures(5, 4, 3))
    data = open_dataset(saved(tmp_path, x=x, y=np.arange(5) % 2)).train
    assert np.array_equal(data.images(np.arange(5))[..., 0], x)


Y = np.array([0, 1])
BAD_ARRAYS = {
    "other names": ({"images": pictures(2, 2, 2), "y": Y}, "should hold x and y, or x_train.*; found images, y"),
    "flat": ({"x": pictures(2, 64), "y": Y}, r"should be numbers of shape \(N, H, W\).*found uint8 of shape \(2, 64\)"),
    "text": ({"x": np.full((2, 2, 2), "a"), "y": Y}, "pictures should be numbers"),
    "channels first": ({"x": pictures(2, 3, 8, 8), "y": Y}, r"channels first; they belong last: x\.transpose"),
    "too few labels": ({"x": pictures(3, 2, 2), "y": Y}, "3 pictures, but 2 labels"),
    "real labels": ({"x": pictures(2, 2, 2), "y": Y / 3}, r"labels should be \(N,\) integers or texts, found float64"),
    "whole real labels": ({"x": pictures(2, 2, 2), "y": Y / 1}, r"found float64 of shape \(2,\): y\.astype\(int\)"),
    "one-hot": (
        {"x": pictures(2, 2, 2), "y": np.eye(2, dtype=int)},
        r"int64 of shape \(2, 2\): .* y\.argmax\(axis=1\)",
    ),
    "no items": ({"x": pictures(0, 2, 2), "y": Y[:0]}, "holds no pictures"),
    "no pixels": ({"x": pictures(2, 0, 2), "y": Y}, "pictures should be numbers of shape"),
    "not finite": ({"x": np.array([[[1.5]], [[np.nan]]]), "y": Y}, r"x\[1\]: holds numbers that are not finite"),
    "too large": ({"x": np.array([[[1.5]], [[1e300]]]), "y": Y}, r"x\[1\]: holds numbers that are not finite"),
    "objects": ({"x": np.array([[[None]], [[1]]]), "y": Y}, "holds Python objects, which are never loaded"),
    "object labels": ({"x": pictures(2, 2, 2), "y": np.array([0, "b"], object)}, "holds Python objects"),
    "wrong channels": ({"x": pictures(2, 4, 4, 5), "y": Y}, "pictures have 5 channels where 3 are asked for"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_arrays_that_are_no_data_set(tmp_path, name):
    arrays, message = BAD_ARRAYS[name]
    with pytest.raises(DataError, match=message) as caught:
        open_dataset(saved(tmp_path, **arrays), Reading(channels=3))
    assert "\n" not in str(caught.value)


def test_nothing_pickled_is_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path / "ran").write_text, ("x",)

    path = saved(tmp_path, x=np.array([Trap(), Trap()], object), y=Y)
    with pytest.raises(DataError, match="never loaded"):
        open_dataset(path)
    assert not (tmp_path / "ran").exists()


def npy(shape, descr="|u1", body=b"", *, version=1, length=None):
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(header) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + body


def zipped(tmp_path, x, *, y=None):
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", x)
        buffer = io.BytesIO()
        np.save(buffer, Y if y is None else y)
        archive.writestr("y.npy", buffer.getvalue())
    return path


HOSTILE = {
    "two to the sixty": (npy((2**20, 2**20, 2**20)), "its header claims 1,152,921,504,606,846,976 bytes"),
    "negative": (npy((-2, 2, 2)), "x: "),
    "negative twice": (npy((-2, -2, 2), body=bytes(8)), "x: "),
    "not a shape": (npy("abc"), "x: is damaged"),
    "a header of four gigabytes": (npy((2, 2, 2), version=2, length=2**32 - 1), "a header of 4,294,967,295 bytes"),
    "no type": (npy((2, 2, 2), descr="nonsense"), "x: is damaged"),
    "no array": (b"hello", "x: is not an array"),
    "short": (npy((2, 2, 2), body=b"abc"), "x: truncated: ends after 3 of 8 bytes"),
    "empty": (b"", "x: is not an array"),
    "a record": (npy((2, 2, 2), descr=[("a", "<f4"), ("b", "|O")]), "x: "),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers_are_one_line_and_take_no_memory(tmp_path, name):
    content, message = HOSTILE[name]
    path = zipped(tmp_path, content)
    tracemalloc.start()
    with pytest.raises(DataError, match=message) as caught:
        open_dataset(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert peak < 8 << 20


def test_a_bomb_is_refused_before_it_unfolds(tmp_path):
    path = zipped(tmp_path, npy((100, 1000, 1000), body=bytes(100_000_000)))
    assert path.stat().st_size < 200_000
    tracemalloc.start()
    with pytest.raises(DataError, match="holds 100,000,000 bytes, over the limit of 10,000,000"):
        open_dataset(path, Reading(max_bytes=10_000_000))
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_a_small_file_that_unfolds_to_very_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("cnncli.data.arrays._UNFOLDED", 10_000_000)
    path = zipped(tmp_path, npy((30, 1000, 1000), body=bytes(30_000_000)))
    tracemalloc.start()
    with pytest.raises(DataError, match=r"unfold to 30,000,000, over the limit of 100 times .* \(np\.savez\)"):
        open_dataset(path)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_the_limit_is_for_all_arrays_together(tmp_path):
    parts = {"x_train": pictures(5, 100, 100), "y_train": np.zeros(5, int), "x_test": pictures(5, 100, 100)}
    path = saved(tmp_path, **parts, y_test=np.zeros(5, int))
    assert len(open_dataset(path, Reading(max_bytes=101_000)).test) == 5
    with pytest.raises(DataError, match="x_test: holds 50,000 bytes, over the limit of 29,960"):
        open_dataset(path, Reading(max_bytes=80_000))


@pytest.mark.parametrize("place", [0, 20, 60, -60, -10])
@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_damaged_archives(tmp_path, place, damage):
    """Either it is seen, or (where nothing of use was hit) the pictures are right."""
    x = pictures(4, 6, 6)
    path = saved(tmp_path, x=x, y=np.arange(4) % 2)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[:place] if place else content[:10]
    else:
        content[place] ^= 0x55
    path.write_bytes(content)
    try:
        assert np.array_equal(open_dataset(path).train.images(np.arange(4))[..., 0], x)
    except DataError as error:
        assert str(error).startswith(str(path))  # noqa: PT017 -- either is right
        assert "\n" not in str(error)  # noqa: PT017


def test_an_encrypted_archive(tmp_path):
    path = saved(tmp_path, x=pictures(2, 2, 2), y=Y)
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        open_dataset(path)
