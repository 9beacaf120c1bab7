"""What a run trained on, and evaluating by what it held out."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_data import bars, bars_folder, bars_npz

from cnncli.data import open_dataset
from cnncli.errors import DataError, ModelError
from cnncli.models.judging.evaluation import evaluate
from cnncli.models.judging.splits import Run, find_run
from cnncli.models.opening import load_model
from cnncli.models.safetensors import write_tensors
from cnncli.training.configuration import Configuration
from cnncli.training.preparing.preparation import prepare
from cnncli.training.runs import train

OPTIONS = {"network": "fc-3", "epochs": 1, "schedule": "constant", "val": "20%"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    bars_folder(folder / "photos")
    train(folder / "photos", output=folder / "run", **OPTIONS)
    return folder


@pytest.fixture
def here(trained, tmp_path):
    """A run and its data, to be changed."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    config = tmp_path / "run" / "config.toml"
    config.write_text(config.read_text().replace(str(trained), str(tmp_path)))
    return tmp_path


def findings(found, *kinds):
    return [finding.message for finding in found.findings if finding.kind in kinds]


@pytest.mark.parametrize("write", [bars_folder, bars_npz])
def test_the_held_out_pictures_of_a_run_judge_it(tmp_path, write):
    data = write(tmp_path / "data.npz")
    train(data, output=tmp_path / "run", **OPTIONS)
    prepared = prepare(Configuration(**OPTIONS), data)
    found = evaluate(tmp_path / "run", data)
    assert (found.part, len(found.dataset)) == ("validation", 12)
    assert list(found.dataset.names) == list(prepared.validation.names)
    assert findings(found, "held out") == [
        f"{data}: scored on the 12 pictures that the run held out, by which its epoch was chosen; "
        "--part train takes all 60"
    ]
    assert findings(found, "trained on") == []
    assert list(evaluate(tmp_path / "run", data, part="validation").dataset.names) == list(found.dataset.names)


@pytest.mark.parametrize("write", [bars_folder, bars_npz])
@pytest.mark.parametrize(
    "changes",
    [{"network": "lenet5", "size": None}, {"size": 7}, {"size": (6, 9), "resize": "crop", "channels": 3}],
)
def test_pictures_are_known_at_the_size_of_the_network(tmp_path, write, changes):
    data = write(tmp_path / "data.npz", size=30)
    train(data, output=tmp_path / "run", **OPTIONS | changes)
    found = evaluate(tmp_path / "run", data)
    assert (found.part, len(found.dataset)) == ("validation", 12)


def test_all_pictures_can_be_asked_for_and_a_finding_counts_those_trained_on(here):
    found = evaluate(here / "run", here / "photos", part="train")
    assert (found.part, len(found.dataset)) == ("train", 60)
    (message,) = findings(found, "trained on")
    assert message.startswith(f"{here / 'photos'}: 48 of 60 pictures were trained on, and flatter the model: ")
    assert findings(found, "held out") == []


def test_new_pictures_among_the_old_are_judged_by_too(here):
    for number, picture in enumerate(bars(6, seed=9)[0]):
        Image.fromarray(picture.squeeze()).save(here / "photos" / f"class {number % 3}" / f"new{number}.png")
    found = evaluate(here / "run", here / "photos")
    assert len(found.dataset) == 18
    assert (
        "the 12 pictures that the run held out, by which its epoch was chosen, and on 6 that it has not seen"
        in (findings(found, "held out")[0])
    )


def test_other_data_is_taken_whole_and_what_it_shares_is_counted(here):
    other = bars_folder(here / "other", 9, seed=5)
    assert findings(evaluate(here / "run", other), "held out", "trained on") == []
    split = find_run(here / "run").split
    dataset = open_dataset(here / "photos").train
    shared = [Path(dataset.names[item]) for item in np.flatnonzero(split.trained_on(dataset))[:2]]
    for number, path in enumerate(shared):
        shutil.copy(path, other / path.parent.name / f"copy{number}.png")
    found = evaluate(here / "run", other)
    assert len(found.dataset) == 11
    (message,) = findings(found, "trained on")
    assert "2 of 11 pictures were trained on" in message
    assert message.count("copy") == 2


def test_a_test_part_comes_first(here):
    bars_folder(here / "both" / "test", 9, seed=5)
    shutil.copytree(here / "photos", here / "both" / "train")
    assert evaluate(here / "run", here / "both").part == "test"
    assert len(evaluate(here / "run", here / "both", part="validation").dataset) == 12
    assert len(evaluate(here / "run", here / "both", part="train").dataset) == 60


def test_nothing_is_known_of_a_model_by_itself(here):
    shutil.copy(here / "run" / "model.safetensors", here / "model.safetensors")
    for model in (here / "model.safetensors", load_model(here / "run")):
        found = evaluate(model, here / "photos")
        assert (found.part, len(found.dataset)) == ("train", 60)
        assert findings(found, "held out", "trained on") == []
    assert find_run(here / "model.safetensors") is None


def test_the_run_of_a_model_can_be_said(here):
    found = evaluate(load_model(here / "run"), here / "photos", run=find_run(here / "run" / "model.safetensors"))
    assert len(found.dataset) == 12


def test_nothing_held_out(here):
    train(here / "photos", output=here / "whole", **OPTIONS | {"val": "0"})
    found = evaluate(here / "whole", here / "photos")
    assert (found.part, len(found.dataset)) == ("train", 60)
    assert "all 60 pictures were trained on" in findings(found, "trained on")[0]
    with pytest.raises(DataError, match="has no validation part"):
        evaluate(here / "whole", here / "photos", part="validation")


def test_pictures_held_out_elsewhere(here):
    other = bars_folder(here / "other", 9, seed=5)
    train(here / "photos", output=here / "run2", **OPTIONS | {"val": str(other)})
    assert len(evaluate(here / "run2", other).dataset) == 9
    assert "all 60 pictures were trained on" in findings(evaluate(here / "run2", here / "photos"), "trained on")[0]


def test_a_run_of_an_earlier_version_says_what_is_not_known(here):
    (here / "run" / "split.safetensors").unlink()
    assert find_run(here / "run") == Run(here / "run", None)
    found = evaluate(here / "run", here / "photos")
    assert len(found.dataset) == 60
    assert "did not record which pictures it held out" in findings(found, "trained on")[0]
    assert findings(evaluate(here / "run", bars_folder(here / "other", 9, seed=5)), "trained on") == []


def test_a_resumed_run_records_its_split(here):
    before = (here / "run" / "split.safetensors").read_bytes()
    (here / "run" / "split.safetensors").unlink()
    train(here / "photos", output=here / "run", resume=True, epochs=2)
    assert (here / "run" / "split.safetensors").read_bytes() == before


def test_what_a_source_trained_on_counts(here):
    other = bars_folder(here / "other", 30, seed=5)
    train(other, output=here / "second", source=str(here / "run"), epochs=1, schedule="constant", val="20%")
    assert "48 of 60 pictures were trained on" in findings(evaluate(here / "second", here / "photos"), "trained on")[0]
    found = evaluate(here / "second", other)
    assert (len(found.dataset), findings(found, "trained on")) == (6, [])
    before = (here / "second" / "split.safetensors").read_bytes()
    shutil.rmtree(here / "run")
    train(other, output=here / "second", resume=True, epochs=2)
    assert (here / "second" / "split.safetensors").read_bytes() == before


def test_what_a_source_trained_on_is_not_held_out(here):
    train(here / "photos", output=here / "whole", **OPTIONS | {"val": "0"})
    train(here / "photos", output=here / "second", source=str(here / "whole"), epochs=1, val="20%")
    found = evaluate(here / "second", here / "photos")
    assert (found.part, findings(found, "held out")) == ("train", [])
    assert "all 60 pictures were trained on" in findings(found, "trained on")[0]


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff" * 100])
def test_a_damaged_split_is_named(here, content):
    (here / "run" / "split.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=r"split\.safetensors"):
        evaluate(here / "run", here / "photos")


@pytest.mark.parametrize("arrays", [{}, {"train": np.zeros(3), "held_out": np.zeros(2, np.int64)}])
def test_other_arrays_are_no_split(here, arrays):
    write_tensors(here / "run" / "split.safetensors", arrays, {})
    with pytest.raises(ModelError, match=r"split\.safetensors: does not hold the fingerprints of a run's pictures"):
        find_run(here / "run")


def test_pixels_are_not_compared_with_files(here):
    data = bars_npz(here / "data.npz")
    np.savez(here / "named.npz", x=np.load(data)["x"], y=[f"class {label}" for label in np.load(data)["y"]])
    found = evaluate(here / "run", here / "named.npz")
    assert (len(found.dataset), findings(found, "held out", "trained on")) == (60, [])
