"""Dreams: they answer more than noise does, the same seed gives the same, and dead units say so."""

import numpy as np
import pytest
from models import CLASSES, halves_model, random_detector, random_model

from cnncli.errors import ArgumentError, ModelError
from cnncli.models.dream_options import DreamOptions
from cnncli.models.dreaming import draw_dreams, dream
from cnncli.networks import parse_network

TEXT = "16x16x3 conv3-4,relu max2 conv3-5,relu gap fc-3,softmax"


def dead(model, channel):
    """Return a model whose first convolution has a channel that is never above 0."""
    bias = model.parameters["0.conv.bias"].copy()
    bias[channel] = -1000
    return model.replace(parameters={**model.parameters, "0.conv.bias": bias})


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"steps": 0}, "steps must be an integer from 1, got 0"),
            ({"seed": 0.5}, "seed must be an integer from 0, got 0.5"),
            ({"size": (0, 3)}, "size must be a positive integer or two of them, got (0, 3)"),
            ({"decay": 2}, "decay must be from 0 to 1, got 2"),
            ({"jitter": -1}, "jitter must be from 0 to 0.5, got -1"),
            ({"rate": float("inf")}, "rate must be from 0, got inf"),
        ],
    )
    def test_each_is_checked(self, options, message):
        with pytest.raises(ArgumentError) as error:
            DreamOptions(**options)
        assert str(error.value) == message


def test_a_class_is_dreamed_of_as_the_weights_say():
    model = halves_model()
    for number, name in enumerate(CLASSES):
        [found] = dream(model, class_name=name, steps=40)
        assert found.after > found.before + 1
        assert model.predict(found.picture[np.newaxis])[0] == number
        weights = model.parameters["0.fc.weight"].reshape(12, 12, 3)[..., number]
        inside = found.picture[..., 0]
        assert inside[weights > 0].mean() > inside[weights < 0].mean() + 50


@pytest.mark.parametrize("unit", ["0.conv:1", "0:3", "2:4", "3:0", "4.fc:2"])
def test_every_kind_of_unit(unit):
    [found] = dream(random_model(TEXT), unit, steps=25)
    assert found.unit == unit
    assert found.after > found.before
    assert found.picture.dtype == np.uint8
    assert found.picture.shape[2] == 3


def test_the_answer_is_that_of_the_picture():
    model = random_model(TEXT)
    [found] = dream(model, "2:1", steps=25, size=16)
    maps = model.features(found.picture, "2")
    assert found.after == pytest.approx(maps[maps.shape[0] // 2, maps.shape[1] // 2, 1], rel=0.05)  # bytes are rounded


def test_the_same_seed_gives_the_same_picture():
    model = random_model(TEXT)
    first, again, other = (dream(model, "2:1", steps=10, seed=seed)[0].picture for seed in (3, 3, 4))
    assert (first == again).all()
    assert (first != other).any()


def test_a_layer_gives_all_its_channels():
    steps = []
    found = dream(random_model(TEXT), "2", steps=5, progress=lambda done, total: steps.append((done, total)))
    assert [one.unit for one in found] == [f"2:{number}" for number in range(5)]
    assert steps == [(number, 5) for number in range(1, 6)]
    assert draw_dreams(found, "2").shape[2] == 3
    assert len({one.picture.tobytes() for one in found}) == 5


@pytest.mark.parametrize(("size", "shape"), [(None, (12, 12)), (20, (20, 20)), ((9, 30), (9, 30))])
def test_sizes(size, shape):
    [found] = dream(random_model(TEXT), "0.conv:0", size=size, steps=2)
    assert found.picture.shape[:2] == shape


def test_without_regularization_pixels_stay_in_range():
    model = random_model("12x12x1 conv3-4,relu gap fc-3")
    [found] = dream(model, class_name="top", steps=30, decay=0, blur=0, jitter=0, rate=2)
    assert (found.picture.min(), found.picture.max()) == (0, 255)


def test_regularization_keeps_the_contrast():
    model = random_model("12x12x1 conv3-4,relu gap fc-3")
    [found] = dream(model, class_name="top", steps=200, rate=0.02, decay=0.05)
    image = model.normalization.apply(found.picture[np.newaxis])
    assert np.sqrt((image**2).mean()) <= 0.02 / 0.05 + 0.02


def test_numbers_that_are_no_levels_are_stretched():
    [found] = dream(random_model("12x12x2 conv3-4,relu gap fc-3", scale="raw"), "0.conv:0", steps=5)
    assert (found.picture.min(), found.picture.max()) == (0, 255)
    assert found.enlarged(3).shape == (36, 36, 3)


def test_a_dead_unit_says_so():
    model = dead(random_model(TEXT), 2)
    with pytest.raises(ModelError, match=r"0\.relu:2: is a dead unit: for 10 pictures of noise, no pixel changes it"):
        dream(model, "0.relu:2", steps=5)
    found = dream(model, "0.relu", steps=5)
    assert [one.is_dead for one in found] == [False, False, True, False]
    [alive] = dream(model, "0.conv:2", steps=5)
    assert not alive.is_dead


def test_one_output_stands_for_two_classes():
    model = random_model("8x8x1 conv3-4,relu gap fc-1,sigmoid", ("no", "yes"))
    for number, name in enumerate(("no", "yes")):
        [found] = dream(model, class_name=name, steps=30)
        assert found.after > found.before
        assert model.predict(found.picture[np.newaxis])[0] == number or found.after < 0


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ("7:1", r"the model has no layer '7': there are 0\.conv, 0\.relu, 0, "),
        ("0.conv:4", r"layer 0\.conv has the channels 0 to 3, got '4'"),
        ("0.conv:x", r"layer 0\.conv has the channels 0 to 3, got 'x'"),
        ("0.conv:-1", "got '-1'"),
    ],
)
def test_unknown_units(unit, message):
    with pytest.raises(ArgumentError, match=message):
        dream(random_model(TEXT), unit)


def test_what_cannot_be_dreamed_of():
    model = random_model(TEXT)
    with pytest.raises(ArgumentError, match=r"the model has no class 'lefd': did you mean left\?"):
        dream(model, class_name="lefd")
    with pytest.raises(ArgumentError, match="name either a unit"):
        dream(model)
    with pytest.raises(ArgumentError, match="name either a unit"):
        dream(model, "0:1", class_name="left")
    with pytest.raises(ArgumentError, match="would need weights"):
        dream(halves_model(), class_name="left", size=13)
    detector = random_detector("16x16x3 conv3-6,relu conv3-7,s8,p1")
    with pytest.raises(ModelError, match="has no scores of classes"):
        dream(detector, class_name="class 0")
    assert dream(detector, "0:1", steps=3)[0].picture.shape == (12, 12, 3)


def test_numbers_that_are_not_finite():
    model = random_model(TEXT)
    broken = model.replace(parameters={**model.parameters, "0.conv.bias": np.full(4, np.nan, np.float32)})
    with pytest.raises(ModelError, match=r"layer 0\.conv puts out numbers that are not finite"):
        dream(broken, "0.conv:1", steps=3)


def test_softmax_is_left_out():
    with_softmax = random_model(TEXT)
    without = with_softmax.replace(network=parse_network(TEXT.removesuffix(",softmax")))
    first, second = (dream(model, class_name="top", steps=5)[0] for model in (with_softmax, without))
    assert (first.picture == second.picture).all()


def test_both_engines_dream_alike():
    pytest.importorskip("torch")
    model = random_model(TEXT)
    ours, theirs = (dream(one, "2:1", steps=10)[0] for one in (model, model.on("torch", "cpu")))
    assert np.abs(ours.picture.astype(int) - theirs.picture).max() <= 2
    assert theirs.after == pytest.approx(ours.after, rel=1e-3)


def test_a_unit_that_is_silent_for_some_shifts_waits():
    model = random_model(TEXT)
    bias = model.parameters["0.conv.bias"] - 1.5
    quiet = model.replace(parameters={**model.parameters, "0.conv.bias": bias})
    for found in dream(quiet, "0.relu", steps=40, jitter=0.2, decay=0.3):
        assert found.is_dead or found.after > 0
