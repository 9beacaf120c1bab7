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
from terminal import START

from cnncli.models.opening import load_model
from cnncli.training.checkpoints import load_checkpoint
from cnncli.training.run_folder import RunFolder

PATIENCE = 60
EPOCHS = 6
OPTIONS = ["--network", NETWORK, "--batch-size", "4", "--augment", "shift:1", "--epochs", str(EPOCHS), "--jobs", "1"]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs signals")


def start(*words, cwd, program=START, **options):
    return subprocess.Popen(
        [sys.executable, "-c", program, "train", *map(str, words)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


SLOW = (
    "import cnncli.training.trainer as t, sys, time\n"
    "def learn(*_):\n"
    "    print('learning', file=sys.stderr, flush=True)\n"
    "    while True: time.sleep(0.01)\n"
    "t.Trainer._learn = learn\n"
)
"""Before `START`: a training whose first batch never ends."""


def read_until(process, words):
    """Read a process's standard error up to a line with some words."""
    while words not in (line := process.stderr.readline()):
        assert line, "it ended"


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
        "    if str(names[-1]).endswith(('model.safetensors', 'checkpoint.safetensors')) or len(names) == 1:\n"
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


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_finishes_the_batch_and_saves(tmp_path, whole, name, jobs):
    """Those that schedulers of clusters send before they kill are as Ctrl-C, for all processes of a job at once."""
    run, number = tmp_path / "run", getattr(signal, name)
    process = start(whole / "bars.npz", "-o", run, *OPTIONS[:-1], jobs, cwd=whole, start_new_session=True)
    wait_for(lambda: epochs_in(run) >= 1)
    os.killpg(process.pid, number)
    out, err = end(process, 128 + number)
    assert out == ""
    assert f"cnncli train {whole / 'bars.npz'} -o {run} --resume" in err
    progress = load_checkpoint(run / "checkpoint.safetensors").progress
    assert (progress.epoch, progress.batch) >= (1, 0)
    assert progress.epoch < EPOCHS
    load_model(run)
    resume(whole, run)
    assert_as_whole(whole, run)


@pytest.mark.parametrize(
    ("first", "second"), [("SIGINT", "SIGINT"), ("SIGTERM", "SIGINT"), ("SIGHUP", "SIGTERM"), ("SIGINT", "SIGTERM")]
)
def test_the_second_signal_stops_at_once(tmp_path, whole, first, second):
    run = tmp_path / "run"
    process = start(whole / "bars.npz", "-o", run, *OPTIONS, cwd=whole, program=SLOW + START)
    read_until(process, b"learning")
    process.send_signal(getattr(signal, first))
    read_until(process, b"finishing what is under way")
    assert process.poll() is None
    process.send_signal(getattr(signal, second))
    end(process, 128 + getattr(signal, second))
    load_checkpoint(run / "checkpoint.safetensors")


def test_two_trainings_do_not_share_a_folder(tmp_path, whole):
    run = tmp_path / "run"
    process = start(whole / "bars.npz", "-o", run, *OPTIONS, cwd=whole, program=SLOW + START)
    read_until(process, b"learning")
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


def test_a_terminal_that_hangs_up_loses_nothing(tmp_path, whole):
    """What is printed then has nowhere to go, and that is no reason to fail."""
    run = tmp_path / "run"
    controller, terminal = os.openpty()
    words = [whole / "bars.npz", "-o", run, *OPTIONS]
    process = subprocess.Popen(
        [sys.executable, "-c", START, "train", *map(str, words)],
        cwd=whole,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    while epochs_in(run) < 1:  # what is not read would hold up the process
        os.read(controller, 4096)
    os.close(controller)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=PATIENCE) == 128 + signal.SIGHUP
    resume(whole, run)
    assert_as_whole(whole, run)
