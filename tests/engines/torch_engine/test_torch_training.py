"""Whole trainings by PyTorch, from data to model: as by NumPy, and resumed, stopped or gone wrong."""

import json
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import Image  # noqa: E402
from small_boxes import PLAIN as BOXES  # noqa: E402
from small_boxes import layers, squares_folder  # noqa: E402
from small_data import NETWORK, PLAIN  # noqa: E402
from torch_cases import batch  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from cnncli.cli import app  # noqa: E402
from cnncli.engines.torch.backend import TorchBackend, choose_device  # noqa: E402
from cnncli.errors import ArgumentError, TrainingError  # noqa: E402
from cnncli.models.opening import load_model  # noqa: E402
from cnncli.networks import parse_network  # noqa: E402
from cnncli.training.runs import train  # noqa: E402
from cnncli.training.watcher import Watcher  # noqa: E402

OPTIONS = PLAIN | {"network": NETWORK, "epochs": 3, "batch_size": 16, "jobs": 1}


@pytest.fixture
def data(tmp_path):
    """Noisy pictures with a bright bar whose place tells the class."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    pixels = rng.integers(0, 120, (60, 8, 8, 1))
    for picture, label in zip(pixels, labels, strict=True):
        picture[label * 2 : label * 2 + 2] += 130
    np.savez(tmp_path / "data.npz", x=pixels.astype(np.uint8), y=labels)
    return tmp_path / "data.npz"


def measures(run):
    return [[metrics[name] for name in ("train_loss", "val_loss", "val_accuracy")] for metrics in run.metrics]


@pytest.mark.parametrize("optimizer", ["adamw", "nesterov"])
def test_a_training_goes_as_by_numpy(data, optimizer):
    options = {**OPTIONS, "optimizer": optimizer, "augment": "shift:1", "clip_norm": 1.0, "schedule": "cosine"}
    expected, found = train(data, **options), train(data, engine="torch", **options)
    assert np.abs(np.subtract(measures(found), measures(expected))).max() < 1e-4
    assert np.abs(found.scores.accuracy - expected.scores.accuracy) < 0.2


def test_a_training_on_boxes_goes_as_by_numpy(tmp_path):
    data = squares_folder(tmp_path / "squares")
    options = BOXES | {"network": layers(), "augment": "flip,zoom:1.2", "val": "0.2", "jobs": 1}
    expected, found = (train(data, engine=engine, **options, epochs=5) for engine in ("numpy", "torch"))
    losses = [
        [[line[name] for name in ("train_loss", "val_loss")] for line in run.metrics] for run in (expected, found)
    ]
    assert np.allclose(*losses, rtol=1e-4)  # after 20 steps
    assert abs(found.scores.map_50 - expected.scores.map_50) < 0.05


def test_a_training_that_stopped_goes_on_to_the_same_bits(data, tmp_path):
    whole = train(data, output=tmp_path / "whole", engine="torch", **OPTIONS)
    stop = threading.Event()

    class Stopping(Watcher):
        def batch(self, report):
            if (report.epoch, report.batch) == (2, 2):
                stop.set()

    half = train(data, output=tmp_path / "half", engine="torch", watcher=Stopping(), stop=stop, **OPTIONS)
    assert not half.done
    rest = train(data, output=tmp_path / "half", engine="torch", resume=True, jobs=1)
    assert rest.done
    assert measures(rest) == measures(whole)
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "half")]
    assert files[0] == files[1]


def test_what_one_engine_began_the_other_ends(data, tmp_path):
    options = {**OPTIONS, "schedule": "constant"}  # one that lets the number of epochs grow
    train(data, output=tmp_path / "run", engine="torch", **{**options, "epochs": 1})
    rest = train(data, output=tmp_path / "run", resume=True, epochs=3, jobs=1)
    expected = train(data, **options)
    assert np.abs(np.subtract(measures(rest), measures(expected))).max() < 1e-4


def test_a_loss_that_is_not_finite_has_its_post_mortem(data, tmp_path):
    options = {**OPTIONS, "network": "fc-9 fc-3", "lr": 1e30, "optimizer": "sgd"}
    with pytest.raises(TrainingError, match=r"the loss is no longer finite.* try --lr"):
        train(data, output=tmp_path / "run", engine="torch", **options)


def test_the_command_tells_what_computes_and_how_far_it_is_from_numpy(data, tmp_path):
    words = ["train", str(data), "-o", str(tmp_path / "run"), "--engine", "torch", "--device", "cpu", "--epochs", "1"]
    words += ["--jobs", "1", "--network", "conv3-4,bn,relu max2 fc-3"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    told = [line for line in result.stderr.splitlines() if "PyTorch" in line]
    assert told[0] == f"computed by PyTorch {torch.__version__} on the CPU"
    assert told[1].startswith("PyTorch against NumPy on a batch: outputs within ")
    assert "more than rounding" not in told[1]
    assert f'torch = "{torch.__version__}"' in (tmp_path / "run" / "config.toml").read_text()
    assert load_model(tmp_path / "run").class_names == ("0", "1", "2")
    as_json = CliRunner().invoke(app, [*words, "--force", "--json"])
    lines = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert [line["notes"] for line in lines if line["event"] == "engine"] == [told]
    assert not CliRunner().invoke(app, [*words, "--force", "--quiet"]).stderr


def test_predict_and_evaluate_say_the_same_with_either_engine(data, tmp_path):
    train(data, output=tmp_path / "run", engine="torch", **OPTIONS)
    pictures = np.load(data)["x"][:5, :, :, 0]
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    commands = {
        "predict": [tmp_path / "run", *sorted(tmp_path.glob("*.png")), "--top", 3],
        "evaluate": [tmp_path / "run", data],
    }
    for command, words in commands.items():
        found = []
        for engine in ("numpy", "torch"):
            all_words = [command, *map(str, words), "--json", "--engine", engine, "--jobs", "1", "-q"]
            result = CliRunner().invoke(app, all_words)
            assert (result.exit_code, result.stderr) == (0, "")
            found.append([json.loads(line) for line in result.stdout.splitlines()])
        for ours, theirs in zip(*found, strict=True):
            assert ours.get("class") == theirs.get("class")
            assert ours.get("accuracy") == theirs.get("accuracy")
            assert ours.get("probability", 0) == pytest.approx(theirs.get("probability", 0), abs=1e-5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_auto_is_the_cpu_and_cuda_is_refused(data, tmp_path):
    assert choose_device("auto") == torch.device("cpu")
    with pytest.raises(ArgumentError, match=r"device cuda: .*: choose --device cpu"):
        choose_device("cuda")
    result = CliRunner().invoke(app, ["train", str(data), "--engine", "torch", "--device", "cuda", "-o", str(tmp_path)])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


def test_each_process_has_a_gpu_of_its_own(monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert choose_device("auto", {"LOCAL_RANK": "1"}) == torch.device("cuda", 1) == chosen[0]
    with pytest.raises(ArgumentError, match="--nproc-per-node 2"):
        choose_device("cuda", {"LOCAL_RANK": "2"})


def test_a_backend_s_engine_is_not_changed_by_comparing_it():
    network = parse_network("8x8x1 conv3-4,bn,relu fc-3")
    from cnncli.engines.initialization import initialize
    from cnncli.engines.losses import CrossEntropy

    with TorchBackend("cpu") as backend:
        engine = backend.engine(network, *initialize(network, 0))
        before = engine.parameters.copy(), engine.buffers["0.bn.running_mean"].copy()
        assert "outputs within" in backend.compare(engine, *batch(network), CrossEntropy())
        assert np.array_equal(engine.parameters, before[0])
        assert np.array_equal(engine.buffers["0.bn.running_mean"], before[1])
