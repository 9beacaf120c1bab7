import numpy as np
import pytest
from PIL import Image

from cnncli.data import (
    SOURCES,
    ArrayDataset,
    Reading,
    Subset,
    find_duplicates,
    open_dataset,
    recognise,
)
from cnncli.data.datasets import unknown_classes
from cnncli.data.listing import natural_key
from cnncli.errors import CnncliError, DataError


def save(path, seed, shape=(4, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)).save(path)


@pytest.fixture
def pair(tmp_path):
    """train and test folders; the test folder lacks a class."""
    for number in range(9):
        save(tmp_path / "train" / "abc"[number % 3] / f"{number}.png", number)
    for number in range(4):
        save(tmp_path / "test" / "ac"[number % 2] / f"{number}.png", 100 + number)
    return tmp_path


def test_train_and_test_folders_are_a_pair(pair):
    assert recognise(pair) == "pair"
    parts = open_dataset(pair)
    assert len(parts.train) == 9
    assert parts.validation is None
    assert parts.test.class_names == parts.train.class_names == ("a", "b", "c")
    assert parts.test.labels.tolist() == [0, 0, 2, 2]
    assert parts.findings == ()


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_and_so_is_a_validation_folder(pair, name):
    (pair / "test").rename(pair / name)
    parts = open_dataset(pair)
    assert parts.test is None
    assert len(parts.validation) == 4
    assert parts.folders == {"train": "train", "validation": name}


def test_the_other_part_gets_the_size_and_channels_of_the_training_part(pair):
    save(pair / "test" / "a" / "large.png", 7, (9, 8, 3))
    assert open_dataset(pair).test.shape == (4, 4, 1)


def test_a_class_that_was_not_trained_on(pair):
    save(pair / "test" / "d" / "x.png", 1000)
    parts = open_dataset(pair)
    assert parts.train.class_names == parts.test.class_names == ("a", "b", "c")
    assert parts.test.labels.tolist() == [0, 0, 2, 2]
    (finding,) = parts.findings
    assert finding.kind == "empty class"
    assert finding.message == f"{pair}: 1 picture of class d in the test part alone: left out"
    assert unknown_classes(["x"], ["y"] * 1000).endswith(": " + "y, " * 19 + "y and 980 more")
    with pytest.raises(DataError, match="class 'd' is not among the known ones: a, b, c"):
        open_dataset(pair, class_names=("a", "b", "c"))  # a model that is judged is told what it does not know


def test_a_pair_may_be_of_different_kinds(pair):
    import shutil

    images = np.random.default_rng(0).integers(0, 256, (3, 4, 4))
    shutil.rmtree(pair / "test")
    (pair / "test").mkdir()
    header = bytes([0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 4])
    (pair / "test" / "t10k-images-idx3-ubyte").write_bytes(header + images.astype(np.uint8).tobytes())
    (pair / "test" / "t10k-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 0, 1, 2]))
    with pytest.raises(DataError, match="classes '0', '1', '2' are not among the known ones: a, b, c"):
        open_dataset(pair)


def test_the_same_file_in_both_parts_is_said(pair):
    (pair / "test" / "c" / "copy.png").write_bytes((pair / "train" / "a" / "3.png").read_bytes())
    (finding,) = open_dataset(pair).findings
    assert finding.kind == "duplicate"
    assert "copy.png = " in finding.message
    assert finding.message.endswith("3.png")
    assert len(finding.items) == 1


def test_large_files_that_differ_in_the_middle_are_no_duplicates(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (700, 700)).astype(np.uint8)
    for part in ("train", "test"):
        for name in "ab":
            (tmp_path / part / name).mkdir(parents=True)
            other = picture.copy()
            other[350, 350] = 10 * len(part) + ord(name)
            Image.fromarray(other).save(tmp_path / part / name / "x.bmp")
    assert open_dataset(tmp_path).findings == ()
    content = (tmp_path / "train" / "b" / "x.bmp").read_bytes()
    (tmp_path / "test" / "a" / "y.bmp").write_bytes(content)
    (finding,) = open_dataset(tmp_path).findings
    assert finding.kind == "duplicate"
    assert len(finding.items) == 1
    assert finding.message.endswith(str(tmp_path / "train" / "b" / "x.bmp"))


def test_files_and_arrays_are_compared_by_their_pixels(pair):
    train = open_dataset(pair).train
    other = ArrayDataset(train.images([4, 2]), train.labels[[4, 2]], train.class_names, "x.npz")
    finding = find_duplicates(train, other)
    assert len(finding.items) == 2
    assert finding.items[0] == f"x.npz[0] = {train.names[4]}"
    assert find_duplicates(Subset(train, [0, 1, 3]), other) is None


class TestUnknown:
    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda path: None, "no such file or folder"),
            (lambda path: path.mkdir(), "is empty"),
            (lambda path: path.write_bytes(b"x"), "is not a known data set"),
            (lambda path: save(path / "x.png", 0), "holds pictures .x.png., but no class folders: put those of each"),
            (
                lambda path: [path.mkdir(), (path / "notes.txt").write_text("x")],
                "is not a known data set. Looked",
            ),
        ],
    )
    def test_what_was_looked_for_is_said(self, tmp_path, make, message):
        make(tmp_path / "data")
        with pytest.raises(DataError, match=message) as caught:
            open_dataset(tmp_path / "data")
        assert str(caught.value).startswith(str(tmp_path / "data"))
        assert "\n" not in str(caught.value)

    def test_every_kind_is_named(self, tmp_path):
        (tmp_path / "x.txt").write_text("x")
        with pytest.raises(DataError) as caught:
            recognise(tmp_path)
        assert all(source.about in str(caught.value) for source in SOURCES.values())

    def test_an_npz_that_is_none(self, tmp_path):
        (tmp_path / "x.npz").write_bytes(b"PK no")
        with pytest.raises(CnncliError, match=r"x\.npz: is not an \.npz file, or a damaged one"):
            open_dataset(tmp_path / "x.npz")

    def test_a_folder_that_may_not_be_listed(self, tmp_path, monkeypatch):
        import os

        (tmp_path / "data").mkdir()

        def refuse(path):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(os, "listdir", refuse)
        with pytest.raises(DataError, match="data: cannot be read: Permission denied"):
            open_dataset(tmp_path / "data")


class TestSubset:
    data = ArrayDataset(np.arange(12, dtype=np.uint8).reshape(6, 2, 1, 1), np.arange(6) % 3, ("a", "b", "c"), "x")

    def test_it_is_the_chosen_items_in_their_order(self):
        part = Subset(self.data, [5, 0, 3])
        assert len(part) == 3
        assert part.labels.tolist() == [2, 0, 0]
        assert list(part.names) == ["x[5]", "x[0]", "x[3]"]
        assert part.names[-1] == "x[3]"
        assert part.names[1:] == ["x[0]", "x[3]"]
        assert part.images([2, 0])[:, 0, 0, 0].tolist() == [6, 10]
        assert part.fingerprints == [self.data.fingerprints[place] for place in (5, 0, 3)]
        assert part.counts().tolist() == [2, 0, 1]

    def test_of_a_subset(self):
        part = Subset(Subset(self.data, [5, 0, 3]), [2])
        assert part.names[0] == "x[3]"
        assert part.images([0]).ravel().tolist() == [6, 7]

    def test_chunks_cover_it(self):
        part = Subset(self.data, [1, 2])
        ((indices, images),) = part.chunks()
        assert indices.tolist() == [0, 1]
        assert images.shape == (2, 2, 1, 1)

    def test_names_end(self):
        with pytest.raises(IndexError):
            Subset(self.data, [1]).names[1]

    def test_other_classes(self):
        part = Subset(self.data, [0, 1, 4])
        other = part.with_classes(("z", "b", "a"))
        assert other.labels.tolist() == [2, 1, 1]
        assert other.class_names == ("z", "b", "a")
        assert part.labels.tolist() == [0, 1, 1]
        with pytest.raises(DataError, match="class 'b' is not among the known ones: a"):
            part.with_classes(("a",))


def test_labels_have_to_fit_the_pictures():
    with pytest.raises(DataError, match=r"x: 3 labels do not fit pictures of shape \(2, 1, 1, 1\)"):
        ArrayDataset(np.zeros((2, 1, 1, 1)), np.zeros(3), ("a",), "x")


def test_natural_order():
    names = ["img12", "img2", "IMG3", "a", "a1", "A", "10", "9", "1.5", "1.10"]
    assert sorted(names, key=natural_key) == ["1.5", "1.10", "9", "10", "A", "a", "a1", "img2", "IMG3", "img12"]
    assert Reading().resize == "stretch"
