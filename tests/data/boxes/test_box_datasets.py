import numpy as np
import pytest
from PIL import Image

from cnncli.data import SizesDifferError
from cnncli.data.boxes.dataset import split_boxes
from cnncli.data.boxes.opening import has_boxes, open_boxes
from cnncli.errors import DataError, NoInputError

OBJECT = (
    "<object><name>{}</name><difficult>{}</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax>"
    "<ymax>{}</ymax></bndbox></object>"
)


def save(path, height=20, width=30, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)).save(path)


def write_voc(path, name, *objects, size=(20, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    inside = "".join(OBJECT.format(*each) for each in objects)
    size = f"<size><width>{size[1]}</width><height>{size[0]}</height><depth>3</depth></size>"
    path.write_text(f"<annotation><filename>{name}</filename>{size}{inside}</annotation>")


@pytest.fixture
def voc(tmp_path):
    for number in range(6):
        save(tmp_path / "JPEGImages" / f"{number}.png", seed=number)
        write_voc(tmp_path / "Annotations" / f"{number}.xml", f"{number}.png", ("cat", 0, 1, 1, 30, 20))
    write_voc(tmp_path / "Annotations" / "0.xml", "0.png", ("dog", 0, 3, 5, 12, 8), ("cat", 1, 2, 2, 4, 4))
    write_voc(tmp_path / "Annotations" / "1.xml", "1.png")
    return tmp_path


def test_corners_count_from_one_and_the_last_pixel_belongs_to_the_box(voc):
    parts = open_boxes(voc)
    data = parts.train
    assert (parts.kind, parts.findings, parts.validation, parts.test) == ("voc", (), None, None)
    assert data.class_names == ("cat", "dog")
    assert data.boxes[0].places.tolist() == [[2, 4, 10, 4], [1, 1, 3, 3]]
    assert data.boxes[0].crowd.tolist() == [False, True]
    assert data.boxes[2].places.tolist() == [[0, 0, 30, 20]]
    assert data.boxes[1].places.shape == (0, 4)
    assert data.counts().tolist() == [4, 1]


def test_labels_are_in_pixels_of_the_resized_picture(voc):
    data = open_boxes(voc, size=(10, 10)).train
    assert data.shape == data.images([0]).shape[1:] == (10, 10, 3)
    assert data.sizes.tolist() == [[20, 30]] * 6
    np.testing.assert_allclose(data.labels[0], [[1, 2 / 3, 2, 10 / 3, 2], [-2, 1 / 3, 0.5, 1, 1.5]], rtol=1e-6)
    assert data.labels[1, :, 0].tolist() == [-1, -1]


def test_taken_pictures_keep_their_boxes(voc):
    data = open_boxes(voc).train
    few = data.take([4, 0])
    assert [few.names[0], few.names[1]] == [data.names[4], data.names[0]]
    assert (few.images([1]) == data.images([0])).all()
    assert few.boxes[1] is data.boxes[0]
    assert few.labels[1].tolist() == data.labels[0].tolist()


def test_a_split_keeps_equal_pictures_together_whatever_they_are_called(voc, tmp_path):
    train, validation = split_boxes(open_boxes(voc).train, 0.3)
    assert (len(train), len(validation)) == (4, 2)
    names = {name.rpartition("/")[2] for name in validation.names}
    for name in names:
        (tmp_path / "JPEGImages" / name).rename(tmp_path / "JPEGImages" / f"a{name}")
        (tmp_path / "Annotations" / name).with_suffix(".xml").rename(
            (tmp_path / "Annotations" / f"a{name}").with_suffix(".xml")
        )
    _, again = split_boxes(open_boxes(voc).train, 0.3)
    assert {name.rpartition("/")[2] for name in again.names} == {f"a{name}" for name in names}


@pytest.mark.parametrize("lists", [True, False])
def test_parts_come_from_lists_or_folders(tmp_path, lists):
    chosen = {"train": "0", "val": "1", "test": "2"}
    for part, name in chosen.items():
        folder = tmp_path if lists else tmp_path / part
        save(folder / "JPEGImages" / f"{name}.png", seed=int(name))
        write_voc(folder / "Annotations" / f"{name}.xml", f"{name}.png", ("cat", 0, 1, 1, 9, 9))
        if lists:
            (tmp_path / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
            (tmp_path / "ImageSets" / "Main" / f"{part}.txt").write_text(f"{name}\n")
    parts = open_boxes(tmp_path)
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [1, 1, 1]
    assert [part.names[0][-5:] for part in (parts.train, parts.validation, parts.test)] == ["0.png", "1.png", "2.png"]


def test_the_same_picture_in_two_parts_is_found(tmp_path):
    for part in ("train", "val"):
        save(tmp_path / part / "a.png")
        write_voc(tmp_path / part / "a.xml", "a.png", ("cat", 0, 1, 1, 9, 9))
    assert [finding.kind for finding in open_boxes(tmp_path).findings] == ["duplicate"]


def test_differing_sizes_need_one(voc):
    save(voc / "JPEGImages" / "5.png", height=10)
    with pytest.raises(SizesDifferError):
        open_boxes(voc)
    assert len(open_boxes(voc, size=(8, 8)).train) == 6


def test_a_folder_without_boxes(tmp_path):
    assert not has_boxes(tmp_path)
    with pytest.raises(DataError, match="holds no files of boxes"):
        open_boxes(tmp_path)
    write_voc(tmp_path / "a.xml", "a.png")
    with pytest.raises(NoInputError, match="1 picture is not there"):
        open_boxes(tmp_path)
