"""`cnncli experiment`: its table, its chart, and what is left after Ctrl-C."""

import signal
import subprocess
import sys

import pytest
from shell import PATIENCE, cnncli, done, json_lines, listing
from small_data import bars_npz
from terminal import START

from cnncli.engines.optimizers import OPTIMIZERS

QUICK = ["--epochs", 2, "-j", 1]


@pytest.fixture
def data(tmp_path):
    return bars_npz(tmp_path / "bars.npz")


def rows(result):
    return [line.split() for line in result.stdout.splitlines()]


def test_optimizers_make_a_table_and_a_chart(data, tmp_path):
    output = tmp_path / "optimizers.svg"
    result = done("experiment", "optimizers", data, "--network", "fc-3", *QUICK, "-o", output)
    heading, _, *body, last = rows(result)
    assert heading[:2] == ["optimizer", "lr"]
    assert [row[0] for row in body] == list(OPTIMIZERS)
    assert last == ["Written", "to", str(output)]
    text = output.read_text()
    assert text.startswith("<svg ")
    assert all(f"{row[0]}, lr {row[1]}" in text for row in body)
    lines = result.stderr.splitlines()
    assert lines[0].startswith(f"data      {data}: 8x8x1 images")
    assert sum("training loss" in line for line in lines) == len(OPTIMIZERS)


def test_depths_make_a_table_and_a_chart(data, tmp_path):
    output = tmp_path / "depth.svg"
    words = ["experiment", "depth", data, "--depths", "4,6", "--size", 8, *QUICK]
    heading, _, *body, _ = rows(done(*words, "-o", output))
    assert heading == ["network", "depth", "training", "loss", "training", "error", "time"]
    assert [row[:2] for row in body] == [["plain", "4"], ["residual", "4"], ["plain", "6"], ["residual", "6"]]
    assert "Last error by depth" in output.read_text()


def test_programs_get_every_epoch(data, tmp_path):
    words = ["--optimizers", "sgd:0.5,adam", "--network", "fc-3", "--seeds", 2, *QUICK]
    (found,) = json_lines(done("experiment", "optimizers", data, *words, "--json"))
    assert (found["data"], found["output"], found["done"]) == (str(data), None, True)
    assert [(trial["optimizer"], trial["lr"]) for trial in found["trials"]] == [("sgd", 0.5), ("adam", 0.001)]
    for trial in found["trials"]:
        assert [run["seed"] for run in trial["runs"]] == [0, 1]
        assert [len(run["metrics"]) for run in trial["runs"]] == [2, 2]
        losses = [run["metrics"][-1]["train_loss"] for run in trial["runs"]]
        assert trial["last"]["train_loss"]["mean"] == pytest.approx(sum(losses) / 2)
    assert listing(tmp_path) == ["bars.npz"]


def test_several_seeds_have_deviations(data):
    words = ["--optimizers", "sgd", "--network", "fc-3", "--seeds", 3, *QUICK, "-q", "--val", 0]
    assert done("experiment", "optimizers", data, *words).stdout == ""
    result = done("experiment", "optimizers", data, *words[:-3], "--val", 0)
    assert result.stdout.count(" ± ") == 2


def test_an_optimizer_that_explodes_is_said(data, tmp_path):
    words = ["--optimizers", "sgd:1e30,adam", "--network", "fc-4 fc-3", *QUICK, "-o", tmp_path / "a.svg"]
    result = done("experiment", "optimizers", data, *words)
    assert "sgd, lr 1e+30: the loss is not finite in epoch 1, seed 0" in result.stdout.splitlines()
    assert (tmp_path / "a.svg").exists()


def test_after_ctrl_c_there_is_what_was_done(data, tmp_path):
    output = tmp_path / "optimizers.svg"
    words = ["--network", "fc-3", "-j", "1", "--optimizers", "sgd,adam,rmsprop", "--seeds", "100000", "-o", str(output)]
    with subprocess.Popen(
        [sys.executable, "-c", START, "experiment", "optimizers", str(data), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stderr:
            if line.startswith("adam"):
                process.send_signal(signal.SIGINT)
                break
        stdout, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert {"sgd", "adam"} <= {line.split()[0] for line in stdout.splitlines()}
    assert stdout.splitlines()[-1] == f"Written to {output}"
    assert output.read_text().endswith("</svg>\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("optimizers bars.npz --optimizers adm", "unknown optimizer 'adm': did you mean adam"),
        ("optimizers bars.npz --optimizers sgd:x", "the learning rate of sgd must be"),
        ("optimizers bars.npz -o a.jpg", "a.jpg: drawings are written as .svg, .png or .pdf"),
        ("optimizers bars.npz -o bars.svg", "bars.svg exists already: --force overwrites"),
        ("optimizers bars.npz -o none/a.svg", "none: no such folder: make it first"),
        ("depth bars.npz --depths 7", "even numbers from 4"),
        ("depth bars.npz --depths 8,x", "--depths must be whole numbers, such as 8,32, got 'x'"),
        ("depth bars.npz --size 0", "size must be"),
    ],
)
def test_wrong_usage_is_found_before_any_work(data, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bars.svg").touch()
    result = cnncli("experiment", *words.split())
    assert result.exit_code == 2
    assert message in result.stderr
    assert "training loss" not in result.stderr
    assert listing(tmp_path) == ["bars.npz", "bars.svg"]


def test_a_group_without_a_command_says_what_there_is():
    result = cnncli("experiment")
    assert result.exit_code == 2
    assert "optimizers" in result.stdout
    assert "depth" in result.stdout
