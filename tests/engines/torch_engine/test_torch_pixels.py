"""Gradients by the images of both engines, beside PyTorch's own."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch_cases import NETWORKS, TEXTS  # noqa: E402

from cnncli.engines.backends import open_backend  # noqa: E402
from cnncli.engines.initialization import initialize  # noqa: E402
from cnncli.engines.pixels import PixelGradient  # noqa: E402
from cnncli.engines.pixels.steps import Steps  # noqa: E402
from cnncli.engines.torch.compilation import compile_network  # noqa: E402
from cnncli.engines.torch.pixels import TorchPixelGradient  # noqa: E402
from cnncli.engines.torch.weights import set_state  # noqa: E402
from cnncli.errors import ArgumentError  # noqa: E402
from cnncli.networks import load_network, parse_network  # noqa: E402

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def weights(network, seed=0):
    rng = np.random.default_rng(seed)
    parameters, buffers = initialize(network, seed=seed)
    parameters = {name: array + rng.normal(0, 0.05, array.shape) for name, array in parameters.items()}
    return parameters, {name: array + rng.uniform(0.1, 0.5, array.shape) for name, array in buffers.items()}


def both(network, layers, size=None, device="cpu", **options):
    """Return the outputs, and the gradient, of both engines."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, *(size or network.input_shape[:-1]), network.input_shape[-1]))
    found = []
    for kind, more in ((PixelGradient, {}), (TorchPixelGradient, {"device": device})):
        pixels = kind(network, *weights(network), layers, dtype=np.float64, jobs=1, **options, **more)
        outputs = pixels.outputs(images)
        rng = np.random.default_rng(1)
        slopes = {name: rng.normal(size=output.shape) for name, output in outputs.items()}
        found.append((outputs, pixels.gradient(slopes)))
    return found


def near(found, expected, tolerance=1e-9):
    return found.shape == expected.shape and np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def autograd(network, slope, images):
    """Return the gradient by the images of a slope times the network's output, by its module and nothing of ours."""
    module = compile_network(network).double().eval()
    set_state(module, *weights(network))
    x = torch.from_numpy(images).permute(0, 3, 1, 2).requires_grad_()
    y = module(x)
    y = y.permute(0, 2, 3, 1) if y.ndim == 4 else y
    y.backward(torch.from_numpy(slope))
    return x.grad.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("text", TEXTS)
def test_every_layer_of_both_engines(text, device):
    network = parse_network(text)
    (ours, gradient), (theirs, expected) = both(network, list(Steps(network).names), device=device)
    assert list(ours) == list(theirs)
    assert all(near(ours[name], theirs[name]) for name in ours)
    assert near(gradient, expected)


@pytest.mark.parametrize("engine", [PixelGradient, TorchPixelGradient])
@pytest.mark.parametrize("text", NETWORKS, ids=["lenet5", "residual", "inception"])
def test_the_output_against_autograd(text, engine):
    network = parse_network(text)
    last = list(Steps(network).names)[-1]
    images = np.random.default_rng(0).normal(size=(2, *network.input_shape))
    pixels = engine(network, *weights(network), [last], dtype=np.float64)
    slope = np.random.default_rng(1).normal(size=pixels.outputs(images)[last].shape)
    assert near(pixels.gradient({last: slope}), autograd(network, slope, images))


@pytest.mark.parametrize("borders", ["zeros", "reflect"])
def test_vgg19_of_a_smaller_picture(borders):
    network = load_network("vgg19")
    cut = network.replace(layers=network.layers.unrolled[:12])  # most of the weights are in its last layers
    (ours, gradient), (theirs, expected) = both(cut, ["0", "2", "6", "11.conv"], (24, 32), borders=borders)
    assert all(near(ours[name], theirs[name]) for name in ours)
    assert near(gradient, expected, 1e-8)


@pytest.mark.parametrize(("name", "layers"), [("resnet18", ["4", "6.res.main.0.conv"]), ("googlenet", ["8", "5"])])
def test_networks_with_blocks(name, layers):
    (ours, gradient), (theirs, expected) = both(load_network(name), layers, (48, 40))
    assert all(near(ours[name], theirs[name]) for name in ours)
    assert near(gradient, expected, 1e-8)


def test_reflection_is_pytorch_s():
    network = parse_network("9x7x2 conv5x3-4,p2x1,relu conv3-3,p1,s2")
    parameters, buffers = weights(network)
    images = np.random.default_rng(0).normal(size=(2, 9, 7, 2))
    pixels = PixelGradient(network, parameters, buffers, ["0", "1.conv"], dtype=np.float64, borders="reflect")
    outputs = pixels.outputs(images)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).requires_grad_()
    convolutions = [
        torch.nn.Conv2d(2, 4, (5, 3), padding=(2, 1), padding_mode="reflect"),
        torch.nn.Conv2d(4, 3, 3, padding=1, stride=2, padding_mode="reflect"),
    ]
    for number, convolution in enumerate(convolutions):
        convolution.weight.data = torch.from_numpy(parameters[f"{number}.conv.weight"].transpose(3, 2, 0, 1).copy())
        convolution.bias.data = torch.from_numpy(parameters[f"{number}.conv.bias"])
    first = torch.relu(convolutions[0](x))
    second = convolutions[1](first)
    ((first**2).sum() + (second**3).sum()).backward()
    gradient = pixels.gradient({"0": 2 * outputs["0"], "1.conv": 3 * outputs["1.conv"] ** 2})
    assert near(gradient, x.grad.permute(0, 2, 3, 1).numpy())


def test_the_gradient_by_a_layer():
    network = parse_network(NETWORKS[1])
    images = np.random.default_rng(0).normal(size=(2, *network.input_shape))
    names = list(Steps(network).names)
    middle, last = names[len(names) // 2], names[-1]
    found = []
    for kind in (PixelGradient, TorchPixelGradient):
        pixels = kind(network, *weights(network), [middle, last], dtype=np.float64)
        slope = np.ones_like(pixels.outputs(images)[last])
        slope[:, 0] = 2
        found.append(pixels.gradient({last: slope}, by=middle))
    assert near(*found)


def test_the_backend_makes_it_and_tells_misuse():
    network = parse_network("6x6x3 conv3-4,relu fc-2")
    with open_backend("torch", "cpu") as backend:
        pixels = backend.pixel_gradient(network, *weights(network), ["0"])
        assert isinstance(pixels, TorchPixelGradient)
        with pytest.raises(ArgumentError, match="call outputs"):
            pixels.gradient({})
        with pytest.raises(ArgumentError, match="no layer '9'"):
            backend.pixel_gradient(network, *weights(network), ["9"])
