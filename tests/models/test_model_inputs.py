"""What a model takes: one picture or many, as arrays or paths."""

import numpy as np
import pytest
from models import CLASSES, half, halves_model, random_model
from PIL import Image

import cnncli
from cnncli.errors import ArgumentError, ImageError


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{side}.png" for side in CLASSES]
    for path in paths:
        Image.fromarray(half(path.stem, rng)).save(path)
    return paths


def test_a_path_is_one_picture_and_a_list_of_paths_a_batch(files):
    model = halves_model()
    assert [model.predict(path) for path in files] == [0, 1, 2]
    assert [model.predict(str(path)) for path in files] == [0, 1, 2]
    assert model.predict(files).tolist() == [0, 1, 2]
    assert model.probabilities(files[0]).shape == (3,)
    assert model.probabilities(files).shape == (3, 3)


def test_one_array_is_converted_as_its_file_is(files):
    model = halves_model()
    for label, path in enumerate(files):
        pixels = cnncli.read_image(path)
        expected = model.probabilities(path)
        for same in (pixels, pixels[..., None], pixels / 255, pixels.astype(np.uint16) * 257, np.dstack([pixels] * 3)):
            assert model.predict(same) == label
            np.testing.assert_allclose(model.probabilities(same), expected, atol=1e-5)
    assert isinstance(model.predict(pixels), int)


def test_another_size_is_resized_as_its_file_is(tmp_path):
    model = random_model("8x8x3 conv3-4,relu fc-3")
    pixels = np.random.default_rng(1).integers(0, 256, (20, 11, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    np.testing.assert_array_equal(model.probabilities(pixels), model.probabilities(tmp_path / "x.png"))


def test_a_batch_has_the_shape_of_the_network():
    model = random_model("8x8x3 fc-3")
    assert model.predict(np.zeros((2, 8, 8, 3), np.uint8)).shape == (2,)
    with pytest.raises(ArgumentError, match="the model takes pictures of 8x8x3, got 9x8x3"):
        model.predict(np.zeros((2, 9, 8, 3), np.uint8))


def test_what_is_not_a_picture_is_one_line():
    model = random_model("8x8x3 fc-3")
    with pytest.raises(ImageError, match="the picture: has 4 channels where 3 are asked for"):
        model.predict(np.zeros((8, 8, 4), np.uint8))
    with pytest.raises(ArgumentError, match="a picture is made of real numbers"):
        model.predict(np.zeros((8, 8, 3), complex))
    with pytest.raises(ArgumentError, match="a picture has the shape"):
        model.predict(np.zeros(8))


def test_features_take_a_path_too(files):
    model = halves_model()
    name = model.layer_names()[0]
    np.testing.assert_array_equal(model.features(files[0], name), model.features(cnncli.read_image(files[0]), name))


def test_notebooks_show_a_table():
    shown = halves_model()._repr_html_()
    assert all(name in shown for name in CLASSES)
    assert shown.startswith("<table>")
