"""Boxes on the command line: overlaps, suppression, and the files that they are kept in."""

import json

import pytest
from shell import cnncli, done, json_lines, process

from cnncli.ops.boxes import iou

TABLE = """class,score,x,y,width,height
cat,0.8,12,13,30,30
cat,0.9,10,10,30,30
dog,0.85,12,13,30,30
"""


class TestIoU:
    def test_a_number_is_printed(self):
        assert done("boxes", "iou", "10,10,30,30", "20,20,40,40").stdout == "0.190476\n"

    def test_corners(self):
        assert done("boxes", "iou", "10,10,40,40", "20,20,60,60", "--corners").stdout == "0.190476\n"

    def test_a_box_may_begin_outside_the_picture(self):
        found = json.loads(done("boxes", "iou", "-5,0,10,10", "-.5,-1e0,10,10", "--json").stdout)
        assert found["first"] == [-5, 0, 10, 10]
        assert found["second"] == [-0.5, -1, 10, 10]
        assert found["iou"] == iou(found["first"], found["second"])

    def test_each_step_is_explained(self):
        lines = done("boxes", "iou", "10,10,30,30", "20,20,40,40", "--explain").stdout.splitlines()
        assert "union         = 900 + 1600 - 400 = 2100" in lines
        assert lines[-1].endswith("400 / 2100 = 0.190476")
        assert "\n".join(lines).isascii()

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ("1,2,3 1,2,3,4", "a box is x,y,width,height, such as 10,10,30,30; got '1,2,3'"),
            ("1,2,3,4 1,2,3,4 5,6,7,8", "5,6,7,8"),
            ("1,2,x,4 1,2,3,4", "width of the box 1,2,x,4 must be a number, got 'x'"),
            ("1,2,nan,4 1,2,3,4", "width of the box 1,2,nan,4 must be a number"),
            ("1,2,-3,4 1,2,3,4", "its width is -3 and its height 4; both must be from 0"),
            ("9,2,3,4 1,2,3,4 --corners", "its width is -6"),
            ("1,2,1e200,1e200 1,2,3,4", "finite"),
            ("1,2,3,4 1,2,3,4 --explian", "did you mean --explain?"),
            ("1,2,3,4", "Missing argument"),
        ],
    )
    def test_wrong_usage_is_one_line(self, words, message):
        result = cnncli("boxes", "iou", *words.split())
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
        assert message in result.stderr


class TestSuppression:
    @pytest.fixture
    def table(self, tmp_path):
        path = tmp_path / "found.csv"
        path.write_text(TABLE, encoding="utf-8")
        return path

    def test_a_table_stays_a_table(self, table):
        header, low, best, other = TABLE.splitlines()
        assert done("boxes", "nms", table).stdout.splitlines() == [header, best, other]
        assert done("boxes", "nms", table, "--threshold", "0.9").stdout.splitlines() == [header, best, other, low]

    def test_what_is_kept_stays_when_it_is_suppressed_again(self, table):
        kept = done("boxes", "nms", table).stdout
        assert done("boxes", "nms", "-", stdin=kept).stdout == kept

    def test_json_lines_stay_json_lines(self, table):
        lines = done("boxes", "nms", table, "--json").stdout
        assert [record["class"] for record in map(json.loads, lines.splitlines())] == ["cat", "dog"]
        again = done("boxes", "nms", "-", stdin=lines)
        assert json_lines(again) == [json.loads(line) for line in lines.splitlines()]

    def test_every_decision_is_explained(self, table):
        lines = done("boxes", "nms", table, "--explain").stdout.splitlines()
        assert lines[0] == "A kept                            (cat 0.9: 10,10,30,30)"
        assert lines[2] == "C dropped: IoU with A 0.72 > 0.5  (cat 0.8: 12,13,30,30)"
        facts = json_lines(done("boxes", "nms", table, "--explain", "--json"))
        assert [(fact["name"], fact["kept"], fact["other"]) for fact in facts] == [
            ("A", True, None),
            ("B", True, None),
            ("C", False, "A"),
        ]

    def test_corners(self, tmp_path):
        text = "score,left,top,right,bottom\n1,0,0,10,10\n0.5,0,0,10,6\n"
        assert done("boxes", "nms", "-", "--corners", stdin=text).stdout == text.rpartition("0.5")[0]

    @pytest.mark.parametrize(
        ("words", "stdin", "code", "message"),
        [
            ("nowhere.csv", "", 1, "nowhere.csv: cannot be read: no such file"),
            ("-", "", 1, "standard input: the first line must name the columns"),
            ("-", TABLE.replace("0.9", "nan"), 1, "standard input: line 3: score must be a finite number, got 'nan'"),
            ("- --threshold 1.5", TABLE, 2, "threshold must be an IoU from 0 to 1, got 1.5"),
            ("- --threshold half", TABLE, 2, "--threshold must be a number, got 'half'"),
        ],
    )
    def test_what_is_wrong_is_one_line(self, words, stdin, code, message):
        result = cnncli("boxes", "nms", *words.split(), stdin=stdin)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (code, "", 1)
        assert message in result.stderr

    def test_bytes_that_are_no_text_come_back_as_they_can_be_printed(self):
        text = b"file,score,x,y,width,height\ngr\xf6n.png,1,0,0,9,9\n"
        result = process("boxes", "nms", "-", stdin=text)
        assert (result.returncode, result.stdout.splitlines()[1]) == (0, rb"gr\xf6n.png,1,0,0,9,9")


class TestConversion:
    @pytest.fixture
    def table(self, tmp_path):
        path = tmp_path / "labels.csv"
        path.write_text(
            "file,class,x,y,width,height\na.png,cat,1,2,3,4\na.png,dog,5,6,7,8\nb.png,,,,,\n", encoding="utf-8"
        )
        return path

    def test_what_was_done_is_one_line(self, table, tmp_path):
        result = done("boxes", "convert", table, tmp_path / "labels.json")
        assert (result.stdout, result.stderr) == (
            "",
            f"{table} -> {tmp_path / 'labels.json'}: 2 boxes of 2 images\n",
        )
        assert [box["bbox"] for box in json.loads((tmp_path / "labels.json").read_text())["annotations"]] == [
            [1, 2, 3, 4],
            [5, 6, 7, 8],
        ]

    def test_one_is_counted_as_one(self, tmp_path):
        (tmp_path / "one.csv").write_text("file,class,x,y,width,height\na.png,cat,1,2,3,4\n", encoding="utf-8")
        result = done("boxes", "convert", tmp_path / "one.csv", tmp_path / "one.json")
        assert result.stderr.endswith("one.json: 1 box of 1 image\n")

    def test_what_is_lost_is_a_line_each(self, table, tmp_path):
        done("boxes", "convert", table, tmp_path / "labels.json", "-q")
        labels = json.loads((tmp_path / "labels.json").read_text())
        labels["categories"] = [{"id": 1, "name": "zebra"}, {"id": 2, "name": "dog"}]
        (tmp_path / "labels.json").write_text(json.dumps(labels))
        result = done("boxes", "convert", tmp_path / "labels.json", tmp_path / "again.csv")
        assert "again.csv: csv lists no classes, so that their order is lost: zebra, dog\n" in result.stderr
        assert result.stderr.count("\n") == 2

    def test_json_names_the_files(self, table, tmp_path):
        result = done("boxes", "convert", table, tmp_path / "out", "--format", "voc", "--json", "-q")
        assert result.stderr == ""
        facts = json.loads(result.stdout)
        assert facts["kind"] == "csv"
        assert facts["files"] == [str(tmp_path / "out" / name) for name in ("a.xml", "b.xml")]
        assert (facts["pictures"], facts["boxes"], facts["class_names"]) == (2, 2, ["cat", "dog"])

    def test_faults_are_refused_when_asked(self, table, tmp_path):
        table.write_text(table.read_text().replace("5,6,7,8", "5,6,0,8"), encoding="utf-8")
        refused = cnncli("boxes", "convert", table, tmp_path / "labels.json", "--strict")
        assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
        assert not (tmp_path / "labels.json").exists()
        assert "1 box has no width or no height" in done("boxes", "convert", table, tmp_path / "labels.json").stderr

    @pytest.mark.parametrize(
        ("words", "code", "message"),
        [
            ("labels.csv labels.csv --force", 2, "labels.csv is an input"),
            ("labels.csv there.json", 2, "there.json exists already: --force overwrites"),
            ("labels.csv out", 2, "out: its name does not say its kind: choose --format from coco, voc"),
            ("labels.csv out --format pdf", 2, "'pdf' is not one of"),
            ("nowhere out.json", 1, "nowhere: no such file or folder"),
            ("there.json out.csv", 3, "there.json"),
            ("labels.csv", 2, "Missing argument"),
        ],
    )
    def test_what_is_wrong_is_one_line(self, table, monkeypatch, words, code, message):
        monkeypatch.chdir(table.parent)
        (table.parent / "there.json").write_text("mine")
        result = cnncli("boxes", "convert", *words.split())
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (code, "", 1)
        assert message in result.stderr
        assert (table.parent / "there.json").read_text() == "mine"
        assert sorted(path.name for path in table.parent.iterdir()) == ["labels.csv", "there.json"]
