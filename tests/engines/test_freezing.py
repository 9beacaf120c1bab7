import numpy as np
import pytest

from cnncli.engines.engine import rate_spans
from cnncli.engines.freezing import FrozenEngine, split_network
from cnncli.engines.initialization import initialize
from cnncli.engines.losses import CrossEntropy
from cnncli.engines.numpy_engine import NumpyEngine
from cnncli.engines.optimizers import OPTIMIZERS
from cnncli.networks import parse_network

WITH_STATISTICS = parse_network("8x8x1 conv3-4,bn,relu res[ conv3-4,same,bn ] max2 conv3-6,bn,relu fc-3")
PLAIN = parse_network("8x8x1 conv3-4,relu 2xconv3-4,same,relu max2 fc-8,relu fc-3")
TRAINED = {2: ("3.", "4."), 4: ("4.",)}


def batch(network, count=12, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, *network.input_shape)).astype(np.float32), rng.integers(0, 3, count)


def weights(network):
    """Return weights that a training could have ended with: statistics are not those of the beginning."""
    rng, (parameters, buffers) = np.random.default_rng(1), initialize(network, 0)
    return parameters, {name: array + rng.random(array.shape, np.float32) for name, array in buffers.items()}


def freezing(network, words, make=NumpyEngine):
    return FrozenEngine(network, *weights(network), words=words, make=make)


def learn(engine, steps=3, lr=0.01):
    for step in range(steps):
        images, labels = batch(engine.network, seed=step)
        engine.step(engine.features(images), labels, CrossEntropy(), step=step)
        engine.update(step + 1, lr, clip_norm=1.0)


@pytest.fixture(params=["numpy", *(pytest.param(name, marks=pytest.mark.extras) for name in ("torch", "apart"))])
def make(request, monkeypatch):
    """NumPy, PyTorch on a CPU, and PyTorch as on a device whose memory NumPy cannot see."""
    if request.param == "numpy":
        return NumpyEngine
    pytest.importorskip("torch")
    from cnncli.engines.torch.engine import TorchEngine

    if request.param == "apart":
        monkeypatch.setattr("cnncli.engines.torch.engine.shares_memory", lambda device: False)
    return TorchEngine


@pytest.mark.parametrize("words", TRAINED)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_frozen_arrays_and_statistics_keep_every_bit(make, optimizer, words):
    parameters, buffers = weights(WITH_STATISTICS)
    with freezing(WITH_STATISTICS, words, make) as engine:
        engine.use(OPTIMIZERS[optimizer](weight_decay=0.1))
        learn(engine)
        after = {**engine.named_parameters, **engine.buffers}
    before = {**parameters, **buffers}
    assert after.keys() == before.keys()
    for name, array in before.items():
        assert np.array_equal(after[name], array) == (not name.startswith(TRAINED[words])), name


@pytest.mark.parametrize("words", [1, 2, 4, 5])
def test_it_learns_as_the_whole_network_does_with_gradients_of_zero(make, words):
    with freezing(PLAIN, words, make) as engine, NumpyEngine(PLAIN, *weights(PLAIN)) as whole:
        for each in (engine, whole):
            each.use(OPTIMIZERS["momentum"]())
        frozen = [name for name in whole.named_parameters if int(name[0]) < words]
        assert len(frozen) == 2 * min(words, 3) + 2 * (words > 4)
        for step in range(3):
            images, labels = batch(PLAIN, seed=step)
            result = engine.step(engine.features(images), labels, CrossEntropy(), step=step)
            expected = whole.step(images, labels, CrossEntropy(), step=step)
            assert result.loss == pytest.approx(expected.loss, rel=1e-5)
            for name in frozen:
                whole.named_gradients[name][:] = 0
            engine.update(step + 1, 0.1)
            whole.update(step + 1, 0.1)
        for name, array in whole.named_parameters.items():
            assert engine.named_parameters[name] == pytest.approx(array, abs=1e-5), name
        images, _ = batch(PLAIN, seed=9)
        assert engine.predict(images) == pytest.approx(whole.predict(images), abs=1e-4)


def test_frozen_words_are_computed_as_in_a_prediction(make):
    images, labels = batch(WITH_STATISTICS)
    frozen, _ = split_network(WITH_STATISTICS, 3)
    parameters, buffers = weights(WITH_STATISTICS)
    with freezing(WITH_STATISTICS, 3, make) as engine:
        features = engine.features(images)
        own = {name: array for name, array in parameters.items() if name in frozen.param_shapes()}
        kept = {name: array for name, array in buffers.items() if name in frozen.buffer_shapes()}
        with NumpyEngine(frozen, own, kept) as alone:
            assert features == pytest.approx(alone.predict(images), abs=1e-5)
        alone_each = np.concatenate([engine.features(images[[place]]) for place in range(len(images))])
        assert features == pytest.approx(alone_each, abs=1e-5)
        assert np.array_equal(engine.predict(images), engine.predict_features(features))
        assert labels.shape == engine.predict(images).shape[:1]


def test_layers_have_the_names_of_the_whole_network():
    images, _ = batch(WITH_STATISTICS)
    with freezing(WITH_STATISTICS, 3) as engine, NumpyEngine(WITH_STATISTICS, *weights(WITH_STATISTICS)) as whole:
        found, expected = dict(engine.activations(images)), dict(whole.activations(images))
    assert list(found) == list(expected)
    for name, output in expected.items():
        assert found[name] == pytest.approx(output, abs=1e-5), name


@pytest.mark.parametrize("jobs", [2, 3])
def test_jobs_change_no_bit(jobs):
    found = []
    for number in (1, jobs):
        make = lambda *arrays, number=number: NumpyEngine(*arrays, jobs=number)  # noqa: E731
        with freezing(WITH_STATISTICS, 2, make) as engine:
            engine.use(OPTIMIZERS["adam"]())
            learn(engine)
            found.append(np.concatenate([array.ravel() for array in engine.named_parameters.values()]))
    assert np.array_equal(*found)


class TestRates:
    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_an_array_with_a_factor_learns_at_its_rate(self, make, optimizer):
        """As one optimizer does with the lower rate, another with the higher one."""
        head = ("4.fc.weight", "4.fc.bias")
        factors, found = dict.fromkeys(head, 10.0), {}
        for name, given, lr in (("both", factors, 0.01), ("low", {}, 0.01), ("high", {}, 0.1)):
            with make(WITH_STATISTICS, *weights(WITH_STATISTICS)) as engine:
                engine.use(OPTIMIZERS[optimizer](weight_decay=0.1), given)
                for step in range(1, 4):
                    engine.gradients[:] = np.random.default_rng(step).normal(size=engine.gradients.size)
                    engine.update(step, lr)
                found[name] = {key: array.copy() for key, array in engine.named_parameters.items()}
        for name, array in found["both"].items():
            expected, other = found["low"][name], found["high"][name]
            if name in head:
                expected, other = other, expected
            assert array == pytest.approx(expected, abs=1e-6), name
            assert not np.allclose(array, other), name

    def test_frozen_words_keep_the_places_of_factors(self):
        with freezing(WITH_STATISTICS, 2) as engine:
            engine.use(OPTIMIZERS["sgd"](), {"4.fc.weight": 100.0, "4.fc.bias": 100.0})
            before = {name: array.copy() for name, array in engine.named_parameters.items()}
            engine.gradients[:] = 1
            engine.update(1, 0.001)
            moved = {name: float(np.abs(array - before[name]).max()) for name, array in engine.named_parameters.items()}
        assert moved["0.conv.weight"] == 0
        assert moved["3.conv.weight"] == pytest.approx(0.001, rel=1e-3)
        assert moved["4.fc.bias"] == pytest.approx(0.1, rel=1e-3)

    def test_neighbours_of_one_factor_are_one_span(self):
        shapes = {"a": (2, 3), "b": (4,), "c": (5,), "d": (1,)}
        assert rate_spans(shapes, {"b": 2.0, "c": 2.0}) == [(0, 6, 1.0), (6, 15, 2.0), (15, 16, 1.0)]
        assert rate_spans(shapes) == [(0, 16, 1.0)]
        assert rate_spans({}) == [(0, 0, 1.0)]


def test_what_was_begun_is_closed_where_the_frozen_words_have_no_memory():
    network, made = parse_network("8x8x1 conv3-4,relu max2 fc-2"), []

    class Small(NumpyEngine):
        def __init__(self, *arguments):
            if made:
                raise MemoryError
            made.append(self)
            super().__init__(*arguments)

        def close(self):
            made.append("closed")
            super().close()

    with pytest.raises(MemoryError):
        FrozenEngine(network, *initialize(network, seed=0), words=2, make=Small)
    assert made[1:] == ["closed"]
