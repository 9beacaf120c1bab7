"""Models for tests: with random weights, or trained on pictures that a small network learns at once."""

from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from cnncli.data.normalization import Normalization
from cnncli.engines.initialization import initialize
from cnncli.models.detector import Detector
from cnncli.models.model import Model
from cnncli.networks import load_network, parse_network
from cnncli.networks.errors import ShapeError

CLASSES = ("left", "right", "top")

SIDES = (64, 96)
"""Sides of pictures that most networks of the zoo take."""


def small_network(name):
    """A network of the zoo for small pictures, if it takes them: its fully connected layers are a tenth as large."""
    network = load_network(name)
    for side in SIDES:
        if min(network.input_shape) < side < network.input_shape[0]:
            with suppress(ShapeError):
                return load_network(name, input_shape=(side, side, *network.input_shape[2:]))
    return network


def random_model(text, class_names=CLASSES, *, kind=Model, seed=0, **changes):
    """A model whose numbers are all random: biases, running statistics and coefficients too."""
    rng = np.random.default_rng(seed)
    network = parse_network(text)
    parameters, buffers = initialize(network, seed=seed)
    parameters = {
        name: array + rng.normal(0, 0.1, array.shape).astype(np.float32) for name, array in parameters.items()
    }
    buffers = {name: rng.uniform(0.5, 2, array.shape).astype(np.float32) for name, array in buffers.items()}
    channels = network.input_shape[-1]
    mean, std = tuple(rng.uniform(90, 150, channels)), tuple(rng.uniform(40, 80, channels))
    return kind(network, parameters, buffers, class_names, Normalization(mean, std), **changes)


def random_detector(text, **changes):
    """A detector whose numbers are all random."""
    classes = parse_network(text).output_shape[2] - 5
    return random_model(text, tuple(f"class {number}" for number in range(classes)), kind=Detector, **changes)


def half(kind, rng, size=12):
    """A picture with a bright half."""
    pixels = rng.integers(0, 100, (size, size))
    pixels[{"left": np.s_[:, : size // 2], "right": np.s_[:, size // 2 :], "top": np.s_[: size // 2]}[kind]] += 140
    return pixels.astype(np.uint8)


def write_halves(folder, count=8, seed=0):
    """Write a folder of pictures for each class; return it."""
    rng = np.random.default_rng(seed)
    for kind in CLASSES:
        (Path(folder) / kind).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(half(kind, rng)).save(Path(folder) / kind / f"{number}.png")
    return Path(folder)


@cache
def halves_model():
    """A model that tells bright halves apart, without any training: a weight for each pixel."""
    network = parse_network("12x12x1 fc-3")
    weight = np.full((12, 12, 1, 3), -1, np.float32)
    weight[:, :6, 0, 0] = weight[:, 6:, 0, 1] = weight[:6, :, 0, 2] = 1
    parameters = {"0.fc.weight": weight.reshape(144, 3) / 8, "0.fc.bias": np.zeros(3, np.float32)}
    return Model(network, parameters, {}, CLASSES, Normalization((120.0,), (80.0,)))
