"""The test of learning rates: its curve, its rate, and that nothing is kept."""

import numpy as np
import pytest
from drawings import check_drawing
from small_data import PLAIN, bars_dataset

from cnncli.errors import ArgumentError, TrainingError
from cnncli.training import rates
from cnncli.training.pictures import draw_rates
from cnncli.training.rates import RateTest, find_learning_rate, smooth, suit
from cnncli.training.runs import train
from cnncli.training.watcher import Watcher

OPTIONS = PLAIN | {"network": "conv3-4,relu max2 fc-3,softmax", "jobs": 1}


def valley(steps=150, *, fastest=3e-3, lowest=3e-2, noise=0.0):
    """Losses that fall in a smooth step about one rate, and rise beyond another."""
    grown = np.geomspace(rates.LOWEST, rates.HIGHEST, steps)
    places = np.log10(grown)
    losses = 2.3 - 1.5 / (1 + np.exp(-6 * (places - np.log10(fastest)))) + 4 * np.maximum(0, places - np.log10(lowest))
    return grown.tolist(), losses + noise * np.random.default_rng(0).standard_normal(steps)


@pytest.mark.parametrize("noise", [0, 0.15])
@pytest.mark.parametrize("fastest", [3e-4, 3e-3])
def test_the_rate_is_where_the_loss_falls_fastest(noise, fastest):
    grown, losses = valley(fastest=fastest, noise=noise)
    found = suit(grown, losses, smooth(losses))
    assert fastest / 1.5 < found < fastest * 1.5


def test_no_rate_where_the_loss_only_wavers():
    grown, _ = valley()
    losses = 2.3 + 0.2 * np.random.default_rng(1).standard_normal(len(grown))
    assert suit(grown, losses, smooth(losses)) is None


def test_smoothing_keeps_lines_and_takes_noise_away():
    places = np.arange(100.0)
    assert smooth(places)[20:80] == pytest.approx(places[20:80])
    noise = np.random.default_rng(0).standard_normal(1000)
    assert smooth(noise).std() < 0.35


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "sgd"])
def test_a_training_at_the_rate_learns(optimizer):
    data = bars_dataset(120)
    found = find_learning_rate(data, **OPTIONS | {"optimizer": optimizer})
    assert len(found.rates) == len(found.losses) == len(found.batch_losses)
    assert np.diff(np.log(found.rates)) == pytest.approx(np.log(found.rates[1] / found.rates[0]))
    run = train(data, **OPTIONS | {"optimizer": optimizer, "lr": found.lr, "epochs": 20})
    assert run.metrics[-1]["train_accuracy"] > 0.9


def test_the_first_steps_are_those_of_the_training():
    """At a rate that stays the same, the mean of the first batches is the loss of the first epoch."""
    data = bars_dataset(60)
    found = find_learning_rate(
        data, lowest=0.01, highest=0.01 * (1 + 1e-9), steps=10, batch_size=10, val="0", **OPTIONS
    )
    run = train(data, lr=0.01, epochs=1, batch_size=10, val="0", **OPTIONS)
    assert np.mean(found.batch_losses[:6]) == pytest.approx(run.metrics[0]["train_loss"], rel=1e-6)


def test_the_same_seed_the_same_bits():
    found = [find_learning_rate(bars_dataset(), steps=20, seed=seed, **OPTIONS) for seed in (3, 3, 4)]
    assert found[0] == found[1]
    assert found[0].batch_losses != found[2].batch_losses


def test_it_ends_when_the_loss_explodes():
    found = find_learning_rate(bars_dataset(), optimizer="sgd", loss="squared_error", network="fc-3", jobs=1)
    assert len(found.rates) < rates.STEPS
    assert found.rates[-1] < rates.HIGHEST
    assert found.losses[-1] > 2 * min(found.losses)
    assert np.isfinite(found.batch_losses).all()


def test_progress_is_told():
    class Seen(Watcher):
        steps, parts = (), 0

        def batch(self, report):
            self.steps += ((report.batch, report.batches),)

        def prepared(self, preparation):
            self.parts += 1

    seen = Seen()
    find_learning_rate(bars_dataset(), steps=12, watcher=seen, **OPTIONS)
    assert seen.steps == tuple((step, 12) for step in range(1, 13))
    assert seen.parts == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 9}, "10 steps or more: got 1e-05 to 10 in 9"),
        ({"lowest": 1.0, "highest": 0.1}, "got 1 to 0.1"),
        ({"lowest": 0.0}, "above 0"),
        ({"batch_size": 0}, "batch_size must be"),
    ],
)
def test_what_cannot_be_tested_is_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        find_learning_rate(bars_dataset(), **OPTIONS, **options)


def test_a_loss_that_is_not_finite_from_the_beginning():
    with pytest.raises(TrainingError, match=r"the loss is not finite after \d steps at learning rates up to 1e\+3\d"):
        find_learning_rate(
            bars_dataset(),
            network="2xfc-4 fc-3",
            jobs=1,
            loss="squared_error",
            optimizer="sgd",
            lowest=1e35,
            highest=1e38,
        )


def test_several_processes_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ArgumentError, match="tested in one process"):
        find_learning_rate(bars_dataset(), **OPTIONS)


@pytest.mark.parametrize("lr", [3e-3, None])
def test_the_chart(lr):
    grown, losses = valley(noise=0.1)
    svg = draw_rates(RateTest(tuple(grown), tuple(losses), tuple(smooth(losses)), lr))
    lines = [
        shape.get("points").split() for shape in check_drawing(svg).iter() if "line-mark" in shape.get("class", "")
    ]
    assert len(lines) == (lr is not None)
    labels = {label.text: (label.left + label.right) / 2 for label in svg.labels}
    if lr is not None:  # the mark stands over its rate: 0.003 is 2.48 of 6 powers of ten from the left
        left, right = labels["1e-05"], labels["10"]
        place = left + (right - left) * (np.log10(3e-3) + 5) / 6
        assert float(lines[0][0].split(",")[0]) == pytest.approx(place, abs=0.02)
        assert "falls fastest at 0.003" in labels


@pytest.mark.parametrize("augment", ["", "flip"])
def test_frozen_layers_are_those_of_the_training(tmp_path, augment):
    """At a rate that stays the same, the first batches have the losses of a training that freezes the same words."""
    train(bars_dataset(60), output=tmp_path / "run", epochs=1, **OPTIONS)
    about = {"source": str(tmp_path / "run"), "freeze": "all", "augment": augment, "batch_size": 10, "val": "0"}
    shared = PLAIN | about | {"jobs": 1}
    found = find_learning_rate(bars_dataset(60), lowest=0.01, highest=0.01 * (1 + 1e-9), steps=10, lr=0.01, **shared)
    run = train(bars_dataset(60), lr=0.01, epochs=1, **shared)
    assert np.mean(found.batch_losses[:6]) == pytest.approx(run.metrics[0]["train_loss"], rel=1e-6)
