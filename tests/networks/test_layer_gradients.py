"""Forward and backward of every layer: shapes as predicted, gradients as finite differences and PyTorch have them."""

import numpy as np
import pytest
from word_grid import WORDS, texts

from cnncli.networks import load_network, parse_network
from cnncli.networks.layers.context import Context, Shared

GRID = {
    "conv": [
        f"7x8x4 conv{options}"
        for options in (
            "3-5",
            "3-5,same",
            "3-6,s2,p1",
            "3x2-4,s2x1",
            "3-4,d2,same",
            "3-8,g2,p1",
            "3-4,g4,s2,nobias",
            "1-3",
            "1-3,s2",
            "5-2,p2",
            "1-2,p1",
        )
    ]
    + ["9x8x8 conv3-9,same", "8x8x8 conv3-9", "7x7x6 conv5-16,table", "2x3x1 conv2-1"],
    "dw": [f"7x8x3 dw{options}" for options in ("3", "3,same", "3,s2,p1", "3-6,same", "3,d2,p2", "2,nobias")],
    "tconv": [f"4x5x4 tconv{options}" for options in ("2-3,s2", "3-6", "3-4,s2,p1", "3-4,g2,same", "3-2,d2,p1")]
    + ["4x4x8 tconv3-8,p1", "3x3x2 tconv2-3,s3,same"],
    "max": [f"7x8x3 max{options}" for options in ("2", "3,s2", "3,s1,same", "3,s2,p1", "2,ceil", "2,s1,d2", "3x1")]
    + ["2x2x3 max3,s2,ceil"],
    "avg": [
        f"7x8x3 avg{options}" for options in ("2", "3,s2", "3,s1,same", "3,s2,p1", "2,ceil", "3,s2,p1,ceil", "3x1")
    ],
    "sub": ["6x8x3 sub", "7x7x2 sub"],
    "fc": ["5x4x3 fc-6", "7 fc-3", "2x2x2 fc-3,nobias"],
    "rbf": ["5x4x3 rbf-6", "7 rbf-3"],
    "bn": ["5x4x3 bn", "4x4x3 conv3-4,bn,relu", "7 bn", "5x4x3 conv3-4,bn,bias"],
    "lrn": ["4x3x9 lrn", "4x3x5 lrn3", "3x3x6 lrn4"],
    "drop": ["6x5x3 drop0.3", "40 drop"],
    "flatten": ["4x3x2 flatten"],
    "zeropad": ["4x3x2 zeropad-5"],
    "leaky": ["4x3x2 leaky", "4x3x2 leaky0.3"],
    **WORDS,
    "res": [
        "5x5x3 res[ conv3-3,same ]",
        "6x6x3 res[ conv3-4,s2,p1,bn,relu conv3-4,same,bn | conv1-4,s2,bn ]",
        "6x6x3 res[ conv3-4,s2,p1 | avg1,s2 zeropad-4 ]",
    ],
    "add": ["5x5x3 add[ conv3-3,same,tanh ]", "5x5x3 add[ conv1-4 | conv3-4,same ]", "5x5x3 relu add[ relu | ] tanh"],
    "cat": [
        "5x5x3 cat[ conv1-2 | conv3-4,same ]",
        "5x5x3 cat[ | bn relu conv3-2,p1 ]",
        "5x5x3 cat[ conv1-2 | conv1-2 conv3-3,same | max3,s1,same conv1-2 ]",
    ],
    "repeat": ["6x6x2 2xconv3-2,relu fc-3", "8x8x2 2x[ conv3-3,tanh max2,s1 ]"],
}
TEXTS = texts(GRID)

SMALL = ["lenet5", "lenet5-1998", "lenet-course", "course-39"]


class Problem:
    """A network with random parameters, images and a random weight for each output; the loss is their product."""

    def __init__(self, network, images=3, dtype=np.float64, winograd=True):
        rng = np.random.default_rng(0)
        self.network, self.winograd = network, winograd
        self.x = self._images(rng, images, dtype)
        self.params = {name: self._weight(rng, shape).astype(dtype) for name, shape in network.param_shapes().items()}
        self.buffers = {
            name: rng.uniform(0.5, 1.5, shape).astype(dtype) for name, shape in network.buffer_shapes().items()
        }
        self.weights = rng.normal(size=(images, *network.output_shape)).astype(dtype)

    def _images(self, rng, images, dtype):
        # No two numbers are near each other, or near 0: no difference moves one over a kink.
        count = images * int(np.prod(self.network.input_shape))
        numbers = (rng.permutation(count) - count // 2 + 0.5) * (4 / count)
        return numbers.reshape(images, *self.network.input_shape).astype(dtype)

    @staticmethod
    def _weight(rng, shape):
        return rng.normal(size=shape) * max(1, np.prod(shape[:-1])) ** -0.5

    def context(self, training=True):
        return Context(Shared(training=training, buffers=self.buffers, winograd=self.winograd))

    def forward(self, training=True):
        return self.network.layers.forward(self.x, self.params, self.context(training))[0]

    def loss(self, training=True):
        return float((self.forward(training) * self.weights).sum())

    def gradients(self, training=True):
        context = self.context(training)
        _, cache = self.network.layers.forward(self.x, self.params, context)
        grad, grads = self.network.layers.backward(self.weights, cache, self.params, context)
        return {"input": grad, **grads}

    def difference(self, array, direction, training=True, step=1e-5):
        original = array.copy()
        losses = []
        for sign in (1, -1):
            array[:] = original + sign * step * direction
            losses.append(self.loss(training))
        array[:] = original
        return (losses[0] - losses[1]) / (2 * step)


def check_differences(problem, training):
    rng = np.random.default_rng(1)
    arrays = {"input": problem.x, **problem.params}
    gradients = problem.gradients(training)
    assert gradients.keys() == arrays.keys()
    for name, array in arrays.items():
        assert gradients[name].shape == array.shape
        assert gradients[name].dtype == array.dtype
        direction = rng.normal(size=array.shape)
        direction /= np.linalg.norm(direction)
        expected, found = problem.difference(array, direction, training), (gradients[name] * direction).sum()
        scale = max(abs(expected), abs(found), 1e-3 * np.linalg.norm(gradients[name]), 1e-3)
        assert abs(expected - found) < 1e-6 * scale, name


@pytest.mark.parametrize("text", TEXTS)
def test_the_shape_is_the_predicted_one_and_types_stay(text):
    for dtype in (np.float32, np.float64):
        problem = Problem(parse_network(text), dtype=dtype)
        for training in (True, False):
            y = problem.forward(training)
            assert y.shape == (3, *problem.network.output_shape)
            assert y.dtype == dtype


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("text", TEXTS)
def test_gradients_are_finite_differences(text, training):
    check_differences(Problem(parse_network(text)), training)


@pytest.mark.parametrize("text", TEXTS)
def test_inputs_parameters_and_gradients_are_left_as_they_are(text):
    problem = Problem(parse_network(text))
    before = {"input": problem.x.copy(), "weights": problem.weights.copy(), **problem.params}
    before = {name: array.copy() for name, array in before.items()}
    problem.gradients()
    for name, array in {"input": problem.x, "weights": problem.weights, **problem.params}.items():
        assert np.array_equal(array, before[name]), name


@pytest.mark.parametrize("text", TEXTS)
def test_the_input_s_gradient_is_left_out_where_nobody_needs_it(text):
    problem = Problem(parse_network(text))
    context = problem.context()
    _, cache = problem.network.layers.forward(problem.x, problem.params, context)
    context.input_gradient = False
    _, grads = problem.network.layers.backward(problem.weights, cache, problem.params, context)
    expected = problem.gradients()
    assert all(np.array_equal(array, expected[name]) for name, array in grads.items())


@pytest.mark.parametrize("name", SMALL)
def test_gradients_of_small_networks_of_the_zoo_are_finite_differences(name):
    check_differences(Problem(load_network(name), images=2), training=True)


def test_the_first_of_equal_numbers_gets_the_gradient():
    network = parse_network("4x4x1 max2")
    problem = Problem(network, images=1)
    problem.x[:] = 0
    grad = problem.gradients()["input"][0, :, :, 0]
    assert np.array_equal(grad[::2, ::2], problem.weights[0, :, :, 0])
    assert np.count_nonzero(grad) == 4


def test_dropout_depends_on_the_image_and_not_on_its_company():
    network = parse_network("5x5x3 drop0.5")
    x = np.ones((6, 5, 5, 3))
    whole = network.layers.forward(x, {}, Context(Shared(training=True, seed=3, step=2)))[0]
    tail = network.layers.forward(x[4:], {}, Context(Shared(training=True, seed=3, step=2, first_image=4)))[0]
    other = network.layers.forward(x, {}, Context(Shared(training=True, seed=3, step=3)))[0]
    assert np.array_equal(whole[4:], tail)
    assert not np.array_equal(whole, other)
    assert len({image.tobytes() for image in whole}) == 6


COMPARED = [
    text
    for text in TEXTS
    if not any(word in text for word in ("table", " sub", "rbf", "drop", "flatten", "7 bn", ",g2"))
    and not ("same" in text and any(op in text for op in ("max", "avg", "tconv")))
] + ["7x8x4 conv3-8,g2,p1", "12x12x3 conv3-8,same,bn,relu max2 conv3-16,same,relu max2 fc-12,relu fc-4"]
COMPARED += [str(load_network("resnet20")), "16x16x3 3xconv3-8,same,relu max2,ceil cat[ conv1-8 | dw3,same ] fc-3"]


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("text", COMPARED)
def test_pytorch_computes_the_same(text, training):
    torch = pytest.importorskip("torch")
    from torch_networks import torch_module

    problem = Problem(parse_network(text))
    module = torch_module(problem.network.layers, problem.network.input_shape, problem.params, problem.buffers).train(
        training
    )
    channels_first = problem.x.transpose(0, 3, 1, 2) if problem.x.ndim == 4 else problem.x
    x = torch.tensor(channels_first, requires_grad=True)
    y = module(x)
    expected = y.detach().numpy()
    expected = expected.transpose(0, 2, 3, 1) if expected.ndim == 4 else expected
    assert np.allclose(problem.forward(training), expected, rtol=1e-9, atol=1e-9)
    weights = problem.weights.transpose(0, 3, 1, 2) if expected.ndim == 4 else problem.weights
    (y * torch.tensor(weights)).sum().backward()
    grad = x.grad.numpy().transpose(0, 2, 3, 1) if x.ndim == 4 else x.grad.numpy()
    gradients = problem.gradients(training)
    assert np.allclose(gradients["input"], grad, rtol=1e-8, atol=1e-9)
    compare_parameters(module, gradients, 1e-8)


def compare_parameters(module, gradients, tolerance):
    """Compare in the order of the network, which PyTorch's modules were built in."""
    axes = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}
    theirs = [parameter.grad.numpy() for parameter in module.parameters()]
    mine = [array for name, array in gradients.items() if name != "input"]
    assert len(mine) == len(theirs)
    unmatched = list(mine)
    for array in theirs:
        candidates = [array.transpose(axes[array.ndim]), array.transpose(2, 3, 0, 1) if array.ndim == 4 else array]
        scale = np.abs(array).max() + 1e-3
        near = [
            number
            for number, found in enumerate(unmatched)
            if any(found.shape == c.shape and np.abs(found - c).max() <= tolerance * scale for c in candidates)
        ]
        assert near, "no gradient of ours is like this one of PyTorch's"
        unmatched.pop(near[0])


@pytest.mark.parametrize("size", [5, 3, 4])
def test_local_response_normalisation_is_pytorch_s(size):
    torch = pytest.importorskip("torch")
    problem = Problem(parse_network(f"4x4x8 lrn{size}"))
    x = torch.tensor(problem.x.transpose(0, 3, 1, 2))
    expected = torch.nn.functional.local_response_norm(x, size, alpha=5e-4, beta=0.75, k=2.0)
    assert np.allclose(problem.forward(), expected.numpy().transpose(0, 2, 3, 1), rtol=1e-12)


def test_running_statistics_are_pytorch_s():
    torch = pytest.importorskip("torch")
    from torch_networks import torch_module

    problem = Problem(parse_network("5x5x3 bn"))
    context = problem.context()
    module = torch_module(problem.network.layers, (5, 5, 3), problem.params, problem.buffers)
    problem.network.layers.forward(problem.x, problem.params, context)
    module(torch.tensor(problem.x.transpose(0, 3, 1, 2)))
    for name in ("running_mean", "running_var"):
        found = context.shared.new_buffers[f"0.bn.{name}"]
        assert np.allclose(found, dict(module.named_buffers())[f"0.{name}"].numpy(), rtol=1e-12)
