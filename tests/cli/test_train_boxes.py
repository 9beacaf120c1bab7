"""`cnncli train` on boxes: what it prints and writes, and what is done with its run."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from shell import cnncli, done, json_lines
from small_boxes import PLAIN, layers, squares_folder
from small_data import bars_folder

PLAIN_WORDS = [word for name, value in PLAIN.items() for word in (f"--{name.replace('_', '-')}", str(value))]
QUICK = ["--network", layers(), "--val", "0.2", "--jobs", "1"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return squares_folder(tmp_path_factory.mktemp("data") / "squares", 30)


@pytest.fixture(scope="module")
def run(data):
    """The folder of a run, and what the command printed."""
    folder = data.parent / "run"
    return folder, done("train", data, "-o", folder, *QUICK, *PLAIN_WORDS, "--epochs", "12")


def test_a_summary_a_line_an_epoch_and_the_result(run, data):
    folder, result = run
    lines = result.stderr.splitlines()
    assert lines[0] == f"data      {data}: 32x32x3 images, 24 for training, 6 for validation"
    assert re.fullmatch(r"boxes     \d+ of 2 classes: green \d+, red \d+", lines[1])
    assert sum(map(int, re.findall(r"(?:green|red) (\d+)", lines[1]))) == int(re.findall(r"\d+", lines[1])[0])
    assert lines[2] == f"network   32x32x3 {layers()} (3,871 parameters)"
    loss = "focal loss of the objectness + 2 giou of the box + 0.5 cross entropy of the class"
    assert lines[3] == f"training  12 epochs, adam, lr 0.01 constant, batches of 8, {loss}, seed 0"
    assert lines[4] == "keeps     the epoch with the best mAP on the validation images"
    assert lines[5].startswith("time ")
    number, share = r"\d+\.\d{4}", r"[\d.]+%"
    for line in lines[6:]:
        shown = rf"epoch +\d+/12  loss {number}  validation loss {number} mAP {share} mAP50 {share}  "
        shown += r"[\d.]+ s [\d,]+ images/s(  \*)?"
        assert re.fullmatch(shown, line)
    assert len(lines) == 18
    out = result.stdout.splitlines()
    assert re.fullmatch(r"Mean average precision on the 6 validation images, epoch \d+:", out[0])
    assert re.fullmatch(r"  \d\.\d{3} at an overlap of 0\.5, \d\.\d{3} at 0\.75, \d\.\d{3} over 0\.5 to 0\.95", out[1])
    assert [line.split()[0] for line in out[2:4]] == ["green", "red"]
    assert out[-1].startswith(f"Written to {folder}: model.safetensors, curves.svg, precision.svg, confusion.svg")
    assert all((folder / name).exists() for name in out[-1].split(", ")[1:])


@pytest.mark.parametrize(
    ("words", "loss", "boxes"),
    [
        (
            ["--augment", "none", "--label-smoothing", "10%"],
            "0.5 cross entropy smoothed by 0.1 of the class, seed",
            "of 2 classes: green ",
        ),
        (["--augment", "flip,zoom:1.2"], "augmented by flip,zoom:1.2, focal loss of", "of 2 classes: green "),
        (["--network", layers(1)], "+ 2 giou of the box, seed 0", "of 1 class: red "),
    ],
)
def test_the_summary_says_what_is_done(tmp_path, words, loss, boxes):
    data = squares_folder(tmp_path / "squares", 8, classes=1 if layers(1) in words else 2)
    changed = [word for word in PLAIN_WORDS if word not in ("--augment", "none")]
    result = done("train", data, "-o", tmp_path / "run", *QUICK, *changed, "--epochs", "1", "--val", "0", *words)
    lines = result.stderr.splitlines()
    assert loss in lines[3]
    assert boxes in lines[1]
    assert result.stdout.startswith("Mean average precision on the 8 training images, epoch 1:")


def test_json_lines(tmp_path, data):
    folder = tmp_path / "run"
    start, estimate, *epochs, end = json_lines(
        done("train", data, "-o", folder, *QUICK, *PLAIN_WORDS, "--epochs", "2", "--json")
    )
    assert (start["event"], estimate["event"], end["event"]) == ("start", "estimate", "end")
    assert (start["train"], start["validation"], start["test"], start["input"]) == (24, 6, 0, [32, 32, 3])
    assert list(start["classes"]) == ["green", "red"]
    assert start["chosen_by"] == "mAP"
    measures = {
        "event",
        "epoch",
        "train_loss",
        "val_loss",
        "val_map",
        "val_map_50",
        "lr",
        "seconds",
        "images_per_second",
        "best",
    }
    assert all(set(epoch) == measures for epoch in epochs)
    assert [epoch["best"] for epoch in epochs].count(True) >= 1
    assert {"map", "map_50", "map_75", "test_map", "test_map_50", "test_map_75"} < set(end)
    assert end["map"] == pytest.approx(max(epoch["val_map"] for epoch in epochs), abs=1e-3)
    assert end["test_map"] is None
    assert all(Path(picture).exists() for picture in end["pictures"])


def test_no_overlap_to_judge_has_a_dash_and_no_number(tmp_path, data):
    held_out = squares_folder(tmp_path / "empty", 3)
    (held_out / "boxes.csv").write_text(
        "file,class,x,y,width,height\n" + "".join(f"{n:03d}.png,,,,,\n" for n in range(3))
    )
    words = ["train", data, "-o", tmp_path / "run", *QUICK, *PLAIN_WORDS, "--epochs", "1", "--val", held_out]
    out = done(*words).stdout.splitlines()
    assert out[1:4] == [
        "  - at an overlap of 0.5, - at 0.75, - over 0.5 to 0.95",
        "  green  - at 0.5, 0 boxes",
        "  red    - at 0.5, 0 boxes",
    ]
    end = json_lines(done(*words, "--force", "--json"))[-1]
    assert (end["map"], end["map_50"]) == (None, None)


def test_the_configuration_trains_again(run, tmp_path):
    folder, _ = run
    done("train", "--config", folder / "config.toml", "-o", tmp_path / "again")
    config = tomllib.loads((folder / "config.toml").read_text())
    assert (config["size"], config["resize"], config["augment"]) == ("32x32", "stretch", "")
    assert (tmp_path / "again/model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_a_run_goes_on(data, tmp_path):
    words = ["train", data, "-o", tmp_path / "run", *QUICK, *PLAIN_WORDS]
    done(*words, "--epochs", "1")
    result = done("train", data, "-o", tmp_path / "run", "--resume", "--epochs", "2")
    assert "continues after epoch 1" in result.stderr
    assert len((tmp_path / "run/metrics.jsonl").read_text().splitlines()) == 2


def test_a_detector_goes_on_with_its_head(run, data, tmp_path):
    words = ["train", data, "-o", tmp_path / "run", "--from", run[0], "--freeze", "1", "--epochs", "1", "--jobs", "1"]
    lines = done(*words).stderr.splitlines()
    assert lines[2] == (
        f"from      {run[0]}: images 32x32x3 (stretch), {_normalization(run[0])}; its classes and its head are kept"
    )
    assert lines[3].startswith("frozen    the first word of 4, up to conv3-8,s2,p1,bn,relu (")


def _normalization(folder):
    from cnncli.models.opening import load_model

    return load_model(folder).normalization.words


def test_learning_rates_and_a_batch_are_looked_at(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = done("train", data, *QUICK, "--batch-size", "8", "--find-lr").stdout.splitlines()
    assert lines[-1].startswith("The loss falls fastest at --lr ")
    assert done("train", data, *QUICK, "--show-batch", "batch.png").stdout == "Written to batch.png\n"
    assert [path.name for path in tmp_path.iterdir()] == ["batch.png"]


class TestUse:
    def test_it_detects_and_is_evaluated(self, run, data):
        report = json.loads(done("detect", run[0], data / "000.png", "--json").stdout)
        assert report["status"] == "ok"
        found = json.loads(done("evaluate", run[0], data, "--json").stdout)
        assert (found["part"], found["items"]) == ("validation", 6)
        assert found["map_50"] > 0.5

    @pytest.mark.parametrize("command", ["predict", "evaluate"])
    def test_it_names_no_class_of_whole_pictures(self, run, tmp_path, command):
        bars = bars_folder(tmp_path / "bars", 6)
        inputs = [bars / "class 0/000.png"] if command == "predict" else [bars]
        result = cnncli(command, run[0], *inputs)
        assert result.exit_code == 1
        assert result.stderr.splitlines() == [
            "cnncli: the model finds boxes in pictures, and names no class of a whole one: use `cnncli detect`"
        ]

    def test_boxes_of_a_class_that_it_does_not_know_are_refused(self, run, tmp_path):
        other = squares_folder(tmp_path / "three", 10, classes=3)
        result = cnncli("evaluate", run[0], other)
        assert result.exit_code == 1
        assert result.stderr == f"cnncli: {other}: class 'blue' is not among the known ones: green, red\n"

    def test_no_classifier_goes_on_from_it(self, run, data, tmp_path):
        result = cnncli("train", bars_folder(tmp_path / "bars", 12), "-o", tmp_path / "run", "--from", run[0])
        assert result.exit_code == 2
        assert result.stderr == (
            f"cnncli: {run[0]}: finds boxes, and the data has a class for each picture: leave out --from\n"
        )
