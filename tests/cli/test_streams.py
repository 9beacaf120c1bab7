"""What every command does when its streams are closed, full, or read by nobody."""

import errno
import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from models import halves_model, write_halves
from shell import PATIENCE, cnncli, save

from cnncli.cli.app import COMMANDS
from cnncli.models.model import save_model

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a shell's redirections")

WORDS = {
    "edge": "a.png b.png -o out/",
    "pool": "a.png b.png -f 2 -o out/",
    "filters": "sobel -d vertical",
    "shape": "6x6x3 conv3-1",
    "params": "6x6x3 conv3-1",
    "draw": "6x6x3 conv3-1 -o drawn.svg",
    "forward": "relu 1",
    "animate": "edge a.png --crop 0,0,3x3 -o moving.svg",
    "train": "data --network fc-3 --epochs 1 -o run",
    "experiment": "optimizers data --network fc-3 --epochs 1 --optimizers sgd,adam --size 12",
    "predict": "model.safetensors -r data",
    "detect": "model.safetensors -r data --threshold 0.4 -q",
    "why": "model.safetensors -r data/left -o out/ --method gradient -q",
    "dream": "model.safetensors --class left --steps 3",
    "evaluate": "model.safetensors data",
    "export": "model.safetensors model.onnx",
    "learn": "a.png b.png -f 3",
    "style": "a.png b.png -o styled.png --steps 2",
    "boxes": "iou 0,0,2,2 1,0,2,2",
}
"""Arguments of every command, for files of the fixture `folder`."""

CLOSED = ["".join(chosen) for count in (1, 2, 3) for chosen in itertools.combinations(("<&- ", ">&- ", "2>&- "), count)]
SILENT = ("edge", "pool")
"""Commands that print nothing on standard output but with --json."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    save_model(str(folder / "model.safetensors"), halves_model())
    write_halves(folder / "data", 4)
    for name in ("a.png", "b.png"):
        save(folder, np.eye(12, dtype=np.uint8) * 200, name)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "here"))


def words_of(command, option=""):
    if command == "export":
        pytest.importorskip("onnx")
    return [sys.executable, "-m", "cnncli", command, *WORDS[command].split(), *option.split()]


def redirected(redirections, folder, *words):
    return subprocess.run(
        ["/bin/sh", "-c", f'"$@" {redirections}', "sh", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def check_quiet(result):
    for text in (result.stdout, result.stderr):
        assert "Traceback" not in text
        assert "ignored" not in text


def test_every_command_is_tried():
    untried = set(COMMANDS) - set(WORDS)
    assert not untried, f"add arguments of {', '.join(untried)} to WORDS in tests/cli/test_streams.py"


@pytest.mark.parametrize("command", WORDS)
def test_closed_streams_change_nothing(folder, command):
    result = redirected("<&- >&- 2>&-", folder, *words_of(command))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.slow
@pytest.mark.parametrize("closed", CLOSED)
@pytest.mark.parametrize("command", WORDS)
def test_what_is_left_open_gets_what_it_gets_otherwise(folder, command, closed):
    result = redirected(closed, folder, *words_of(command, "--json"))
    assert result.returncode == 0, result.stderr
    check_quiet(result)
    assert bool(result.stdout) == (" >&-" not in f" {closed}")
    assert all(line.startswith(("{", "[")) for line in result.stdout.splitlines() if command != "export")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("command", WORDS)
def test_a_full_disk_behind_standard_output_is_one_line(folder, command):
    result = redirected("> /dev/full", folder, *words_of(command, "--json"))
    assert result.returncode == 1
    assert result.stderr == "cnncli: standard output: No space left on device\n"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("command", WORDS)
def test_messages_that_cannot_be_written_are_no_traceback(folder, command):
    result = redirected("2> /dev/full", folder, *words_of(command))
    assert result.returncode in (0, 1)
    assert bool(result.stdout) == (command not in (*SILENT, "train", "experiment", "why", "style"))
    check_quiet(result)


@pytest.mark.parametrize("command", WORDS)
def test_a_reader_that_has_left_is_told_nothing(folder, command):
    ours, theirs = os.pipe()
    os.close(ours)
    result = subprocess.run(
        words_of(command, "--json"), cwd=folder, stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=PATIENCE
    )
    os.close(theirs)
    assert (result.returncode, result.stderr) == (1, "")


LIMITED = ("edge", "train", "predict", "detect")
# Python itself cannot begin with so few: the limit is set once it has, and is counted from what is open by then.
LIMITING = """
import os, resource, sys
import cnncli.cli.app
from cnncli.__main__ import main
number = int(sys.argv.pop(1))
free = os.dup(1)
os.close(free)
resource.setrlimit(resource.RLIMIT_NOFILE, (free + number, free + number))
main()
"""


def limited(number, folder, command):
    """Run a command that has so many file numbers left; what it says."""
    words = [str(number), command, *WORDS[command].split(), "-q"]
    result = subprocess.run(
        [sys.executable, "-c", LIMITING, *words], cwd=folder, capture_output=True, text=True, timeout=PATIENCE
    )
    check_quiet(result)
    assert ".py" not in result.stderr
    return result


@pytest.mark.parametrize("command", LIMITED)
def test_a_few_file_numbers_are_enough(folder, command):
    result = limited(13, folder, command)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("command", LIMITED)
def test_no_file_numbers_left_is_a_line_an_input(folder, command, number):
    result = limited(number, folder, command)
    said = result.stderr.splitlines()
    assert all(line.startswith("cnncli: ") and "open files" in line for line in said)
    assert result.returncode == bool(said)


@pytest.mark.parametrize("number", [1, 2])
def test_data_is_never_cut_down_to_what_can_be_opened(folder, number):
    result = limited(number, folder, "evaluate")
    assert (result.returncode, result.stdout) == (1, "")
    assert "open files" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory", "module.py"), "memory"),
        (SystemError("error return without exception set"), "memory"),
        (ImportError("module.so: failed to map segment from shared object"), "memory"),
        (RuntimeError("can't start new thread"), "memory"),
        (OSError(errno.EMFILE, "Too many open files", "module.py"), "open files"),
        (ImportError("module.so: cannot open shared object file: Too many open files"), "open files"),
    ],
)
def test_what_the_system_lacks_is_a_line_wherever_it_comes_up(monkeypatch, error, words):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("cnncli.cli.networks.pages.read_networks", fail)
    result = cnncli("params", "6x6x3 conv3-1")
    assert result.exit_code == 1
    assert result.stderr.startswith("cnncli: this ")
    assert words in result.stderr
    assert "module" not in result.stderr
