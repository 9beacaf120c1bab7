"""Every kind of files of boxes, over the registry: what is written comes back."""

import json
import shutil
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from cnncli.data.boxes.boxes import Boxes
from cnncli.data.boxes.formats import BOX_FORMATS
from cnncli.data.boxes.labels import LabelledBoxes
from cnncli.data.boxes.opening import has_boxes, open_boxes
from cnncli.data.boxes.reading import read_boxes
from cnncli.data.boxes.writing import write_boxes
from cnncli.errors import ArgumentError, CnncliError, DataError

READ = [kind for kind, form in BOX_FORMATS.items() if form.read]
PICTURES = {"a.png": (48, 64), "two words/b c.png": (1, 2), "ünï/中.png": (30, 31), 'q"&<,#.png': (64, 48)}
PRECISION = {"coco": 1e-9, "csv": 1e-9, "voc": 1e-9, "yolo": 1e-6}
"""Kind to the largest error of a coordinate, in pixels."""
CLASSES = ("cat", "dog & <cat>", "7", 'o\'c "x": -', "猫, a")


def target(folder, kind):
    """Return where the files of a kind are written, so that the pictures of a folder are found."""
    return folder if BOX_FORMATS[kind].place else folder / f"boxes{BOX_FORMATS[kind].ending}"


@pytest.fixture(scope="module", params=READ)
def place(request, tmp_path_factory):
    """A kind, and a folder with pictures."""
    folder = tmp_path_factory.mktemp(request.param)
    for name, size in PICTURES.items():
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", size[::-1]).save(folder / "images" / name)
    return request.param, folder


@st.composite
def records(draw, sizes=PICTURES):
    """A few boxes in each picture."""
    found = []
    for name, (height, width) in sizes.items():
        count = draw(st.integers(0, 3))
        places, share = [], st.floats(0, 1, allow_subnormal=False)
        for _ in range(count):
            x, y = (side * min(draw(share), 0.99) for side in (width, height))
            places.append([x, y, *(max(0.001, draw(share) * (side - at)) for side, at in ((width, x), (height, y)))])
        boxes = Boxes.of(
            places,
            draw(st.lists(st.integers(0, len(CLASSES) - 1), min_size=count, max_size=count)),
            draw(st.lists(st.sampled_from([1.0, 0.25, 1 / 3]), min_size=count, max_size=count)),
            draw(st.lists(st.booleans(), min_size=count, max_size=count)),
        )
        found.append(LabelledBoxes(f"images/{name}", boxes, (height, width)))
    return found


def same(found, expected, kind, names):
    """Compare pictures in any order of theirs, and of classes."""
    found = {picture.path: picture for picture in found}
    assert found.keys() == {picture.path for picture in expected}
    for picture in expected:
        boxes, others = found[picture.path].boxes, picture.boxes
        if "crowd" in BOX_FORMATS[kind].lacks:
            others = others.chosen(~others.crowd)
        assert found[picture.path].size == picture.size
        np.testing.assert_allclose(boxes.places, others.places, rtol=0, atol=PRECISION[kind])
        assert [names[label] for label in boxes.labels] == [CLASSES[label] for label in others.labels]
        assert boxes.scores.tolist() == others.scores.tolist()
        assert boxes.crowd.tolist() == others.crowd.tolist()
        np.testing.assert_allclose(boxes.areas, others.areas, rtol=1e-3)


@given(expected=records())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_boxes_come_back(place, expected):
    kind, folder = place
    write_boxes(target(folder, kind), kind, expected, CLASSES)
    found = read_boxes(folder)
    assert found.kind == kind
    assert set(found.parts) == {"train"}
    assert not {finding.kind for finding in found.findings} - {"single pixel", "negative"}
    same(found.parts["train"], expected, kind, found.class_names)


@pytest.mark.parametrize("other", READ)
def test_each_kind_becomes_every_other(place, other, tmp_path):
    kind, folder = place
    rng = np.random.default_rng(4)
    expected = []
    for name, (height, width) in PICTURES.items():
        starts, ends = rng.uniform(0, 0.5, (5, 2)), rng.uniform(0.6, 1, (5, 2))
        places = np.hstack([starts, ends - starts]) * ([width, height] * 2)
        expected.append(LabelledBoxes(f"images/{name}", Boxes.of(places, range(5)), (height, width)))
    write_boxes(target(folder, kind), kind, expected, CLASSES)
    first = read_boxes(folder)
    shutil.copytree(folder / "images", tmp_path / "images", ignore=shutil.ignore_patterns("*.xml"))
    write_boxes(target(tmp_path, other), other, first.parts["train"], first.class_names)
    again = read_boxes(tmp_path)
    assert again.kind == other
    same(again.parts["train"], expected, max(kind, other, key=lambda each: PRECISION[each]), again.class_names)


def test_a_data_set_is_recognised_and_opened(place):
    kind, folder = place
    records = [LabelledBoxes("images/a.png", Boxes.of([[1, 2, 30, 40]], [1]), (48, 64))]
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".png":
            path.unlink()
    assert not has_boxes(folder)
    write_boxes(target(folder, kind), kind, records, CLASSES)
    assert has_boxes(folder)
    parts = open_boxes(folder, size=(24, 32))
    data = parts.train.take([[name.endswith("a.png") for name in parts.train.names].index(True)])
    assert parts.kind == kind
    assert data.class_names == (CLASSES[1],)
    np.testing.assert_allclose(data.labels, [[[0, 0.5, 1, 15, 20]]], atol=1e-5)


@pytest.mark.parametrize("kind", READ)
@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_raise_nothing_but_errors_of_ours(kind, data, tmp_path):
    Image.new("L", (64, 48)).save(tmp_path / "a.png")
    records = [LabelledBoxes("a.png", Boxes.of([[1, 2, 30, 40], [3, 3, 9, 9]], [1, 0]), (48, 64))]
    write_boxes(target(tmp_path, kind), kind, records, CLASSES)
    path = tmp_path / "a.txt" if kind == "yolo" else next(tmp_path.glob(f"*{BOX_FORMATS[kind].ending}"))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path.write_bytes(content)
    for strict in (False, True):
        with suppress(CnncliError):  # any other error is a fault of ours
            open_boxes(tmp_path, strict=strict)


@pytest.mark.parametrize("kind", BOX_FORMATS)
def test_nothing_stands_where_writing_fails(kind, tmp_path):
    boxes = Boxes.of([[0, 0, 1, 1]], [5])  # a class without a name
    output = target(tmp_path, kind)
    if kind in ("coco", "yolo"):  # whose boxes have numbers of classes
        boxes = Boxes.of([[0, 0, np.nan, 1]], [0]) if kind == "coco" else Boxes.of([[0, 0, 1, 1]], [0])
    with pytest.raises((IndexError, ValueError, DataError)):
        write_boxes(output, kind, [LabelledBoxes("a.png", boxes)], ("cat",))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("kind", BOX_FORMATS)
def test_a_file_that_stands_there_is_kept_unless_it_may_be_replaced(kind, tmp_path):
    record = [LabelledBoxes("a.png", Boxes.of([[0, 0, 1, 1]], [0]), (2, 2))]
    write_boxes(target(tmp_path, kind), kind, record, ("cat",), replace=False)
    files = {path: path.read_bytes() for path in tmp_path.rglob("*")}
    with pytest.raises(DataError, match="exists already"):
        write_boxes(target(tmp_path, kind), kind, record, ("dog",), replace=False)
    assert files == {path: path.read_bytes() for path in tmp_path.rglob("*")}


def test_what_a_kind_does_not_hold_is_said(tmp_path):
    boxes = Boxes.of([[0, 0, 2, 2], [0, 0, 1, 1]], [0, 0], crowd=[False, True], areas=[3, 1])
    found = write_boxes(tmp_path, "yolo", [LabelledBoxes("a.png", boxes, (2, 2))], ("cat",))
    assert [finding.kind for finding in found] == ["area", "crowd"]
    assert "1 crowd or difficult box is left out: a.png" in found[1].message
    assert len((tmp_path / "a.txt").read_text().splitlines()) == 1


@pytest.mark.parametrize("kind", [kind for kind, form in BOX_FORMATS.items() if form.place])
@pytest.mark.parametrize("names", [("a.png", "a.jpg"), ("../a.png",), ("/a.png",), ("b/../../a.png",)])
def test_two_pictures_of_one_file_or_a_name_outside_are_refused(kind, names, tmp_path):
    boxes = Boxes.of([[0, 0, 1, 1]], [0])
    with pytest.raises(ArgumentError):
        write_boxes(tmp_path / "out", kind, [LabelledBoxes(name, boxes, (2, 2)) for name in names], ("cat",))
    assert list(tmp_path.rglob("*")) == []


def test_an_unknown_kind_is_named(tmp_path):
    with pytest.raises(ArgumentError, match="the kinds are coco, voc, csv, yolo, jsonl"):
        write_boxes(tmp_path, "pdf", [], ())


def test_lines_hold_everything_that_detect_says(tmp_path):
    boxes = Boxes.of([[1, 2, 3, 4], [0, 0, 2, 2]], [1, 0], [0.5, 1], [False, True])
    write_boxes(tmp_path / "a.jsonl", "jsonl", [LabelledBoxes("a.png", boxes, (10, 20))], ("cat", "dog"))
    assert [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()] == [
        {
            "file": "a.png",
            "width": 20,
            "height": 10,
            "boxes": [
                {"class": "dog", "score": 0.5, "x": 1, "y": 2, "width": 3, "height": 4},
                {"class": "cat", "score": 1, "x": 0, "y": 0, "width": 2, "height": 2, "crowd": True},
            ],
        }
    ]
