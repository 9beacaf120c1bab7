"""Label files of each kind become each other kind; what the other cannot hold is said."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnncli import convert_boxes
from cnncli.cli.commands.boxes import BOX_KINDS
from cnncli.data.boxes.boxes import Boxes
from cnncli.data.boxes.formats import BOX_FORMATS
from cnncli.data.boxes.labels import LabelledBoxes
from cnncli.data.boxes.reading import read_boxes
from cnncli.data.boxes.writing import write_boxes
from cnncli.errors import ArgumentError, DataError

READ = [kind for kind, form in BOX_FORMATS.items() if form.read]
CLASSES = ("wolf", "ant", "mole", "bee")  # neither by name, nor all of them seen
SIZES = {"images/a.png": (48, 64), "images/b.png": (30, 31), "images/none.png": (20, 20)}


def everything():
    """Boxes with all that boxes may have: scores, crowds, areas of their own; and a picture without any."""
    rng = np.random.default_rng(1)
    found = []
    for name, (height, width) in SIZES.items():
        count = 0 if "none" in name else 6
        starts, ends = rng.uniform(0, 0.5, (count, 2)), rng.uniform(0.6, 1, (count, 2))
        places = np.concatenate([starts, ends - starts], axis=1) * ([width, height] * 2)
        crowd = np.arange(count) == 4
        areas = places[:, 2] * places[:, 3] * np.where(np.arange(count) == 2, 0.5, 1)
        scores = np.where(np.arange(count) == 1, 0.75, 1)
        found.append(
            LabelledBoxes(name, Boxes.of(places, [0, 1, 3, 0, 1, 3][:count], scores, crowd, areas), (height, width))
        )
    return found


def target(folder, kind):
    return folder if BOX_FORMATS[kind].place else folder / f"boxes{BOX_FORMATS[kind].ending}"


@pytest.fixture(params=[True, False], ids=["with pictures", "labels alone"])
def source(request, tmp_path):
    """A file of COCO with everything, and the pictures, or not."""
    folder = tmp_path / "data"
    for name, (height, width) in SIZES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if request.param:
            Image.new("L", (width, height)).save(folder / name)
    write_boxes(folder / "boxes.json", "coco", everything(), CLASSES)
    return folder / "boxes.json"


def kept(place, kind):
    """What a kind of files keeps of every picture, by name."""
    data = read_boxes(place)
    assert data.kind == kind
    return data, {picture.path: picture for part in data.parts.values() for picture in part}


@pytest.mark.parametrize("kind", READ)
def test_nothing_is_lost_without_a_word(source, kind, tmp_path):
    there = (source.parent / "images/a.png").exists()
    if kind == "yolo" and not there:
        pytest.skip("YOLO's files alone do not say which pictures they are of")
    output = target(source.parent if there else tmp_path / "out", kind)
    output = output.with_stem("new") if kind == "coco" else output
    done = convert_boxes(source, output, kind)
    lost = {finding.kind for finding in done.findings}
    source.unlink()
    data, found = kept(output, kind)
    assert ("classes" in lost) == (data.class_names != CLASSES)
    assert ("size" in lost) == any(picture.size is None for picture in found.values())
    exact = {"yolo": 1e-6}.get(kind, 1e-9)
    crowds = areas = 0
    for expected in everything():
        picture = found[expected.path]
        boxes = expected.boxes if kind != "yolo" else expected.boxes.chosen(~expected.boxes.crowd)
        crowds += len(expected.boxes.places) - len(picture.boxes.places)
        areas += not np.allclose(picture.boxes.areas, boxes.areas)
        assert picture.size in (expected.size, None)
        np.testing.assert_allclose(picture.boxes.places, boxes.places, atol=exact)
        assert picture.boxes.scores.tolist() == boxes.scores.tolist()
        assert picture.boxes.crowd.tolist() == boxes.crowd.tolist()
        names = [data.class_names[label] for label in picture.boxes.labels]
        assert names == [CLASSES[label] for label in boxes.labels]
    assert ("crowd" in lost) == (crowds > 0)
    assert ("area" in lost) == (areas > 0)
    assert all(finding.message.startswith(f"{output}: ") and "\n" not in finding.message for finding in done.findings)


def test_what_is_lost_is_named(source, tmp_path):
    messages = [finding.message for finding in convert_boxes(source, tmp_path / "out.csv").findings]
    assert any("csv lists no classes, so that their order is lost: wolf, ant, mole, bee" in one for one in messages)
    assert any("2 boxes have areas of their own" in message for message in messages)
    absent = not (source.parent / "images/a.png").exists()
    assert any("holds no sizes of pictures, and some are not there" in message for message in messages) == absent
    assert convert_boxes(source, tmp_path / "out.json").findings == ()


@pytest.mark.parametrize(("first", "second"), [*itertools.permutations(READ, 2)])
def test_there_and_back_is_the_same(first, second, tmp_path):
    plain = [
        LabelledBoxes(name, Boxes.of([[1.5, 2, 7, 8.25], [0, 0, 9, 9]], [0, 1], [1, 0.5]), size)
        for name, size in SIZES.items()
    ]
    for folder in ("one", "two", "three"):
        for name, (height, width) in SIZES.items():
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (width, height)).save(tmp_path / folder / name)
    write_boxes(target(tmp_path / "one", first), first, plain, ("ant", "bee"))
    there = convert_boxes(tmp_path / "one", target(tmp_path / "two", second), second)
    back = convert_boxes(tmp_path / "two", target(tmp_path / "three", first), first)
    assert (there.kind, back.kind) == (first, second)
    assert there[2:] == back[2:] == (3, 6, ("ant", "bee"), ())
    for file in there.files + back.files:
        assert Path(file).is_file()
    exact = 1e-6 if "yolo" in (first, second) else 1e-9
    _, found = kept(tmp_path / "three", first)
    for picture in plain:
        np.testing.assert_allclose(found[picture.path].boxes.places, picture.boxes.places, atol=exact)
        assert found[picture.path].boxes.labels.tolist() == [0, 1]
        assert found[picture.path].boxes.scores.tolist() == [1, 0.5]


@pytest.mark.parametrize("kind", BOX_FORMATS)
def test_existing_files_are_replaced_only_when_asked(source, kind, tmp_path):
    output = target(tmp_path / "out", kind)
    files = convert_boxes(source, output, kind).files
    Path(files[-1]).write_text("mine")
    for file in files[:-1]:
        Path(file).unlink()
    with pytest.raises(ArgumentError, match="exists already: --force overwrites"):
        convert_boxes(source, output, kind)
    assert [Path(file).exists() for file in files] == [False] * (len(files) - 1) + [True]
    assert Path(files[-1]).read_text() == "mine"
    assert convert_boxes(source, output, kind, replace=True).files == files
    assert Path(files[-1]).read_text() != "mine"


@pytest.mark.parametrize("replace", [False, True])
def test_labels_that_are_read_are_never_replaced(source, replace, tmp_path):
    content = source.read_bytes()
    (tmp_path / "link.json").symlink_to(source)
    for output in (source, tmp_path / "link.json", source.parent / "images" / ".." / "boxes.json"):
        with pytest.raises(ArgumentError, match="is an input"):
            convert_boxes(source.parent, output, "coco", replace=replace)
    assert source.read_bytes() == content


def test_parts_are_files_of_a_folder(tmp_path):
    data = tmp_path / "data"
    for part, name in (("train", "a.png"), ("val", "b.png")):
        (data / part).mkdir(parents=True)
        Image.new("L", (64, 48)).save(data / part / name)
        boxes = [LabelledBoxes(name, Boxes.of([[0, 0, 9, 9]], [0]), (48, 64))]
        write_boxes(data / part / "boxes.json", "coco", boxes, ("ant",))
    with pytest.raises(ArgumentError, match="has the parts train, validation, a file each: name a folder"):
        convert_boxes(data, tmp_path / "out.csv")
    done = convert_boxes(data, tmp_path / "out", "csv")
    assert done.files == tuple(str(tmp_path / "out" / name) for name in ("train.csv", "val.csv"))
    assert [len(part) for part in read_boxes(tmp_path / "out").parts.values()] == [1, 1]


def test_a_folder_gets_one_file_of_data_without_parts(source, tmp_path):
    assert convert_boxes(source, tmp_path, "csv").files == (str(tmp_path / "boxes.csv"),)
    assert convert_boxes(source, tmp_path / "new", "coco").files == (str(tmp_path / "new" / "boxes.json"),)


def test_the_suffix_says_the_kind(source, tmp_path):
    for kind, form in BOX_FORMATS.items():
        if form.place is None:
            output = tmp_path / f"out{form.ending.upper()}"
            convert_boxes(source, output)
            assert output.read_bytes() == Path(convert_boxes(source, tmp_path / kind, kind).files[0]).read_bytes()
    with pytest.raises(ArgumentError, match=r"out.*its name does not say its kind: choose --format from coco, voc"):
        convert_boxes(source, tmp_path / "out")


@pytest.mark.parametrize(
    ("kind", "error", "words"), [("pdf", ArgumentError, "unknown kind"), ("csv", DataError, "no such file")]
)
def test_what_cannot_be_done_is_refused(kind, error, words, tmp_path):
    with pytest.raises(error, match=words):
        convert_boxes(tmp_path / "nowhere", tmp_path / "out", kind)


def test_names_of_classes_and_boxes_of_a_picture_are_two_files(tmp_path):
    pictures = [LabelledBoxes("classes.png", Boxes.of([[0, 0, 1, 1]], [0]), (2, 2))]
    write_boxes(tmp_path / "boxes.json", "coco", pictures, ("ant",))
    with pytest.raises(ArgumentError, match=r"would both be written to classes\.txt"):
        convert_boxes(tmp_path / "boxes.json", tmp_path / "out", "yolo")


def test_coco_reads_what_is_written(source, tmp_path):
    coco = pytest.importorskip("pycocotools.coco")
    convert_boxes(source, tmp_path / "voc", "voc")
    convert_boxes(tmp_path / "voc", tmp_path / "again.json")
    found = coco.COCO(str(tmp_path / "again.json"))
    boxes = [annotation["bbox"] for annotation in found.loadAnns(found.getAnnIds())]
    np.testing.assert_allclose(boxes, np.concatenate([picture.boxes.places for picture in everything()]), atol=1e-9)
    assert {found.imgs[key]["file_name"] for key in found.imgs} == {*SIZES}
    assert json.loads((tmp_path / "again.json").read_text())["categories"][0] == {"id": 1, "name": "ant"}


def test_the_command_offers_every_kind():
    assert set(BOX_KINDS) == set(BOX_FORMATS)
