"""Weights both ways: the same numbers, PyTorch's axes on one side and cnncli's on the other."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch_cases import INCEPTION, LENET, RESIDUAL, TEXTS, Problem, near  # noqa: E402

from cnncli.engines.initialization import initialize  # noqa: E402
from cnncli.engines.numpy_engine import NumpyEngine  # noqa: E402
from cnncli.engines.torch.weights import from_torch, to_torch, torch_views  # noqa: E402
from cnncli.networks import load_network, parse_network  # noqa: E402


@pytest.mark.parametrize("text", [*TEXTS, LENET, RESIDUAL, INCEPTION, str(load_network("lenet5-1998"))])
def test_there_and_back_is_where_it_was(text):
    problem = Problem(text, dtype=np.float32)
    module = to_torch(problem.network, problem.parameters, problem.buffers)
    for found, given in zip(from_torch(problem.network, module), (problem.parameters, problem.buffers), strict=True):
        assert list(found) == list(given)
        assert all(np.array_equal(found[name], given[name]) for name in given)


def test_names_are_the_network_s_and_axes_are_pytorch_s():
    network = parse_network("9x9x4 conv3x2-6,g2 res[ conv1-6,bn ] tconv2-8 fc-5")
    parameters, buffers = initialize(network, seed=0)
    state = to_torch(network, parameters, buffers).state_dict()
    assert state.keys() == {**parameters, **buffers}.keys()
    assert tuple(state["0.conv.weight"].shape) == (6, 2, 3, 2)
    assert state["0.conv.weight"][4, 1, 2, 0] == parameters["0.conv.weight"][2, 0, 1, 4]
    assert state["3.fc.weight"][3, 7] == parameters["3.fc.weight"][7, 3]


def test_pytorch_s_own_layers_take_them():
    network = parse_network("8x8x3 conv3-6,s2 tconv2-4,s2 fc-5")
    parameters, _ = initialize(network, seed=0)
    state = to_torch(network, parameters, {}).state_dict()
    own = [torch.nn.Conv2d(3, 6, 3, 2), torch.nn.ConvTranspose2d(6, 4, 2, 2), torch.nn.Linear(6 * 6 * 4, 5)]
    for layer, name in zip(own, ("0.conv", "1.tconv", "2.fc"), strict=True):
        layer.load_state_dict({kind: state[f"{name}.{kind}"] for kind in ("weight", "bias")})
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    with torch.no_grad():
        pictures = own[1](own[0](torch.from_numpy(x).permute(0, 3, 1, 2)))
        found = own[2](pictures.permute(0, 2, 3, 1).flatten(1)).numpy()
    with NumpyEngine(network, parameters) as engine:
        assert near(found, engine.predict(x), 1e-5)


def test_views_are_the_memory_itself():
    network = parse_network("4x4x2 conv3-5 fc-3")
    flat = torch.zeros(sum(int(np.prod(shape)) for shape in network.param_shapes().values()))
    views = torch_views(flat, network.param_shapes())
    views["1.fc.weight"][2, 0] = 7
    start = 3 * 3 * 2 * 5 + 5
    assert flat[start + 2] == 7
    assert sum(view.numel() for view in views.values()) == flat.numel()


def test_a_module_trained_by_hand_comes_back():
    network = parse_network("4x4x1 conv3-2,relu fc-2")
    module = to_torch(network, *initialize(network, seed=0))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    x = np.random.default_rng(0).normal(size=(5, 4, 4, 1)).astype(np.float32)
    module(torch.from_numpy(x).permute(0, 3, 1, 2)).square().sum().backward()
    optimizer.step()
    with torch.no_grad():
        expected = module(torch.from_numpy(x).permute(0, 3, 1, 2)).numpy()
    with NumpyEngine(network, *from_torch(network, module)) as engine:
        assert near(engine.predict(x), expected, 1e-5)
