"""The engine: the same network, fused or not, on one thread or two, in one block or many."""

import gc
import multiprocessing
import os
import signal
import threading
import tracemalloc
import weakref
from contextlib import closing
from typing import ClassVar

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from cnncli.engines import fusion
from cnncli.engines.initialization import initialize
from cnncli.engines.losses import CrossEntropy
from cnncli.engines.numpy_engine import NumpyEngine
from cnncli.engines.optimizers import OPTIMIZERS, Adam
from cnncli.engines.workers import ThreadTeam
from cnncli.errors import ArgumentError
from cnncli.networks import load_network, parse_network
from cnncli.networks.layers.context import Context, Shared

NETWORKS = [
    "12x12x3 conv3-8,same,relu conv3-8,same,relu max2 conv3-9,same,relu max2 fc-12,relu fc-4",
    "14x14x1 conv5-6,relu max2 conv3-16,relu max2 fc-12,tanh fc-4",
    "8x8x3 conv3-8,same,bn,relu res[ conv3-8,same,bn,relu conv3-8,same,bn ] res[ conv3-12,s2,p1,bn,relu conv3-12,p1,bn "
    "| conv1-12,s2,bn ] gap fc-4",
    "8x8x2 conv3-4,same,tanh sub,tanh drop0.3 conv3-5,same,sigmoid avg2 fc-6,relu drop fc-4",
    "8x8x4 dw3,same,bn,relu6 conv1-6,leaky max2 lrn cat[ conv1-3 | conv3-4,same,elu | max3,s1,same ] gmp fc-4",
    "8x8x2 tconv2-3,s2,relu max3,s2,ceil add[ conv3-3,same,silu ] gelu flatten drop0.2 fc-4,softmax",
    "8x8x2 res[ conv3-2,same ] max2 res[ conv3-2,same ] sigmoid res[ conv3-2,same | ] drop0.3 relu cat[ conv1-2 | ] "
    "tanh add[ conv3-4,same | conv1-4 ] sigmoid fc-4",
    "8x8x3 conv3-4,linear max2 conv3-4,same,relu,drop0.2 max2 fc-4",
    "8x8x4 cat[ conv3-4,same,drop0.3 | avg3,s1,same,drop0.2 | conv1-4 drop ] add[ gap drop0.4 | conv8-12,drop ] fc-4",
    "8x8x4 conv3-8,p1,ln,hswish mul[ | gap conv1-2,relu conv1-8,hsigmoid ] s2d,prelu split2/2 gn4 up2 max2 "
    "mul[ | fc-16 ] cat[ crop1 | in,affine max2,s1 scale0.5 max2,s1 ] shuffle4,mish d2s gap3x2 reshape4x3x4 gmp2 fc-4",
]


def batch(network, images=10, dtype=np.float32):
    rng = np.random.default_rng(0)
    return rng.normal(size=(images, *network.input_shape)).astype(dtype), rng.integers(0, 4, images)


def engine_of(text, **options):
    network = parse_network(text)
    return NumpyEngine(network, *initialize(network, seed=1), **options)


def trained(text, steps=3, **options):
    """Return what a few steps leave behind."""
    with engine_of(text, **options) as engine:
        images, labels = batch(engine.network, dtype=engine.dtype)
        losses = []
        for step in range(steps):
            losses.append(engine.step(images, labels, CrossEntropy(), step=step).loss)
            engine.parameters -= engine.dtype.type(0.05) * engine.gradients
        buffers = np.concatenate([np.ravel(array) for array in engine.buffers.values()] or [np.zeros(0)])
        return np.array(losses), engine.parameters.copy(), buffers, engine.predict(images)


def close(found, expected, tolerance):
    scale = np.abs(expected).max(initial=1e-3)
    return bool(np.abs(found - expected).max(initial=0) <= tolerance * scale)


@pytest.mark.parametrize("text", NETWORKS)
def test_fused_is_the_network_as_written(text, monkeypatch):
    expected = trained(text, fused=False, dtype=np.float64)
    for numbers in (10**9, 3000, 1):
        monkeypatch.setattr(fusion, "BLOCK_NUMBERS", numbers)
        monkeypatch.setattr(fusion, "ONE_BLOCK_NUMBERS", numbers)
        for found, as_written in zip(trained(text, dtype=np.float64), expected, strict=True):
            assert close(found, as_written, 1e-10)


@pytest.mark.parametrize("text", NETWORKS)
@pytest.mark.parametrize("shards", [2, 3])
@pytest.mark.parametrize("forked", [True, False], ids=["processes", "threads"])
def test_jobs_change_no_bits(text, shards, forked):
    one, two = (trained(text, shards=shards, jobs=jobs, forked=forked) for jobs in (1, shards))
    for first, second in zip(one, two, strict=True):
        assert np.array_equal(first, second)


class Killing(CrossEntropy):
    """A loss that ends whatever process computes it, except this one."""

    here: ClassVar[int] = os.getpid()

    def __call__(self, logits, labels):
        if os.getpid() != self.here:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(logits, labels)


class Local(CrossEntropy):
    """A loss that cannot be sent to another process."""

    def __reduce__(self):
        raise TypeError("not to be sent")


@pytest.mark.parametrize("loss", [Killing, Local])
def test_threads_take_over_where_a_process_ends_or_cannot_begin(loss):
    gradients = []
    for kind in (CrossEntropy, loss, CrossEntropy):
        with engine_of(NETWORKS[2], forked=True) as engine:
            images, labels = batch(engine.network)
            for number in range(2):
                engine.step(images, labels, (CrossEntropy, kind)[number](), step=number)
            gradients.append(engine.gradients.copy())
    assert np.array_equal(gradients[0], gradients[1])
    assert np.array_equal(gradients[0], gradients[2])


@pytest.mark.parametrize("text", NETWORKS)
def test_shards_are_parts_of_one_batch(text):
    one, three = (trained(text, shards=shards, dtype=np.float64) for shards in (1, 3))
    for first, second in zip(one, three, strict=True):
        assert close(first, second, 1e-9)


@pytest.mark.parametrize("text", NETWORKS)
def test_workspaces_change_no_bits_when_batches_vary(text):
    with engine_of(text) as engine, engine_of(text) as fresh:
        for images in (10, 7, 1, 10):
            x, labels = batch(engine.network, images)
            found = engine.step(x, labels, CrossEntropy())
        expected = fresh.step(x, labels, CrossEntropy())
        assert found.loss == expected.loss
        assert np.array_equal(engine.gradients, fresh.gradients)


@pytest.mark.parametrize("text", NETWORKS)
def test_winograd_is_close(text):
    with_it, without = trained(text), trained(text, winograd=False)
    for first, second in zip(with_it, without, strict=True):
        assert close(first, second, 1e-4)


@pytest.mark.parametrize("name", ["lenet5", "lenet5-1998", "resnet20"])
def test_networks_of_the_zoo_fused(name, monkeypatch):
    monkeypatch.setattr(fusion, "BLOCK_NUMBERS", 50_000)
    monkeypatch.setattr(fusion, "ONE_BLOCK_NUMBERS", 50_000)
    network = load_network(name)
    images, labels = batch(network, 6, np.float64)
    gradients = []
    for fused in (True, False):
        with NumpyEngine(network, *initialize(network, 0), fused=fused, dtype=np.float64) as engine:
            engine.step(images, labels, CrossEntropy())
            gradients.append(engine.gradients)
    assert close(*gradients, 1e-10)


def test_processes_hold_blas_to_one_thread_as_threads_do():
    images, labels = batch(parse_network("1x1x512 fc-4"), 96)
    gradients = []
    with threadpool_limits(2, user_api="blas"):
        for forked in (True, False):
            with engine_of("1x1x512 fc-1000,relu fc-777,relu fc-4", forked=forked) as engine:
                engine.use(OPTIMIZERS["sgd"]())
                engine.step(images, labels, CrossEntropy())
                gradients.append(engine.gradients)
    assert np.array_equal(*gradients)


def test_an_engine_that_is_closed_starts_no_process():
    before = multiprocessing.active_children()
    with engine_of(NETWORKS[1], forked=True) as engine:
        engine.step(*batch(engine.network), CrossEntropy())
        assert len(multiprocessing.active_children()) == len(before) + 1
    with pytest.raises(RuntimeError):
        engine.step(*batch(engine.network), CrossEntropy())
    assert multiprocessing.active_children() == before


def test_gradients_are_pytorch_s():
    torch = pytest.importorskip("torch")
    from torch_networks import torch_module

    network = parse_network(NETWORKS[2])
    parameters, buffers = initialize(network, seed=1)
    images, labels = batch(network)
    module = torch_module(network.layers, network.input_shape, parameters, buffers)
    outputs = module(torch.tensor(images.transpose(0, 3, 1, 2)))
    loss = torch.nn.functional.cross_entropy(outputs, torch.tensor(labels))
    loss.backward()
    with NumpyEngine(network, parameters, buffers) as engine:
        result = engine.step(images, labels, CrossEntropy())
    assert result.loss == pytest.approx(loss.item(), rel=1e-5)
    axes = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}
    for parameter, found in zip(module.parameters(), engine.named_gradients.values(), strict=True):
        expected = parameter.grad.numpy().transpose(axes[parameter.ndim])
        assert close(found, expected, 1e-4)


def test_predictions_do_not_depend_on_their_company_and_take_bounded_memory():
    with engine_of("16x16x3 conv3-16,same,relu max2 fc-4") as engine:
        images, _ = batch(engine.network, 600)
        engine.predict(images[:200])
        tracemalloc.start()
        together = engine.predict(images)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 3_000_000  # the activations of 600 images are 20 MB
        assert np.allclose(together[:5], engine.predict(images[:5]), rtol=1e-4, atol=1e-5)
        assert np.array_equal(together, engine.predict(images * 2, prepare=lambda part: part / 2))


def test_dropout_drops_in_training_alone():
    with engine_of("6x6x2 drop0.5 fc-4") as engine:
        images, labels = batch(engine.network)
        losses = {engine.step(images, labels, CrossEntropy(), step=step).loss for step in (1, 2, 3)}
        assert len(losses) == 3
        again = engine.step(images, labels, CrossEntropy(), step=3).loss
        assert again in losses
        assert np.array_equal(engine.predict(images), engine.predict(images))


@pytest.mark.parametrize("fused", [True, False])
def test_diagnosis_names_the_first_layer_that_is_not_finite(fused):
    with engine_of(
        "8x8x3 conv3-8,same,bn,relu res[ conv3-8,same,bn,relu conv3-8,same ] gap fc-4", fused=fused
    ) as engine:
        images, labels = batch(engine.network)
        assert engine.diagnose(images) is None
        engine.named_parameters["1.res.main.1.conv.weight"][:] = 3e38
        result = engine.step(images, labels, CrossEntropy())
        assert not result.finite
        assert engine.diagnose(images) == "1.res.main.1.conv"


def test_activations_have_the_predicted_shapes():
    with engine_of("8x8x3 conv3-8,same,relu max2 fc-4") as engine:
        names = {name: y.shape[1:] for name, y in engine.activations(batch(engine.network)[0])}
    assert names["0.conv"] == names["0.relu"] == (8, 8, 8)
    assert names["1.max"] == (4, 4, 8)
    assert names["2.fc"] == (4,)


def test_what_does_not_fit_is_said():
    network = parse_network("8x8x1 fc-2")
    parameters, buffers = initialize(network, 0)
    with pytest.raises(ArgumentError, match=r"lacks the parameter 0\.fc\.bias of its network"):
        NumpyEngine(network, {"0.fc.weight": parameters["0.fc.weight"]}, buffers)
    with pytest.raises(ArgumentError, match="is 3 float64 where its network needs 2"):
        NumpyEngine(network, {**parameters, "0.fc.bias": np.zeros(3)}, buffers)
    with pytest.raises(ArgumentError, match="not one of the network's"):
        NumpyEngine(network, {**parameters, "9.fc.bias": np.zeros(3)}, buffers)
    with NumpyEngine(network, parameters, buffers) as engine, pytest.raises(ArgumentError, match=r"\(N, 8, 8, 1\)"):
        engine.predict(np.zeros((2, 8, 8, 3), np.float32))


def test_a_team_meets_and_keeps_its_order():
    with closing(ThreadTeam(3, jobs=1)) as team:
        for _ in range(20):
            rounds = team.run(lambda number: [team.gather(number, (number, turn)) for turn in range(5)])
            assert rounds == [[[(number, turn) for number in range(3)] for turn in range(5)]] * 3


def test_an_error_in_one_shard_ends_all():
    def work(number):
        if number == 1:
            raise ValueError("no")
        return team.gather(number, number)

    others = set(threading.enumerate())  # of engines of other tests, which end when nobody holds them any more
    with closing(ThreadTeam(2, jobs=2)) as team:
        with pytest.raises(ValueError, match="no"):
            team.run(work)
        assert team.run(lambda number: team.gather(number, number)) == [[0, 1], [0, 1]]
    assert not [thread for thread in set(threading.enumerate()) - others if thread.name.startswith("shard")]


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_more_jobs_than_allowed(jobs):
    working, most = set(), []
    lock = threading.Lock()

    def work(number):
        for turn in range(20):
            with lock:
                working.add(number)
                most.append(len(working))
            sum(range(1000))
            with lock:
                working.discard(number)
            team.gather(number, turn)

    with closing(ThreadTeam(3, jobs=jobs)) as team:
        team.run(work)
    assert max(most) <= jobs


def test_a_run_needs_no_workspace():
    network = parse_network(NETWORKS[0])
    parameters, _ = initialize(network, 0, np.float64)
    images, _ = batch(network, dtype=np.float64)
    expected = network.layers.forward(images, parameters, Context(Shared(training=True)))[0]
    fused = fusion.fuse(network.layers, network.input_shape)
    assert np.allclose(fused.forward(images, parameters, Context(Shared(training=True)))[0], expected)


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_engine_is_gone_with_its_last_user(jobs):
    """Its arrays may be large, and the collector of cycles comes late."""
    network = parse_network("8x8x1 conv3-4,bn,relu max2 fc-2")
    images, labels = np.zeros((4, 8, 8, 1), np.float32), np.array([0, 1, 0, 1])
    gc.collect()
    gc.disable()
    try:
        with NumpyEngine(network, *initialize(network, seed=0), jobs=jobs) as engine:
            engine.use(Adam())
            engine.step(images, labels, CrossEntropy(), step=1)
            engine.update(1, 0.1)
            engine.predict(images)
        gone = weakref.ref(engine)
        del engine
        assert gone() is None
    finally:
        gc.enable()
