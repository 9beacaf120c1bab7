"""Files of boxes of one kind, written as another."""

import pytest
from box_files import GOOD, WRITERS, coco, picture, voc

from cnncli import convert_boxes
from cnncli.data.boxes.reading import read_boxes
from cnncli.data.pictures import Reading
from cnncli.errors import ArgumentError, DataError, NoInputError


@pytest.fixture
def parts(tmp_path):
    """A data set in parts, with as many boxes as the part's number."""
    for number, part in enumerate(("train", "val", "test"), 1):
        picture(tmp_path / "data" / part / "images" / "a.png", seed=number)
        coco(tmp_path / "data" / part, [GOOD] * number)
    return tmp_path / "data"


def written(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_is_written_for_data_without_parts(tmp_path):
    picture(tmp_path / "a.png")
    voc(tmp_path, [GOOD, ("dog", 1, 1, 5, 5)])
    assert convert_boxes(tmp_path, tmp_path / "out.csv", "csv").findings == ()
    assert (tmp_path / "out.csv").read_text().splitlines() == [
        "file,class,x,y,width,height",
        "a.png,cat,3.0,5.0,10.0,4.0",
        "a.png,dog,1.0,1.0,5.0,5.0",
    ]
    with pytest.raises(ArgumentError, match="exists already"):
        convert_boxes(tmp_path, tmp_path / "out.csv", "csv")
    convert_boxes(tmp_path, tmp_path / "out.csv", "csv", replace=True)


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("coco", ["test.json", "train.json", "val.json"]),
        ("csv", ["test.csv", "train.csv", "val.csv"]),
        ("jsonl", ["test.jsonl", "train.jsonl", "val.jsonl"]),
        ("voc", ["test/images/a.xml", "train/images/a.xml", "val/images/a.xml"]),
        ("yolo", ["classes.txt", "data.yaml", "test/labels/a.txt", "train/labels/a.txt", "val/labels/a.txt"]),
    ],
)
def test_parts_stay_parts(parts, kind, files, tmp_path):
    convert_boxes(parts, tmp_path / "out", kind)
    assert written(tmp_path / "out") == files


@pytest.mark.parametrize("kind", ["coco", "voc", "csv", "yolo"])
def test_the_data_set_is_the_same_with_labels_of_another_kind(parts, kind, tmp_path):
    before = read_boxes(parts)
    convert_boxes(parts, tmp_path / "out", kind)
    for path in parts.glob("*/*.json"):
        path.unlink()
    (tmp_path / "out").rename(tmp_path / "labels")
    for path in (tmp_path / "labels").rglob("*.*"):
        target = parts / path.relative_to(tmp_path / "labels")
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    after = read_boxes(parts)
    assert after.kind == kind
    assert [len(after.parts[part][0].boxes.places) for part in ("train", "validation", "test")] == [1, 2, 3]
    for part, (first,) in before.parts.items():
        second = after.parts[part][0]
        assert (second.path, second.size) == (first.path, first.size)
        assert second.boxes.places.tolist() == [pytest.approx([3, 5, 10, 4])] * len(first.boxes.places)


def test_pictures_of_parts_that_only_lists_tell_apart_get_folders(tmp_path):
    for name in ("b", "a"):
        picture(tmp_path / "JPEGImages" / f"{name}.png", seed=ord(name))
        voc(tmp_path, [GOOD], name=f"{name}.png").rename(tmp_path / f"{name}.xml")
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n")
    (lists / "val.txt").write_text("b\n")
    convert_boxes(tmp_path, tmp_path / "out", "yolo")
    assert written(tmp_path / "out") == ["classes.txt", "data.yaml", "train/JPEGImages/a.txt", "val/JPEGImages/b.txt"]


def test_all_classes_are_kept_in_their_order(tmp_path):
    picture(tmp_path / "a.png")
    coco(tmp_path, [("dog", 1, 1, 5, 5)])
    convert_boxes(tmp_path, tmp_path / "out", "yolo")
    assert (tmp_path / "out" / "classes.txt").read_text() == "cat\ndog\n"
    assert (tmp_path / "out" / "a.txt").read_text().startswith("1 ")


@pytest.mark.parametrize("kind", WRITERS)
def test_sizes_are_those_of_the_pictures(kind, tmp_path):
    picture(tmp_path / "a.jpg")
    path = WRITERS[kind](tmp_path, [GOOD], name="a.jpg")
    assert [record.size for record in read_boxes(tmp_path).parts["train"]] == [(20, 30)]
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff broken")
    found = read_boxes(tmp_path) if kind != "yolo" else None
    if found is None:
        with pytest.raises(NoInputError, match="1 picture cannot be read"):
            read_boxes(tmp_path)
        return
    assert [finding.kind for finding in found.findings] == ["unread picture"]
    assert [record.size for record in found.parts["train"]] == [None if kind == "csv" else (20, 30)]
    with pytest.raises(DataError, match=r"a\.jpg"):
        read_boxes(path if kind == "coco" else tmp_path, Reading(strict=True))


def test_yolo_needs_a_size_and_boxes_without_one_are_as_they_are(tmp_path):
    WRITERS["csv"](tmp_path, [GOOD, ("cat", -4, 2, 1e6, 8)])
    found = read_boxes(tmp_path)
    assert [record.size for record in found.parts["train"]] == [None]
    assert found.parts["train"][0].boxes.places.tolist() == [[3, 5, 10, 4], [-4, 2, 1e6, 8]]
    with pytest.raises(DataError, match=r"a\.png: its size must be known"):
        convert_boxes(tmp_path, tmp_path / "out", "yolo")


def test_a_name_that_leads_outside_is_not_written_there(tmp_path):
    (tmp_path / "data").mkdir()
    coco(tmp_path / "data", [GOOD], name="../../evil.png")
    convert_boxes(tmp_path / "data", tmp_path / "out" / "in", "voc")
    assert written(tmp_path / "out") == ["in/evil.xml"]


def test_an_unknown_kind_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(ArgumentError, match="unknown kind"):
        convert_boxes(tmp_path / "nowhere", tmp_path / "out", "pdf")
