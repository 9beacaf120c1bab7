"""Places of arrays in files of other programs."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from cnncli.errors import ModelError
from cnncli.models.importing.arrays import StoredArray, StoredArrays, natural
from cnncli.models.importing.matching import place
from cnncli.models.importing.places import own_names, places
from cnncli.networks import load_network, parse_network
from cnncli.networks.weights import published_weights

PUBLISHED = [line.split() for line in (Path(__file__).parent / "published.txt").read_text().splitlines()]
"""Program, network, number of arrays, and a digest of the names and shapes in their order, of the networks that
torchvision 0.29.1, timm 1.0.31 and Keras 3.15.1 build; without `num_batches_tracked` and auxiliary classifiers, with
ConvNeXt's scales behind the layers that they scale."""


@pytest.mark.parametrize(("program", "name", "count", "digest"), PUBLISHED)
def test_names_and_shapes_are_those_that_other_programs_give_them(program, name, count, digest):
    found = places(load_network(name), published_weights(name)[program], "keras" if program == "keras" else "torch")
    text = "".join(f"{each.there} {'x'.join(map(str, each.stored))}\n" for each in found)
    assert (len(found), hashlib.sha256(text.encode()).hexdigest()[:16]) == (int(count), digest)


def test_all_tables_of_the_zoo_are_held_to_what_was_recorded():
    assert {(program, name) for program, name, *_ in PUBLISHED if program == "torchvision"} >= {
        ("torchvision", name)
        for name in ("alexnet-torchvision", "vgg16", "resnet50", "densenet121", "mobilenet-v3-large", "convnext-t")
    }


EVERYTHING = (
    "8x8x4 conv3-6,bn,relu dw3,p1 tconv2-5,s2 prelu res[ conv1-5,p1 conv3-5,nobias ] scale max2 flatten drop fc-7 ln "
    "fc-3"
)


def stored(network, program="torch", seed=0):
    """Random arrays for every place of a network, under the names of ours."""
    rng = np.random.default_rng(seed)
    return {
        each.there: rng.uniform(0.5, 1.5, each.stored).astype(np.float32)
        for each in places(network, own_names(network), program)
    }


def other_names(network):
    """The names of ours as another program's, whose axes are not ours."""
    return own_names(network)._replace(program="other")


def as_stored(arrays, **changes):
    return StoredArrays(
        {name: StoredArray(array.shape, lambda a=array: a) for name, array in arrays.items()}, **changes
    )


@pytest.mark.parametrize("axes", ["torch", "keras"])
def test_there_and_back_is_the_same_array(axes):
    network = parse_network(EVERYTHING)
    rng = np.random.default_rng(0)
    shapes = {**network.param_shapes(), **network.buffer_shapes()}
    found = places(network, own_names(network), axes)
    assert {each.name: each.shape for each in found} == shapes
    for each in found:
        ours = rng.normal(size=each.shape).astype(np.float32)
        there = each.theirs(ours)
        assert there.shape == each.stored
        assert np.array_equal(each.ours(there), ours)


def test_the_first_layer_behind_a_picture_has_its_inputs_channel_by_channel():
    network = parse_network("4x6x2 max2 flatten relu fc-5 fc-3")
    first, _, second, _ = places(network, own_names(network))
    there = np.arange(5 * 12, dtype=np.float32).reshape(5, 12)
    by_channel = there.reshape(5, 2, 2, 3)  # C, H, W
    assert np.array_equal(first.ours(there), by_channel.transpose(2, 3, 1, 0).reshape(12, 5))
    assert np.array_equal(second.ours(np.arange(15.0).reshape(3, 5)), np.arange(15.0).reshape(3, 5).T)


def test_without_known_names_arrays_are_placed_by_order_and_shape():
    network = parse_network("8x8x3 conv3-4,bn,relu 2xconv3-4,bn,relu gap fc-10")
    wanted = places(network, own_names(network))
    rng = np.random.default_rng(0)
    arrays = {
        f"module.body.{number}.{each.name.rpartition('.')[2]}": rng.normal(size=each.stored).astype(np.float32)
        for number, each in enumerate(wanted)
    }
    arrays["module.steps.num_batches_tracked"] = np.zeros(())
    placed = place(network, as_stored(arrays), [own_names(network)])
    assert placed.weights is None
    for each, array in zip(wanted, arrays.values(), strict=False):
        assert np.array_equal(placed.arrays[each.name], each.ours(array))


@pytest.mark.parametrize("outputs", [2, 10, 1001])
@pytest.mark.parametrize("text", ["8x8x3 conv3-4,bn gap fc-10,softmax", "8x8x3 conv3-6 relu conv1-10,relu gap"])
@pytest.mark.parametrize("by_name", [True, False])
def test_the_head_has_as_many_outputs_as_the_files(text, outputs, by_name):
    network = parse_network(text)
    arrays = stored(parse_network(text.replace("-10", f"-{outputs}")))
    if not by_name:
        arrays = {
            f"net.{number}.{name.rpartition('.')[2]}": array for number, (name, array) in enumerate(arrays.items())
        }
    placed = place(network, as_stored(arrays), [other_names(network)])
    assert placed.network.output_shape[-1] == outputs
    assert (placed.weights is not None) == by_name


def broken(arrays, rng):
    """Arrays with one fault, and the names that an error must say."""
    arrays = dict(arrays)
    name = str(rng.choice(list(arrays)))
    match rng.integers(4):
        case 0:
            arrays["x." + name] = arrays.pop(name)
            return arrays, ["missing " + name, "unknown x." + name]
        case 1:
            del arrays[name]
            return arrays, ["missing " + name]
        case 2:
            arrays["other.weight"] = arrays[name]
            return arrays, ["unknown other.weight"]
        case _:
            arrays[name] = np.append(arrays[name].ravel(), np.float32(1))[None]
            return arrays, ["wrong shape: " + name]


@pytest.mark.parametrize("seed", range(40))
def test_an_array_that_does_not_fit_is_named(seed):
    rng = np.random.default_rng(seed)
    name = str(rng.choice(["resnet18", "mobilenet-v2", "squeezenet1.1"]))
    network, weights = load_network(name), published_weights(name)["torchvision"]
    whole = {each.there: np.broadcast_to(np.float32(1), each.stored) for each in places(network, weights)}
    arrays, said = broken(whole, rng)
    with pytest.raises(ModelError, match=f"^does not fit {name} by torchvision's names: ") as caught:
        place(network, as_stored(arrays), [weights])
    assert all(words in str(caught.value) for words in said)
    assert "\n" not in str(caught.value)


def test_of_many_names_an_error_says_how_many_more():
    network, weights = load_network("resnet18"), published_weights("resnet18")["torchvision"]
    arrays = {each.there: np.broadcast_to(np.float32(1), each.stored) for each in places(network, weights)}
    few = {name: array for name, array in arrays.items() if "layer4" not in name}
    gone = len(arrays) - len(few)
    with pytest.raises(ModelError, match=rf"missing layer4\.0\.conv1\.weight \(512x256x3x3\), .* and {gone - 3} more$"):
        place(network, as_stored(few), [weights])


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_by_name(number):
    network = parse_network(EVERYTHING)
    arrays = stored(network)
    name = sorted(arrays)[5]
    arrays[name].ravel()[-1] = number
    with pytest.raises(ModelError, match=rf"{name} has numbers that are not finite"):
        place(network, as_stored(arrays), [other_names(network)])


def test_names_are_ordered_by_their_numbers_of_any_length():
    names = [f"layer{'9' * 5000}.weight", "layer10.weight", "layer010.bias", "layer2.weight", "3"]
    assert sorted(names, key=natural) == ["3", "layer2.weight", "layer010.bias", "layer10.weight", names[0]]
