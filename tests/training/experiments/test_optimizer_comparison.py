"""Optimizers compared: each training is that of `train`, and all begin alike."""

import re
import threading

import pytest
from small_data import bars_dataset

from cnncli.drawing.svg.theme import Theme
from cnncli.engines.optimizers import OPTIMIZERS
from cnncli.errors import ArgumentError
from cnncli.training.experiments.optimizers import EVERY, OPTIONS, compare_optimizers, parse_optimizers
from cnncli.training.experiments.trials import TrialWatcher
from cnncli.training.runs import train

NETWORK = "conv3-4,bn,relu max2 fc-3"
SMALL = {"network": NETWORK, "epochs": 3, "jobs": 1}


class Seen(TrialWatcher):
    """Remembers what it is told, and may stop the experiment after some runs."""

    def __init__(self, stop=None, after=0):
        self.runs, self.stop, self.after = [], stop, after

    def ran(self, plan, run):
        self.runs.append((plan.label, run.seed))
        if len(self.runs) == self.after:
            self.stop.set()


def clean(metrics):
    return [
        {name: value for name, value in line.items() if name not in ("seconds", "images_per_second", "train_error")}
        for line in metrics
    ]


@pytest.mark.parametrize("name", EVERY)
def test_every_training_is_that_of_train(name):
    """Also after another one, whose rate and weight decay it does not take over."""
    trial = compare_optimizers(bars_dataset(60), ["adamw:0.3", "nesterov:0.3", name], **SMALL).trials[-1]
    run = train(bars_dataset(60), optimizer=name, **OPTIONS | SMALL)
    assert clean(trial.runs[0].metrics) == clean(run.metrics)
    assert trial.facts["lr"] == run.metrics[0]["lr"]


def test_all_begin_with_the_same_weights_and_batches():
    """Where a rate is too small to change a weight, every optimizer has the losses of the same start."""
    words = [f"{name}:1e-30" for name in OPTIMIZERS]
    found = compare_optimizers(bars_dataset(60), words, **SMALL | {"epochs": 2})
    losses = {tuple(loss for _, loss in trial.curve("train_loss")) for trial in found.trials}
    assert len(found.trials) == len(OPTIMIZERS)
    assert len(losses) == 1


def test_rates_are_their_own_or_the_shared_one():
    found = compare_optimizers(bars_dataset(60), ["sgd:0.5", "sgd", "adam"], lr=0.25, **SMALL)
    assert [trial.facts["lr"] for trial in found.trials] == [0.5, 0.25, 0.25]
    assert [trial.label for trial in found.trials] == ["sgd, lr 0.5", "sgd, lr 0.25", "adam, lr 0.25"]


def test_seeds_come_one_after_another():
    seen = Seen()
    found = compare_optimizers(bars_dataset(60), ["sgd", "adam"], seeds=2, seed=5, watcher=seen, **SMALL)
    assert [seed for _, seed in seen.runs] == [5, 5, 6, 6]
    (one, other) = found.trials[0].runs
    assert one.metrics[0]["train_loss"] != other.metrics[0]["train_loss"]
    assert found.trials[0].last("train_loss").deviation > 0
    assert "Training loss, mean of 2 seeds" in {label.text for label in found.drawing().labels}


def test_a_loss_that_is_not_finite_ends_one_training_alone():
    options = SMALL | {"network": "fc-4 fc-3", "loss": "squared_error"}
    found = compare_optimizers(bars_dataset(60), ["sgd:1e30", "adam"], **options)
    bad, good = found.trials
    assert bad.faults == 1
    assert "not finite in epoch 1" in bad.runs[0].fault
    assert good.runs[0].done
    assert found.done
    assert "sgd, lr 1e+30 (above the chart)" in {label.text for label in found.drawing().labels}


@pytest.mark.parametrize("after", [1, 3])
def test_what_is_done_stays_after_a_stop(after):
    stop = threading.Event()
    found = compare_optimizers(
        bars_dataset(60), ["sgd", "adam"], seeds=2, stop=stop, watcher=Seen(stop, after), **SMALL
    )
    assert not found.done
    assert sum(len(trial.runs) for trial in found.trials) == after
    assert found.drawing().labels


def test_stopped_before_the_first_epoch_there_is_nothing():
    stop = threading.Event()
    stop.set()
    found = compare_optimizers(bars_dataset(60), ["sgd"], stop=stop, **SMALL)
    assert (found.trials, found.done) == ((), False)


@pytest.mark.parametrize("theme", Theme)
def test_the_chart_has_a_curve_a_dash_and_a_name_for_each(theme):
    found = compare_optimizers(bars_dataset(60), **SMALL)
    drawing = found.drawing(theme)
    lines = re.findall(r'<polyline points="([^"]*)" class="(line-\d) open"', str(drawing))
    long = [style for points, style in lines if points.count(" ") == 2]
    assert len(long) == len(set(long)) == len(EVERY)
    assert {f"{trial.label}" for trial in found.trials} <= {label.text for label in drawing.labels}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["adm"], "unknown optimizer 'adm': did you mean adam"),
        (["sgd:fast"], "learning rate of sgd must be a finite number above 0, got 'fast'"),
        (["sgd:-1"], "got '-1'"),
        (["sgd:inf"], "got 'inf'"),
        (["sgd", "adam", "sgd"], "sgd is given 2 times"),
        ([], "no optimizers to compare"),
    ],
)
def test_words_that_are_no_optimizers_are_refused(words, message):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        parse_optimizers(words)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"seeds": 0}, "seeds must be a whole number from 1"), ({"optimizer": "sgd"}, "name the optimizers")],
)
def test_options_that_make_no_comparison_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        compare_optimizers(bars_dataset(60), ["adam"], **SMALL | options)


def test_pytorch_compares_too():
    pytest.importorskip("torch")
    ours, theirs = (
        compare_optimizers(bars_dataset(60), ["sgd"], engine=engine, **SMALL) for engine in ("numpy", "torch")
    )
    assert theirs.trials[0].last("train_loss").mean == pytest.approx(ours.trials[0].last("train_loss").mean, rel=0.05)
