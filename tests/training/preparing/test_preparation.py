"""What a training is given: which pictures choose and judge, shares, memory, and what is refused before any work."""

import numpy as np
import pytest
from PIL import Image
from small_data import PLAIN, bars, bars_dataset, bars_npz

from cnncli.data import ArrayDataset
from cnncli.engines.optimizers import OPTIMIZERS
from cnncli.errors import ArgumentError, DataError, TrainingError
from cnncli.models.judging.metrics import score
from cnncli.networks import parse_network
from cnncli.training.configuration import Configuration, parse_share
from cnncli.training.preparing import memory
from cnncli.training.preparing.preparation import prepare
from cnncli.training.runs import train

OPTIONS = {"network": "fc-3", "epochs": 2, "jobs": 1}


def save_parts(folder, *parts, count=12):
    """Make a folder with a folder of bars for each part; their first pixel tells the part."""
    for number, part in enumerate(parts):
        pixels, labels = bars(count, seed=number)
        pixels[:, 0, 0] = 10 * (number + 1)
        for place, (picture, label) in enumerate(zip(pixels, labels, strict=True)):
            path = folder / part / f"class {label}"
            path.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture.squeeze()).save(path / f"{place:02}.png")
    return folder


def first_pixels(dataset):
    return set(dataset.images(np.arange(len(dataset)))[:, 0, 0, 0].tolist())


class TestOtherDataToValidateBy:
    def test_its_validation_part_is_taken_and_never_its_test_part(self, tmp_path):
        other = save_parts(tmp_path / "other", "train", "val", "test")
        prepared = prepare(Configuration(network="fc-3", val=str(other)), bars_dataset())
        assert first_pixels(prepared.validation) == {20}

    def test_of_the_very_data_too(self, tmp_path):
        data = save_parts(tmp_path / "data", "Training", "Testing", "Validation")
        prepared = prepare(Configuration(network="fc-3", val=str(data)), data)
        assert (first_pixels(prepared.validation), first_pixels(prepared.test)) == ({30}, {20})

    def test_without_one_it_is_refused(self, tmp_path):
        other = save_parts(tmp_path / "other", "train", "test")
        with pytest.raises(DataError, match="none to validate by, and a test part is not looked at while choosing"):
            prepare(Configuration(network="fc-3", val=str(other)), bars_dataset())

    def test_all_of_it_where_it_has_no_parts(self, tmp_path):
        other = save_parts(tmp_path / "other", "")
        assert len(prepare(Configuration(network="fc-3", val=str(other)), bars_dataset()).validation) == 12

    def test_pictures_of_the_test_part_in_it_are_said(self, tmp_path):
        data = save_parts(tmp_path / "data", "train", "test")
        prepared = prepare(Configuration(network="fc-3", val=str(data / "test")), data)
        assert any(
            "12 pictures of the test part are in the validation part too" in f.message for f in prepared.findings
        )

    def test_its_unknown_classes_are_left_out(self, tmp_path):
        other = save_parts(tmp_path / "other", "")
        (other / "class 2").rename(other / "class 9")
        prepared = prepare(Configuration(network="fc-3", val=str(other)), bars_dataset())
        assert len(prepared.validation) == 8
        assert any("4 pictures of class class 9 in the validation part alone" in f.message for f in prepared.findings)


def test_a_class_that_is_never_trained_has_no_output(tmp_path):
    x, y = bars(30)
    np.savez(tmp_path / "x.npz", x_train=x[:24], y_train=y[:24] % 2, x_test=x[24:], y_test=y[24:])
    prepared = prepare(Configuration(), tmp_path / "x.npz")
    assert prepared.class_names == ("0", "1")
    assert prepared.network.output_shape == (2,)
    assert set(prepared.test.labels.tolist()) == {0, 1}
    assert [f.message for f in prepared.findings] == [
        f"{tmp_path / 'x.npz'}: no pictures of class 2 to train on: left out",
        f"{tmp_path / 'x.npz'}: 2 pictures of class 2 in the test part alone: left out",
    ]


def test_parts_of_other_shapes_are_refused_before_any_work(tmp_path):
    x, y = bars(12)
    np.savez(tmp_path / "x.npz", x_train=x, y_train=y, x_test=np.repeat(x, 3, axis=3), y_test=y)
    with pytest.raises(DataError, match=r"x\.npz:x_test\[0\] is 8x8x3, those to train on are 8x8x1"):
        prepare(Configuration(), tmp_path / "x.npz")


def test_the_only_class_is_named(tmp_path):
    np.savez(tmp_path / "x.npz", x=bars(6)[0], y=np.full(6, 7))
    with pytest.raises(DataError, match="all pictures are of one class, '7': there is nothing to tell apart"):
        prepare(Configuration(), tmp_path / "x.npz")


def test_a_folder_around_the_data_is_told(tmp_path):
    save_parts(tmp_path / "data" / "archive", "train", "val")
    with pytest.raises(DataError, match=r"one class, 'archive': its folder holds folders itself.*name .*archive"):
        prepare(Configuration(), tmp_path / "data")


class TestShares:
    @pytest.mark.parametrize(
        ("text", "share"),
        [("0.2", 0.2), ("20%", 0.2), (".5", 0.5), ("0", 0), ("0%", 0), ("12.5%", 0.125), ("data", None), ("%", None)],
    )
    def test_both_ways_to_write_them(self, text, share):
        assert parse_share(text) == share

    @pytest.mark.parametrize("val", ["0.2", "20%", 0.2, "0.20"])
    def test_of_pictures_to_validate_by(self, val):
        assert Configuration(val=val).val == "0.2"
        assert len(prepare(Configuration(network="fc-3", val=val), bars_dataset()).validation) == 12

    @pytest.mark.parametrize("val", ["120%", "-1%", "1", "1e9", "100%", "nan", "inf"])
    def test_that_are_none(self, val):
        with pytest.raises(ArgumentError, match=r"val must be a share from 0 to below 1, such as 0\.2 or 20%"):
            prepare(Configuration(network="fc-3", val=val), bars_dataset())


@pytest.mark.parametrize("val", ["0", 0, "0%", 0.0])
def test_stopping_early_needs_something_to_validate_by(val):
    with pytest.raises(ArgumentError, match="early_stop needs something to validate by, and val is 0"):
        Configuration(early_stop=3, val=val)
    assert Configuration(early_stop=3, val="data").early_stop == 3


class TestMemory:
    def test_what_the_machine_cannot_hold_is_refused_before_it_is_taken(self, monkeypatch):
        monkeypatch.setattr(memory, "machine_bytes", lambda: 1 << 20)
        with pytest.raises(
            ArgumentError, match=r"32 pictures of 8x8x1 take .* GiB of memory or more: .*--size 128 makes"
        ):
            prepare(Configuration(network="3xconv5-64,same fc-3"), bars_dataset())

    def test_much_is_said(self, monkeypatch):
        monkeypatch.setattr(memory, "LARGE", 1 << 20)
        (finding,) = prepare(Configuration(network="3xconv5-64,same fc-3"), bars_dataset()).findings
        assert finding.kind == "memory"
        assert "activations" in finding.message

    def test_little_is_not(self):
        assert prepare(Configuration(network="fc-3"), bars_dataset()).findings == ()

    def test_a_photograph_at_full_size_is_more_than_any_machine_of_today_has(self):
        network = parse_network("3888x5184x3 conv3-16,same,relu max2 conv3-32,same,relu max2 gap fc-2")
        assert memory.training_bytes(network, 32) > 100 << 30


class TestBalanced:
    """Where one class is rare, the epoch that names it best is another than the one that errs least often."""

    @pytest.fixture
    def data(self, tmp_path):
        rng = np.random.default_rng(1)
        labels = np.array([0] * 400 + [1] * 12)
        pixels = rng.integers(60, 180, (412, 4, 4, 1)) + 14 * labels[:, None, None, None]
        np.savez(tmp_path / "rare.npz", x=pixels.astype(np.uint8), y=labels)
        return tmp_path / "rare.npz"

    @pytest.mark.parametrize("weight", ["none", "balanced"])
    def test_the_kept_epoch_is_the_best_by_what_was_asked_for(self, data, tmp_path, weight):
        own = {"network": "gap fc-2", "epochs": 25, "lr": 0.05, "val": 0.3, "jobs": 1, "class_weight": weight}
        run = train(data, output=tmp_path / "run", **PLAIN | own)
        measure = "val_accuracy" if weight == "none" else "val_balanced_accuracy"
        best = max(run.metrics, key=lambda line: (line[measure], -line["val_loss"]))
        assert run.best_epoch == best["epoch"]
        assert run.chosen_by == ("accuracy" if weight == "none" else "balanced accuracy")
        assert ("val_balanced_accuracy" in run.metrics[0]) == (weight == "balanced")
        if weight == "balanced":
            assert run.scores.balanced_accuracy == pytest.approx(best[measure], abs=1e-12)
            assert best != max(run.metrics, key=lambda line: (line["val_accuracy"], -line["val_loss"]))

    def test_stopping_early_asks_the_same(self, data):
        options = {"network": "gap fc-2", "epochs": 40, "lr": 0.05, "val": 0.3, "jobs": 1}
        run = train(data, early_stop=3, class_weight="balanced", **options)
        values = [(line["val_balanced_accuracy"], -line["val_loss"]) for line in run.metrics]
        best = 0
        for epoch, value in enumerate(values):
            best = epoch if value > values[best] else best
            assert (epoch - best >= 3) == (epoch == len(values) - 1) or epoch == 39


class TestInterval:
    def test_it_is_widened_for_the_choice_among_epochs(self):
        one, many = (train(bars_dataset(), val=0.3, **{**OPTIONS, "epochs": epochs}) for epochs in (1, 20))
        assert (one.chosen_among, many.chosen_among) == (1, 20)
        low, high = many.scores.accuracy_interval
        assert low <= many.scores.accuracy <= high

    def test_it_covers_chance_where_labels_mean_nothing(self):
        """Of 200 trainings on noise, whose best epoch looks better than it is, at most 5 % leave out what is true."""
        rng, covered, naive = np.random.default_rng(0), 0, 0
        names, zeros = ("a", "b"), np.zeros(100, int)
        for _ in range(200):
            epochs = [rng.integers(0, 2, 100)]
            for _ in range(29):  # alike, as those of one training
                epochs.append(np.where(rng.random(100) < 0.2, rng.integers(0, 2, 100), epochs[-1]))
            best = min(epochs, key=np.sum)
            for choices in (1, 30):
                low, high = score(zeros, best, names, choices=choices).accuracy_interval
                naive += choices == 1 and low <= 0.5 <= high
                covered += choices == 30 and low <= 0.5 <= high
        assert naive < 180
        assert covered >= 190


def test_a_rate_that_is_far_too_large_is_told_by_the_post_mortem_alone(tmp_path):
    """NumPy's warnings are errors here."""
    bars_npz(tmp_path / "bars.npz")
    for name in OPTIMIZERS:
        with pytest.raises(TrainingError, match="the loss is no longer finite"):
            train(tmp_path / "bars.npz", network="conv3-4,relu fc-3", optimizer=name, lr=1e38, epochs=9, jobs=1)


def test_augmentations_of_colour_have_to_suit_the_pictures():
    with pytest.raises(ArgumentError, match="augmentation hue changes colours, and the pictures are grey"):
        prepare(Configuration(network="fc-3", augment="hue"), bars_dataset())
    pixels, labels = bars(12)
    raw = ArrayDataset(pixels.astype(np.float32) - 3000, labels, ["a", "b", "c"], "raw", scale="raw")
    with pytest.raises(ArgumentError, match="augmentation contrast needs pixels from 0 to 255"):
        prepare(Configuration(network="fc-3", augment="contrast"), raw)
