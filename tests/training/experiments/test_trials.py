"""Trials: what they average, and how they end."""

import pytest

from cnncli.training.experiments.trials import Run, Trial


def lines(*losses, accuracy=None):
    return tuple(
        {"epoch": epoch, "train_loss": loss, "train_accuracy": accuracy, "seconds": 0.5}
        for epoch, loss in enumerate(losses, start=1)
    )


def test_a_curve_is_the_mean_of_runs_that_are_done():
    runs = (Run(0, lines(4.0, 2.0), True), Run(1, lines(2.0, 1.0), True), Run(2, lines(100.0), False))
    trial = Trial("sgd", {}, runs)
    assert trial.curve("train_loss") == [(1, 3.0), (2, 1.5)]
    assert trial.last("train_loss").mean == 1.5
    assert trial.last("train_loss").deviation == pytest.approx(0.5**0.5)
    assert trial.seconds == 2.5


def test_without_a_run_that_is_done_those_with_epochs_count():
    runs = (Run(0, lines(4.0), False), Run(1, (), False, "the loss is not finite in epoch 1"))
    trial = Trial("sgd", {}, runs)
    assert trial.curve("train_loss") == [(1, 4.0)]
    assert trial.last("train_loss") == (4.0, None)
    assert trial.faults == 1


def test_what_was_not_measured_has_no_curve():
    trial = Trial("sgd", {}, (Run(0, lines(4.0), True), Run(1, lines(3.0, accuracy=0.5), True)))
    assert trial.curve("train_accuracy") == []
    assert trial.last("train_accuracy") is None
    assert trial.last("val_loss") is None
    assert Trial("sgd", {}, ()).last("train_loss") is None
