import numpy as np
import pytest
from models import random_model
from PIL import Image
from word_grid import WORDS, texts

from cnncli.engines.numpy_engine import NumpyEngine
from cnncli.errors import ArgumentError, CnncliError
from cnncli.models.activations.forward import forward
from cnncli.models.model import save_model
from cnncli.networks import load_network, parse_network
from cnncli.networks.layers import BLOCKS

GRID = texts({op: [f"4x3x4 {op}[ conv1-4 ]"] for op in BLOCKS} | WORDS | {"dw": ["4x3x5 dw3-10"]})
BLOCKY = "9x8x2 conv3-4,bn,relu res[ conv3-4,same,relu conv3-4,same ] cat[ | conv1-3,tanh ] max2 fc-5,softmax"


def drawn(network, seed=0):
    """Random weights of a network, all of them."""
    rng = np.random.default_rng(seed)
    shapes = network.param_shapes() | network.buffer_shapes()
    return {
        name: rng.uniform(0.5, 2, shape) * rng.choice([1, 1, -1]) ** ("var" not in name)
        for name, shape in shapes.items()
    }


@pytest.mark.parametrize("text", [*GRID, BLOCKY])
def test_every_layer_is_kept_and_is_what_the_engine_computes(text):
    network = parse_network(text)
    x, weights = np.random.default_rng(1).normal(size=network.input_shape), drawn(network)
    found = forward(network, x, weights)
    parameters = {name: weights[name] for name in network.param_shapes()}
    buffers = {name: weights[name] for name in network.buffer_shapes()}
    with NumpyEngine(network, parameters, buffers, winograd=False, fused=False, dtype=np.float64) as engine:
        computed = dict(engine.activations(x[None]))
        output = engine.predict(x[None])[0]
    assert np.array_equal(found.output, output)
    for one in found.layers:
        assert np.array_equal(one.numbers, computed[one.name][0])
        assert one.layer.branches or one.numbers.shape == one.layer.output_shape(one.input_shape)
        assert found.numbers(one.inputs[0]).shape == one.input_shape
    assert {one.name for one in found.layers} <= set(computed)


def test_a_network_worked_by_hand():
    """A convolution, an activation, pooling and a sum, by loops."""
    x = np.random.default_rng(0).integers(-4, 5, (6, 6, 2))
    kernels = np.random.default_rng(1).integers(-2, 3, (3, 3, 2, 2))
    found = forward("conv3-2,relu max2 fc-1", x, {
        "0.conv.weight": kernels, "0.conv.bias": [1, -2], "2.fc.weight": np.arange(8), "2.fc.bias": [10],
    })  # fmt: skip
    z = np.zeros((4, 4, 2))
    for i, j, n in np.ndindex(z.shape):
        z[i, j, n] = (1, -2)[n] + sum(x[i + a, j + b, c] * kernels[a, b, c, n] for a, b, c in np.ndindex(3, 3, 2))
    pooled = [
        [[max(0, z[2 * i : 2 * i + 2, 2 * j : 2 * j + 2, n].max()) for n in (0, 1)] for j in (0, 1)] for i in (0, 1)
    ]
    assert found.numbers("0.conv").tolist() == z.tolist()
    assert found.numbers("0.relu").tolist() == found.numbers("0").tolist() == np.maximum(z, 0).tolist()
    assert found.numbers("1").tolist() == pooled
    assert found.output.tolist() == [10 + sum(np.ravel(pooled) * np.arange(8))]


@pytest.mark.extras
def test_a_network_as_pytorch_computes_it():
    torch = pytest.importorskip("torch")
    from torch_networks import torch_module

    network = parse_network(BLOCKY)
    x, weights = np.random.default_rng(1).normal(size=network.input_shape), drawn(network)
    parameters = {name: weights[name] for name in network.param_shapes()}
    buffers = {name: weights[name] for name in network.buffer_shapes()}
    module = torch_module(network.layers, network.input_shape, parameters, buffers).eval()
    with torch.no_grad():
        expected = module(torch.tensor(x.transpose(2, 0, 1)[None])).numpy()[0]
    np.testing.assert_allclose(forward(network, x, weights).output, expected, rtol=1e-12)


def test_text_and_arrays_are_the_same():
    text = forward("conv2-1,relu", "1 2 0; 0 1 3 | 5 5 5; 1 1 1", {
        "0.conv.weight": "1 0; 0 -1 | 0 0; 0 1/2", "0.conv.bias": "-1",
    })  # fmt: skip
    kernel = np.zeros((2, 2, 2, 1))
    kernel[0, 0, 0], kernel[1, 1, 0], kernel[1, 1, 1] = 1, -1, 0.5
    planes = np.stack([[[1, 2, 0], [0, 1, 3]], [[5, 5, 5], [1, 1, 1]]], axis=-1)
    arrays = forward("2x3x2 conv2-1,relu", planes, {"0.conv.weight": kernel, "0.conv.bias": [-1]})
    assert np.array_equal(text.output, arrays.output)
    assert text.network == arrays.network


def test_float32_is_computed_where_it_is_asked_for():
    found = forward("3 fc-2", [0.1, 0.2, 0.3], seed=0, dtype="float32")
    assert {one.numbers.dtype for one in found.layers} == {np.dtype(np.float32)}
    assert found.drawn == ("0.fc.weight", "0.fc.bias")
    with pytest.raises(ArgumentError, match="dtype must be float32 or float64, got 'int32'"):
        forward("relu", "1", dtype="int32")


def test_a_model_gets_a_picture_as_predict_reads_it(tmp_path):
    model = random_model("9x8x3 conv3-4,bn,relu conv3-4,same,relu gap fc-3")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    path = str(tmp_path / "picture.png")
    Image.fromarray(pixels).save(path)
    save_model(tmp_path / "model.safetensors", model)
    predicted = model.probabilities(path)
    for given in (model, str(tmp_path / "model.safetensors")):
        scores = forward(given, path).output
        shares = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(shares, predicted, rtol=1e-4)
    assert "stretch" in forward(model, path).note


def test_numbers_for_a_model_are_taken_as_they_are():
    model = random_model("4x4x1 conv3-2 fc-3")
    x = np.arange(16).reshape(4, 4)
    found = forward(model, x)
    assert np.array_equal(found.input[..., 0], x)
    assert not found.note
    np.testing.assert_allclose(found.weights["0.conv.bias"], model.parameters["0.conv.bias"])


def test_weights_can_be_put_in_place_of_a_models():
    model = random_model("4x4x1 conv3-1 fc-3")
    found = forward(model, np.ones((4, 4)), {"0.conv.weight": "0 0 0; 0 0 0; 0 0 0", "0.conv.bias": "7"})
    assert found.numbers("0").tolist() == np.full((2, 2, 1), 7).tolist()


def test_a_network_of_the_zoo_is_drawn():
    found = forward("lenet5", np.ones((32, 32)), seed=0)
    assert found.output.shape == (10,)
    assert set(found.drawn) == set(load_network("lenet5").param_shapes())


def test_a_picture_keeps_its_pixels(tmp_path):
    gray = np.random.default_rng(0).integers(0, 256, (5, 6), np.uint8)
    Image.fromarray(gray).save(tmp_path / "gray.png")
    assert np.array_equal(forward("relu", tmp_path / "gray.png").output[..., 0], gray)
    with pytest.raises(ArgumentError, match=r"gray\.png is 5x6x1, and the network takes 9x9x1: resize it to 9x9"):
        forward("9x9x1 relu", tmp_path / "gray.png")


@pytest.mark.parametrize(
    ("name", "content"), [("x.txt", "1 2; 3 4 | 5 6; 7 8"), ("x.csv", "1,2\n3,4"), ("x.json", "[[1, 2], [3, 4]]")]
)
def test_numbers_in_files(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    found = forward("relu", str(tmp_path / name))
    assert found.output[..., 0].tolist() == [[1, 2], [3, 4]]
    assert found.output.shape[2] == 1 + ("|" in content)
    np.save(tmp_path / "x.npy", found.output)
    assert np.array_equal(forward("relu", tmp_path / "x.npy").output, found.output)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nothing.png", "nothing.png: no such file; an input is a file, or a matrix"),
        ("1 2; 3", "input row 2 has 1 numbers where row 1 has 2"),
        ("1 2; 3 4 | 5", "input 2 of 2 is 1x1, where the first is 2x2"),
        (np.zeros((2, 2, 2, 2)), r"an input has the shape \(H, W\), \(H, W, C\) or \(N,\)"),
        ([[1, np.inf]], "finite numbers only"),
        ("1 2 3", "the input is 1x3x1, and the network takes 2x2x1"),
        ("1 2; 3 4 | 5 6; 7 8", "the input is 2x2x2, and the network takes 2x2x1"),
    ],
)
def test_inputs_that_do_not_fit(given, message):
    with pytest.raises(CnncliError, match=message):
        forward("2x2x1 relu", given)


@pytest.mark.parametrize("array", [np.ones((2, 2), complex), np.array([["a"]]), np.ones((2, 2), [("a", "f4")])])
def test_a_file_of_other_things_than_real_numbers(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(ArgumentError, match=r"x\.npy is made of real numbers, got "):
        forward("relu", tmp_path / "x.npy")


def test_numbers_too_large_for_the_type():
    weights = {"0.conv.weight": "1e300", "0.conv.bias": "0"}
    with pytest.raises(ArgumentError, match=r"input: 1e\+308 is too large for float32: use float64"):
        forward("relu", "1 -1e308", dtype="float32")
    with pytest.raises(ArgumentError, match=r"0\.conv\.weight: 1e\+300 is too large for float32: use float64"):
        forward("conv1-1", "1", weights, dtype="float32")
    assert forward("conv1-1", "1", weights).output.item() == 1e300


def test_an_unknown_layer_is_listed():
    with pytest.raises(ArgumentError, match=r"no layer '2': there are 0\.relu, 1\.tanh"):
        forward("relu tanh", "1 2").numbers("2")
