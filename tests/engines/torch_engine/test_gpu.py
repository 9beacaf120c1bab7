"""What only a GPU can show; skipped where PyTorch finds none."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch_cases import NETWORKS, TEXTS, Problem, batch, near  # noqa: E402

from cnncli.engines.initialization import initialize  # noqa: E402
from cnncli.engines.losses import CrossEntropy  # noqa: E402
from cnncli.engines.numpy_engine import NumpyEngine  # noqa: E402
from cnncli.engines.optimizers import OPTIMIZERS  # noqa: E402
from cnncli.engines.torch.backend import choose_device, parity  # noqa: E402
from cnncli.engines.torch.engine import TorchEngine  # noqa: E402
from cnncli.networks import parse_network  # noqa: E402

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no GPU on this machine")


def test_auto_is_the_gpu():
    assert choose_device("auto", {}) == choose_device("cuda", {}) == torch.device("cuda", 0)


@pytest.mark.parametrize("text", TEXTS)
def test_predictions_are_numpy_s(text):
    problem = Problem(text, dtype=np.float32)
    with TorchEngine(problem.network, problem.parameters, problem.buffers, device="cuda") as engine:
        assert near(engine.predict(problem.x), problem.numpy(training=False)[0], 1e-5)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("text", NETWORKS, ids=["lenet5", "residual", "inception"])
def test_twenty_steps_lose_what_numpy_loses(text, optimizer):
    network = parse_network(text)
    kind = OPTIMIZERS[optimizer]()
    losses = []
    for engine in (
        NumpyEngine(network, *initialize(network, seed=1)),
        TorchEngine(network, *initialize(network, seed=1), device="cuda"),
    ):
        with engine:
            engine.use(kind)
            losses.append([])
            for step in range(20):
                losses[-1].append(engine.step(*batch(network, seed=step % 4), CrossEntropy(), step=step).loss)
                engine.update(step + 1, kind.default_lr / 10, 1.0)
    assert np.abs(np.subtract(*losses)).max() < 1e-4


def test_parity_on_the_gpu():
    network = parse_network(NETWORKS[1])
    assert parity(network, *initialize(network, seed=0), *batch(network), CrossEntropy(), device="cuda").is_rounding
