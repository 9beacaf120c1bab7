"""The number of jobs changes no bit of a training or a prediction, whatever kernels BLAS computes with."""

import os
import subprocess
import sys

import pytest

# Batches of odd sizes, a smaller last one, a picture alone; networks small and large enough for every path.
PROGRAM = """
import sys
from hashlib import blake2b

import numpy as np

from cnncli.networks import parse_network
from cnncli.engines.inference import Inference
from cnncli.engines.numpy_engine import NumpyEngine
from cnncli.engines.initialization import initialize
from cnncli.engines.losses import CrossEntropy
from cnncli.engines.optimizers import OPTIMIZERS

NETWORKS = [
    "28x28x1 conv5-6,relu max2 conv5-16,relu max2 fc-120,relu fc-84,relu fc-5",
    "32x32x3 conv3-32,same,bn,relu conv3-64,same,relu max2 conv3-64,same,relu max2 fc-64,relu fc-5",
    "17x23x3 conv5-7,relu conv3-13,s2,relu conv1-9,relu drop0.2 fc-31,tanh fc-5",
    "16x16x3 conv3-8,same,relu conv3-8,same,g8,relu dw3-8,same res[ conv3-8,same,bn,relu ] conv1-24,relu avg2 fc-5",
    "24x24x1 fc-300,relu fc-5",
]
BATCHES = [(0, 16), (16, 32), (32, 51), (0, 7), (7, 8), (8, 11)]
for number, text in enumerate(NETWORKS):
    network, rng, marks = parse_network(text), np.random.default_rng(number), []
    images = rng.normal(size=(51, *network.input_shape)).astype(np.float32)
    labels = rng.integers(0, 5, 51)
    with NumpyEngine(network, *initialize(network, 0), jobs=int(sys.argv[1])) as engine:
        engine.use(OPTIMIZERS["adam"]())
        for step, batch in enumerate(BATCHES):
            engine.step(images[slice(*batch)], labels[slice(*batch)], CrossEntropy(), step=step)
            engine.update(step + 1, 1e-3)
            marks.append(engine.parameters.copy())
        inference = Inference(network, engine.named_parameters, engine.buffers, jobs=int(sys.argv[1]))
        marks += [inference.predict(images), inference.predict(images[:3])]
        marks += [engine.predict(images), engine.predict(images[:3]), *engine.buffers.values()]
    print(*(blake2b(mark.tobytes(), digest_size=4).hexdigest() for mark in marks))
"""


def start(jobs, kernels):
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    environment |= {"OPENBLAS_CORETYPE": kernels} if kernels else {}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(jobs)], stdout=subprocess.PIPE, env=environment, text=True
    )


@pytest.mark.parametrize(
    "kernels",
    ["", *(pytest.param(name, marks=pytest.mark.slow) for name in ("Prescott", "Sandybridge", "Haswell"))],
)
def test_jobs_change_no_bit(kernels):
    processes = [start(jobs, kernels) for jobs in (1, 2, 3)]
    printed = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    assert len(printed[0].splitlines()) == 5
    assert printed[1] == printed[0]
    assert printed[2] == printed[0]
