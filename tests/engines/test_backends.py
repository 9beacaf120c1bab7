"""Engines by name: none is imported unless it is asked for, and what is missing is one line."""

import doctest
import os
import subprocess
import sys

import numpy as np
import pytest
from small_data import NETWORK, bars_folder, bars_npz

from cnncli.engines import backends, processes
from cnncli.engines.backends import ENGINES, open_backend
from cnncli.engines.processes import OtherProcessError, Processes
from cnncli.errors import ArgumentError

BEYOND = {"torch", "dask", "distributed", "fsspec"}
"""What nobody imports unless it is asked for."""


def run(folder, *words, without=()):
    """Run a command in a process where some packages are missing; what it has loaded comes last on stderr."""
    missing = f"import sys; sys.modules.update(dict.fromkeys({list(without)!r})); "
    ending = "import atexit; atexit.register(lambda: print('\\n' + ' '.join(sys.modules), file=sys.stderr)); "
    program = missing + ending + "from cnncli.__main__ import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        capture_output=True,
        cwd=folder,
        timeout=120,
        check=False,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    *lines, loaded = result.stderr.splitlines()
    return result.returncode, [line for line in lines if line], set(loaded.split())


def test_nothing_imports_torch_unless_asked(tmp_path):
    bars_npz(tmp_path / "data.npz")
    bars_folder(tmp_path / "pictures", count=3)
    for words in (
        ["--help"],
        ["train", "--help"],
        ["train", "data.npz", "--epochs", "1", "-q", "-o", "run"],
        ["predict", "run", "pictures", "-r", "-q"],
        ["evaluate", "run", "data.npz", "-q"],
    ):
        code, lines, loaded = run(tmp_path, *words)
        assert code == 0, lines
        assert not BEYOND & loaded


def test_a_missing_extra_is_one_line_that_says_how_to_get_it(tmp_path):
    bars_npz(tmp_path / "data.npz")
    for words in (["train", "data.npz"], ["predict", "runs/data", "7.png"], ["evaluate", "runs/data", "data.npz"]):
        code, lines, _ = run(tmp_path, *words, "--engine", "torch", without=["torch"])
        assert code == 2
        assert lines == ["cnncli: the engine torch is not installed; install it with: pip install 'cnncli[torch]'"]
        assert not (tmp_path / "runs").exists()


def test_what_there_is_not_is_told():
    with pytest.raises(ArgumentError, match="unknown engine 'tensorflow': choose from numpy, torch"):
        open_backend("tensorflow")
    with pytest.raises(ArgumentError, match="unknown device 'tpu': choose from auto, cpu, cuda"):
        open_backend("numpy", "tpu")
    with pytest.raises(ArgumentError, match="the engine numpy computes on the CPU, not on cuda"):
        open_backend("numpy", "cuda")


@pytest.mark.parametrize(
    "name", [name if name == "numpy" else pytest.param(name, marks=pytest.mark.extras) for name in ENGINES]
)
def test_every_engine_trains_a_model_that_every_other_reads(name, tmp_path):
    if name != "numpy":
        pytest.importorskip(name)
    from cnncli.models.opening import load_model
    from cnncli.training.runs import train

    data = bars_npz(tmp_path / "data.npz")
    result = train(data, output=tmp_path / "run", engine=name, network=NETWORK, epochs=2, jobs=1)
    assert result.done
    model, pictures = load_model(tmp_path / "run"), np.load(data)["x"]
    expected = model.probabilities(pictures)
    with open_backend(name) as backend:
        found = model.on(backend).probabilities(pictures)
    assert np.abs(found - expected).max() < 1e-5
    assert model.on(backend) is not model


def test_processes_that_do_not_know_each_other_are_refused(tmp_path, monkeypatch):
    from cnncli.training.runs import train

    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ArgumentError, match=r"torchrun has started 2 processes, .*: add --engine torch"):
        train(bars_npz(tmp_path / "data.npz"), output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


class Failing(Processes):
    """The second of two processes, of which others fail."""

    rank, count = 1, 2

    def __init__(self, others):
        self.others = np.array(others, float)

    def total(self, numbers):
        return numbers + (self.others if len(numbers) == 2 else 0)


def test_where_one_process_fails_all_do_and_the_first_says_why():
    with Failing([0, 0]).fail_together():
        pass
    with pytest.raises(OtherProcessError), Failing([1, 0]).fail_together():
        pass
    with pytest.raises(OtherProcessError), Failing([1, 0]).fail_together():
        raise ArgumentError("the same everywhere")
    with pytest.raises(ArgumentError, match="mine alone"), Failing([0, 0]).fail_together():
        raise ArgumentError("mine alone")


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_parts_follow_each_other_and_leave_nothing_out(count):
    group = [Processes() for _ in range(count)]
    for rank, member in enumerate(group):
        member.rank, member.count = rank, count
    for items in (0, 1, 5, 128):
        found = [number for member in group for number in range(items)[member.part(items)]]
        assert found == list(range(items))


def test_the_examples_in_docstrings_are_true():
    for module in (backends, processes):
        assert doctest.testmod(module).failed == 0
