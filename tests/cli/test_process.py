"""What a process is given by whoever starts it: closed streams, and signals at any moment."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from shell import PATIENCE, PICTURE_COMMANDS, save
from terminal import START

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a shell's redirections, and its signals")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path, np.eye(9, dtype=np.uint8) * 200, "a.png")
    save(tmp_path, np.eye(9, dtype=np.uint8) * 100, "b.png")
    return tmp_path


CLOSED = ["".join(chosen) for count in (1, 2, 3) for chosen in itertools.combinations(("<&- ", ">&- ", "2>&- "), count)]


@pytest.mark.parametrize("closed", CLOSED)
def test_closed_streams_change_nothing_that_is_done(folder, closed):
    line = f"{sys.executable} -m cnncli edge a.png b.png -o out/ --json --skip-existing {closed}"
    result = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=False)
    assert result.returncode == 0
    assert sorted(os.listdir("out")) == [".cnncli-done.jsonl", "a-sobel.png", "b-sobel.png"]
    lines = result.stdout.splitlines()
    assert len(lines) == (0 if " >&-" in f" {closed}" else 2)
    assert all(line.startswith(b"{") for line in lines)
    assert b"Traceback" not in result.stderr
    listing = (folder / "out/.cnncli-done.jsonl").read_bytes().splitlines()
    assert len(listing) == 2
    assert all(line.startswith(b"{") for line in listing)


def test_closed_streams_are_the_null_device_for_child_processes_too(folder):
    program = (
        "import os, subprocess, sys; from cnncli.__main__ import _open_closed_streams as go; go(); go();"
        "subprocess.run(['/bin/sh', '-c', 'exec >found; for i in 0 1 2; do readlink /proc/$$/fd/$i; done'])"
    )
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("needs /proc")
    words = ["/bin/sh", "-c", '"$@" <&- >&- 2>&-', "sh", sys.executable, "-c", program]
    subprocess.run(words, check=True)
    assert (folder / "found").read_text().split() == ["/dev/null", str(folder / "found"), "/dev/null"]


INTERRUPTING = """
import atexit, os, signal, sys

class Interrupting:
    left = {place}

    def find_spec(self, name, path=None, target=None):
        if "cnncli.__main__" in sys.modules:
            self.left -= 1
            if not self.left:
                print("interrupted", flush=True)
                os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
if not {place}:
    atexit.register(os.kill, os.getpid(), signal.SIGINT)
    print("interrupted", flush=True)
"""


def interrupted(place, *words):
    """Run a command that gets a Ctrl-C while it looks for its n-th module, or with 0 as it ends."""
    program = INTERRUPTING.format(place=place) + START
    return subprocess.run([sys.executable, "-c", program, *words], capture_output=True, check=False, timeout=PATIENCE)


@pytest.mark.parametrize("place", [0, 1, 2, 3, 20, 60, 100, 140])
def test_ctrl_c_has_no_traceback_whenever_it_comes(folder, place):
    result = interrupted(place, "edge", "a.png", "-o", "out.png")
    assert result.stdout.startswith(b"interrupted"), "the program has fewer modules"
    assert (result.returncode, result.stderr.removeprefix(b"a.png -> out.png\n")) == (130, b"")
    assert set(os.listdir()) <= {"a.png", "b.png", "out.png"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [["shape", "6x6x3", "conv3-1"], *([name, "a.png", "-o", "o.png"] for name in PICTURE_COMMANDS)]
)
def test_ctrl_c_has_no_traceback_at_any_module(folder, words):
    for place in itertools.count(1, 7):
        result = interrupted(place, *words)
        if b"interrupted" not in result.stdout:
            break
        assert (result.returncode, result.stderr) == (130, b"")
    assert place > 50
