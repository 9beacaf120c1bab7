"""Networks by name fit the data: its classes, sizes and channels."""

import numpy as np
import pytest
from PIL import Image
from small_data import PLAIN

from cnncli.data import ArrayDataset
from cnncli.errors import ArgumentError
from cnncli.models.opening import load_model
from cnncli.networks import load_network, zoo_names
from cnncli.networks.heads import output_count
from cnncli.training.configuration import Configuration
from cnncli.training.preparing import fitting
from cnncli.training.preparing.preparation import prepare
from cnncli.training.runs import train

SIZES = [(1, 1), (8, 8), (28, 28), (32, 32), (64, 64), (224, 224), (375, 500)]
SMALL = ["lenet5", "lenet5-1998", "lenet-course", "course-39", "resnet20", "plain20"]
PICTURES = ["unet", "yolov1", "bottleneck", "bottleneck-direct"]


def noise(size, channels=1, classes=3, count=None):
    count = count or 2 * classes
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, *size, channels)).astype(np.uint8)
    return ArrayDataset(pixels, np.arange(count) % classes, [f"c{label}" for label in range(classes)], "noise")


@pytest.fixture(autouse=True)
def any_memory(monkeypatch):
    monkeypatch.setattr("cnncli.training.preparing.preparation.check_memory", lambda *_: [])


def fitted(own, shape, classes):
    try:
        return fitting.fit(own, shape, classes), ""
    except ArgumentError as error:
        return None, str(error)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", zoo_names())
def test_every_network_takes_all_it_can(name, channels):
    """For every size of pictures and number of classes: a network that fits, or one line."""
    own = load_network(name)
    for size in SIZES:
        way = fitting.find_way(own, size, "stretch")
        for classes in (2, 3, 10):
            network, error = fitted(own, (*way.size, channels), classes)
            if error:
                assert error.startswith(name)
                assert "\n" not in error
                assert name in PICTURES or (fitting.takes_any_size(own) and "--size" in error)
                continue
            assert name not in PICTURES
            assert output_count(network) == classes
            assert network.input_shape == (*way.size, channels)
            changed = fitting.describe(own, network, size, way)
            assert (changed == "") == (network == own and size == way.size)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("channels", [1, 3])
def test_small_networks_take_a_step(name, channels):
    run = train(noise((28, 28), channels), network=name, epochs=1, val=0, jobs=1)
    assert run.model.predict(np.zeros((2, *run.model.input_shape), np.uint8)).shape == (2,)


class TestLeNet5:
    def test_digits_are_padded_as_its_authors_did(self):
        data = noise((28, 28), classes=10)
        prepared = prepare(Configuration(network="lenet5", val="0"), data)
        assert prepared.network == load_network("lenet5")
        assert prepared.network.totals.params == 61_706
        assert prepared.adapted == "lenet5: images padded from 28x28 to its 32x32"
        images = prepared.train.images([3])
        assert np.array_equal(images[:, 2:-2, 2:-2], data.images([3]))
        assert images.sum() == data.images([3]).sum()

    def test_other_sizes_are_resized(self):
        prepared = prepare(Configuration(network="lenet5", resize="crop"), noise((60, 40), 3))
        assert prepared.train.shape == prepared.network.input_shape == (32, 32, 3)
        assert prepared.adapted == (
            "lenet5: images resized from 60x40 to its 32x32, 3 channels instead of 1, 3 outputs instead of 10"
        )
        assert prepared.resize == "crop"

    def test_a_size_overrules(self, tmp_path):
        save(noise((28, 28)), tmp_path)
        prepared = prepare(Configuration(network="lenet5", size=28), tmp_path)
        assert prepared.network.input_shape == (28, 28, 1)
        assert prepared.adapted == "lenet5: an input of 28x28x1 instead of 32x32x1, 3 outputs instead of 10"

    def test_logistic_needs_one_output(self):
        prepared = prepare(Configuration(network="lenet5", loss="logistic"), noise((32, 32), classes=2))
        assert str(prepared.network).endswith("fc-1,sigmoid")
        assert prepared.adapted == "lenet5: 1 output instead of 10"

    def test_nothing_is_said_where_nothing_changes(self):
        assert prepare(Configuration(network="lenet5"), noise((32, 32), classes=10)).adapted == ""


def save(dataset, folder):
    for item in range(len(dataset)):
        path = folder / dataset.class_names[dataset.labels[item]] / f"{item:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(dataset.images([item])[0].squeeze()).save(path)


def test_pictures_of_several_sizes_get_the_networks_own(tmp_path):
    save(noise((20, 30), 3), tmp_path)
    Image.new("RGB", (50, 40)).save(tmp_path / "c0" / "large.png")
    prepared = prepare(Configuration(network="resnet20"), tmp_path)
    assert prepared.train.shape == (32, 32, 3)
    assert prepared.adapted == ("resnet20: images resized from several sizes to its 32x32, 3 outputs instead of 10")


@pytest.mark.parametrize(("missing", "resize"), [(0, "stretch"), (1, "pad"), (4, "pad"), (5, "stretch")])
def test_a_few_pixels_are_an_eighth(missing, resize):
    way = fitting.find_way(load_network("lenet5"), (32, 32 - missing), "stretch")
    assert way == ((32, 32), resize)


def test_padding_makes_no_picture_smaller():
    assert fitting.find_way(load_network("lenet5"), (30, 33), "stretch").resize == "stretch"


def test_all_parts_are_brought_to_the_input_and_predictions_too(tmp_path):
    save(noise((28, 28), count=30), tmp_path / "data" / "train")
    save(noise((28, 28), count=6), tmp_path / "data" / "test")
    save(noise((28, 28), count=6), tmp_path / "other")
    data, other = tmp_path / "data", tmp_path / "other"
    prepared = prepare(Configuration(network="lenet5", val=str(other)), data)
    assert {part.shape for part in (prepared.train, prepared.validation, prepared.test)} == {(32, 32, 1)}
    run = train(data, output=tmp_path / "run", network="lenet5", val=str(other), epochs=1, jobs=1)
    model = load_model(tmp_path / "run")
    assert model.resize == "pad"
    path = other / "c1" / "001.png"
    batch = prepared.validation.images([prepared.validation.names.index(str(path))])
    assert np.array_equal(model.probabilities([path]), run.model.probabilities(batch))


def test_a_resumed_training_fits_again_and_has_the_same_bits(tmp_path):
    save(noise((28, 28), count=30), tmp_path / "data")
    options = PLAIN | {"network": "lenet5", "jobs": 1}
    whole = train(tmp_path / "data", epochs=2, **options)
    train(tmp_path / "data", output=tmp_path / "run", epochs=1, **options)
    resumed = train(tmp_path / "data", output=tmp_path / "run", resume=True, epochs=2)
    for name, array in whole.model.parameters.items():
        assert np.array_equal(resumed.model.parameters[name], array), name


def test_a_file_adapts_like_a_name_and_a_text_does_not(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('input = "32x32x1"\nlayers = "conv5-6,relu max2 fc-10,softmax"\n')
    prepared = prepare(Configuration(network=str(file)), noise((28, 28)))
    assert str(prepared.network) == "32x32x1 conv5-6,relu max2 fc-3,softmax"
    with pytest.raises(ArgumentError, match="puts out 10, the data has 3 classes: let it end in fc-3,softmax"):
        prepare(Configuration(network="conv5-6,relu max2 fc-10,softmax"), noise((28, 28)))


def test_a_model_classifies_data_of_the_size_that_it_was_trained_on():
    data = noise((28, 28), count=30)
    run = train(data, network="lenet5", epochs=1, val=0, jobs=1)
    prepared = prepare(Configuration(network="lenet5", val=0), data)
    assert np.array_equal(run.model.classify(data), run.model.classify(prepared.train))
