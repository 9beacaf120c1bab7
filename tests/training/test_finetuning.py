"""Going on from a model: what is kept of it, what is frozen, and that it is resumed bit for bit."""

import hashlib
import shutil
import threading

import numpy as np
import pytest
from small_data import bars, bars_dataset, bars_folder

from cnncli.data import ArrayDataset
from cnncli.engines.initialization import initialize
from cnncli.errors import ArgumentError, DataError, ModelError
from cnncli.files.toml import read_toml
from cnncli.models.opening import load_trainable
from cnncli.models.safetensors import write_tensors
from cnncli.networks import load_network, parse_network
from cnncli.networks.heads import head_names
from cnncli.training.configuration import Configuration, read_configuration
from cnncli.training.preparing import memory, preparation
from cnncli.training.preparing.preparation import prepare
from cnncli.training.preparing.sources import frozen_words
from cnncli.training.rates import find_learning_rate
from cnncli.training.runs import train
from cnncli.training.trainer import Trainer
from cnncli.training.watcher import Watcher

NETWORK = "conv3-4,bn,relu conv3-6,bn,relu max2 fc-8,relu drop0.2 fc-3,softmax"
HEAD = ("5.fc.weight", "5.fc.bias")
OPTIONS = {"epochs": 3, "batch_size": 16, "jobs": 1, "seed": 3}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A run on three classes."""
    folder = tmp_path_factory.mktemp("source") / "run"
    train(bars_dataset(), output=folder, network=NETWORK, epochs=4, val="0", jobs=1)
    return str(folder)


def renamed(names, count=60, classes=3):
    pixels, labels = bars(count, classes=classes, seed=7)
    return ArrayDataset(pixels, labels, names, "renamed")


OTHER = ("bottom", "middle", "top", "upper")


def others(count=60):
    return renamed(OTHER, count, classes=4)


def arrays(model):
    return {**model.parameters, **model.buffers}


def went_on(source, data=None, **options):
    return train(data or others(), source=source, **{**OPTIONS, **options})


class TestTheHead:
    def test_of_other_classes_is_new(self, source):
        prepared = prepare(Configuration(source=source), others())
        assert prepared.new_head
        assert prepared.network.output_shape == (4,)
        with Trainer(prepared, jobs=1) as trainer:
            first = trainer.model()
        before = load_trainable(source)
        for name, array in arrays(before).items():
            assert (name in HEAD) != np.array_equal(arrays(first)[name], array), name
        assert np.abs(first.parameters["5.fc.weight"]).max() < 0.1  # it says nothing yet

    def test_of_other_classes_is_new_though_they_are_as_many(self, source):
        prepared = prepare(Configuration(source=source), renamed(["class 0", "class 1", "class 9"]))
        assert prepared.new_head

    def test_of_classes_without_names_is_new_for_folders_of_digits(self, tmp_path):
        network = load_network("lenet5")
        write_tensors(tmp_path / "weights.safetensors", initialize(network, seed=0)[0], {})  # says no classes
        pixels, labels = bars(size=32)
        data = ArrayDataset(pixels, np.arange(len(labels)) % 10, tuple("0123456789"), "digits")
        word = f"lenet5={tmp_path / 'weights.safetensors'}"
        assert prepare(Configuration(source=word), data).new_head
        (tmp_path / "names.txt").write_text("\n".join("0123456789"))
        assert not prepare(Configuration(source=word, classes=str(tmp_path / "names.txt")), data).new_head

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
    def test_of_the_same_classes_is_kept_in_any_order(self, source, order):
        names = [f"class {label}" for label in order]
        data = renamed(names)
        prepared = prepare(Configuration(source=source, val="0"), data)
        assert not prepared.new_head
        assert prepared.class_names == ("class 0", "class 1", "class 2")
        items = np.arange(len(data))
        assert [prepared.class_names[label] for label in prepared.train.labels] == [names[n] for n in data.labels]
        assert np.array_equal(prepared.train.images(items), data.images(items))
        with Trainer(prepared, jobs=1) as trainer:
            first, before = trainer.model(), load_trainable(source)
        assert all(np.array_equal(arrays(first)[name], array) for name, array in arrays(before).items())

    @pytest.mark.parametrize(
        ("optimizer", "options", "lr", "head_lr", "kept_head_lr"),
        [
            ("adam", {}, 0.001, 0.01, 0.001),
            ("momentum", {}, 0.002, 0.002, 0.002),
            ("adam", {"lr": 0.5}, 0.5, 5, 0.5),
            ("momentum", {"lr": 0.5}, 0.5, 0.5, 0.5),
            ("sgd", {"head_lr": 0.3}, 0.01, 0.3, 0.3),
        ],
    )
    def test_learns_at_a_rate_of_its_own(self, source, optimizer, options, lr, head_lr, kept_head_lr):
        new, kept = (
            prepare(Configuration(source=source, optimizer=optimizer, **options), data)
            for data in (others(), bars_dataset())
        )
        assert new.configuration.lr == pytest.approx(lr)
        assert (new.head_lr, kept.head_lr) == (pytest.approx(head_lr), pytest.approx(kept_head_lr))
        nothing = prepare(Configuration(network="fc-3", optimizer=optimizer), bars_dataset())
        assert nothing.head_lr == nothing.configuration.lr == nothing.optimizer.default_lr

    def test_alone_moves_where_the_other_rate_is_tiny(self, source):
        run = went_on(source, lr=1e-30, head_lr=0.01, optimizer="sgd")
        before = load_trainable(source)
        moved = {
            name for name, array in run.model.parameters.items() if not np.array_equal(array, before.parameters[name])
        }
        assert moved == set(HEAD)

    def test_of_one_output_for_two_classes(self, tmp_path):
        two = renamed(["a", "b"], 40, classes=2)
        train(two, output=tmp_path / "run", network="fc-1,sigmoid", loss="logistic", epochs=1, jobs=1)
        kept = prepare(Configuration(source=str(tmp_path / "run"), loss="logistic"), two)
        assert not kept.new_head
        other = prepare(Configuration(source=str(tmp_path / "run")), two)
        assert other.new_head
        assert str(other.network).endswith("fc-2,softmax")


class TestPictures:
    def test_are_brought_to_the_input_as_for_the_model(self, source, tmp_path):
        folder = bars_folder(tmp_path / "data", size=20, channels=3)
        prepared = prepare(Configuration(source=source), folder)
        model = load_trainable(source)
        assert prepared.train.shape == model.input_shape == (8, 8, 1)
        assert prepared.normalization == model.normalization
        run = went_on(source, folder)
        assert (run.model.input_shape, run.model.normalization) == (model.input_shape, model.normalization)

    def test_are_padded_where_the_model_pads(self, tmp_path):
        pixels, labels = bars(size=28)
        data = ArrayDataset(pixels, labels, ["a", "b", "c"], "bars")
        train(data, output=tmp_path / "run", network="lenet5", epochs=1, jobs=1)
        prepared = prepare(Configuration(source=str(tmp_path / "run"), val="0"), data)
        assert prepared.resize == "pad"
        assert np.array_equal(prepared.train.images([0])[:, 2:-2, 2:-2], data.images([0]))

    def test_of_a_size_that_was_asked_for(self, source, tmp_path):
        folder = bars_folder(tmp_path / "data", size=20)
        with pytest.raises(ArgumentError, match="takes images of 8x8 alone, got size 9x9: leave it out"):
            prepare(Configuration(source=source, size=9), folder)
        train(bars_dataset(), output=tmp_path / "run", network="conv3-4,relu gap fc-3", epochs=1, jobs=1)
        prepared = prepare(Configuration(source=str(tmp_path / "run"), size=9), folder)
        assert prepared.network.input_shape == prepared.train.shape == (9, 9, 1)

    def test_with_other_channels_become_the_models_or_are_refused(self, source, tmp_path):
        folder = bars_folder(tmp_path / "data", channels=3)
        assert prepare(Configuration(source=source), folder).train.shape[2] == 1
        with pytest.raises(ArgumentError, match="its pictures have 1 channel, got channels 3: leave it out"):
            prepare(Configuration(source=source, channels=3), folder)

    def test_in_memory_with_other_channels_are_refused(self, source):
        pixels, labels = bars(channels=3)
        data = ArrayDataset(pixels, labels, ["a", "b", "c"], "bars")
        with pytest.raises(DataError, match="takes pictures of 1 channels, the data has 3"):
            prepare(Configuration(source=source), data)

    def test_expect_what_is_told(self, source):
        told = prepare(Configuration(source=source, normalization="signed"), others())
        assert told.normalization.mean == (127.5,)
        told = prepare(Configuration(source=source, mean="0.25", std="0.5"), others())
        assert told.normalization.mean == (63.75,)


class TestFreezing:
    @pytest.mark.parametrize(
        ("freeze", "count"), [(1, 1), ("2", 2), (4, 4), (5, 5), ("all", 4)]
    )  # fmt: skip
    def test_counts_words(self, source, freeze, count):
        run = went_on(source, freeze=freeze, weight_decay=0.1, augment="shift:1", clip_norm=1.0)
        before = arrays(load_trainable(source))
        for name, array in arrays(run.model).items():
            assert np.array_equal(array, before[name]) == (int(name[0]) < count), name

    def test_of_more_than_there_are(self, source):
        with pytest.raises(
            ArgumentError, match="freeze 6: the network has 6 words, its head is number 6: freeze up to 5"
        ):
            prepare(Configuration(source=source, freeze=6), others())

    @pytest.mark.parametrize(
        ("text", "count"),
        [
            ("8x8x1 conv3-4,relu gap drop0.2 fc-3,softmax", 2),
            ("8x8x1 2x[ conv3-4 drop ] drop fc-3", 3),
            ("8x8x1 conv3-4 drop conv1-3,relu gap softmax", 1),
        ],
    )
    def test_all_is_what_comes_before_the_head(self, text, count):
        assert frozen_words(parse_network(text), "all") == count

    def test_all_is_something(self):
        with pytest.raises(ArgumentError, match="freeze all: the network has nothing before its head"):
            frozen_words(parse_network("8x8x1 drop fc-3"), "all")

    @pytest.mark.parametrize("freeze", [0, -1, "some", "1.5", True, ""])
    def test_of_something_else_is_refused(self, source, freeze):
        with pytest.raises(ArgumentError, match="freeze must be a number of words from 1, or all"):
            Configuration(source=source, freeze=freeze)

    @pytest.mark.parametrize("augment", ["", "shift:1"])
    def test_computes_each_picture_once_or_once_an_epoch(self, source, augment, monkeypatch):
        prepared = prepare(Configuration(source=source, freeze=3, augment=augment, epochs=3, val="0.2"), others())
        assert prepared.remembers == (not augment)
        computed = []
        with Trainer(prepared, jobs=1) as trainer:
            below = trainer.engine._below.predict_into
            monkeypatch.setattr(
                trainer.engine._below,
                "predict_into",
                lambda out, images: (computed.append(len(images)), below(out, images)),
            )
            trainer.run()
        assert sum(computed) == 60 * (3 if augment else 1)

    def test_gives_the_same_where_there_is_no_room_to_remember(self, source, monkeypatch):
        kept = went_on(source, freeze="all", val="0.2")
        monkeypatch.setattr(preparation, "FEATURE_BYTES", 0)
        again = went_on(source, freeze="all", val="0.2")
        for name, array in kept.model.parameters.items():
            assert again.model.parameters[name] == pytest.approx(array, abs=1e-5)
        assert again.metrics[-1]["val_loss"] == pytest.approx(kept.metrics[-1]["val_loss"], abs=1e-5)

    def test_jobs_change_no_bit(self, source):
        one, two = (arrays(went_on(source, freeze=2, jobs=jobs).model) for jobs in (1, 2))
        assert all(np.array_equal(array, two[name]) for name, array in one.items())

    def test_scores_are_those_of_the_whole_model(self, source):
        run = went_on(source, freeze="all", val="0.3")
        best = max(line["val_accuracy"] for line in run.metrics)
        assert run.scores.accuracy == pytest.approx(best)

    def test_may_be_told_to_stop_while_it_computes_what_it_keeps(self, source, tmp_path):
        stop = threading.Event()
        stop.set()
        stopped = went_on(source, output=tmp_path / "run", freeze="all", stop=stop)
        assert (stopped.done, stopped.metrics) == (False, ())
        done = train(others(), output=tmp_path / "run", resume=True, jobs=1)
        whole = went_on(source, freeze="all")
        assert all(np.array_equal(array, arrays(whole.model)[name]) for name, array in arrays(done.model).items())

    def test_takes_less_memory(self, monkeypatch):
        network = load_network("vgg16")
        monkeypatch.setattr(memory, "machine_bytes", lambda: 2 << 30)
        assert memory.check_memory(Configuration(batch_size=32), network, frozen_words(network, "all")) == []
        with pytest.raises(ArgumentError, match=r"and this machine 2\.0 GiB"):
            memory.check_memory(Configuration(batch_size=32), network)

    def test_with_pytorch(self, source):
        pytest.importorskip("torch")
        ours, theirs = (went_on(source, freeze=2, engine=engine, val="0") for engine in ("numpy", "torch"))
        before = arrays(load_trainable(source))
        for name, array in arrays(theirs.model).items():
            if int(name[0]) < 2:
                assert np.array_equal(array, before[name]), name
            assert array == pytest.approx(arrays(ours.model)[name], abs=1e-3), name


class StopAt(Watcher):
    """Asks to stop after so many batches."""

    def __init__(self, batches):
        self.left, self.stop = batches, threading.Event()

    def batch(self, report):
        self.left -= 1
        if not self.left:
            self.stop.set()


class TestResuming:
    @pytest.mark.parametrize(
        "options", [{}, {"freeze": 1}, {"freeze": "all", "head_lr": 0.01}, {"freeze": 2, "augment": "shift:1"}]
    )
    @pytest.mark.parametrize("batches", [1, 4, 6])
    def test_changes_no_bit_and_needs_the_source_no_more(self, source, tmp_path, options, batches):
        moved = shutil.copytree(source, tmp_path / "source")
        options = {**OPTIONS, **options, "val": "0.2"}
        train(others(), source=str(moved), output=tmp_path / "whole", **options)
        watcher = StopAt(batches)
        words = {"output": tmp_path / "parts", "watcher": watcher, "stop": watcher.stop}
        assert not train(others(), source=str(moved), **words, **options).done
        shutil.rmtree(moved)
        assert train(others(), output=tmp_path / "parts", resume=True, jobs=1).done
        for name in ("model.safetensors", "checkpoint.safetensors"):
            assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes(), name

    def test_from_another_model_is_refused(self, source, tmp_path):
        went_on(source, output=tmp_path / "run")
        with pytest.raises(ArgumentError, match=r"the run has source .*, now it is other"):
            train(others(), output=tmp_path / "run", resume=True, source="other", epochs=9)

    @pytest.mark.parametrize("record", ["", "{}", '{"word": 1}', "[]", "null"])
    def test_a_damaged_record_is_one_line(self, source, tmp_path, record):
        from cnncli.models.safetensors import read_tensors, write_tensors

        went_on(source, output=tmp_path / "run", schedule="constant")
        path = tmp_path / "run" / "checkpoint.safetensors"
        tensors, metadata = read_tensors(path)
        write_tensors(path, tensors, {**metadata, "cnncli.source": record or "{"})
        with pytest.raises(ModelError, match="source in its metadata"):
            train(others(), output=tmp_path / "run", resume=True, epochs=9)


class TestConfiguration:
    def test_names_the_source_and_its_checksum_and_can_be_run_again(self, source, tmp_path):
        first = went_on(source, output=tmp_path / "run", freeze="all", val="0")
        table = read_toml(tmp_path / "run" / "config.toml", "a configuration")
        model = (tmp_path / source / "model.safetensors").read_bytes()
        assert table["source"] == source
        assert table["checksums"]["source"] == hashlib.sha256(model).hexdigest()
        options = read_configuration(tmp_path / "run" / "config.toml")
        options.pop("data")
        again = train(others(), jobs=1, **options)
        assert all(np.array_equal(array, arrays(again.model)[name]) for name, array in arrays(first.model).items())

    def test_has_one_network(self, source):
        with pytest.raises(ArgumentError, match="has its own network: leave out --network, or --from"):
            Configuration(source=source, network="lenet5")

    @pytest.mark.parametrize("options", [{"freeze": 1}, {"head_lr": 0.1}, {"normalization": "imagenet"}, {"std": "1"}])
    def test_says_what_needs_a_model(self, options):
        with pytest.raises(ArgumentError, match=f"{next(iter(options))} is about a model to go on from"):
            Configuration(**options)


def test_a_model_that_is_none(tmp_path):
    with pytest.raises(ModelError, match="no such file or folder"):
        went_on(str(tmp_path / "nowhere"))


def test_a_network_of_the_zoo_with_weights(source, tmp_path):
    pixels, labels = bars(size=28)
    data = ArrayDataset(pixels, labels, ["a", "b", "c"], "bars")
    train(data, output=tmp_path / "run", network="lenet5", epochs=1, jobs=1)
    run = went_on(f"lenet5={tmp_path / 'run' / 'model.safetensors'}", data, freeze="all", normalization="unit")
    before = load_trainable(tmp_path / "run")
    head = head_names(run.model.network)
    assert all(np.array_equal(array, arrays(run.model)[n]) for n, array in arrays(before).items() if n not in head)


def test_learning_rates_are_found_with_a_model(source):
    assert find_learning_rate(others(), source=source, freeze="all", val="0", jobs=1).rates[0] == 1e-5
