"""Resuming: a training that stops and goes on gives the bits of one that never did."""

import threading
from contextlib import suppress

import numpy as np
import pytest
from small_boxes import layers, squares_folder
from small_data import NETWORK, PLAIN, bars_dataset, bars_npz

from cnncli.data import Subset
from cnncli.engines.optimizers import OPTIMIZERS
from cnncli.errors import ArgumentError, CnncliError, ModelError
from cnncli.models.safetensors import read_tensors, write_tensors
from cnncli.training.checkpoints import load_checkpoint
from cnncli.training.run_folder import PICTURES, REPORT, RunFolder
from cnncli.training.runs import train
from cnncli.training.watcher import Watcher

OPTIONS = PLAIN | {"network": NETWORK, "batch_size": 16, "augment": "shift:1,rotate:5", "seed": 3}
CLOCKS = ("seconds", "images_per_second")


class StopAt(Watcher):
    """Asks to stop after so many batches."""

    def __init__(self, batches):
        self.left, self.stop = batches, threading.Event()

    def batch(self, report):
        self.left -= 1
        if not self.left:
            self.stop.set()


def run(folder, data=None, **options):
    return train(bars_dataset() if data is None else data, output=folder, **{**OPTIONS, **options})


def interrupted(folder, batches, **options):
    """Train until so many batches are done."""
    watcher = StopAt(batches)
    result = run(folder, watcher=watcher, stop=watcher.stop, **options)
    assert not result.done
    return result


def without_clocks(metrics):
    return [{name: value for name, value in line.items() if name not in CLOCKS} for line in metrics]


def assert_same_runs(one, other):
    """The same bits in model and checkpoint, and the same metrics but for the clock."""
    for name in ("model.safetensors", "checkpoint.safetensors"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert without_clocks(RunFolder(one).read_metrics()) == without_clocks(RunFolder(other).read_metrics())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_two_and_two_epochs_are_four(tmp_path, optimizer):
    options = {"optimizer": optimizer, "clip_norm": 1.0, "label_smoothing": 0.1}
    run(tmp_path / "whole", epochs=4, **options)
    run(tmp_path / "parts", epochs=2, **options)
    result = train(bars_dataset(), output=tmp_path / "parts", resume=True, epochs=4)
    assert [line["epoch"] for line in result.metrics] == [1, 2, 3, 4]
    assert_same_runs(tmp_path / "whole", tmp_path / "parts")


def test_two_and_two_epochs_of_a_constant_schedule_are_four_with_all_other_defaults(tmp_path):
    train(bars_dataset(), output=tmp_path / "whole", schedule="constant", epochs=4)
    train(bars_dataset(), output=tmp_path / "parts", schedule="constant", epochs=2)
    train(bars_dataset(), output=tmp_path / "parts", resume=True, epochs=4)
    assert_same_runs(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("batches", [1, 3, 4, 5, 11])
@pytest.mark.parametrize("schedule", ["cosine", "step"])
def test_a_stop_after_any_batch_changes_no_bit(tmp_path, batches, schedule):
    options = {"epochs": 3, "schedule": schedule, "warmup": 0.5}
    run(tmp_path / "whole", **options)
    interrupted(tmp_path / "parts", batches, **options)
    assert run(tmp_path / "parts", resume=True, **options).done
    assert_same_runs(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize(("network", "batches"), [(layers(), 1), (layers(), 5), ("", 3)])
def test_a_stop_changes_no_bit_of_a_training_on_boxes(tmp_path, network, batches):
    data = squares_folder(tmp_path / "squares", 20)
    changes = "flip,zoom:1.2,shift:2,brightness,contrast"
    options = {"network": network, "augment": changes, "batch_size": 6, "epochs": 2, "schedule": "cosine", "jobs": 2}
    whole = run(tmp_path / "whole", data, **options)
    interrupted(tmp_path / "parts", batches, data=data, **options)
    assert train(data, output=tmp_path / "parts", resume=True, jobs=1).done
    assert_same_runs(tmp_path / "whole", tmp_path / "parts")
    assert len(whole.metrics) == 2


def test_many_stops_change_no_bit(tmp_path):
    run(tmp_path / "whole", epochs=2)
    interrupted(tmp_path / "parts", 1, epochs=2)
    for _ in range(6):
        interrupted(tmp_path / "parts", 1, resume=True)
    assert run(tmp_path / "parts", resume=True).done
    assert_same_runs(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize(
    "network", [NETWORK, "res[ conv3-1,same,bn ] fc-3", "conv3-8,same,relu conv3-8,same max2 fc-3"]
)
def test_the_same_seed_gives_the_same_files_whatever_the_jobs(tmp_path, network):
    for name, jobs in (("one", 1), ("again", 1), ("two", 2), ("three", 3)):
        run(tmp_path / name, network=network, epochs=2, jobs=jobs)
        assert_same_runs(tmp_path / "one", tmp_path / name)
        assert (tmp_path / "one/config.toml").read_bytes() == (tmp_path / name / "config.toml").read_bytes()


def test_another_seed_gives_another_model(tmp_path):
    for seed in (1, 2):
        run(tmp_path / str(seed), epochs=1, seed=seed)
    assert (tmp_path / "1/model.safetensors").read_bytes() != (tmp_path / "2/model.safetensors").read_bytes()


def test_early_stopping_is_remembered(tmp_path):
    options = {"epochs": 30, "early_stop": 2, "lr": 1e-9}  # nothing is learnt
    whole = run(tmp_path / "whole", **options)
    assert len(whole.metrics) == whole.best_epoch + 2 < 30
    interrupted(tmp_path / "parts", 6, **options)
    assert run(tmp_path / "parts", resume=True, **options).done
    assert_same_runs(tmp_path / "whole", tmp_path / "parts")


def test_a_run_that_is_done_stays_as_it_is(tmp_path):
    run(tmp_path / "run", epochs=2)
    files = [path for path in (tmp_path / "run").iterdir() if path.name != REPORT]  # which says when it was written
    before = [path.read_bytes() for path in files]
    result = run(tmp_path / "run", resume=True)
    assert (result.done, len(result.metrics)) == (True, 2)
    assert before == [path.read_bytes() for path in files]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0.5}, "lr 0.001, now it is 0.5"),
        ({"optimizer": "sgd", "lr": 0.001}, "optimizer adam, now it is sgd"),
        ({"seed": 4}, "seed 3, now it is 4"),
        ({"batch_size": 8}, "batch_size 16, now it is 8"),
        ({"network": "fc-3"}, "network .*, now it is fc-3"),
        ({"augment": ""}, "augment shift:1,rotate:5, now it is unset"),
        ({"val": "0.2"}, "val unset, now it is 0.2"),
        ({"epochs": 1}, "epoch 2 is begun, 1 are asked for"),
        ({"data": bars_dataset(seed=9)}, "the data has changed"),
        ({"data": bars_dataset(count=63)}, "the data has changed"),
        ({"data": bars_dataset(classes=2)}, "fc-2|classes"),
    ],
)
def test_what_changed_is_named_and_nothing_is_written(tmp_path, change, message):
    run(tmp_path / "run", epochs=2)
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises(ArgumentError, match=message) as raised:
        run(tmp_path / "run", resume=True, **change)
    assert "\n" not in str(raised.value)
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}


def test_there_must_be_something_to_resume(tmp_path):
    with pytest.raises(ArgumentError, match="nothing to resume"):
        run(tmp_path / "run", resume=True)
    with pytest.raises(ArgumentError, match="resume needs output"):
        train(bars_dataset(), resume=True)


def test_a_run_is_not_overwritten_by_the_way(tmp_path):
    run(tmp_path / "run", epochs=1)
    before = (tmp_path / "run/model.safetensors").read_bytes()
    with pytest.raises(ArgumentError, match=r"holds a run .*--resume .*--force"):
        run(tmp_path / "run", epochs=1, seed=5)
    assert (tmp_path / "run/model.safetensors").read_bytes() == before
    (tmp_path / "run/mine.txt").write_text("stays")
    interrupted(tmp_path / "run", 1, epochs=1, seed=5, force=True)
    assert not any((tmp_path / "run" / name).exists() for name in PICTURES)  # the other run's
    assert (tmp_path / "run/model.safetensors").read_bytes() != before
    assert (tmp_path / "run/mine.txt").read_text() == "stays"


def test_the_folder_knows_the_pictures(tmp_path):
    result = run(tmp_path / "run", epochs=1)
    names = {path.name for path in (tmp_path / "run").iterdir() if path.suffix in (".png", ".svg")}
    assert names == {path.name for path in result.pictures} <= set(PICTURES)


def test_metrics_that_were_cut_short_are_mended(tmp_path):
    run(tmp_path / "whole", epochs=3)
    run(tmp_path / "parts", epochs=2)
    with (tmp_path / "parts/metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3, "train_loss"')  # the checkpoint does not know of it
    run(tmp_path / "parts", resume=True, epochs=3)
    assert_same_runs(tmp_path / "whole", tmp_path / "parts")


def test_every_truncated_checkpoint_is_one_line(tmp_path):
    run(tmp_path / "run", epochs=1)
    file = tmp_path / "run/checkpoint.safetensors"
    content = file.read_bytes()
    for length in [*range(0, 2000, 97), *range(2000, len(content), 997), len(content) - 1]:
        file.write_bytes(content[:length])
        with pytest.raises(ModelError, match=r"checkpoint.safetensors") as raised:
            run(tmp_path / "run", resume=True)
        assert "\n" not in str(raised.value)


def test_no_changed_byte_of_a_checkpoint_does_more_than_raise(tmp_path):
    run(tmp_path / "run", epochs=1)
    file = tmp_path / "run/checkpoint.safetensors"
    content, rng = bytearray(file.read_bytes()), np.random.default_rng(0)
    header = 8 + int.from_bytes(content[:8], "little")
    for _ in range(300):
        changed = content.copy()
        changed[int(rng.integers(header))] = int(rng.integers(256))
        file.write_bytes(changed)
        with suppress(CnncliError):  # a changed number may be as good as the old
            load_checkpoint(file)


@pytest.mark.parametrize(
    ("texts", "arrays", "message"),
    [
        ({"cnncli.progress": "{}"}, {}, "must have the fields"),
        ({"cnncli.progress": '{"epoch": -1}'}, {}, "must have the fields"),
        ({"cnncli.options": '{"epochs": "many"}'}, {}, "epochs"),
        ({"cnncli.options": '{"surprise": 1}'}, {}, "surprise"),
        ({}, {"optimizer.mean": np.zeros(3, np.float32)}, "optimizer.mean is 3 float32"),
        ({}, {"parameters.0.conv.weight": np.zeros((1, 1, 1, 1), np.float32)}, "0.conv.weight"),
        ({}, {"parameters.9.more": np.zeros(1, np.float32)}, "parameters.9.more"),
    ],
)
def test_hostile_checkpoints_are_one_line(tmp_path, texts, arrays, message):
    run(tmp_path / "run", epochs=1)
    file = tmp_path / "run/checkpoint.safetensors"
    old_arrays, old_texts = read_tensors(file)
    write_tensors(file, {**old_arrays, **arrays}, {**old_texts, **texts})
    with pytest.raises(ModelError, match=message) as raised:
        train(bars_dataset(), output=tmp_path / "run", resume=True)
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_path_that_moved_is_the_same_data(tmp_path):
    bars_npz(tmp_path / "one.npz")
    run(tmp_path / "run", tmp_path / "one.npz", epochs=1)
    (tmp_path / "one.npz").rename(tmp_path / "other.npz")
    assert run(tmp_path / "run", tmp_path / "other.npz", epochs=2, resume=True).done


@pytest.mark.parametrize("schedule", ["cosine", "step"])
def test_a_schedule_that_is_laid_out_is_not_stretched(tmp_path, schedule):
    run(tmp_path / "run", epochs=2, schedule=schedule)
    before = (tmp_path / "run/checkpoint.safetensors").read_bytes()
    with pytest.raises(ArgumentError, match=f"the run's {schedule} schedule is laid out over 2 epochs: over 4 those"):
        run(tmp_path / "run", epochs=4, schedule=schedule, resume=True)
    assert (tmp_path / "run/checkpoint.safetensors").read_bytes() == before


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step"])
def test_a_run_in_which_nothing_was_learnt_yet_may_become_longer(tmp_path, schedule):
    options = {"schedule": schedule, "warmup": 0.5}
    run(tmp_path / "whole", epochs=4, **options)
    stop = threading.Event()
    stop.set()
    run(tmp_path / "run", epochs=2, stop=stop, **options)
    run(tmp_path / "run", epochs=4, resume=True, **options)
    assert_same_runs(tmp_path / "whole", tmp_path / "run")


def test_weighted_classes_are_resumed_to_the_bit(tmp_path):
    options = {"class_weight": "balanced", "epochs": 3}
    data = Subset(bars_dataset(), np.arange(50))
    run(tmp_path / "whole", data, **options)
    watcher = StopAt(4)
    run(tmp_path / "run", data, watcher=watcher, stop=watcher.stop, **options)
    run(tmp_path / "run", data, resume=True)
    assert_same_runs(tmp_path / "whole", tmp_path / "run")
