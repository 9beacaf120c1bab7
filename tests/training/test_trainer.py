"""Training: it learns, it says what it does, it keeps the best, and it stops where it must."""

import json
import math
import threading
import time

import numpy as np
import pytest
from small_data import NETWORK, PLAIN, bars, bars_dataset, bars_folder, bars_npz

from cnncli.data import ArrayDataset
from cnncli.engines.losses import LOSSES
from cnncli.engines.optimizers import OPTIMIZERS
from cnncli.errors import ArgumentError, DataError, ImageError, NoInputError, TrainingError
from cnncli.models.opening import load_model
from cnncli.training.batches import epoch_order, made_ready, make_batches
from cnncli.training.configuration import Configuration
from cnncli.training.preparing.preparation import batch_starts, prepare
from cnncli.training.run_folder import RunFolder
from cnncli.training.runs import train
from cnncli.training.trainer import Trainer
from cnncli.training.watcher import Watcher

FIELDS = ["epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr", "seconds", "images_per_second"]


class Recorder(Watcher):
    """Keeps what it is told."""

    def __init__(self):
        self.told = []

    def prepared(self, preparation):
        self.told.append("prepared")

    def begins(self, estimate, epochs_done):
        assert estimate.seconds > 0
        self.told.append("begins")

    def batch(self, report):
        assert math.isfinite(report.loss)
        assert 0 <= report.measures["accuracy"] <= 1
        self.told.append((report.epoch, report.batch))

    def epoch(self, metrics, *, best):
        self.told.append("best" if best else "epoch")

    def judging(self):
        self.told.append("judging")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_learns(optimizer):
    options = PLAIN | {"network": NETWORK, "optimizer": optimizer, "epochs": 12, "batch_size": 8}
    run = train(bars_dataset(120), **options)
    assert run.done
    assert run.scores.accuracy > 0.9
    assert run.metrics[-1]["train_loss"] < run.metrics[0]["train_loss"] / 2


@pytest.mark.parametrize(
    ("loss", "network", "classes"),
    [
        ("cross_entropy", "fc-8,relu fc-3", 3),
        ("cross_entropy", "fc-8,relu fc-3,softmax", 3),
        ("cross_entropy", "fc-8,tanh rbf-3", 3),
        ("squared_error", "fc-8,tanh fc-3", 3),
        ("squared_error", "fc-8,tanh fc-3,sigmoid", 3),
        ("squared_error", "fc-8,relu fc-3,softmax", 3),
        ("logistic", "fc-8,relu fc-1", 2),
        ("logistic", "fc-8,relu fc-1,sigmoid", 2),
        ("logistic", "", 2),
        ("cross_entropy", "", 3),
        ("cross_entropy", "conv3-8,same,relu conv3-3 gap", 3),
    ],
)
def test_every_loss_learns_with_every_end_of_a_network(loss, network, classes):
    data = bars_dataset(120, classes=classes)
    run = train(data, **PLAIN, network=network, loss=loss, epochs=15, batch_size=8, lr=0.003)
    assert run.scores.accuracy > 0.9
    # What training counted as right is what the model predicts.
    model = run.model
    assert model.predict(data.images(np.arange(len(data)))).shape == (120,)
    assert run.scores.accuracy == max(line["val_accuracy"] for line in run.metrics)


def test_the_folder_of_a_run(tmp_path):
    run = train(bars_dataset(), output=tmp_path / "run", network=NETWORK, epochs=3, **PLAIN)
    names = {path.name for path in (tmp_path / "run").iterdir()} - {path.name for path in run.pictures}
    files = {"model.safetensors", "checkpoint.safetensors", "metrics.jsonl", "config.toml", "split.safetensors"}
    assert names == files | {"report.html"}
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [list(line) for line in lines] == [FIELDS] * 3
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert lines == list(run.metrics)
    assert all(line["lr"] == 0.001 and line["images_per_second"] > 0 for line in lines)


def test_the_model_is_that_of_the_best_epoch(tmp_path):
    data = bars_dataset(90)
    run = train(data, output=tmp_path / "run", network=NETWORK, epochs=8, batch_size=4, lr=0.02)
    accuracies = [(line["val_accuracy"], -line["val_loss"]) for line in run.metrics]
    assert run.best_epoch == 1 + accuracies.index(max(accuracies))
    model = load_model(tmp_path / "run")
    images = data.images(np.arange(90))
    assert np.array_equal(model.probabilities(images), run.model.probabilities(images))
    assert run.scores.accuracy == run.metrics[run.best_epoch - 1]["val_accuracy"]


def test_metrics_are_what_the_weights_give():
    """Without dropout and with a step of nothing, the training loss is that of the weights themselves."""
    data = bars_dataset(40)
    preparation = prepare(Configuration(network="fc-3", lr=1e-30, epochs=1, batch_size=16, **PLAIN), data)
    trainer = Trainer(preparation)
    with trainer:
        trainer.run()
        loss, _, accuracy = trainer.evaluate(preparation.train)
        val_loss, _, val_accuracy = trainer.evaluate(preparation.validation)
    (line,) = trainer.metrics
    assert line["train_loss"] == pytest.approx(loss, rel=1e-6)
    assert line["train_accuracy"] == accuracy
    assert (line["val_loss"], line["val_accuracy"]) == (val_loss, val_accuracy)


def test_a_watcher_is_told_everything_in_order():
    watcher = Recorder()
    train(bars_dataset(40), network="fc-3", epochs=2, batch_size=16, watcher=watcher)
    epochs = [entry for entry in watcher.told if entry in ("best", "epoch")]
    assert watcher.told[:2] == ["prepared", "begins"]
    assert [entry for entry in watcher.told if isinstance(entry, tuple)] == [(e, b) for e in (1, 2) for b in (1, 2, 3)]
    assert (epochs[0], len(epochs), watcher.told[-1]) == ("best", 2, "judging")


def test_an_estimate_changes_nothing():
    preparation = prepare(Configuration(network=NETWORK, epochs=1, batch_size=16), bars_dataset(40))
    models = []
    for estimates in (0, 3):
        with Trainer(preparation) as trainer:
            for _ in range(estimates):
                trainer.estimate()
            trainer.run()
            models.append(trainer.model())
    for name, array in {**models[0].parameters, **models[0].buffers}.items():
        assert np.array_equal(array, {**models[1].parameters, **models[1].buffers}[name])


def test_early_stopping():
    run = train(bars_dataset(), network="fc-3", epochs=50, lr=1e-14, early_stop=3)
    assert len(run.metrics) == run.best_epoch + 3
    assert run.done


def test_a_stop_before_the_first_batch_leaves_something_to_resume(tmp_path):
    stop = threading.Event()
    stop.set()
    run = train(bars_dataset(), network="fc-3", epochs=2, output=tmp_path / "run", stop=stop)
    assert (run.done, run.metrics, run.scores) == (False, (), None)
    assert train(bars_dataset(), output=tmp_path / "run", resume=True).done


def test_nothing_held_out():
    run = train(bars_dataset(), network="fc-3", epochs=2, val="0")
    assert (run.judged_by, run.best_epoch) == ("train", 2)
    assert run.metrics[0]["val_loss"] is run.metrics[0]["val_accuracy"] is None


def test_baselines_are_judged_on_the_same_pictures():
    run = train(bars_dataset(90), network="fc-3", epochs=1)
    assert run.baselines.majority_class == pytest.approx(1 / 3)
    assert run.baselines.nearest_centroid > 0.9


def test_balanced_classes_reach_a_rare_one():
    pixels, labels = bars(400, classes=2)
    chosen = np.flatnonzero((labels == 0) | (np.arange(400) % 40 == 1))
    rare = ArrayDataset(pixels[chosen], labels[chosen], ("often", "rare"), "rare")
    weights = prepare(Configuration(class_weight="balanced"), rare).loss.class_weights
    assert weights[1] > 10 * weights[0]
    assert train(rare, network="fc-2", class_weight="balanced", epochs=20).scores.per_class[1].recall == 1


# Data


def test_every_item_is_seen_once_an_epoch_in_another_order():
    preparation = prepare(Configuration(network="fc-3", batch_size=16), bars_dataset(40))
    epochs = [np.concatenate([batch.items for batch in make_batches(preparation, epoch)]) for epoch in (0, 1)]
    assert all(sorted(order.tolist()) == list(range(len(preparation.train))) for order in epochs)
    assert epochs[0].tolist() != epochs[1].tolist()
    assert epoch_order(6, seed=0, epoch=0).tolist() == [0, 5, 3, 1, 4, 2]  # on every machine


@pytest.mark.parametrize("items", range(1, 30))
@pytest.mark.parametrize("batch_size", [1, 2, 7, 40])
def test_no_picture_is_alone_in_a_batch(items, batch_size):
    sizes = np.diff([*batch_starts(items, batch_size), items])
    assert sizes.sum() == items
    assert batch_size == 1 or items == 1 or sizes.min() > 1
    assert sizes.max() <= batch_size + 1


def slowly(batches):
    for batch in batches:
        time.sleep(0.005)
        yield batch


@pytest.mark.parametrize("pace", [iter, slowly])
def test_batches_that_are_made_ready_come_in_order_and_can_be_left(pace):
    preparation = prepare(Configuration(network="fc-3", batch_size=4), bars_dataset(60))
    plain, ready = list(make_batches(preparation, 0)), list(made_ready(pace(make_batches(preparation, 0))))
    assert all(np.array_equal(one.images, other.images) for one, other in zip(plain, ready, strict=True))
    threads = threading.active_count()
    some = made_ready(pace(make_batches(preparation, 0)))
    for _ in range(3):
        next(some)
        time.sleep(0.01)
    assert threading.active_count() == threads + (pace is slowly), "a thread, where making takes long"
    some.close()
    assert threading.active_count() == threads


@pytest.mark.parametrize("pace", [iter, slowly])
def test_an_error_while_batches_are_made_is_raised(pace):
    def broken():
        yield from make_batches(prepare(Configuration(network="fc-3"), bars_dataset()), 0)
        raise ImageError("gone")

    with pytest.raises(ImageError, match="gone"):
        list(made_ready(pace(broken())))


def test_a_folder_and_an_array_of_the_same_pictures_train_the_same(tmp_path):
    pixels, labels = bars(60)
    order = np.argsort(labels, kind="stable")  # as files are read
    data = ArrayDataset(pixels[order], labels[order], [f"class {label}" for label in range(3)], "x")
    options = {"network": NETWORK, "epochs": 2, "val": "0"}
    folder = train(bars_folder(tmp_path / "bars"), **options)
    arrays = train(data, **options)
    for name, array in arrays.model.parameters.items():
        assert np.array_equal(folder.model.parameters[name], array)
    assert folder.model.class_names == arrays.model.class_names


def test_validation_data_of_its_own(tmp_path):
    bars_npz(tmp_path / "train.npz", 60)
    bars_npz(tmp_path / "val.npz", 12, seed=5)
    preparation = prepare(Configuration(val=str(tmp_path / "val.npz")), tmp_path / "train.npz")
    assert (len(preparation.train), len(preparation.validation)) == (60, 12)
    bars_npz(tmp_path / "val.npz", 12)  # the first twelve pictures of the training data
    preparation = prepare(Configuration(val=str(tmp_path / "val.npz")), tmp_path / "train.npz")
    assert [finding.kind for finding in preparation.findings] == ["duplicate"]
    bars_npz(tmp_path / "val.npz", 12, size=9)
    preparation = prepare(Configuration(val=str(tmp_path / "val.npz")), tmp_path / "train.npz")
    assert preparation.validation.shape == (8, 8, 1)


def test_a_folder_with_parts_uses_them(tmp_path):
    for part, seed in (("train", 0), ("val", 1), ("test", 2)):
        bars_folder(tmp_path / "bars" / part, 30, seed=seed)
    preparation = prepare(Configuration(), tmp_path / "bars")
    assert [len(part) for part in (preparation.train, preparation.validation, preparation.test)] == [30, 30, 30]
    run = train(tmp_path / "bars", network="fc-3", epochs=10)
    assert run.test_scores.confusion.sum() == 30
    split = prepare(Configuration(val="0.2"), tmp_path / "bars")
    assert (len(split.train), len(split.validation)) == (24, 6)


def test_a_corrupt_picture_is_left_out_or_refused(tmp_path):
    folder = bars_folder(tmp_path / "bars")
    bad = folder / "class 1" / "bad.png"
    bad.write_bytes(b"no picture")
    preparation = prepare(Configuration(), folder)
    assert any("bad.png" in finding.message for finding in preparation.findings)
    with pytest.raises(ImageError, match=r"bad\.png"):
        prepare(Configuration(strict=True), folder)
    assert bad.read_bytes() == b"no picture"


def test_one_class_is_nothing_to_tell_apart(tmp_path):
    with pytest.raises(DataError, match="one class"):
        train(bars_dataset(classes=1), network="fc-1")
    (tmp_path / "empty").mkdir()
    with pytest.raises((DataError, NoInputError), match="empty"):
        train(tmp_path / "empty")


# Networks


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 16, 28, 33, 64, 224])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_default_network_fits_every_size(size, loss):
    pixels = np.zeros((8, size, size + size // 3, 1), np.uint8)
    pixels += np.arange(8, dtype=np.uint8)[:, None, None, None]
    data = ArrayDataset(pixels, np.arange(8) % 2, ("a", "b"), "x")
    network = prepare(Configuration(loss=loss, val="0"), data).network
    assert network.input_shape == data.shape
    assert network.totals.params < 5_000_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "fc-4"}, r"puts out 4, the data has 3 classes: let it end in fc-3, as in --network 'fc-3'"),
        ({"network": "nin"}, "images of 8x8 are too small: .* needs at least .*; --size 224x224 makes them"),
        ({"network": "conv3-4"}, "puts out 6x6x4, the data has 3 classes: let it end in fc-3"),
        ({"network": "fc-8,relu fc-9,softmax"}, r"fc-3,softmax, as in --network 'fc-8,relu fc-3,softmax'"),
        ({"network": "fc-3,sigmoid"}, "ends in softmax"),
        ({"network": "9x9x1 fc-3"}, "takes 9x9x1, the pictures are 8x8x1: add --size 9x9"),
        ({"network": "nonet"}, "nonet"),
        ({"network": "fc-3", "loss": "logistic"}, "two classes"),
        ({"val": "1.5"}, "val must be"),
        ({"val": "nowhere"}, "nowhere"),
        ({"surprise": 1}, "no option 'surprise'"),
    ],
)
def test_what_does_not_fit_is_said(options, message):
    with pytest.raises((ArgumentError, DataError), match=message) as raised:
        train(bars_dataset(), **options)
    assert "\n" not in str(raised.value)


def test_a_text_may_say_its_input_where_it_is_the_data_s(tmp_path):
    bars_npz(tmp_path / "bars.npz")
    assert prepare(Configuration(network="8x8 fc-3"), tmp_path / "bars.npz").network.input_shape == (8, 8, 1)
    sized = prepare(Configuration(network="9x9 fc-3", size=9), tmp_path / "bars.npz")
    assert sized.train.shape == sized.network.input_shape == (9, 9, 1)


def test_a_network_of_the_zoo_takes_the_data_s_input():
    pixels, labels = bars(40, classes=10, size=32)
    data = ArrayDataset(pixels, labels, tuple("0123456789"), "x")
    for name in ("lenet5", "lenet5-1998"):
        assert train(data, network=name, epochs=1).model.input_shape == (32, 32, 1)


# A loss that is not finite


@pytest.mark.parametrize("network", ["fc-8,relu fc-3", "conv3-4,relu conv3-4,relu fc-3"])
def test_a_loss_that_is_not_finite_has_its_post_mortem(tmp_path, network):
    with pytest.raises(TrainingError) as raised:
        train(
            bars_dataset(), network=network, optimizer="sgd", lr=1e30, epochs=5, output=tmp_path / "run", batch_size=16
        )
    message = str(raised.value)
    assert "\n" not in message
    assert "no longer finite" in message
    assert "bars[" in message
    assert "try --lr 0.1 (it was 1e+30) or --clip-norm 1" in message
    found = json.loads((tmp_path / "run/post_mortem.json").read_text())
    assert len(found["files"]) in range(8, 18)
    assert found["finding"] in message
    assert any(word in found["finding"] for word in ("fc", "conv"))
    # The last checkpoint is from before.
    assert all(np.isfinite(array).all() for array in load_model_or_checkpoint(tmp_path / "run"))


def load_model_or_checkpoint(folder):
    from cnncli.training.checkpoints import load_checkpoint

    return load_checkpoint(RunFolder(folder).checkpoint).parameters.values()


def test_pictures_that_are_not_finite_are_named():
    pixels = bars(40)[0].astype(np.float32)
    pixels[7, 0, 0] = np.nan
    data = ArrayDataset(pixels, np.arange(40) % 3, tuple("abc"), "floats")
    with pytest.raises(DataError, match=r"floats\[7\]: holds numbers that are not finite"):
        train(data, network="fc-3", epochs=1, val="0", batch_size=64)
