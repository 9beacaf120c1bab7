"""PyTorch's optimizers on one flat vector: step for step cnncli's, with the same numbers kept."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cnncli.engines.optimizers import OPTIMIZERS, clip_by_norm  # noqa: E402
from cnncli.engines.torch.optimization import clip_tensor_by_norm, take_step, torch_optimizer  # noqa: E402


@pytest.mark.parametrize("weight_decay", [0.0, 0.03])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_and_states_are_the_same(name, weight_decay):
    optimizer = OPTIMIZERS[name](weight_decay=weight_decay)
    rng = np.random.default_rng(0)
    ours = rng.normal(size=100)
    state = {key: np.abs(rng.normal(size=100)) for key in optimizer.state_names}  # as if steps had been taken
    flat, kept = torch.tensor(ours), {key: torch.tensor(array) for key, array in state.items()}
    theirs = torch_optimizer(optimizer, flat, kept)
    flat.grad = torch.zeros_like(flat)
    for step in range(8, 28):
        gradients, lr = rng.normal(size=100), 0.1 / step
        optimizer.update(ours, gradients, state, step, lr)
        flat.grad.copy_(torch.from_numpy(gradients))
        take_step(theirs, step, lr)
    assert np.abs(flat.numpy() - ours).max() < 1e-12
    assert all(np.abs(kept[key].numpy() - array).max() < 1e-12 for key, array in state.items())


def test_nesterov_without_momentum():
    ours, flat = np.ones(3), torch.ones(3, dtype=torch.float64)
    optimizer = OPTIMIZERS["nesterov"](momentum=0.0)
    state = optimizer.initial_state(ours)
    theirs = torch_optimizer(optimizer, flat, {"velocity": torch.zeros_like(flat)})
    flat.grad = torch.full_like(flat, 2.0)
    optimizer.update(ours, np.full(3, 2.0), state, 1, 0.1)
    take_step(theirs, 1, 0.1)
    assert np.allclose(flat.numpy(), ours)


@pytest.mark.parametrize("scale", [0.01, 1, 1e6, np.inf, np.nan])
def test_clipping_is_the_same(scale):
    gradients = np.linspace(-1, 1, 50) * scale
    tensor = torch.tensor(gradients)
    with np.errstate(all="ignore"):
        clip_by_norm(gradients, 0.7)
    clip_tensor_by_norm(tensor, 0.7)
    assert np.allclose(tensor.numpy(), gradients, equal_nan=True)
