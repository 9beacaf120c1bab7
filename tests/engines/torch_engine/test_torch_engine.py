"""The engine of PyTorch beside NumPy's: the same steps, the same training, the same predictions."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch_cases import INCEPTION, LENET, NETWORKS, RESIDUAL, batch, near  # noqa: E402

from cnncli.engines.head import logits_loss  # noqa: E402
from cnncli.engines.initialization import initialize  # noqa: E402
from cnncli.engines.losses import LOSSES, CrossEntropy, SquaredError  # noqa: E402
from cnncli.engines.numpy_engine import NumpyEngine  # noqa: E402
from cnncli.engines.optimizers import OPTIMIZERS, Optimizer, clip_by_norm  # noqa: E402
from cnncli.engines.torch.backend import ROUNDING, parity  # noqa: E402
from cnncli.engines.torch.engine import TorchEngine, clip_tensor_by_norm  # noqa: E402
from cnncli.errors import ArgumentError  # noqa: E402
from cnncli.networks import parse_network  # noqa: E402

KINDS = {"numpy": NumpyEngine, "torch": TorchEngine}


def engine_of(kind, text, **options):
    network = parse_network(text)
    return KINDS[kind](network, *initialize(network, seed=1), seed=7, **options)


def trained(engine, steps, optimizer="momentum", clip_norm=None, loss=None):
    """Let an engine learn from a few batches; return the losses."""
    kind = OPTIMIZERS.get(optimizer, optimizer)()
    engine.use(kind)
    losses = []
    for step in range(steps):
        images, labels = batch(engine.network, images=12, seed=step % 4)
        result = engine.step(images.astype(engine.dtype), labels, loss or CrossEntropy(), step=step)
        losses.append(result.loss)
        engine.update(step + 1, kind.default_lr, clip_norm)
    return np.array(losses)


@pytest.fixture(params=["shared", "apart"])
def memory(request, monkeypatch):
    """Run on a CPU as on a CPU, and as on a device whose memory NumPy cannot see."""
    if request.param == "apart":
        monkeypatch.setattr("cnncli.engines.torch.engine.shares_memory", lambda device: False)


@pytest.mark.parametrize("text", NETWORKS, ids=["lenet5", "residual", "inception"])
def test_twenty_steps_lose_the_same(text, memory):
    with engine_of("numpy", text) as ours, engine_of("torch", text) as theirs:
        expected, found = trained(ours, 20), trained(theirs, 20)
        assert expected[16:].mean() < expected[:4].mean()
        assert np.abs(found - expected).max() < 1e-4


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss(loss, memory):
    loss = LOSSES[loss](label_smoothing=0.1)
    text = f"8x8x2 conv3-4,same,relu max2 fc-{loss.outputs(2)}"
    with engine_of("numpy", text, dtype=np.float64) as ours, engine_of("torch", text, dtype=np.float64) as theirs:
        assert near(trained(theirs, 6, loss=loss), trained(ours, 6, loss=loss), 1e-9)
        assert near(theirs.gradients, ours.gradients, 1e-8)


class Signs(Optimizer):
    """An optimizer that is in no registry, and that PyTorch does not have."""

    name = "signs"
    default_lr = 0.01

    def step(self, xp, p, g, spare, *state, t, lr):
        p -= lr * xp.sign(g)


def test_a_new_optimizer_needs_nothing_but_its_step(memory):
    text = "8x8x2 conv3-4,same,relu max2 fc-4"
    with engine_of("numpy", text, dtype=np.float64) as ours, engine_of("torch", text, dtype=np.float64) as theirs:
        before = ours.parameters.copy()
        assert near(trained(theirs, 3, optimizer=Signs), trained(ours, 3, optimizer=Signs), 1e-9)
        assert near(theirs.parameters, ours.parameters, 1e-8)
        assert not near(before, ours.parameters, 1e-2)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer(optimizer, memory):
    text = "8x8x2 conv3-4,same,bn,relu max2 drop0.3 fc-4"
    options = {"optimizer": optimizer, "clip_norm": 0.5}
    with engine_of("numpy", text, dtype=np.float64) as ours, engine_of("torch", text, dtype=np.float64) as theirs:
        assert near(trained(theirs, 6, **options), trained(ours, 6, **options), 1e-9)
        assert near(theirs.parameters, ours.parameters, 1e-8)
        assert theirs.state.keys() == ours.state.keys()
        assert all(near(theirs.state[name], array, 1e-8) for name, array in ours.state.items())
        assert all(near(theirs.buffers[name], array, 1e-9) for name, array in ours.buffers.items())


@pytest.mark.parametrize(("learns", "predicts"), [("numpy", "torch"), ("torch", "numpy")])
@pytest.mark.parametrize("text", [RESIDUAL, INCEPTION, "9x9x2 conv3-4,relu gap", "8x8x3 tconv2-4,s2,relu fc-4,softmax"])
def test_what_one_has_learnt_the_other_predicts(learns, predicts, text, memory):
    with engine_of(learns, text) as pupil:
        trained(pupil, 3)
        images, _ = batch(pupil.network, images=70)
        arrays = pupil.named_parameters, pupil.buffers
        with KINDS[predicts](pupil.network, *arrays) as other:
            found, expected = other.predict(images), pupil.predict(images)
            assert np.abs(found - expected).max() < 1e-5 * max(1, np.abs(expected).max())


def test_the_old_lenet_with_distances_and_squared_error():
    text = "28x28x1 conv5-6,tanh sub2,tanh conv5-16,table,tanh sub2,tanh fc-84,tanh rbf-4"
    loss = logits_loss(CrossEntropy(), parse_network(text))
    with engine_of("numpy", text) as ours, engine_of("torch", text) as theirs:
        assert near(trained(theirs, 3, "sgd", loss=loss), trained(ours, 3, "sgd", loss=loss), 1e-4)
    text = "8x8x1 fc-6,tanh fc-4,sigmoid"
    with engine_of("numpy", text) as ours, engine_of("torch", text) as theirs:
        assert near(trained(theirs, 5, loss=SquaredError()), trained(ours, 5, loss=SquaredError()), 1e-5)


def test_dropout_drops_the_same_numbers():
    text = "6x6x2 conv3-8,relu,drop0.4 fc-9,relu drop fc-4"
    with engine_of("numpy", text) as ours, engine_of("torch", text) as theirs:
        images, labels = batch(ours.network)
        losses = set()
        for step in range(3):
            expected = ours.step(images, labels, CrossEntropy(), step=step)
            found = theirs.step(images, labels, CrossEntropy(), step=step)
            assert near(found.logits, expected.logits, 1e-5)
            losses.add(found.loss)
        assert len(losses) == 3


def test_the_same_seed_gives_the_same_bits(memory):
    with engine_of("torch", RESIDUAL) as first, engine_of("torch", RESIDUAL) as second:
        assert np.array_equal(trained(first, 3), trained(second, 3))
        assert np.array_equal(first.parameters, second.parameters)


def test_what_is_changed_on_either_side_is_seen_on_the_other(memory):
    with engine_of("torch", "6x6x1 conv3-2,bn fc-4") as engine:
        images, labels = batch(engine.network)
        before = engine.predict(images)
        engine.named_parameters["1.fc.bias"][:] += 1
        assert near(engine.predict(images), before + 1, 1e-5)
        engine.buffers["0.bn.running_mean"][:] = 3
        assert not near(engine.predict(images), before + 1, 1e-3)
        engine.step(images, labels, CrossEntropy())
        assert np.abs(engine.buffers["0.bn.running_mean"] - 2.7).max() < 0.3
        engine.parameters -= 0.1 * engine.gradients
        moved = engine.predict(images)
        engine.use(OPTIMIZERS["momentum"]())
        engine.state["velocity"][:] = 1
        engine.gradients[:] = 0
        old = engine.parameters.copy()
        engine.update(1, 0.5)
        assert near(engine.parameters, old - 0.45, 1e-6)
        assert near(engine.state["velocity"], np.full_like(old, 0.9), 1e-6)
        assert not near(engine.predict(images), moved, 1e-3)


def test_a_step_leaves_parameters_and_images_as_they_are(memory):
    with engine_of("torch", RESIDUAL) as engine:
        images, labels = batch(engine.network)
        images.flags.writeable = False
        before = engine.parameters.copy(), images.copy()
        engine.step(images, labels, CrossEntropy())
        engine.predict(images)
        assert np.array_equal(engine.parameters, before[0])
        assert np.array_equal(images, before[1])


def test_prediction_prepares_a_few_pictures_at_a_time(monkeypatch):
    monkeypatch.setattr(TorchEngine, "predicted_at_once", 4)
    with engine_of("torch", LENET) as engine:
        pictures = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 1)).astype(np.uint8)
        seen = []

        def prepare(part):
            seen.append(len(part))
            return part.astype(np.float32) / 255

        found = engine.predict(pictures, prepare=prepare)
        assert seen == [4, 4, 2]
        assert near(found, engine.predict(pictures.astype(np.float32) / 255), 1e-6)
        assert engine.predict(pictures[:0].astype(np.float32)).shape == (0, 4)


def test_what_does_not_fit_is_refused():
    network = parse_network("6x6x1 conv3-2 fc-4")
    parameters, _ = initialize(network, seed=0)
    with pytest.raises(ArgumentError, match=r"lacks the parameter 0\.conv.bias"):
        TorchEngine(network, {name: array for name, array in parameters.items() if name != "0.conv.bias"})
    with pytest.raises(ArgumentError, match="the parameter more is not one of the network's"):
        TorchEngine(network, {**parameters, "more": np.zeros(1)})
    with pytest.raises(ArgumentError, match=r"the parameter 1.fc.bias is 5 float64 where its network needs 4"):
        TorchEngine(network, {**parameters, "1.fc.bias": np.zeros(5)})
    with TorchEngine(network, parameters) as engine:
        with pytest.raises(ArgumentError, match="the network takes images"):
            engine.predict(np.zeros((2, 5, 6, 1), np.float32))
        with pytest.raises(ArgumentError, match="3 images do not fit 4 labels"):
            engine.step(np.zeros((3, 6, 6, 1), np.float32), np.zeros(4, int), CrossEntropy())
        with pytest.raises(ArgumentError, match="no optimizer"):
            engine.update(1, 0.1)


def test_numbers_that_are_not_finite_are_found():
    with engine_of("torch", "6x6x1 conv3-2,relu fc-9 fc-4") as engine:
        images, labels = batch(engine.network)
        engine.named_parameters["1.fc.weight"][0, 0] = np.inf
        assert not engine.step(images, labels, CrossEntropy()).finite
        assert engine.diagnose(images) == "1.fc"
        assert [name for name, _ in engine.activations(images)][-1] == "2.fc"


def test_parity_is_rounding_and_shows_what_is_more(monkeypatch):
    network = parse_network(RESIDUAL)
    images, labels = batch(network)
    arrays = initialize(network, seed=0)
    found = parity(network, *arrays, images, labels, CrossEntropy())
    assert 0 < max(found) < 1e-4
    assert "more than rounding" not in str(found)
    from cnncli.engines.torch import compilation, modules

    class Wrong(modules.BatchNorm):
        def forward(self, x):
            return super().forward(x) * 1.01

    monkeypatch.setattr(modules, "BatchNorm", Wrong)
    assert compilation.compile_network(network) is not None
    found = parity(network, *arrays, images, labels, CrossEntropy())
    assert max(found) > ROUNDING
    assert "more than rounding explains" in str(found)


@pytest.mark.parametrize("scale", [0.01, 1, 1e6, np.inf, np.nan])
def test_clipping_is_the_same(scale):
    gradients = np.linspace(-1, 1, 50) * scale
    tensor = torch.tensor(gradients)
    with np.errstate(all="ignore"):
        clip_by_norm(gradients, 0.7)
    clip_tensor_by_norm(tensor, 0.7)
    assert np.allclose(tensor.numpy(), gradients, equal_nan=True)
