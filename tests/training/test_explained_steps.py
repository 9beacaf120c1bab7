"""Steps with numbers: those of the training, for every optimizer."""

import numpy as np
import pytest
from small_data import NETWORK, PLAIN, bars_dataset

from cnncli.engines.optimizers import OPTIMIZERS
from cnncli.errors import ArgumentError, TrainingError
from cnncli.training.explaining import explain_step
from cnncli.training.runs import train
from cnncli.training.watcher import Watcher

WHOLE = PLAIN | {"network": NETWORK, "jobs": 1, "val": "0", "batch_size": 60}
"""Options of a training whose epochs are one step, so that the weights of every step can be had."""


def weights_after(steps, **options):
    return train(bars_dataset(60), **WHOLE | {"epochs": steps} | options).model.parameters


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_is_that_of_the_training(name):
    options = {"optimizer": name, "weight_decay": 0.02, "lr": 0.01}
    found = explain_step(bars_dataset(60), 3, **WHOLE | {"epochs": 3} | options)
    before, after = (weights_after(steps, **options) for steps in (2, 3))
    for weight in found.weights:
        assert weight.before == before[weight.array][weight.place]
        assert weight.after == after[weight.array][weight.place]
        assert set(weight.state_before) == set(weight.state_after) == set(OPTIMIZERS[name].state_names)
    assert (found.step, found.steps, found.epoch, found.batch) == (3, 3, 3, 1)
    assert sorted(set(found.labels)) == ["class 0", "class 1", "class 2"]
    assert len(found.files) == 60


def test_the_loss_and_the_norm_are_those_of_the_batch():
    found = [explain_step(bars_dataset(60), step, **WHOLE | {"epochs": 2}) for step in (1, 2)]
    run = train(bars_dataset(60), **WHOLE | {"epochs": 2})
    assert [step.loss for step in found] == pytest.approx([line["train_loss"] for line in run.metrics])


@pytest.mark.parametrize("count", [1, 5])
def test_the_largest_gradients_of_each_layer_are_shown(count):
    found = explain_step(bars_dataset(60), weights=count, **WHOLE | {"optimizer": "sgd", "lr": 1.0, "epochs": 1})
    start, after = (weights_after(1, optimizer="sgd", lr=lr) for lr in (1e-30, 1.0))
    layers = {}
    for name in after:
        layers.setdefault(name.rpartition(".")[0], []).append(np.abs(start[name] - after[name]).ravel())
    assert list(layers) == list(dict.fromkeys(weight.layer for weight in found.weights))
    for layer, arrays in layers.items():
        largest = np.sort(np.concatenate(arrays))[::-1][:count]
        shown = [abs(weight.gradient) for weight in found.weights if weight.layer == layer]
        assert shown == pytest.approx(largest.tolist(), rel=1e-4, abs=1e-6)
    assert found.norm**2 == pytest.approx(
        sum((start[name] - after[name]).ravel() @ (start[name] - after[name]).ravel() for name in after), rel=1e-4
    )


def test_clipped_gradients_are_worked_out():
    found = explain_step(bars_dataset(60), clip_norm=1e-3, **WHOLE | {"epochs": 1})
    assert found.clip_norm == 1e-3
    for weight in found.weights:
        assert weight.lines[0].formula == "dW * clip_norm / (norm + 1e-6)"
        assert weight.lines[0].value == pytest.approx(weight.gradient * 1e-3 / (found.norm + 1e-6))
    loose = explain_step(bars_dataset(60), clip_norm=1e3, **WHOLE | {"epochs": 1})
    assert loose.clip_norm is None
    assert "norm" not in " ".join(loose.formulas)


@pytest.mark.parametrize(
    ("options", "step", "words"),
    [
        ({"schedule": "constant"}, 4, "constant"),
        ({"schedule": "cosine", "warmup": 2}, 2, "warm-up, step 2 of 4"),
        ({"schedule": "cosine", "warmup": 1}, 5, "cosine, 2 of 6 steps done"),
        ({"schedule": "step", "warmup": 0}, 5, "step, 4 of 8 steps done"),
    ],
)
def test_the_rate_is_written_as_a_sum(options, step, words):
    found = explain_step(bars_dataset(60), step, **WHOLE | {"batch_size": 30, "epochs": 4, "lr": 0.02} | options)
    assert found.rate.formula == words
    assert eval(found.rate.numbers) == pytest.approx(found.rate.value, rel=1e-6)
    assert found.weights[0].lr == found.rate.value


def test_a_new_head_has_a_rate_of_its_own(tmp_path):
    train(bars_dataset(60, classes=3), output=tmp_path / "run", **WHOLE | {"epochs": 1})
    options = PLAIN | {"source": str(tmp_path / "run"), "jobs": 1, "val": "0", "lr": 0.001}
    found = explain_step(bars_dataset(60, classes=4), **options)
    assert {weight.layer: weight.lr for weight in found.weights} == pytest.approx(
        {"0.conv": 0.001, "0.bn": 0.001, "3.fc": 0.01}
    )
    assert found.weights[-1].lines[-1].value == found.weights[-1].after
    frozen = explain_step(bars_dataset(60, classes=4), freeze="all", **options)
    assert {weight.layer for weight in frozen.weights} == {"3.fc"}


def test_pytorch_computes_the_same():
    pytest.importorskip("torch")
    ours, theirs = (
        explain_step(bars_dataset(60), 2, engine=engine, **WHOLE | {"epochs": 2}) for engine in ("numpy", "torch")
    )
    assert theirs.loss == pytest.approx(ours.loss, rel=1e-4)
    assert [weight.array for weight in theirs.weights] == [weight.array for weight in ours.weights]
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        assert (other.after, other.gradient) == pytest.approx((one.after, one.gradient), rel=1e-2, abs=1e-5)


def test_progress_is_told():
    class Seen(Watcher):
        steps = ()

        def batch(self, report):
            self.steps += ((report.batch, report.batches),)

    seen = Seen()
    explain_step(bars_dataset(60), 3, watcher=seen, **WHOLE | {"epochs": 3})
    assert seen.steps == ((1, 3), (2, 3))


@pytest.mark.parametrize(
    ("step", "options", "message"),
    [
        (0, {}, "at least 1, got step 0"),
        (1, {"weights": 0}, "0 weights"),
        (4, {}, "step 4 is after the last: 3 epochs of 1 batches are 3 steps"),
    ],
)
def test_steps_that_are_not_there_are_refused(step, options, message):
    with pytest.raises(ArgumentError, match=message):
        explain_step(bars_dataset(60), step, **WHOLE | {"epochs": 3} | options)


def test_several_processes_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ArgumentError, match="explained in one process"):
        explain_step(bars_dataset(), **WHOLE)


def test_a_loss_that_is_not_finite_has_no_step():
    options = {"network": "2xfc-4 fc-3", "loss": "squared_error", "optimizer": "sgd", "lr": 1e38, "epochs": 20}
    with pytest.raises(TrainingError, match=r"the loss is \S+ at step \d+: .* --lr"):
        explain_step(bars_dataset(60), 20, **WHOLE | options)
