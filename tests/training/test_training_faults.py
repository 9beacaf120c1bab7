"""Trainings when things go wrong, in processes of their own: kills, Ctrl-C, full disks."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from small_data import NETWORK, bars_npz

from cnncli.training.checkpoints import load_checkpoint
from cnncli.training.model import load_model
from cnncli.training.run_folder import RunFolder

# As from a terminal: a shell that starts things in the background tells them to ignore Ctrl-C.
START = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "import sys; sys.argv[0] = 'cnncli'\n"
    "from cnncli.__main__ import main; main()"
)
PATIENCE = 60
EPOCHS = 6
OPTIONS = ["--network", NETWORK, "--batch-size", "4", "--augment", "shift:1", "--epochs", str(EPOCHS), "--jobs", "1"]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs signals")


def start(*words, cwd, program=START):
    return subprocess.Popen(
        [sys.executable, "-c", program, "train", *map(str, words)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def end(process, code):
    """Wait for a command, check its exit code, and return (stdout, stderr)."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == code, (out[-500:], err[-2000:])
    assert b"Traceback" not in err
    return out.decode(), err.decode()


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Data, and the run of a training that nobody disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    bars_npz(folder / "bars.npz", 200)
    end(start("bars.npz", "-o", "run", *OPTIONS, cwd=folder), 0)
    return folder


def resume(whole, run):
    return end(start(whole / "bars.npz", "-o", run, "--resume", cwd=whole), 0)


def assert_as_whole(whole, run):
    for name in ("model.safetensors", "checkpoint.safetensors"):
        assert (run / name).read_bytes() == (whole / "run" / name).read_bytes()
    assert [line["epoch"] for line in RunFolder(run).read_metrics()] == list(range(1, EPOCHS + 1))
    assert not list(run.glob(".*"))


def epochs_in(run):
    return len(RunFolder(run).read_metrics())


@pytest.mark.parametrize("round_", range(3))
def test_a_kill_in_an_epoch_loses_that_epoch_at_most(tmp_path, whole, round_):
    chance, run = random.Random(round_), tmp_path / "run"
    process = start(whole / "bars.npz", "-o", run, *OPTIONS, cwd=whole)
    wait_for(lambda: epochs_in(run) >= round_)
    time.sleep(chance.random() * 0.05)
    done = epochs_in(run)
    process.kill()
    process.communicate()
    if (run / "checkpoint.safetensors").exists():
        assert load_checkpoint(run / "checkpoint.safetensors").progress.epoch >= done - 1
        resume(whole, run)
        assert_as_whole(whole, run)


@pytest.mark.parametrize(
    ("place", "save"), [("replace", 1), ("replace", 2), ("replace", 3), ("replace", 4), ("fsync", 1), ("fsync", 3)]
)
def test_a_kill_in_a_save_leaves_what_can_be_resumed(tmp_path, whole, save, place):
    """The process kills itself at the n-th file it completes, or in the middle of writing it."""
    run = tmp_path / "run"
    killing = (
        "import os, signal\n"
        f"left, real = [{save}], os.{place}\n"
        "def kill(*names):\n"
        "    if 'safetensors' in str(names[-1]) or len(names) == 1:\n"
        "        left[0] -= 1\n"
        "        if not left[0]: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(*names)\n"
        f"os.{place} = kill\n"
    )
    process = start(whole / "bars.npz", "-o", run, *OPTIONS, cwd=whole, program=killing + START)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL
    if save == 1:  # nothing was begun
        assert not (run / "checkpoint.safetensors").exists()
        return
    load_checkpoint(run / "checkpoint.safetensors")
    if (run / "model.safetensors").exists():
        load_model(run)
    resume(whole, run)
    assert_as_whole(whole, run)


def test_ctrl_c_finishes_the_batch_and_saves(tmp_path, whole):
    run = tmp_path / "run"
    process = start(whole / "bars.npz", "-o", run, *OPTIONS, cwd=whole)
    wait_for(lambda: epochs_in(run) >= 1)
    process.send_signal(signal.SIGINT)
    out, err = end(process, 130)
    assert out == ""
    assert f"cnncli train {whole / 'bars.npz'} -o {run} --resume" in err
    progress = load_checkpoint(run / "checkpoint.safetensors").progress
    assert (progress.epoch, progress.batch) >= (1, 0)
    assert progress.epoch < EPOCHS
    load_model(run)
    resume(whole, run)
    assert_as_whole(whole, run)


def test_the_second_ctrl_c_stops_at_once(tmp_path, whole):
    run = tmp_path / "run"
    slow = "import cnncli.training.trainer as t, time\nt.Trainer._learn = lambda *a: time.sleep(600)\n"
    process = start(whole / "bars.npz", "-o", run, *OPTIONS, cwd=whole, program=slow + START)
    wait_for(lambda: (run / "checkpoint.safetensors").exists())
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert b"\n" in process.stderr.readline()
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    end(process, 130)
    load_checkpoint(run / "checkpoint.safetensors")


def test_two_trainings_do_not_share_a_folder(tmp_path, whole):
    run = tmp_path / "run"
    slow = "import cnncli.training.trainer as t, time\nt.Trainer._learn = lambda *a: time.sleep(600)\n"
    process = start(whole / "bars.npz", "-o", run, *OPTIONS, cwd=whole, program=slow + START)
    wait_for(lambda: (run / "checkpoint.safetensors").exists())
    before = {path: path.read_bytes() for path in run.iterdir()}
    for words in ([whole / "bars.npz", "-o", run, *OPTIONS, "--force"], ["-o", run, "--resume"]):
        _, err = end(start(*words, "-q", cwd=whole), 2)
        assert err == f"cnncli: {run}: another process is training here: wait for it, or choose another -o\n"
    assert {path: path.read_bytes() for path in run.iterdir()} == before
    process.kill()
    process.communicate()
    resume(whole, run)
    assert_as_whole(whole, run)


def test_json_lines_and_their_end_when_interrupted(tmp_path, whole):
    run = tmp_path / "run"
    process = start(whole / "bars.npz", "-o", run, *OPTIONS, "--json", cwd=whole)
    wait_for(lambda: epochs_in(run) >= 2)
    process.send_signal(signal.SIGINT)
    out, _ = end(process, 130)
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events][:2] == ["start", "estimate"]
    assert (events[-1]["event"], events[-1]["done"], events[-1]["accuracy"]) == ("end", False, None)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line(tmp_path, whole):
    run = tmp_path / "run"
    full = (
        "import errno, os\ndef fsync(file): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))\nos.fsync = fsync\n"
    )
    _, err = end(start(whole / "bars.npz", "-o", run, *OPTIONS, "-q", cwd=whole, program=full + START), 1)
    assert err.splitlines()[-1].endswith("cannot be written: No space left on device")
    assert not list(run.glob("*.safetensors"))
