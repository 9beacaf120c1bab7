import json

import numpy as np
import pytest

from cnncli.data.boxes.scored import parse_scored
from cnncli.errors import ArgumentError, DataError
from cnncli.ops.boxes import nms

HEADER = "class,score,x,y,width,height\n"


def table(seed, count=80):
    rng = np.random.default_rng(seed)
    places = np.concatenate([rng.uniform(0, 60, (count, 2)), rng.uniform(8, 40, (count, 2))], axis=1)
    columns = [rng.integers(0, 3, count), rng.integers(0, 2, count), rng.permutation(count) / count, *places.T]
    names = ("file", "class", "score", "x", "y", "width", "height")
    return [dict(zip(names, row, strict=True)) for row in zip(*(column.tolist() for column in columns), strict=True)]


def as_csv(rows):
    return "\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)])


def as_lines(rows):
    return "\n".join(map(json.dumps, rows))


def as_reports(rows):
    """The same as `detect` prints it: a line for each picture."""
    files = dict.fromkeys(row["file"] for row in rows)
    parts = {name: [dict([*row.items()][1:]) for row in rows if row["file"] == name] for name in files}
    return as_lines({"input": name, "status": "ok", "boxes": boxes} for name, boxes in parts.items())


@pytest.mark.parametrize("write", [as_csv, as_lines, as_reports])
@pytest.mark.parametrize("seed", range(5))
def test_boxes_are_suppressed_by_picture_and_class(write, seed):
    rows = table(seed)
    found = parse_scored(write(rows), "boxes")
    expected = []
    for name in dict.fromkeys(row["file"] for row in rows):
        own = [row for row in rows if row["file"] == name]
        places = [[*row.values()][3:] for row in own]
        kept = nms(places, [row["score"] for row in own], 0.4, [row["class"] for row in own])
        expected += [own[place]["score"] for place in kept]
    assert found.scores[found.kept(0.4)].tolist() == expected
    assert len(expected) < len(rows)


def test_rows_stay_as_they_were():
    text = 'score,note,class,height,width,y,x\n0.50,"a, b",cat,9,9,0,1e0\n0.9,,dog,9.0,9,0,1\n'
    found = parse_scored(text, "boxes.csv")
    assert "\n".join(found.lines([0, 1])) + "\n" == text
    line = '{"score": 0.5, "note": [1], "x": 1, "y": 2, "width": 3, "height": 4}'
    assert [*parse_scored(line, "-").lines([0])] == [line]


def test_a_picture_of_several_boxes_is_named_in_each():
    line = '{"input": "a.png", "seconds": 1, "boxes": [{"score": 0.5, "x": 1, "y": 2, "width": 3, "height": 4}]}'
    expected = '{"input": "a.png", "score": 0.5, "x": 1, "y": 2, "width": 3, "height": 4}'
    failed = '{"input": "b.png", "error": "no such file", "boxes": null}'
    assert [*parse_scored(f"{line}\n{failed}", "-").lines([0])] == [expected]


def test_pictures_without_boxes_are_left_out():
    found = parse_scored("file,score,x,y,width,height\na.png,1,0,0,9,9\nb.png,,,,,\n", "boxes.csv")
    assert found.files == ("a.png",)


def test_names_may_hold_what_ends_lines_elsewhere():
    line = '{"class": "a\u2028b", "score": 0.5, "x": 1, "y": 2, "width": 3, "height": 4}'
    assert parse_scored(f"{line}\r\n", "-").classes == ("a\u2028b",)


def test_pictures_are_the_groups_of_their_boxes():
    rows = table(3)
    found = parse_scored(as_csv(rows), "boxes.csv")
    pictures = found.pictures()
    assert sorted(np.concatenate(pictures).tolist()) == [*range(len(rows))]
    for picture in pictures:
        assert len({found.files[place] for place in picture}) == 1
        assert (np.diff(found.scores[picture]) < 0).all()


def test_corners_become_sides():
    found = parse_scored("score,left,top,right,bottom\n1,10,20,40,60\n", "boxes.csv", as_corners=True)
    assert found.places.tolist() == [[10, 20, 30, 40]]
    assert found.facts(0) == {"score": 1, "x": 10, "y": 20, "width": 30, "height": 40}


@pytest.mark.parametrize("text", [HEADER, f"\ufeff{HEADER}", "class, score ,x,y,width,height"])
def test_a_table_may_be_empty(text):
    found = parse_scored(text, "boxes.csv")
    assert len(found.kept()) == len(found.pictures()) == 0
    assert len([*found.lines(found.kept())]) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "first line must name .* the file is empty"),
        ("\n \n", "first line"),
        ("cat,0.5,1,2,3,4\n", "b: the first line must name the columns class,score,x,y,width,height, got 'cat,0.5"),
        ("score,score,x,y,width,height\n", "first line"),
        ("score,x,y,width\n1,2,3,4\n", "b: line 2: height must be a finite number, got none"),
        (f"{HEADER}cat,0.5,1,2,3\n", "b: line 2: has 5 cells where the first line has 6"),
        (f"{HEADER}cat,0.5,1,2,3,4,5\n", "has 7 cells"),
        (f"{HEADER}\ncat,nan,1,2,3,4\n", "b: line 3: score must be a finite number, got 'nan'"),
        (f"{HEADER}cat,1,1,2,three,4\n", "width must be a finite number, got 'three'"),
        (f"{HEADER}cat,1,inf,2,3,4\n", "x must be a finite number"),
        (f"{HEADER}cat,1,1,2,-3,4\n", "b: line 2: width and height must be from 0, got -3 and 4"),
        (f'{HEADER}cat,1,1,2,3,"4\n', "is not CSV"),
        (f"{HEADER}cat,1,1,2,3,{'4' * 200_000}\n", "is not CSV"),
        ('{"score": NaN, "x": 1, "y": 2, "width": 3, "height": 4}', "b: line 1: score must be a finite number"),
        ('{"score": true, "x": 1, "y": 2, "width": 3, "height": 4}', "score must be a finite number, got True"),
        ('\n{"score": 1', "b: line 2: is not JSON"),
        ('{"boxes": [3]}', "b: line 1: must be an object with the fields of a box"),
        ('{"boxes": 3}', "must be an object"),
        ('{"score": 1, "x": 1, "y": 2, "width": 3, "height": 4}\n[1]', "b: line 2: must be an object"),
        ('{"a":' * 100_000, "b: line 1: is not JSON"),
        (f'{{"score": {"1" * 10_000}}}', "b: line 1: is not JSON"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text, words):
    with pytest.raises(DataError, match=words):
        parse_scored(text, "b")


def test_a_threshold_is_an_iou():
    with pytest.raises(ArgumentError, match="threshold"):
        parse_scored(HEADER, "boxes.csv").kept(1.5)
