"""`cnncli train`: what it prints, what it writes, and how it leaves."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import tomllib
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from drawings import drawn_size
from PIL import Image
from shell import PATIENCE, cnncli, done, json_lines
from small_data import PLAIN_WORDS

from cnncli.models.safetensors import read_tensors
from cnncli.training.configuration import Configuration

ROOT = Path(__file__).parent.parent.parent
SAMPLES = ROOT / "samples/digits"
ABOUT_MODELS = {"source", "freeze", "head_lr", "classes", "normalization", "mean", "std"}
QUICK = ["--network", "fc-3", "--epochs", "2", "--jobs", "1", *PLAIN_WORDS]
FIELDS = ["epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr", "seconds", "images_per_second"]


@pytest.fixture
def bars(tmp_path):
    """Data with three classes that are easily told apart."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    pixels = rng.integers(0, 120, (60, 8, 8, 1))
    for picture, label in zip(pixels, labels, strict=True):
        picture[label * 2 : label * 2 + 2] += 130
    np.savez(tmp_path / "bars.npz", x=pixels.astype(np.uint8), y=labels)
    return tmp_path / "bars.npz"


def messages(result):
    return result.stderr.splitlines()


def test_a_summary_a_line_an_epoch_and_the_result(tmp_path, bars):
    result = done("train", bars, "-o", tmp_path / "run", *QUICK)
    lines = messages(result)
    assert lines[0] == f"data      {bars}: 8x8x1 images, 54 for training, 6 for validation"
    assert lines[1] == "classes   3: 0 18, 1 18, 2 18"
    assert lines[2] == "network   8x8x1 fc-3 (195 parameters)"
    assert lines[3] == "training  2 epochs, adam, lr 0.001 constant, batches of 32, cross entropy, seed 0"
    assert re.fullmatch(r"time      about \S+ m?s per epoch \([\d,]+ images/s\), 2 epochs about \S+ m?s", lines[4])
    assert [line[:9] for line in lines[5:]] == ["epoch 1/2", "epoch 2/2"]
    assert all("loss" in line and "accuracy" in line and "images/s" in line for line in lines[5:])
    out = result.stdout.splitlines()
    assert out[0] == "Accuracy on the 6 validation images:"
    assert [line.split("  ")[1] for line in out[1:4]] == ["this network", "nearest centroid", "majority class"]
    assert re.fullmatch(r"  majority class     33\.3%", out[3])
    assert out[4].startswith(f"Written to {tmp_path / 'run'}: model.safetensors")


def test_json_lines(tmp_path, bars):
    result = done("train", bars, "-o", tmp_path / "run", *QUICK, "--json")
    assert result.stderr == ""
    start, estimate, *epochs, end = json_lines(result)
    assert [event["event"] for event in (start, estimate, *epochs, end)] == [
        "start",
        "estimate",
        "epoch",
        "epoch",
        "end",
    ]
    assert (start["classes"], start["params"], start["train"]) == ({"0": 18, "1": 18, "2": 18}, 195, 54)
    assert start["network"] == "8x8x1 fc-3"
    assert estimate["seconds"] > 0
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [{name: event[name] for name in FIELDS} for event in epochs] == lines
    assert (end["done"], end["epochs"], end["judged_by"]) == (True, 2, "validation")
    assert end["baselines"]["majority_class"] == pytest.approx(1 / 3)


def test_quiet_prints_nothing(tmp_path, bars):
    result = done("train", bars, "-o", tmp_path / "run", *QUICK, "-q")
    assert (result.stdout, result.stderr) == ("", "")


def test_every_option_reaches_the_configuration(tmp_path, bars):
    options = {
        "--network": "fc-3",
        "--epochs": "3",
        "--batch-size": "8",
        "--optimizer": "nesterov",
        "--lr": "0.05",
        "--momentum": "0.8",
        "--weight-decay": "0.001",
        "--schedule": "cosine",
        "--warmup": "0.5",
        "--augment": "shift:1,flip",
        "--val": "0.2",
        "--class-weight": "balanced",
        "--loss": "squared_error",
        "--label-smoothing": "0.1",
        "--clip-norm": "2",
        "--early-stop": "2",
        "--seed": "7",
        "--size": "9x10",
        "--resize": "pad",
        "--channels": "1",
    }
    words = [word for pair in options.items() for word in pair]
    done("train", bars, "-o", tmp_path / "run", *words, "--strict", "-q")
    recorded = tomllib.loads((tmp_path / "run/config.toml").read_text())
    versions = recorded.pop("versions")
    assert versions.keys() >= {"cnncli", "numpy", "python"}
    assert recorded.pop("data") == str(bars)
    assert recorded == {
        "network": "fc-3",
        "epochs": 3,
        "batch_size": 8,
        "optimizer": "nesterov",
        "lr": 0.05,
        "momentum": 0.8,
        "weight_decay": 0.001,
        "schedule": "cosine",
        "warmup": 0.5,
        "augment": "shift:1,flip",
        "val": "0.2",
        "class_weight": "balanced",
        "loss": "squared_error",
        "label_smoothing": 0.1,
        "clip_norm": 2.0,
        "early_stop": 2,
        "seed": 7,
        "size": "9x10",
        "resize": "pad",
        "channels": 1,
        "strict": True,
    }
    assert set(Configuration.fields) - ABOUT_MODELS == set(recorded)


@pytest.fixture
def source(tmp_path, bars):
    """A run of two words."""
    done("train", bars, "-o", tmp_path / "source", "--network", "conv3-4,relu fc-3", *QUICK[2:], "-q")
    return tmp_path / "source"


def test_every_option_about_a_model_to_go_on_from_does_too(tmp_path, bars, source):
    names = tmp_path / "names"
    names.write_text("a\nb\nc\n")
    words = [
        "--from",
        source,
        "--freeze",
        "1",
        "--head-lr",
        "0.5",
        "--classes",
        names,
        "--mean",
        "0.5",
        "--std",
        "0.25",
    ]
    result = done("train", bars, "-o", tmp_path / "run", *words, *QUICK[2:])
    assert f"from      {source}: images 8x8x1 (stretch), mean 127.5 and std 63.75 of 255; a new head" in result.stderr
    assert "the first word of 2, up to conv3-4,relu (40 of 475 parameters), computed once for all" in result.stderr
    assert "lr 0.001 constant, head 0.5" in result.stderr
    recorded = tomllib.loads((tmp_path / "run/config.toml").read_text())
    about = {"source": str(source), "freeze": 1, "head_lr": 0.5, "classes": str(names), "mean": "0.5", "std": "0.25"}
    assert recorded.items() >= about.items()
    done("train", "--config", tmp_path / "run/config.toml", "-o", tmp_path / "again", "-q")
    assert (tmp_path / "again/model.safetensors").read_bytes() == (tmp_path / "run/model.safetensors").read_bytes()
    done("train", bars, "-o", tmp_path / "run", "--resume", "--epochs", "3", "-q")


def test_json_says_what_becomes_of_a_model_to_go_on_from(tmp_path, bars, source):
    result = done("train", bars, "-o", tmp_path / "run", "--from", source, "--epochs", "1", "--json")
    start, *_ = json_lines(result)
    checksum = start["from"].pop("sha256")
    assert len(checksum) == 64
    assert start["from"] == {"model": str(source), "new_head": False, "frozen": 0, "computed_once": False}
    assert start["adapted"] is None


def test_a_recorded_configuration_gives_the_same_model(tmp_path, bars):
    done(
        "train",
        bars,
        "-o",
        tmp_path / "one",
        "--network",
        "fc-3",
        "--epochs",
        "2",
        "--jobs",
        "1",
        "--augment",
        "flip",
        "--seed",
        "5",
        "-q",
    )
    done("train", "--config", tmp_path / "one/config.toml", "-o", tmp_path / "two", "-q")
    assert (tmp_path / "one/model.safetensors").read_bytes() == (tmp_path / "two/model.safetensors").read_bytes()
    done("train", "--config", tmp_path / "one/config.toml", "-o", tmp_path / "three", "--seed", "6", "-q")
    assert (tmp_path / "one/model.safetensors").read_bytes() != (tmp_path / "three/model.safetensors").read_bytes()


def test_resuming_takes_data_and_options_from_the_run(tmp_path, bars):
    done("train", bars, "-o", tmp_path / "run", *QUICK, "-q")
    result = done("train", "-o", tmp_path / "run", "--resume", "--epochs", "3")
    assert "continues after epoch 2" in result.stderr
    assert len((tmp_path / "run/metrics.jsonl").read_text().splitlines()) == 3
    refused = cnncli("train", "-o", tmp_path / "run", "--resume", "--lr", "0.5")
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert "lr 0.001, now it is 0.5" in refused.stderr


def test_data_that_moved_is_to_be_named(tmp_path, bars):
    run = tmp_path / "run"
    done("train", bars, "-o", run, *QUICK)
    moved = bars.rename(tmp_path / "moved.npz")
    result = cnncli("train", "-o", run, "--resume", "--epochs", "3")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert f"{bars}: the data of the run is no longer there: give its new path as DATA" in result.stderr
    done("train", moved, "-o", run, "--resume", "--epochs", "3")


def test_without_an_output_the_run_is_named_after_the_data(tmp_path, bars, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done("train", bars.name, *QUICK, "-q")
    assert (tmp_path / "runs/bars/model.safetensors").exists()
    again = cnncli("train", bars.name, *QUICK, "-q")
    assert (again.exit_code, again.stderr.count("\n")) == (2, 1)
    assert "--force" in again.stderr
    done("train", bars.name, *QUICK, "-q", "--force")


def test_params_shows_the_model(tmp_path, bars):
    done("train", bars, "-o", tmp_path / "run", *QUICK, "-q")
    assert done("params", tmp_path / "run/model.safetensors", "--total").stdout.strip() == "195"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "no data"),
        (["missing"], 1, "missing: no such file or folder"),
        (["DATA", "--network", "fc-4"], 2, "let it end in fc-3"),
        (["DATA", "--network", "conv9-4 fc-3"], 2, "needs at least 9x9"),
        (["DATA", "--network", "nin"], 2, "images of 8x8 are too small"),
        (["DATA", "--network", "unet"], 2, "unet puts out 388x388x2, not a number for each class"),
        (["DATA", "--network", "nonsense"], 2, "nonsense"),
        (["DATA", "--optimizer", "adamm"], 2, "adamm"),
        (["DATA", "--optimizer", "adam", "--momentum", "0.9"], 2, "adam takes no momentum"),
        (["DATA", "--lr", "-1"], 2, "lr must be a finite number above 0"),
        (["DATA", "--lr", "nan"], 2, "lr must be"),
        (["DATA", "--epochs", "0"], 2, "epochs must be a whole number from 1"),
        (["DATA", "--batch-size", "0"], 2, "batch_size must be"),
        (["DATA", "--augment", "shuft"], 2, "did you mean shift"),
        (["DATA", "--val", "2"], 2, "val must be"),
        (["DATA", "--val", "nowhere"], 1, "nowhere"),
        (["DATA", "--size", "big"], 2, "size must be"),
        (["DATA", "--channels", "2"], 2, "channels must be"),
        (["DATA", "--warmup", "50", "--epochs", "20"], 2, "warmup"),
        (["DATA", "--seed", "-1"], 2, "seed must be"),
        (["DATA", "--resume"], 2, "nothing to resume"),
        (["DATA", "--resume", "--force"], 2, "choose one"),
        (["DATA", "--json", "--quiet"], 2, "choose one"),
        (["DATA", "--config", "missing.toml"], 2, "missing.toml: cannot be read"),
        (["DATA", "--loss", "logistic"], 2, "two classes"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, bars, words, code, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = cnncli("train", *(bars.name if word == "DATA" else word for word in words), "-o", "run")
    last = result.stderr.splitlines()
    assert (result.exit_code, result.stdout) == (code, "")
    assert isinstance(result.exception, SystemExit)
    assert message in last[0]
    assert len(last) == 1 or "^" in last[-1]  # a network's text, and carets below what is wrong in it
    assert not (tmp_path / "run").exists()


def test_a_file_of_options_is_checked(tmp_path, bars):
    (tmp_path / "config.toml").write_text("epoch = 3\n")
    result = cnncli("train", bars, "--config", tmp_path / "config.toml", "-o", tmp_path / "run")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "no option 'epoch': did you mean epochs?" in result.stderr


def test_findings_are_said(tmp_path, bars):
    with np.load(bars) as arrays:
        pixels, labels = arrays["x"], arrays["y"]
    labels[0:6] = 0
    np.savez(tmp_path / "doubled.npz", x=np.concatenate([pixels, pixels[:2]]), y=np.concatenate([labels, [1, 2]]))
    result = done("train", tmp_path / "doubled.npz", "-o", tmp_path / "run", *QUICK, "-q")
    assert result.stderr.startswith("cnncli: ")
    assert result.stderr.count("\n") == 1


def test_a_class_whose_name_has_line_ends_stays_on_its_line(tmp_path, bars):
    with np.load(bars) as arrays:
        np.savez(tmp_path / "named.npz", x=arrays["x"], y=np.array(["a", "b", "two\nlines"])[arrays["y"]])
    result = done("train", tmp_path / "named.npz", "-o", tmp_path / "run", *QUICK)
    assert "classes   3: a 18, b 18, two\\nlines 18\n" in result.stderr


def test_a_loss_that_is_not_finite(tmp_path, bars):
    words = ["--network", "fc-9,relu fc-3", "--optimizer", "sgd", "--lr", "1e30", "-q"]
    result = cnncli("train", bars, "-o", tmp_path / "run", *words)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert "no longer finite" in result.stderr
    assert "try --lr 0.1 (it was 1e+30)" in result.stderr
    assert (tmp_path / "run/post_mortem.json").exists()


def test_the_samples_are_learnt(tmp_path):
    result = done("train", SAMPLES, "-o", tmp_path / "run", "--epochs", "12", "--json")
    end = json_lines(result)[-1]
    assert end["accuracy"] > end["baselines"]["nearest_centroid"] > end["baselines"]["majority_class"]
    assert end["accuracy"] > 0.7
    metadata = read_tensors(tmp_path / "run/model.safetensors")[1]
    assert json.loads(metadata["cnncli.classes"]) == [str(digit) for digit in range(10)]


def test_a_small_training_loads_nothing_large(tmp_path, bars):
    program = (
        "import sys, atexit; sys.argv[0] = 'cnncli'\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from cnncli.__main__ import main; main()"
    )
    words = [sys.executable, "-c", program, "train", str(bars), "-o", str(tmp_path / "run"), *QUICK, "-q"]
    loaded = subprocess.run(words, capture_output=True, check=True, timeout=PATIENCE).stderr.decode().split()
    assert "numpy" in loaded
    assert not {"scipy", "rich", "torch", "tifffile", "dask"} & set(loaded)


def on_a_terminal(*words, cwd, columns=120):
    """Run a command whose stderr is a terminal; return its stdout and what the terminal got."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "CI")}
    process = subprocess.Popen(
        [sys.executable, "-m", "cnncli", *map(str, words)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**environment, "TERM": "xterm-256color"},
    )
    os.close(theirs)
    got = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        got += piece
    out = process.communicate(timeout=PATIENCE)[0]
    os.close(ours)
    assert process.returncode == 0, got
    return out.decode(), got.decode()


def test_a_terminal_has_a_live_bar(tmp_path, bars):
    words = ["train", bars, "-o", "run", "--network", "conv3-16,same,relu conv3-16,same,relu fc-3", "--batch-size", "4"]
    out, shown = on_a_terminal(*words, "--epochs", "30", cwd=tmp_path)
    assert out.startswith("Accuracy on the 6 validation images:")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert re.search(r"epoch \d+/30 .* \d+/14 loss \d\.\d{4}  accuracy [\d.]+%  [\d,]+ images/s \d+:\d\d left", text)
    assert text.count("validation loss") == 30  # a line an epoch stays


def test_a_narrow_terminal_has_what_fits(tmp_path, bars):
    words = ["train", bars, "-o", "run", "--network", "conv3-16,same,relu fc-3", "--batch-size", "4"]
    _, shown = on_a_terminal(*words, "--epochs", "30", cwd=tmp_path, columns=40)
    bar = [line for line in re.split(r"\x1b\[2K|\r|\n", shown) if re.search(r"/14", line)]
    assert any(re.search(r"epoch \d+/30 +\d+/14 \d+:\d\d left", re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in bar)
    assert "…" not in shown


def test_the_folders_that_are_parts_are_said(tmp_path):
    for part, seed in (("Training", 0), ("Testing", 1)):
        rng = np.random.default_rng(seed)
        for name, number in product("ab", range(4)):
            path = tmp_path / "data" / part / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (8, 8)).astype(np.uint8)).save(path)
    words = ["train", tmp_path / "data", "--network", "fc-2", "--epochs", "1", "--jobs", "1"]
    assert "parts     Training/ for training, Testing/ for test" in messages(done(*words, "-o", tmp_path / "run"))
    start = json_lines(done(*words, "-o", tmp_path / "json", "--json"))[0]
    assert start["parts"] == {"train": "Training", "test": "Testing"}


def test_what_weighted_classes_are_judged_by_is_said(tmp_path, bars):
    words = ["train", bars, *QUICK, "--class-weight", "balanced"]
    result = done(*words, "-o", tmp_path / "run")
    assert "keeps     the epoch with the best balanced accuracy on the validation images" in messages(result)
    assert re.search(r"  balanced +[\d.]+%", result.stdout)
    *_, end = json_lines(done(*words, "-o", tmp_path / "json", "--json"))
    assert 0 <= end["balanced_accuracy"] <= 1


def test_an_interval_says_that_it_was_widened(tmp_path, bars):
    result = done("train", bars, "-o", tmp_path / "run", *QUICK)
    assert re.search(
        r"95% interval [\d.]+ to [\d.]+, widened for the choice among 2 epochs\), epoch [12]", result.stdout
    )


@pytest.mark.parametrize("name", ["--val", "--label-smoothing"])
def test_shares_are_written_in_two_ways(tmp_path, bars, name):
    models = []
    for number, share in enumerate(("0.2", "20%")):
        done("train", bars, "-o", tmp_path / str(number), *QUICK, name, share)
        models.append((tmp_path / str(number) / "model.safetensors").read_bytes())
    assert models[0] == models[1]


def test_find_lr_prints_a_curve_and_trains_nothing(tmp_path, bars, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = done("train", bars, "--network", "fc-3", "--find-lr", "-j", 1)
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["learning", "rate", "loss"]
    assert len(lines) > 15
    assert max(map(len, lines)) < 80
    (marked,) = (line for line in lines if line.endswith("<- falls fastest"))
    assert lines[-1] == f"The loss falls fastest at --lr {float(marked.split()[0]):g}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bars.npz"]


def test_find_lr_draws_and_tells_programs(tmp_path, bars):
    result = done("train", bars, "--network", "fc-3", "--find-lr", "--json", "-o", tmp_path / "run", "-j", 1)
    (found,) = json_lines(result)
    assert found["picture"] == str(tmp_path / "run/find-lr.svg")
    assert drawn_size(found["picture"])[0] == 760
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["find-lr.svg"]
    assert set(found["steps"][0]) == {"lr", "batch_loss", "loss"}
    done("train", bars, "-o", tmp_path / "run", "--lr", found["lr"], *QUICK)  # the folder is still free for a run


def test_find_lr_into_what_cannot_be_a_folder_is_one_line(tmp_path, bars):
    for output in (bars, bars / "below"):
        result = cnncli("train", bars, "--network", "fc-3", "--find-lr", "-j", 1, "-o", output)
        assert result.exit_code in (1, 2)
        assert result.stderr.startswith(f"cnncli: {output}: ")
        assert result.stderr.count("\n") == 1


def test_find_lr_where_nothing_is_learnt(tmp_path):
    np.savez(tmp_path / "same.npz", x=np.full((64, 4, 4, 1), 9, np.uint8), y=np.arange(64) % 2)
    result = cnncli("train", tmp_path / "same.npz", "--network", "fc-2", "--val", 0, "--find-lr", "-j", 1)
    assert result.exit_code == 1
    assert "no learning rate lets the loss fall" in result.stderr


def test_show_batch_writes_a_sheet_and_trains_nothing(tmp_path, bars, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["train", bars, "--augment", "shift:2", "--show-batch", "batch.png"]
    assert done(*words).stdout == "Written to batch.png\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bars.npz", "batch.png"]
    assert cnncli(*words).exit_code == 2  # it is there already
    (report,) = json_lines(done(*words, "--force", "--json"))
    with Image.open("batch.png") as picture:
        assert (report["width"], report["height"]) == picture.size


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--find-lr --resume", "--find-lr, --show-batch and --explain-step write no run"),
        ("--find-lr --show-batch a.png", "--find-lr, --show-batch and --explain-step write no run"),
        ("--find-lr --lr 0.1", "--find-lr tries learning rates: leave out --lr"),
        ("--show-batch a.npy", "a sheet is a picture"),
        ("--show-batch a", "a: "),
    ],
)
def test_what_looking_refuses(tmp_path, bars, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    result = cnncli("train", bars, *words.split())
    assert result.exit_code == 2
    assert message in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bars.npz"]
