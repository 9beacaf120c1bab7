"""Every layer as a module of PyTorch: the same outputs, gradients and statistics as by NumPy."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch_cases import TEXTS, Problem, near  # noqa: E402

from cnncli.engines.torch.compilation import BUILDERS, JOINS, compile_network  # noqa: E402
from cnncli.engines.torch.modules import synchronized  # noqa: E402
from cnncli.engines.torch.weights import set_state, torch_axes  # noqa: E402
from cnncli.errors import ArgumentError  # noqa: E402
from cnncli.networks import load_network, parse_network  # noqa: E402
from cnncli.networks.layers import BLOCKS, LAYERS, Layer, Sequential  # noqa: E402
from cnncli.networks.layers.base import Shorthand  # noqa: E402
from cnncli.networks.layers.context import Shared  # noqa: E402


@pytest.mark.parametrize("op", LAYERS)
def test_every_layer_of_the_registry_has_a_module(op):
    short_for_another = issubclass(LAYERS[op], Shorthand)
    assert op in BUILDERS or short_for_another, f"add the module of {op} to BUILDERS of engines/torch/compilation.py"


def test_every_block_of_the_registry_has_a_join():
    assert JOINS.keys() == BLOCKS.keys()


def channels_first(array):
    return torch.from_numpy(np.ascontiguousarray(array)).permute(0, 3, 1, 2) if array.ndim == 4 else torch.tensor(array)


def ours(tensor):
    array = tensor.detach().numpy()
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def computed(problem, *, training):
    """Return the same as `Problem.numpy`, by PyTorch."""
    shared = Shared(seed=5, step=3)
    dtype = torch.from_numpy(problem.x).dtype
    module = compile_network(problem.network, shared).to(dtype).train(training)
    set_state(module, problem.parameters, problem.buffers)
    x = channels_first(problem.x).requires_grad_()
    y = module(x)
    (y * channels_first(problem.weights)).sum().backward()
    gradients = {
        name: parameter.grad.permute(tuple(np.argsort(torch_axes(name, parameter.ndim)))).numpy()
        for name, parameter in module.named_parameters()
    }
    return ours(y), {"input": ours(x.grad), **gradients}, dict(module.named_buffers())


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("text", TEXTS)
def test_outputs_gradients_and_statistics_are_numpy_s(text, training):
    problem = Problem(text)
    output, gradients, statistics = problem.numpy(training=training)
    found, slopes, buffers = computed(problem, training=training)
    assert near(found, output, 1e-9)
    assert slopes.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert near(slopes[name], gradient, 1e-8), name
    for name, statistic in statistics.items():
        assert near(buffers[name].numpy(), statistic, 1e-9), name


@pytest.mark.parametrize("text", TEXTS)
def test_float32_outputs_are_numpy_s(text):
    problem = Problem(text, dtype=np.float32)
    assert near(computed(problem, training=False)[0], problem.numpy(training=False)[0], 1e-5)


@pytest.mark.parametrize("name", ["lenet5", "lenet5-1998", "lenet-course", "course-39", "resnet20", "plain20"])
def test_networks_of_the_zoo(name):
    problem = Problem(str(load_network(name)), images=2)
    output, gradients, _ = problem.numpy(training=True)
    found, slopes, _ = computed(problem, training=True)
    assert near(found, output, 1e-8)
    assert all(near(slopes[name], gradient, 1e-7) for name, gradient in gradients.items())


def test_of_equal_numbers_the_first_gets_the_gradient():
    for text in ("4x4x1 max2", "4x4x1 gmp"):
        problem = Problem(text, images=1)
        problem.x[:] = 0
        assert np.array_equal(computed(problem, training=True)[1]["input"], problem.numpy(training=True)[1]["input"])


def test_batch_norm_of_one_number_a_channel():
    problem = Problem("3 bn", images=1)
    output, gradients, statistics = problem.numpy(training=True)
    found, slopes, buffers = computed(problem, training=True)
    assert near(found, output, 1e-9)
    assert near(slopes["0.bn.bias"], gradients["0.bn.bias"], 1e-9)
    assert near(buffers["0.bn.running_var"].numpy(), statistics["0.bn.running_var"], 1e-9)


@pytest.mark.parametrize(
    "text", ["9x9x3 conv3-8,same,relu max3,s2,same conv3-8,g2 avg2,ceil lrn", "9x9x3 dw3,bn,relu6"]
)
def test_memory_stays_channels_last(text):
    network = parse_network(text)
    module = compile_network(network).eval()
    x = torch.zeros(2, *network.input_shape).permute(0, 3, 1, 2)
    for layer in module:
        x = layer(x)
        assert x.is_contiguous(memory_format=torch.channels_last), layer


def test_synchronized_batch_norm_has_the_same_names_and_computes_the_same_alone():
    problem = Problem("6x6x3 conv3-4,bn,relu res[ conv3-4,same,bn ] bn", dtype=np.float32)
    module = synchronized(compile_network(problem.network))
    assert sum(isinstance(inner, torch.nn.SyncBatchNorm) for inner in module.modules()) == 3
    assert module.state_dict().keys() == {**problem.parameters, **problem.buffers}.keys()
    set_state(module, problem.parameters, problem.buffers)
    found = ours(module.eval()(channels_first(problem.x)))
    assert near(found, problem.numpy(training=False)[0], 1e-5)


def test_a_layer_that_pytorch_does_not_have():
    class Unheard(Layer):
        op = "unheard"

    network = parse_network("4x4x1 relu").replace(layers=Sequential((Unheard(),)))
    with pytest.raises(ArgumentError, match="unheard has no counterpart in PyTorch"):
        compile_network(network)
