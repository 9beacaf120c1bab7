import gzip
import struct
import tracemalloc

import numpy as np
import pytest

from cnncli.data import Reading, open_dataset, recognise
from cnncli.data.idx import read_idx
from cnncli.errors import CnncliError, DataError

CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}
NAMES = {"images": "images-idx3-ubyte", "labels": "labels-idx1-ubyte"}


def idx_bytes(array, code="u1"):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, CODES[code], array.ndim, *array.shape)
    return header + array.astype(f">{code}").tobytes()


def write(folder, part, kind, array, *, packed=False):
    content = idx_bytes(array)
    path = folder / (f"{part}-{NAMES[kind]}" + (".gz" if packed else ""))
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


@pytest.fixture(params=[False, True], ids=["plain", "gzip"])
def mnist(request, tmp_path):
    rng = np.random.default_rng(4)
    sets = {}
    for part, items in (("train", 30), ("t10k", 10)):
        images = rng.integers(0, 256, (items, 7, 5)).astype(np.uint8)
        labels = np.arange(items).astype(np.uint8) % 10
        write(tmp_path, part, "images", images, packed=request.param)
        write(tmp_path, part, "labels", labels, packed=request.param)
        sets[part] = images, labels
    return tmp_path, sets


def test_a_folder_with_a_test_set(mnist):
    folder, sets = mnist
    assert recognise(folder) == "idx"
    parts = open_dataset(folder)
    assert parts.validation is None
    assert parts.findings == ()
    for data, part in ((parts.train, "train"), (parts.test, "t10k")):
        images, labels = sets[part]
        assert data.shape == (7, 5, 1)
        assert data.class_names == tuple("0123456789")
        assert data.images(np.arange(len(labels))).dtype == np.uint8
        assert np.array_equal(data.images(np.arange(len(labels)))[..., 0], images)
        assert np.array_equal(data.labels, labels)
    assert parts.test.names[3].startswith("t10k-images")
    assert parts.test.names[3].endswith("[3]")


def test_a_test_set_alone_is_all_there_is(mnist):
    folder, sets = mnist
    for path in folder.glob("train-*"):
        path.unlink()
    parts = open_dataset(folder)
    assert parts.test is None
    assert np.array_equal(parts.train.labels, sets["t10k"][1])


def test_pictures_get_the_size_and_channels_asked_for(mnist):
    folder, sets = mnist
    data = open_dataset(folder, Reading(size=(9, 9), resize="pad", channels=3)).train
    assert data.shape == (9, 9, 3)
    assert np.array_equal(data.images([2])[0, 1:8, 2:7, 1], sets["train"][0][2])


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("shape", [(4,), (3, 2), (2, 3, 4), (2, 3, 4, 2)])
def test_every_type_of_number(tmp_path, code, shape):
    array = np.random.default_rng(0).integers(0, 100, shape).astype(code)
    (tmp_path / "x").write_bytes(idx_bytes(array, code))
    found = read_idx(str(tmp_path / "x"))
    assert found.dtype == np.dtype(code)
    assert np.array_equal(found, array)


def header(*shape, code=8):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)


BAD = {
    "nothing": (b"", "is not an IDX file: it begins with nothing"),
    "text": (b"hello world", "is not an IDX file: it begins with 68 65 6c 6c"),
    "unknown type": (header(2, code=10), "is not an IDX file"),
    "no axes": (b"\0\0\x08\0", "is not an IDX file"),
    "many axes": (b"\0\0\x08\xff" + b"\0" * 100, "is not an IDX file"),
    "cut header": (header(2, 2)[:-2], "truncated: ends after 6 of 8 bytes"),
    "two to the sixty": (header(2**20, 2**20, 2**20), "truncated or damaged: its header claims 1,152,921,504,606"),
    "all ones": (header(*[2**32 - 1] * 4) + b"x" * 1000, "truncated or damaged: its header claims"),
    "one byte short": (header(2, 2) + b"abc", "truncated or damaged|truncated: ends after 3 of 4"),
    "one byte more": (header(2, 2) + b"abcde", "goes on after the 4 bytes"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("packed", [False, True])
def test_damaged_and_hostile_files_are_one_line(tmp_path, name, packed):
    content, message = BAD[name]
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(content) if packed else content)
    tracemalloc.start()
    with pytest.raises(DataError, match=message) as caught:
        read_idx(str(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert peak < 8 << 20


@pytest.mark.parametrize("damage", ["cut", "flipped", "tail"])
def test_damaged_gzip(tmp_path, damage):
    array = np.random.default_rng(0).integers(0, 256, (50, 20, 20))
    content = bytearray(gzip.compress(idx_bytes(array)))
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flipped":
        content[len(content) // 2] ^= 0xFF
    else:
        content[-6] ^= 0xFF
    path = tmp_path / "x.gz"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_idx(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_bomb_is_refused_before_it_unfolds(tmp_path):
    """100 MB of zeros in 100 KB, where 10 MB are allowed."""
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(header(100, 1000, 1000) + bytes(100_000_000), 9))
    tracemalloc.start()
    with pytest.raises(DataError, match="holds 100,000,000 bytes, over the limit of 10,000,000"):
        read_idx(str(path), max_bytes=10_000_000)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_files_that_do_not_belong_together(mnist):
    folder, _ = mnist
    label_file = next(folder.glob("train-labels*"))
    packed = label_file.suffix == ".gz"
    label_file.unlink()
    with pytest.raises(DataError, match=r"train-images.* is there, its labels are not"):
        open_dataset(folder)
    write(folder, "train", "labels", np.zeros(29, np.uint8), packed=packed)
    with pytest.raises(DataError, match="30 pictures, but 29 labels"):
        open_dataset(folder)


def test_images_where_labels_should_be(tmp_path):
    write(tmp_path, "train", "images", np.zeros((3, 2, 2)))
    write(tmp_path, "train", "labels", np.zeros((3, 2, 2)))
    with pytest.raises(
        CnncliError, match=r"labels should be \(N,\) integers or texts, found uint8 of shape \(3, 2, 2\)"
    ):
        open_dataset(tmp_path)


def test_the_same_pictures_in_both_parts_are_said(mnist):
    folder, sets = mnist
    packed = next(folder.glob("t10k-images*")).suffix == ".gz"
    images = sets["t10k"][0].copy()
    images[4] = sets["train"][0][14]
    write(folder, "t10k", "images", images, packed=packed)
    (finding,) = open_dataset(folder).findings
    assert finding.kind == "duplicate"
    assert finding.message.startswith("1 picture of the held-out part is in the training part too: t10k-images")
    assert "[4] = train-images" in finding.message
    assert finding.message.endswith("[14]")


def test_labels_by_the_names_of_a_network(mnist):
    folder, sets = mnist
    names = tuple(reversed("0123456789"))
    data = open_dataset(folder, class_names=names).train
    assert np.array_equal(data.labels, 9 - sets["train"][1])
    with pytest.raises(DataError, match=r"class '9' is not among the known ones: 0, 1, 2"):
        open_dataset(folder, class_names=tuple("012345678"))


def test_sixty_thousand_pictures_stay_bytes(tmp_path):
    """MNIST's 47 MB, read, split, measured and compared, in less than 160 MB beside the interpreter."""
    import subprocess
    import sys

    rng = np.random.default_rng(0)
    write(tmp_path, "train", "images", rng.integers(0, 256, (60_000, 28, 28), dtype=np.uint8), packed=False)
    write(tmp_path, "train", "labels", rng.integers(0, 10, 60_000), packed=False)
    program = f"""
import resource
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
from cnncli.training.baselines import nearest_centroid
from cnncli.data import Subset, open_dataset
from cnncli.data.normalization import measure
from cnncli.data.parts import split
before = peak()
data = open_dataset({str(tmp_path)!r}).train
train, held_out = (Subset(data, part) for part in split(data, 0.1))
measure(train), nearest_centroid(held_out, train)
print(peak() - before)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(found.stdout) < 160_000  # KB
