"""Several processes on loopback, as torchrun starts them: together they do what one does, and none waits for ever."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from small_boxes import squares_folder  # noqa: E402
from terminal import START  # noqa: E402
from torch_cases import INCEPTION, LENET, RESIDUAL  # noqa: E402

from cnncli.engines.processes import ALONE  # noqa: E402
from cnncli.engines.torch.distributed import TIMEOUT, join_processes  # noqa: E402
from cnncli.errors import ArgumentError  # noqa: E402
from cnncli.models.opening import load_model  # noqa: E402
from cnncli.training.runs import train  # noqa: E402

pytestmark = pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this PyTorch has no Gloo")

HERE = Path(__file__).parents[2]
# Two processes on CPUs, also where there is a GPU: one, which they could not share.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent), "CUDA_VISIBLE_DEVICES": ""}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
SECONDS = 600


def layers(text):
    return text.split(" ", 1)[1]


CASES = [
    {"network": layers(LENET), "size": 32, "channels": 1, "optimizer": "momentum"},
    {"network": layers(INCEPTION), "optimizer": "adamw", "augment": "shift:1,flip", "clip_norm": 0.5},
    {"network": "fc-9,tanh fc-4", "batch_size": 1, "class_weight": "balanced"},  # one process has nothing to do
    {"network": "conv3-4,relu gap fc-4", "batch_size": 7, "label_smoothing": 0.1, "schedule": "cosine", "warmup": 1},
]
BOXES = {"network": "conv3-8,s2,p1,relu conv3-16,s2,p1,relu conv1-7", "augment": "flip,shift:2", "val": "0.3"}
WITH_BATCH_NORM = {"network": layers(RESIDUAL), "optimizer": "sgd"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Noisy pictures with a bright bar whose place tells the class."""
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 4
    pixels = rng.integers(0, 120, (48, 16, 16, 3))
    for picture, label in zip(pixels, labels, strict=True):
        picture[label * 4 : label * 4 + 3] += 130
    path = tmp_path_factory.mktemp("data") / "bars.npz"
    np.savez(path, x=pixels.astype(np.uint8), y=labels)
    return path


@pytest.fixture(scope="module")
def both(data, tmp_path_factory):
    """What two processes found, each; and what one did."""
    folder = tmp_path_factory.mktemp("found")
    train(data, output=folder / "source", network="conv3-4,bn,relu gap fc-4", epochs=1, jobs=1)
    frozen = {"source": str(folder / "source"), "freeze": "all", "val": "0.25"}
    boxes = BOXES | {"data": str(squares_folder(folder / "squares", 30))}
    cases = json.dumps([{"epochs": 3, "batch_size": 16, **case} for case in (*CASES, frozen, boxes, WITH_BATCH_NORM)])
    program = [str(HERE / "train_cases.py"), str(data), cases]
    for launcher, name in ((TORCHRUN, "two"), ([sys.executable], "one")):
        words = [*launcher, *program, str(folder / name)]
        done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 0, done.stderr
    return [json.loads((folder / name).read_text()) for name in ("two.0", "two.1", "one.0")]


def measures(found):
    others = ("epoch", "seconds", "images_per_second")
    return np.array([[metrics[name] for name in metrics if name not in others] for metrics in found["metrics"]])


@pytest.mark.parametrize("number", range(len(CASES) + 2))
def test_two_processes_find_what_one_finds(both, number):
    first, _, alone = (found[number] for found in both)
    assert np.abs(measures(first) - measures(alone)).max() < 1e-5
    for name, weights in alone["weights"].items():
        assert np.abs(np.subtract(first["weights"][name], weights)).max() < 1e-5, name


def test_both_processes_have_the_same_bits(both):
    first, second, _ = both
    for ours, theirs in zip(first, second, strict=True):
        assert ours["weights"] == theirs["weights"]
        assert np.array_equal(measures(ours), measures(theirs))
        assert (ours["scores"], theirs["scores"]) == (True, False)  # the first alone judges the model


def test_batch_norm_of_each_process_by_itself_still_learns(both):
    first, _, alone = (found[-1] for found in both)
    assert np.abs(measures(first) - measures(alone)).max() > 1e-5
    assert measures(first)[-1, 0] < measures(first)[0, 0]


def test_torchrun_trains_by_the_command_and_the_first_process_alone_speaks(data, tmp_path):
    words = ["-m", "cnncli", "train", str(data), "-o", str(tmp_path / "run"), "--engine", "torch", "--epochs", "2"]
    words += ["--network", "conv3-4,same,bn,relu max2 fc-4"]
    done = subprocess.run(
        [*TORCHRUN, *words], env=ENVIRONMENT, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Accuracy on the") == 1
    assert sum(line.startswith("epoch 1/2") for line in done.stderr.splitlines()) == 1
    assert "2 processes, each with its part of every batch" in done.stderr
    assert "batch normalisation on CPUs takes each process's own statistics" in done.stderr
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 2
    assert load_model(tmp_path / "run").network.output_shape == (4,)


class Pair:
    """Two processes that have been started by hand: nobody ends the one when the other is gone."""

    def __init__(self, *words, second=(), timeout=60, cwd=None):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        common = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        common |= {TIMEOUT: str(timeout)}
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-c", START, "train", *map(str, own), "--engine", "torch", "-q"],
                env={**ENVIRONMENT, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=cwd,
            )
            for rank, own in enumerate((words, second or words))
        ]

    def __enter__(self):
        return self.processes

    def __exit__(self, *exception):
        for process in self.processes:
            process.kill()
            process.communicate()


def wait_for_lines(path, count):
    end = time.monotonic() + SECONDS
    while not path.exists() or path.read_text().count("\n") < count:
        assert time.monotonic() < end, f"{path} has no {count} lines"
        time.sleep(0.05)


def told(process):
    _, stderr = process.communicate(timeout=SECONDS)
    return process.returncode, [line for line in stderr.splitlines() if line.startswith("cnncli: ")]


def endless(data, run):
    words = ["--epochs", 100000, "--schedule", "constant", "--network", "fc-4", "--batch-size", 8]
    return [data, "-o", run, *words]


@pytest.mark.parametrize(("number", "timeout"), [(signal.SIGKILL, 60), (signal.SIGSTOP, 4)], ids=["killed", "stopped"])
def test_a_process_that_is_gone_or_silent_ends_the_other_with_a_line(data, tmp_path, number, timeout):
    with Pair(*endless(data, tmp_path / "run"), timeout=timeout) as (first, second):
        wait_for_lines(tmp_path / "run" / "metrics.jsonl", 2)
        second.send_signal(number)
        code, lines = told(first)
        assert code == 1
        assert len(lines) == 1
        assert "another process of this training is gone, or silent for too long" in lines[0]
        assert "--resume" in lines[0]
    done = len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    words = ["train", str(data), "-o", str(tmp_path / "run"), "--resume", "--epochs", str(done + 1), "-q"]
    subprocess.run([sys.executable, "-m", "cnncli", *words], env=ENVIRONMENT, check=True, timeout=SECONDS)


def test_ctrl_c_in_one_process_stops_and_saves_in_all(data, tmp_path):
    with Pair(*endless(data, tmp_path / "run")) as (first, second):
        wait_for_lines(tmp_path / "run" / "metrics.jsonl", 1)
        second.send_signal(signal.SIGINT)
        assert told(first)[0] == told(second)[0] == 130
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()


def test_what_fails_in_one_process_alone_is_told_by_it_and_ends_the_other(data, tmp_path):
    other = endless(tmp_path / "nothing.npz", tmp_path / "run")
    with Pair(*endless(data, tmp_path / "run"), second=other) as (first, second):
        codes, lines = zip(*map(told, (first, second)), strict=True)
    assert codes[0] == 1
    assert codes[1] != 0
    assert [len(found) for found in lines] == [0, 1]
    assert "nothing.npz" in lines[1][0]


def test_a_loss_that_is_not_finite_is_told_once(data, tmp_path):
    words = [data, "-o", tmp_path / "run", "--network", "fc-9 fc-4", "--lr", "1e30", "--optimizer", "sgd"]
    with Pair(*words) as (first, second):
        codes, lines = zip(*map(told, (first, second)), strict=True)
    assert codes == (1, 1)
    assert [len(found) for found in lines] == [1, 0]
    assert "the loss is no longer finite" in lines[0][0]
    assert (tmp_path / "run" / "post_mortem.json").exists()


def test_without_torchrun_there_is_one_process():
    assert join_processes(torch.device("cpu"), {}) is ALONE
    assert join_processes(torch.device("cpu"), {"WORLD_SIZE": "1"}) is ALONE
    with pytest.raises(ArgumentError, match=TIMEOUT):
        join_processes(torch.device("cpu"), {"WORLD_SIZE": "2", TIMEOUT: "soon"})
