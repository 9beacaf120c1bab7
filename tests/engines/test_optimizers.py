import numpy as np
import pytest

from cnncli.engines.optimizers import OPTIMIZERS, clip_by_norm
from cnncli.errors import ArgumentError

STEPS = 50


NOT_IN_PYTORCH: set[str] = set()
"""Optimizers of ours that `torch.optim` has no class for; the others are compared with the class of their name."""

SGD_OPTIONS = {"momentum": {"momentum": 0.9}, "nesterov": {"momentum": 0.9, "nesterov": True}}
"""Optimizers of ours that are options of PyTorch's SGD."""


def torch_optimizer(name, parameters, **options):
    """Return PyTorch's optimizer of the same formula; skip the test where it has none."""
    optim = pytest.importorskip("torch").optim
    known = {word.lower(): kind for word, kind in vars(optim).items() if isinstance(kind, type)}
    if name in NOT_IN_PYTORCH:
        assert name not in known, f"take {name} out of NOT_IN_PYTORCH in tests/engines/test_optimizers.py"
        pytest.skip(f"PyTorch has no {name}")
    word = "sgd" if name in SGD_OPTIONS else name
    assert word in known, (
        f"torch.optim has no {name}: if so, add it to NOT_IN_PYTORCH in tests/engines/test_optimizers.py"
    )
    return known[word](parameters, **options, **SGD_OPTIONS.get(name, {}))


def rate_of(step):
    """A rate that changes, as schedules make it."""
    return 0.01 * (1 + step % 3)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("weight_decay", [0.0, 0.05])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fifty_steps_are_those_of_pytorch(name, weight_decay, dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(7)
    ours = rng.normal(size=200).astype(dtype)
    theirs = torch.tensor(ours.copy(), requires_grad=True)
    optimizer = OPTIMIZERS[name](weight_decay=weight_decay)
    oracle = torch_optimizer(name, [theirs], lr=0.01, weight_decay=weight_decay)
    state = optimizer.initial_state(ours)
    for step in range(1, STEPS + 1):
        gradients = rng.normal(size=200).astype(dtype) * 10.0 ** rng.integers(-3, 2)
        gradients = gradients.astype(dtype)
        oracle.param_groups[0]["lr"] = rate_of(step)
        theirs.grad = torch.tensor(gradients)
        oracle.step()
        optimizer.update(ours, gradients, state, step, rate_of(step))
        assert ours.dtype == dtype
        found, expected = ours, theirs.detach().numpy()
        assert np.abs(found - expected).max() <= 1e-6 * max(1, np.abs(expected).max()), step


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_default_weight_decay_is_that_of_pytorch(name):
    torch = pytest.importorskip("torch")
    oracle = torch_optimizer(name, [torch.zeros(1)], lr=0.1)
    assert OPTIMIZERS[name]().weight_decay == oracle.defaults["weight_decay"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_slices_may_be_updated_apart(name):
    """Threads share the work so; and arrays longer than a block are no special case."""
    rng = np.random.default_rng(1)
    size = 50_000
    whole = rng.normal(size=size).astype(np.float32)
    parts = whole.copy()
    optimizer = OPTIMIZERS[name](weight_decay=0.01)
    state, part_state = optimizer.initial_state(whole), optimizer.initial_state(parts)
    cuts = [slice(0, 7), slice(7, 33_333), slice(33_333, size)]
    for step in (1, 2, 3):
        gradients = rng.normal(size=size).astype(np.float32)
        optimizer.update(whole, gradients, state, step, 0.01)
        for cut in reversed(cuts):
            pieces = {key: array[cut] for key, array in part_state.items()}
            optimizer.update(parts[cut], gradients[cut], pieces, step, 0.01)
    assert np.array_equal(whole, parts)
    assert all(np.array_equal(state[key], part_state[key]) for key in state)


@pytest.mark.parametrize("weight_decay", [0.0, 0.03])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_is_the_same_on_tensors(name, weight_decay):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    optimizer = OPTIMIZERS[name](weight_decay=weight_decay)
    ours, state = rng.normal(size=100), {key: np.abs(rng.normal(size=100)) for key in optimizer.state_names}
    theirs, kept = torch.tensor(ours), [torch.tensor(array) for array in state.values()]
    for step in range(8, 28):
        gradients, lr = rng.normal(size=100), 0.1 / step
        optimizer.update(ours, gradients, state, step, lr)
        optimizer.update_block(torch, theirs, torch.tensor(gradients), torch.empty(100).double(), *kept, t=step, lr=lr)
    assert np.abs(theirs.numpy() - ours).max() < 1e-12
    assert all(np.abs(kept[key].numpy() - array).max() < 1e-12 for key, array in enumerate(state.values()))


BOWL_RATES = {"adagrad": 1.0}
"""Rates where the usual one gets nowhere in 400 steps, as with Adagrad (an example, which is not built in)."""


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_gradients_are_left_alone_and_a_bowl_is_descended(name):
    lr = BOWL_RATES.get(name, max(0.01, OPTIMIZERS[name].default_lr))
    parameters = np.array([3.0, -2.0, 0.5])
    optimizer = OPTIMIZERS[name](weight_decay=0)
    state = optimizer.initial_state(parameters)
    assert set(state) == set(optimizer.state_names)
    first = np.sum(parameters**2)
    for step in range(1, 400):
        gradients = 2 * parameters
        before = gradients.copy()
        optimizer.update(parameters, gradients, state, step, lr)
        assert np.array_equal(gradients, before)
    assert np.sum(parameters**2) < first / 50, "steps that shrink need a higher rate: add it to BOWL_RATES"


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_numbers_out_of_range_are_refused(name):
    with pytest.raises(ArgumentError, match="weight_decay must be a finite number from 0, got -1"):
        OPTIMIZERS[name](weight_decay=-1)
    with pytest.raises(ArgumentError, match="got nan"):
        OPTIMIZERS[name](weight_decay=float("nan"))


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name in OPTIMIZERS for field in OPTIMIZERS[name].fractions]
)
def test_fractions_of_one_are_refused(name, field):
    with pytest.raises(ArgumentError, match=f"{field} must be from 0 to below 1, got 1"):
        OPTIMIZERS[name](**{field: 1})


def test_a_momentum_is_a_fraction():
    assert "momentum" in OPTIMIZERS["nesterov"].fractions


@pytest.mark.parametrize("size", [1, 1000, 40_000])
@pytest.mark.parametrize("max_norm", [0.5, 1e6])
def test_clipping_is_that_of_pytorch(size, max_norm):
    torch = pytest.importorskip("torch")
    gradients = np.random.default_rng(size).normal(size=size).astype(np.float32)
    parameter = torch.zeros(size, requires_grad=True)
    parameter.grad = torch.tensor(gradients)
    expected = float(torch.nn.utils.clip_grad_norm_([parameter], max_norm))
    assert clip_by_norm(gradients, max_norm) == pytest.approx(expected, rel=1e-5)
    assert np.allclose(gradients, parameter.grad.numpy(), rtol=1e-5, atol=1e-9)


def test_the_norm_survives_what_float32_cannot_hold():
    assert clip_by_norm(np.full(4, 1e30, np.float32), 1e31) == pytest.approx(2e30)


def test_gradients_that_are_not_finite_stay_to_be_seen():
    for bad in (np.nan, np.inf):
        gradients = np.array([1.0, bad], np.float32)
        assert not np.isfinite(clip_by_norm(gradients, 1.0))
        assert gradients[0] == 1
        assert not np.isfinite(gradients[1])


def test_a_limit_has_to_be_positive():
    with pytest.raises(ArgumentError, match="max_norm must be a number above 0, got 0"):
        clip_by_norm(np.ones(2), 0)
