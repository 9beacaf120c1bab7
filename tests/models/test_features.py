"""What layers make of a picture, against the layers themselves."""

import numpy as np
import pytest
from models import random_model

from cnncli.errors import ArgumentError
from cnncli.ops import conv2d, max_pool2d

TEXT = "12x10x3 conv3-4,relu max2 res[ conv3-4,same,bn | conv1-4 ] fc-3,softmax"


@pytest.fixture
def picture():
    return np.random.default_rng(1).integers(0, 256, (12, 10, 3), dtype=np.uint8)


def test_layers_by_name(picture):
    model = random_model(TEXT)
    normalized = model.normalization.apply(picture[None])[0]
    response = conv2d(normalized, model.parameters["0.conv.weight"], model.parameters["0.conv.bias"])
    np.testing.assert_allclose(model.features(picture, "0.conv"), response, rtol=1e-3, atol=1e-5)
    for name in ("0", "0.relu"):
        np.testing.assert_allclose(model.features(picture, name), np.maximum(response, 0), rtol=1e-3, atol=1e-5)
    pooled = max_pool2d(np.maximum(response, 0), 2)
    np.testing.assert_allclose(model.features(picture, "1.max"), pooled, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(model.features(picture, "3"), model.probabilities(picture[None])[0], rtol=1e-4)
    assert model.features(picture, "2.res.shortcut.0.conv").shape == (5, 4, 4)
    np.testing.assert_array_equal(model.features(picture, "1"), model.features(picture, "1.max"))
    np.testing.assert_array_equal(model.features(picture, "2"), model.features(picture, "2.res"))


def test_every_name_has_features(picture):
    model = random_model(TEXT)
    for name in model.layer_names():
        assert model.features(picture, name).ndim in (1, 3)


def test_an_unknown_layer_says_which_there_are(picture):
    with pytest.raises(ArgumentError, match=r"no layer 'conv': there are 0\.conv, 0\.relu, 0, 1\.max"):
        random_model(TEXT).features(picture, "conv")
