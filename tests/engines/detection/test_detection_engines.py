"""Both engines learn boxes, and in the same way."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from detection_cases import random_labels  # noqa: E402

from cnncli.engines.detection.box_losses import BOX_LOSSES  # noqa: E402
from cnncli.engines.detection.grid import Grid, first_biases  # noqa: E402
from cnncli.engines.detection.losses import DetectionLoss  # noqa: E402
from cnncli.engines.initialization import initialize  # noqa: E402
from cnncli.engines.numpy_engine import NumpyEngine  # noqa: E402
from cnncli.engines.optimizers import OPTIMIZERS  # noqa: E402
from cnncli.engines.torch.engine import TorchEngine  # noqa: E402
from cnncli.networks import parse_network  # noqa: E402

NETWORK = parse_network("32x40x2 conv3-8,same,bn,relu max2 conv3-8,same,s2,relu conv1-8")
GRID = Grid.of(NETWORK, 3)


def trained(kind, loss, **options):
    """Return the losses of 20 steps over four batches of pictures of their own boxes."""
    parameters, buffers = initialize(NETWORK, seed=1)
    last = [name for name in parameters if name.endswith("bias")][-1]
    parameters[last] = first_biases(GRID, random_labels(GRID, 24))
    losses = []
    with kind(NETWORK, parameters, buffers, seed=7, **options) as engine:
        engine.use(OPTIMIZERS["adamw"]())
        for step in range(20):
            labels = random_labels(GRID, 6, seed=step % 4)
            images = pictures_of(labels)
            result = engine.step(images.astype(engine.dtype), labels, loss, step=step)
            losses.append(result.loss)
            engine.update(step + 1, 0.001)
    return np.array(losses)


def pictures_of(labels):
    images = np.zeros((len(labels), *NETWORK.input_shape), np.float32)
    for image, rows in zip(images, labels, strict=True):
        for kind, x, y, width, height in rows[rows[:, 0] >= 0]:
            image[int(y) : int(y + height), int(x) : int(x + width)] += [1, kind]
    return images


@pytest.mark.parametrize("box_loss", BOX_LOSSES)
def test_twenty_steps_lose_the_same(box_loss):
    loss = DetectionLoss(grid=GRID, box_loss=box_loss)
    ours, theirs = trained(NumpyEngine, loss), trained(TorchEngine, loss)
    assert np.abs(ours - theirs).max() < 1e-4
    assert ours[-4:].mean() < 0.97 * ours[:4].mean()


def test_processes_learn_what_threads_do():
    loss = DetectionLoss(grid=GRID, quality=True)
    assert np.array_equal(trained(NumpyEngine, loss, forked=True), trained(NumpyEngine, loss, forked=False))
