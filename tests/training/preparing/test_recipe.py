"""What a training does where the user leaves it open."""

import numpy as np
import pytest
from PIL import Image
from small_data import PLAIN, bars_dataset, bars_npz

from cnncli.data import ArrayDataset
from cnncli.errors import ArgumentError
from cnncli.models.safetensors import read_tensors, write_tensors
from cnncli.networks import parse_network
from cnncli.training.configuration import Configuration, read_configuration
from cnncli.training.preparing.preparation import prepare
from cnncli.training.preparing.recipe import FEWEST, MOST, WORK, Pace, default_epochs, default_layers
from cnncli.training.runs import train

SMALL = {"network": "conv3-4,bn,relu gap fc-3", "jobs": 1}


def noise(shape, count=40, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, *shape)).astype(np.uint8)
    return ArrayDataset(pixels, np.arange(count) % 2, ("a", "b"), "noise")


def chosen(data, **options):
    return prepare(Configuration(**options), data).configuration


class TestNetwork:
    @pytest.mark.parametrize(("side", "stages"), [(1, 1), (2, 2), (8, 3), (28, 3), (32, 3), (33, 4), (64, 4), (224, 6)])
    def test_has_a_stage_more_for_each_doubling(self, side, stages):
        words = default_layers((side, side, 3), 5)
        assert words.count("max2") == stages - 1
        assert words.count("res[") == min(2, stages - 1)
        network = parse_network(f"{side}x{side}x3 {words}")
        assert network.output_shape == (5,)
        assert network.buffer_shapes()

    @pytest.mark.parametrize("shape", [(1, 500, 1), (500, 1, 3), (7, 300, 1), (3, 2, 4)])
    def test_fits_odd_pictures(self, shape):
        assert parse_network(f"{'x'.join(map(str, shape))} {default_layers(shape, 2)}").output_shape == (2,)


class TestEpochs:
    @pytest.mark.parametrize("work", [0, 1e6, 3e10, 1e11, 1e15])
    def test_take_about_the_same_work(self, work):
        epochs = default_epochs(work)
        assert FEWEST <= epochs <= MOST
        assert epochs in (FEWEST, MOST) or epochs * work == pytest.approx(WORK, rel=0.05)

    def test_few_pictures_are_repeated_until_enough_are_seen(self):
        pace = Pace(work=1e12, most=60, seen=6000)
        for pictures, work, expected in (
            (10, 1e8, 600),
            (99, 1e8, 60),
            (200, 1e8, 50),
            (10, 1e9, 100),
            (5000, 1e8, 10),
        ):
            assert default_epochs(pictures * work, pictures, pace) == expected

    def test_count_what_frozen_words_leave_to_compute(self, tmp_path):
        network = "conv3-64,same,relu conv3-64,same,relu gap fc-2"
        train(noise((8, 8, 3)), network=network, epochs=1, output=tmp_path / "run", jobs=1)
        many = noise((96, 96, 3), 400, seed=1)
        assert chosen(many, source=str(tmp_path / "run"), size=96).epochs < MOST
        frozen = chosen(many, source=str(tmp_path / "run"), size=96, freeze="all")
        assert (frozen.epochs, frozen.augment) == (MOST, "")


class TestRates:
    def test_are_smaller_without_batch_norm(self):
        for words, lr in (("conv3-4,bn,relu fc-3", 0.003), ("conv3-4,relu fc-3", 0.001)):
            assert chosen(bars_dataset(), network=words).lr == lr
            assert chosen(bars_dataset(), network=words, optimizer="adam").lr == 0.001
            assert chosen(bars_dataset(), network=words, lr=0.7).lr == 0.7

    @pytest.mark.parametrize(("epochs", "warmup"), [(1, 0.1), (5, 0.5), (10, 1), (70, 1)])
    def test_rise_for_an_epoch_of_ten(self, epochs, warmup):
        assert chosen(bars_dataset(), epochs=epochs).warmup == warmup
        assert chosen(bars_dataset(), epochs=epochs, schedule="constant").warmup == 0

    def test_a_warmup_longer_than_the_chosen_epochs_is_refused(self):
        with pytest.raises(ArgumentError, match="warmup of 100 epochs leaves nothing of 100"):
            chosen(bars_dataset(), warmup=100)


class TestAugmentations:
    def test_are_none_where_none_are_asked_for(self):
        assert chosen(bars_dataset(), augment="none").augment == chosen(bars_dataset(), augment="").augment == ""

    def test_are_those_of_auto(self):
        assert chosen(noise((32, 48, 3))).augment == "shift:2,flip"
        assert chosen(noise((32, 48, 3)), augment="auto").augment == "shift:2,flip"


class TestSizes:
    def test_several_become_one(self, tmp_path):
        rng = np.random.default_rng(0)
        for number in range(20):
            (tmp_path / "data" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (20 + number, 30, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / "ab"[number % 2] / f"{number}.png")
        preparation = prepare(Configuration(), tmp_path / "data")
        assert preparation.train.shape == (64, 64, 3)
        assert preparation.adapted == "images resized from several sizes to 64x64: --size takes another"
        assert preparation.configuration.size == (64, 64)
        assert prepare(Configuration(size=16), tmp_path / "data").adapted == ""


class TestRecords:
    def test_the_file_of_a_run_leaves_nothing_open(self, tmp_path):
        data = bars_npz(tmp_path / "bars.npz")
        first = train(data, output=tmp_path / "run", epochs=2, jobs=1)
        options = read_configuration(tmp_path / "run" / "config.toml")
        assert options.pop("data") == str(data)
        open_ones = set(Configuration.fields) - set(options)
        assert not open_ones & {"network", "epochs", "lr", "warmup", "augment", "label_smoothing", "weight_decay"}
        again = train(data, jobs=1, **options)
        assert all(
            np.array_equal(array, again.model.parameters[name]) for name, array in first.model.parameters.items()
        )

    def test_auto_is_what_the_run_has(self, tmp_path):
        train(bars_dataset(), output=tmp_path / "run", epochs=1, augment="auto", **SMALL)
        assert train(bars_dataset(), output=tmp_path / "run", resume=True, augment="auto").done

    def test_a_run_whose_network_was_left_open_keeps_it(self, tmp_path):
        """Earlier versions chose another network, and recorded its text in the checkpoint alone."""
        words = "conv3-4,same,relu max2 fc-3,softmax"
        run = tmp_path / "run"
        train(bars_dataset(), output=run, network=words, epochs=1, **PLAIN)
        arrays, texts = read_tensors(run / "checkpoint.safetensors")
        texts["cnncli.options"] = texts["cnncli.options"].replace(words, "")
        write_tensors(run / "checkpoint.safetensors", arrays, texts)
        whole = train(bars_dataset(), network=words, epochs=2, **PLAIN)
        parts = train(bars_dataset(), output=run, epochs=2, resume=True)
        for name, array in whole.model.parameters.items():
            assert np.array_equal(array, parts.model.parameters[name])
