"""Where labels and pictures of data sets stand."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from box_files import GOOD, SIZE, WRITERS, coco, picture, voc, yolo
from PIL import Image

from cnncli.data.boxes.opening import has_boxes, open_boxes
from cnncli.errors import DataError, NoInputError

PARTS = ("train", "validation", "test")
SEEDS = {"train": 1, "valid": 2, "val": 2, "val2017": 2, "train2017": 1, "test": 3}


def names(parts, root):
    return [
        [] if part is None else sorted(os.path.relpath(name, root) for name in part.names)
        for part in (parts.train, parts.validation, parts.test)
    ]


def lay(root: Path, *files: str) -> None:
    """Make a data set of files: pictures, and labels as the writer of their suffix makes them for `a.png`."""
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".png":
            picture(path, seed=sum(SEEDS.get(part, 0) for part in Path(file).parts))
            continue
        kind = {".json": "coco", ".xml": "voc", ".csv": "csv", ".txt": "yolo"}[path.suffix]
        written = WRITERS[kind](path.parent, [GOOD])
        if written != path:
            written.rename(path)
        if kind == "yolo":
            (path.parent / "classes.txt").rename(root / "classes.txt")


LAYOUTS = {
    "Roboflow's COCO": [
        f"{part}/{name}" for part in ("train", "valid", "test") for name in ("_annotations.coco.json", "a.png")
    ],
    "COCO's own": [
        "annotations/instances_train2017.json",
        "annotations/instances_val2017.json",
        "train2017/a.png",
        "val2017/a.png",
    ],
    "COCO with images": ["train.json", "val.json", "images/train/a.png", "images/val/a.png"],
    "COCO in one": ["instances_default.json", "images/a.png"],
    "VOC": ["Annotations/a.xml", "JPEGImages/a.png"],
    "VOC beside": ["train/a.xml", "train/a.png", "val/a.xml", "val/a.png"],
    "VOC elsewhere": ["annotations/a.xml", "images/a.png"],
    "YOLO by part": ["train/images/a.png", "train/labels/a.txt", "valid/images/a.png", "valid/labels/a.txt"],
    "YOLO by images": ["images/train/a.png", "labels/train/a.txt", "images/val/a.png", "labels/val/a.txt"],
    "YOLO beside": ["a.png", "a.txt"],
    "YOLO in images": ["images/a.png", "images/a.txt"],
    "tables": ["train.csv", "val.csv", "train/a.png", "val/a.png"],
    "a table": ["labels.csv", "pictures/a.png"],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_read_in_its_parts(layout, tmp_path):
    lay(tmp_path, *LAYOUTS[layout])
    assert has_boxes(tmp_path)
    parts = open_boxes(tmp_path, strict=True)
    pictures = [file for file in LAYOUTS[layout] if file.endswith(".png")]
    wanted = {part: [] for part in PARTS}
    for file in pictures:
        seed = sum(SEEDS.get(part, 0) for part in Path(file).parts)
        wanted[PARTS[max(0, seed - 1)]].append(file)
    assert names(parts, tmp_path) == list(wanted.values())
    assert [finding.kind for finding in parts.findings if finding.kind != "empty class"] == []
    for part in filter(None, parts[:3]):
        assert part.class_names == ("cat",)
        assert part.boxes[0].places.tolist() == [pytest.approx([3, 5, 10, 4])]


def test_paths_may_be_relative_and_end_in_a_slash(tmp_path, monkeypatch):
    lay(tmp_path, "images/a.png", "labels/a.txt", "b.json")
    picture(tmp_path / "b.png")
    monkeypatch.chdir(tmp_path)
    for place in (".", f"{tmp_path}/", "b.json", Path()):
        assert has_boxes(place)
        assert len(open_boxes(place).train) == 1
    (tmp_path / "b.json").unlink()
    assert open_boxes(".").kind == "yolo"


def test_a_file_alone_is_the_training_part_whatever_its_name(tmp_path):
    lay(tmp_path, *LAYOUTS["COCO's own"])
    parts = open_boxes(tmp_path / "annotations/instances_val2017.json")
    assert names(parts, tmp_path) == [["val2017/a.png"], [], []]


def test_parts_without_one_to_train_on_are_refused(tmp_path):
    lay(tmp_path, "val/a.xml", "val/a.png", "test/a.xml", "test/a.png")
    with pytest.raises(DataError, match="has labels of test and validation, but no part to train on"):
        open_boxes(tmp_path)
    assert len(open_boxes(tmp_path / "val").train) == 1


def test_pictures_that_no_label_file_names_are_told(tmp_path):
    lay(tmp_path, "Annotations/a.xml", "JPEGImages/a.png", "JPEGImages/b.png")
    parts = open_boxes(tmp_path, strict=True)
    assert [(finding.kind, finding.items) for finding in parts.findings] == [
        ("no labels", (f"{tmp_path}/JPEGImages/b.png",))
    ]


def test_a_list_may_name_what_is_not_there(tmp_path):
    lay(tmp_path, "Annotations/a b.xml", "JPEGImages/a b.png")
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "trainval.txt").write_text("a b\nlost\n\n")
    (lists / "test.txt").write_text("one\ntwo\n")  # without labels altogether
    parts = open_boxes(tmp_path)
    assert names(parts, tmp_path) == [["JPEGImages/a b.png"], [], []]
    assert [(finding.kind, finding.items) for finding in parts.findings] == [
        ("damaged labels", (f"{tmp_path}/Annotations/lost.xml: cannot be read: no such file",))
    ]


def test_a_picture_of_another_part_is_not_taken(tmp_path):
    lay(tmp_path, "train.json", "val.json", "images/train/a.png")
    parts = open_boxes(tmp_path / "train.json")
    assert len(parts.train) == 1
    with pytest.raises(NoInputError, match="is not there"):
        open_boxes(tmp_path)


def test_other_folders_hold_no_boxes(tmp_path):
    for label in ("cat", "dog"):
        picture(tmp_path / "train" / label / "a.png")
        (tmp_path / "train" / label / "a.txt").write_text("a picture of it")
    (tmp_path / "class_names.json").write_text('["cat", "dog"]')
    (tmp_path / "results.csv").write_text("file,class\na.png,cat\n")
    (tmp_path / "config.xml").write_text("<project/>")
    (tmp_path / "captions_train.json").write_text('{"images": [], "annotations": [{"caption": "a"}]}')
    assert not has_boxes(tmp_path)
    assert not has_boxes(tmp_path / "train")
    assert not has_boxes(tmp_path / "train" / "cat" / "a.png")
    assert not has_boxes(tmp_path / "nowhere")


def test_folders_of_classes_are_not_looked_into(tmp_path, monkeypatch):
    for number in range(30):
        picture(tmp_path / "train" / f"n{number}" / "a.png")
    seen = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda place: (seen.append(os.fspath(place)), scandir(place))[1])
    assert not has_boxes(tmp_path)
    assert seen == [str(tmp_path), str(tmp_path / "train")]


OUTSIDE = ["../a.png", "/etc/a.png", "C:\\photos\\a.png", "\\\\host\\a.png", "images/../../a.png", "..\\a.png"]


@pytest.mark.parametrize("kind", ["coco", "csv"])
@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_outside_opens_nothing_there(kind, name, tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "data").mkdir()
    path = WRITERS[kind](tmp_path / "data", [GOOD], name=name)
    with pytest.raises(NoInputError, match="1 picture is not there"):
        open_boxes(path)
    picture(tmp_path / "data" / "a.png", seed=1)
    parts = open_boxes(path)
    assert parts.train.names[0] == str(tmp_path / "data" / "a.png")
    assert parts.findings[-1].kind == "led outside"
    assert parts.findings[-1].items == (f"{path}: {name}",)


@pytest.mark.parametrize("name", ["images\\a b.png", "./images/a b.png", "images/a b.png", "a b.png", "old/a b.png"])
def test_a_name_is_found_whatever_its_folders_and_slashes(name, tmp_path):
    picture(tmp_path / "images" / "a b.png")
    coco(tmp_path, [GOOD], name=name)
    parts = open_boxes(tmp_path, class_names=("cat", "dog"), strict=True)
    assert (len(parts.train), parts.findings) == (1, ())


def test_of_two_pictures_of_a_name_the_one_in_the_named_folder_is_taken(tmp_path):
    for place in ("images/x/a.png", "images/y/a.png"):
        picture(tmp_path / place)
    coco(tmp_path, [GOOD], name="y/a.png")
    assert open_boxes(tmp_path).train.names[0] == str(tmp_path / "images/y/a.png")


@pytest.mark.parametrize("name", ["中 文.png", "a'b.png", "a.b.c.png", "a\\b.png", "-.png", "a%20b.png"])
@pytest.mark.parametrize("kind", ["coco", "csv", "voc", "yolo"])
def test_odd_names_of_files(kind, name, tmp_path):
    picture(tmp_path / name)
    path = WRITERS[kind](tmp_path, [GOOD], name=name)
    if kind in ("voc", "yolo"):
        path.rename((tmp_path / name).with_suffix(path.suffix))
    parts = open_boxes(tmp_path, class_names=("cat", "dog"), strict=True)
    assert (parts.train.names[0], parts.findings) == (str(tmp_path / name), ())


def test_an_xml_goes_with_the_picture_of_its_own_name(tmp_path):
    """Programs that copy a file keep the name inside."""
    for name in ("b", "a"):
        picture(tmp_path / f"{name}.png", seed=ord(name))
        voc(tmp_path, [GOOD], name="C:\\old\\a.jpg").rename(tmp_path / f"{name}.xml")
    parts = open_boxes(tmp_path, strict=True)
    assert (names(parts, tmp_path)[0], parts.findings) == (["a.png", "b.png"], ())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_among_the_labels_are_not_waited_for(tmp_path):
    lay(tmp_path, "a.png", "a.txt")
    expected = names(open_boxes(tmp_path), tmp_path)
    for name in ("0.txt", "b.txt", "c.png", "d.json", "e.yaml"):
        os.mkfifo(tmp_path / name)
    assert has_boxes(tmp_path)
    assert names(open_boxes(tmp_path), tmp_path) == expected


def test_a_link_in_a_circle_ends(tmp_path):
    lay(tmp_path, "images/a.png", "labels/a.txt")
    (tmp_path / "images" / "train").symlink_to(tmp_path)
    assert len(open_boxes(tmp_path).train) == 1


# The size that labels state, and the picture's own.


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_are_in_pixels_of_the_upright_picture(orientation, suffix, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    marked = np.zeros((20, 30, 3), np.uint8)
    marked[4:8, 2:12] = 255  # the box as it is stored
    Image.fromarray(marked).save(tmp_path / f"a{suffix}", exif=exif, quality=100)
    coco(tmp_path, [("cat", 2, 4, 10, 4)], name=f"a{suffix}")
    parts = open_boxes(tmp_path)
    on_its_side = orientation >= 5
    assert parts.train.shape[:2] == ((30, 20) if on_its_side else (20, 30))
    assert [finding.kind for finding in parts.findings] == ["empty class"] + ["turned"] * on_its_side
    if on_its_side:  # one of the other four sizes fits both ways: boxes are then of the upright picture
        bright = np.argwhere(parts.train.images([0])[0, :, :, 0] > 127)
        top, left = bright.min(axis=0)
        bottom, right = bright.max(axis=0) + 1
        assert parts.train.boxes[0].places.tolist() == [[left, top, right - left, bottom - top]]


def test_labels_of_another_size_are_scaled_where_the_proportions_agree(tmp_path):
    picture(tmp_path / "a.png")
    coco(tmp_path, [GOOD], size=(40, 60))
    parts = open_boxes(tmp_path, class_names=("cat", "dog"))
    assert [finding.kind for finding in parts.findings] == ["picture size"]
    assert "a.png is 30x20, " in parts.findings[0].message
    assert "says 60x40: boxes are scaled" in parts.findings[0].message
    assert parts.train.boxes[0].places.tolist() == [[1.5, 2.5, 5, 2]]
    coco(tmp_path, [GOOD], size=(30, 20))
    parts = open_boxes(tmp_path, class_names=("cat", "dog"))
    assert "boxes are taken as they are" in parts.findings[0].message
    assert parts.train.boxes[0].places.tolist() == [[3, 5, 10, 4]]
    with pytest.raises(DataError, match="picture has another size than its labels say"):
        open_boxes(tmp_path, strict=True)


def test_a_size_that_nobody_knew_is_no_fault(tmp_path):
    picture(tmp_path / "a.png")
    for size in ((0, 0), (SIZE[0], 0), (-1, -1)):
        voc(tmp_path, [GOOD], size=size)
        assert open_boxes(tmp_path, strict=True).findings == ()


def test_areas_and_crowds_of_coco_are_kept(tmp_path):
    picture(tmp_path / "a.png")
    content = json.loads(coco(tmp_path, [GOOD, GOOD, GOOD]).read_text())
    for annotation, facts in zip(
        content["annotations"], ({"area": 17.5}, {"area": -1, "iscrowd": 1}, {"score": 0.5}), strict=True
    ):
        annotation |= facts | {"segmentation": [[1, 2, 3, 4, 5, 6]]}
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    boxes = open_boxes(tmp_path).train.boxes[0]
    assert boxes.areas.tolist() == [17.5, 40, 40]
    assert boxes.crowd.tolist() == [False, True, False]
    assert boxes.scores.tolist() == [1, 1, 0.5]


def test_the_outline_of_a_line_of_yolo_becomes_its_box(tmp_path):
    picture(tmp_path / "a.png")
    yolo(tmp_path, [GOOD]).write_text("1 0.1 0.2 0.5 0.25 0.3 0.8\n0 0.5 0.5 0.2 0.2 0.75\n")
    data = open_boxes(tmp_path, strict=True).train
    np.testing.assert_allclose(data.boxes[0].places, [[3, 4, 12, 12], [12, 8, 6, 4]])
    assert data.boxes[0].scores.tolist() == [1, 0.75]


def test_pictures_without_a_line_are_told_of(tmp_path):
    lay(tmp_path, "images/a.png", "labels/a.txt")
    picture(tmp_path / "images" / "b.png", seed=4)
    parts = open_boxes(tmp_path, strict=True)
    assert len(parts.train) == 2
    assert [finding.kind for finding in parts.findings] == ["empty class", "negative"]
    shutil.rmtree(tmp_path / "labels")
    assert not has_boxes(tmp_path)
