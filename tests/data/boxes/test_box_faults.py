"""Faults of every kind of files of boxes: each is named and counted, or refused; the good box beside it stays."""

import json
import math
import re
import tracemalloc

import pytest
from box_files import GOOD, WRITERS, picture

from cnncli.data.boxes.faults import FAULTS, NOTES
from cnncli.data.boxes.formats import BOX_FORMATS
from cnncli.data.boxes.opening import open_boxes
from cnncli.data.boxes.reading import read_boxes
from cnncli.errors import CnncliError, DataError, ImageError, NoInputError

KINDS = tuple(WRITERS)
NAN = math.nan

BOXES = [
    ("clipped", ("cat", 25, 10, 10, 4), [25, 10, 5, 4], KINDS),
    ("clipped", ("cat", -5, -5, 100, 100), [0, 0, 30, 20], KINDS),
    ("clipped", ("cat", 1, 1, 1e308, 4), [1, 1, 29, 4], ("coco", "csv")),
    ("outside", ("cat", 40, 10, 5, 5), None, KINDS),
    ("outside", ("cat", -9, 3, 5, 5), None, KINDS),
    ("outside", ("cat", 1e300, 3, 1e308, 5), None, ("coco", "csv")),
    ("no size", ("cat", 3, 3, 0, 5), None, KINDS),
    ("no size", ("cat", 3, 3, 5, -2), None, KINDS),
    ("not a number", ("cat", NAN, 3, 5, 5), None, KINDS),
    ("not a number", ("cat", 3, 3, math.inf, 5), None, KINDS),
    ("unknown class", ("bear", 3, 3, 5, 5), None, KINDS),
]


def kinds(parts):
    return [finding.kind for finding in parts.findings if finding.kind != "empty class"]


@pytest.mark.parametrize(("kind", "fault", "box", "left"), [(kind, *row) for *row, where in BOXES for kind in where])
def test_a_bad_box_is_named_and_the_good_one_stays(kind, fault, box, left, tmp_path):
    picture(tmp_path / "a.png")
    path = WRITERS[kind](tmp_path, [GOOD, box])
    parts = open_boxes(tmp_path, class_names=("cat", "dog"))
    assert parts.kind == kind
    assert kinds(parts) == [fault]
    finding = next(finding for finding in parts.findings if finding.kind == fault)
    assert len(finding.items) == 1
    assert finding.message.startswith(f"{tmp_path}: 1 {FAULTS[fault][0]}: {path}: ")
    assert re.search(r"(annotation|object|line) [23]: ", finding.message)
    expected = [[3, 5, 10, 4]] + ([] if left is None else [left])
    for found, wanted in zip(parts.train.boxes[0].places.tolist(), expected, strict=True):
        assert found == pytest.approx(wanted, abs=1e-6)
    with pytest.raises(DataError, match=re.escape(f"{path}: ")):
        open_boxes(tmp_path, class_names=("cat", "dog"), strict=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_without_boxes_is_one_without_objects(kind, tmp_path):
    picture(tmp_path / "a.png")
    WRITERS[kind](tmp_path, [])
    parts = open_boxes(tmp_path, class_names=("cat",), strict=True)
    assert (len(parts.train), len(parts.train.boxes[0].places), parts.findings) == (1, 0, ())


@pytest.mark.parametrize("kind", ["coco", "voc", "csv"])
def test_a_picture_that_is_not_there_is_named_and_can_be_converted(kind, tmp_path):
    path = WRITERS[kind](tmp_path, [GOOD, GOOD], name="lost.png")
    with pytest.raises(NoInputError, match=re.escape(f"1 picture is not there: its boxes are left out: {path}: lost")):
        open_boxes(tmp_path)
    with pytest.raises(DataError, match=r"lost\.png"):
        open_boxes(tmp_path, strict=True)
    found = read_boxes(tmp_path)
    assert [record.path for record in found.parts["train"]] == ["lost.png"]
    assert found.parts["train"][0].boxes.places.tolist() == [[3, 5, 10, 4]] * 2


def test_labels_without_a_picture_are_named(tmp_path):
    picture(tmp_path / "a.png")
    path = WRITERS["yolo"](tmp_path, [GOOD])
    (tmp_path / "b.txt").write_text(path.read_text())
    assert kinds(open_boxes(tmp_path)) == ["missing picture"]
    content = json.loads(WRITERS["coco"](tmp_path, [GOOD]).read_text())
    content["annotations"].append({**content["annotations"][0], "image_id": 8})
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    parts = open_boxes(tmp_path)
    assert kinds(parts) == ["no picture"]
    assert parts.findings[-1].items == (f"{tmp_path}/boxes.json: annotation 2: image_id 8",)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_that_cannot_be_decoded_is_left_out(kind, tmp_path):
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png", seed=1)
    path = WRITERS[kind](tmp_path, [GOOD])
    _also(kind, path, tmp_path)
    assert len(open_boxes(tmp_path).train) == 2
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:300])
    parts = open_boxes(tmp_path)
    assert (kinds(parts), len(parts.train)) == (["corrupt"], 1)
    with pytest.raises(ImageError, match=r"b\.png"):
        open_boxes(tmp_path, strict=True)


def _also(kind, path, folder):
    """Give a second picture, b.png, the boxes of the first."""
    if kind in ("voc", "yolo"):
        (folder / f"b{path.suffix}").write_text(path.read_text().replace("a.png", "b.png"))
    elif kind == "csv":
        path.write_text(path.read_text() + path.read_text().partition("\n")[2].replace("a.png", "b.png"))
    else:
        content = json.loads(path.read_text())
        content["images"].append({**content["images"][0], "id": 8, "file_name": "b.png"})
        content["annotations"] += [{**each, "image_id": 8} for each in content["annotations"]]
        path.write_text(json.dumps(content))


def test_a_picture_that_is_listed_twice_is_one_with_the_boxes_of_both(tmp_path):
    picture(tmp_path / "a.png")
    content = json.loads(WRITERS["coco"](tmp_path, [GOOD]).read_text())
    content["images"].append({**content["images"][0], "id": 8})
    content["annotations"] += [
        {**content["annotations"][0], "image_id": 8, "bbox": box} for box in ([3, 5, 10, 4], [1, 1, 2, 2])
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    parts = open_boxes(tmp_path)
    assert kinds(parts) == ["repeated picture"]
    assert parts.train.boxes[0].places.tolist() == [[3, 5, 10, 4], [1, 1, 2, 2]]


BROKEN = {
    "coco": [
        ("[" * 100_000 + '"images"', "nested too deeply"),
        ('{"images": [', "is not JSON"),
        ('{"images": 3, "annotations": []}', "has no list of images"),
        ('{"images": [], "annotations": 3}', "annotations is not a list"),
        ('[{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 1, "x": "images"}]', "is a list of results"),
        ('\ud800 "images"', "is not JSON"),
        (f'{{"images": [{"9" * 5000}]}}', "is not JSON"),
    ],
    "voc": [
        ("<annotation><object>", "is not XML"),
        ("<annotation>" + "<a>" * 100_000, "nested deeper than 64"),
        (
            '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><annotation>&b;</annotation>',
            "declares the entity 'a'",
        ),
        ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotation>&a;</annotation>', "declares the entity"),
        ('<!DOCTYPE x [<!ENTITY % a SYSTEM "http://localhost/x">%a;]><annotation></annotation>', "declares the entity"),
        ("<note><annotation></annotation></note>", "its outermost element is note"),
        ('<?xml version="1.0" encoding="klingon"?><annotation></annotation>', "is not XML"),
        ("", "is not XML"),
    ],
    "csv": [
        ("file,class,x,y,width\na.png,cat,1,2,3\n", "its first line names no height"),
        ('file,class,x,y,width,height\n"a.png,cat,1,2,3,4\n', "is not CSV"),
        ("file,class,x,y,width,height\n\udcff\n", "is not text in UTF-8"),
        ("", "its first line names no file"),
    ],
    "yolo": [("\udcff\udcfe", "is not text in UTF-8"), ("0 0.5 0.5 1 1\n" * 400_000, "is larger than")],
}


@pytest.mark.parametrize(("kind", "text", "words"), [(kind, *each) for kind, rows in BROKEN.items() for each in rows])
def test_a_damaged_file_among_others_is_left_out_and_alone_an_error(kind, text, words, tmp_path):
    picture(tmp_path / "a.png")
    path = WRITERS[kind](tmp_path, [GOOD])
    bad = path.with_stem("b")
    picture(tmp_path / "b.png", seed=1)
    bad.write_bytes(text.encode("utf-8", "surrogateescape" if "\udcff" in text else "surrogatepass"))
    if "first line" not in words:  # such a file is not one of boxes, unless it is given by itself
        parts = open_boxes(tmp_path)
        finding = next(finding for finding in parts.findings if finding.kind == "damaged labels")
        assert len(finding.items) == 1
        assert finding.items[0].startswith(f"{bad}: ")
        assert words in finding.items[0]
        assert parts.train.boxes[0].places.tolist() == [pytest.approx([3, 5, 10, 4])]
    path.unlink()
    if kind in ("coco", "csv"):
        with pytest.raises(CnncliError, match=words) as caught:
            open_boxes(bad)
        assert "\n" not in str(caught.value)
    with pytest.raises(CnncliError) as caught:
        open_boxes(tmp_path, strict=True)
    assert "\n" not in str(caught.value)


def test_an_entity_bomb_takes_no_memory(tmp_path):
    picture(tmp_path / "a.png")
    entities = '<!ENTITY a0 "lol">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    (tmp_path / "a.xml").write_text(f"<!DOCTYPE x [{entities}]><annotation>&a9;</annotation>")
    tracemalloc.start()
    with pytest.raises(NoInputError, match="declares the entity 'a0'"):
        open_boxes(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"images": [3]}, "damaged entry"),
        ({"images": [{"id": True, "file_name": "a.png"}]}, "damaged entry"),
        ({"images": [{"id": 1}]}, "damaged entry"),
        ({"images": [{"id": [1], "file_name": "a.png"}]}, "damaged entry"),
        ({"images": [{"id": 7, "file_name": "b.png"}]}, "damaged entry"),
        ({"images": [{"id": 1, "file_name": 5}]}, "damaged entry"),
        ({"categories": [{"id": 1}]}, "damaged entry"),
        ({"categories": ["cat"]}, "damaged entry"),
        ({"categories": [{"id": 3, "name": "bear"}]}, "damaged entry"),
        ({"annotations": [None]}, "damaged entry"),
        ({"annotations": [{"bbox": [1, 2, 3, 4]}]}, "damaged entry"),
        ({"annotations": [{"image_id": {}, "bbox": [1, 2, 3, 4]}]}, "damaged entry"),
        ({"annotations": [{"image_id": 7, "category_id": 3}]}, "not a number"),
        ({"annotations": [{"image_id": 7, "category_id": 3, "bbox": [1, 2, 3]}]}, "not a number"),
        ({"annotations": [{"image_id": 7, "category_id": 3, "bbox": [1, 2, [3], 4]}]}, "not a number"),
        ({"annotations": [{"image_id": 7, "category_id": 3, "bbox": [True, 2, 3, 4]}]}, "not a number"),
        ({"annotations": [{"image_id": 7, "category_id": 3, "bbox": [10**400, 2, 3, 4]}]}, "not a number"),
        ({"annotations": [{"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4], "score": "x"}]}, "not a number"),
        ({"annotations": [{"image_id": 7, "category_id": [], "bbox": [1, 2, 3, 4]}]}, "unknown class"),
    ],
)
def test_odd_records_of_coco_are_left_out(content, fault, tmp_path):
    picture(tmp_path / "a.png")
    path = WRITERS["coco"](tmp_path, [GOOD])
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({key: section + content.get(key, []) for key, section in whole.items()}))
    parts = open_boxes(tmp_path)
    assert kinds(parts) == [fault]
    assert len(next(finding for finding in parts.findings if finding.kind == fault).items) == 1
    assert parts.train.boxes[0].places.tolist() == [[3, 5, 10, 4]]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("a.png,cat,1,2,3", "damaged entry"),
        ("a.png,cat,1,2,3,4,5", "damaged entry"),
        ("a.png,cat,1,2,,4", "not a number"),
        ("a.png,cat,1,2,three,4", "not a number"),
        ("a.png,cat,1,2,1_0,4", "not a number"),
        ("a.png,,1,2,3,4", "unknown class"),
        (",cat,1,2,3,4", "missing picture"),
    ],
)
def test_odd_lines_of_a_table_are_left_out(line, fault, tmp_path):
    picture(tmp_path / "a.png")
    path = WRITERS["csv"](tmp_path, [GOOD])
    path.write_text(f"{path.read_text()}{line}\n\n")
    parts = open_boxes(tmp_path)
    assert kinds(parts) == [fault]
    assert parts.train.boxes[0].places.tolist() == [[3, 5, 10, 4]]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("0 0.5 0.5 1", "damaged entry"),
        ("cat 0.5 0.5 1 1", "unknown class"),
        ("-1 0.5 0.5 1 1", "unknown class"),
        ("0.5 0.5 0.5 1 1", "unknown class"),
        ("0 0.5 0.5 x 1", "not a number"),
    ],
)
def test_odd_lines_of_yolo_are_left_out(line, fault, tmp_path):
    picture(tmp_path / "a.png")
    path = WRITERS["yolo"](tmp_path, [GOOD])
    path.write_text(f"{path.read_text()}{line}\n")
    parts = open_boxes(tmp_path)
    assert kinds(parts) == [fault]
    assert len(parts.train.boxes[0].places) == 1


def test_the_corners_of_one_pixel_are_a_box_that_is_named(tmp_path):
    picture(tmp_path / "a.png")
    WRITERS["voc"](tmp_path, [GOOD, ("cat", 3, 3, 1, 1)])
    parts = open_boxes(tmp_path, strict=True)
    assert kinds(parts) == ["single pixel"]
    assert parts.train.boxes[0].places.tolist() == [[3, 5, 10, 4], [3, 3, 1, 1]]


def test_classes_of_a_network_are_kept_to(tmp_path):
    picture(tmp_path / "a.png")
    WRITERS["csv"](tmp_path, [GOOD, ("bear", 1, 1, 2, 2)])
    assert open_boxes(tmp_path).train.class_names == ("bear", "cat")
    assert kinds(open_boxes(tmp_path, class_names=("dog", "cat"))) == ["unknown class"]
    with pytest.raises(DataError, match="'bear', 'cat' are not among the known ones: dog"):
        open_boxes(tmp_path, class_names=("dog",))


def test_classes_that_no_box_has_are_left_out_by_name(tmp_path):
    picture(tmp_path / "a.png")
    WRITERS["coco"](tmp_path, [GOOD])
    parts = open_boxes(tmp_path)
    assert parts.train.class_names == ("cat",)
    assert [finding.items for finding in parts.findings] == [("dog",)]


def test_every_fault_is_said_of_one_and_of_several():
    for one, several in (FAULTS | NOTES).values():
        assert one != several


def test_the_readers_are_those_of_the_registry():
    assert set(WRITERS) == {kind for kind, form in BOX_FORMATS.items() if form.read}
