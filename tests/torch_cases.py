"""Networks, weights and data that both engines compute."""

import numpy as np
import torch
from word_grid import WORDS, texts

from cnncli.networks import parse_network
from cnncli.networks.layers.context import Context, Shared

torch.set_num_threads(1)

GRID = {
    "conv": [
        f"7x8x4 conv{options}"
        for options in (
            "3-5",
            "3-5,same",
            "2-5,same",
            "3-6,s2,p1",
            "3x2-4,s2x1,same",
            "3-4,d2,same",
            "3-8,g2,p0x1x2x0",
            "3-4,g4,s2,nobias",
            "1-3,s2",
            "3-4,p1x2",
        )
    ]
    + ["7x7x6 conv5-16,table", "7x8x6 conv3-16,table,s2,p1x0x2x1,nobias"],
    "dw": [f"7x8x3 dw{options}" for options in ("3", "2,same", "3,s2,p1", "3-6,same", "3,d2,p2", "2,nobias")],
    "tconv": [
        f"4x5x4 tconv{options}"
        for options in ("2-3,s2", "3-6,nobias", "3-4,s2,p1,o1", "3-4,g2,same", "3-2,d2,p1x0x2x1", "2-4,s3,same,g4")
    ],
    "max": [
        f"7x8x3 max{options}"
        for options in (
            "2",
            "3,s2",
            "3,s1,same",
            "2,s1,same",
            "3,s2,p1",
            "3,p1x0x0x2",
            "2,ceil",
            "3,s2,p1,ceil",
            "2,d2",
        )
    ],
    "avg": [
        f"7x8x3 avg{options}"
        for options in (
            "2",
            "3,s2",
            "3,s1,same",
            "2,s1,same",
            "3,s2,p1",
            "3,p1x0x0x2",
            "2,ceil",
            "3,s2,p1,ceil",
            "3,s2,p1,count_include_pad",
            "3,s2,p1,ceil,count_include_pad",
            "3,p1x0x0x2,count_include_pad",
        )
    ],
    "sub": ["6x8x3 sub", "7x7x2 sub", "7x7x2 sub3,s2"],
    "fc": ["5x4x3 fc-6", "7 fc-3", "2x2x2 fc-3,nobias"],
    "rbf": ["5x4x3 rbf-6", "7 rbf-3"],
    "bn": ["5x4x3 bn", "4x4x3 conv3-4,bn,relu", "7 bn"],
    "lrn": ["4x3x9 lrn", "4x3x5 lrn3", "3x3x6 lrn4,k1,alpha0.1", "9 lrn"],
    "drop": ["6x5x3 drop0.3", "40 drop"],
    "flatten": ["4x3x2 flatten fc-3"],
    "zeropad": ["4x3x2 zeropad-5"],
    "leaky": ["4x3x2 leaky", "4x3x2 leaky0.3"],
    "softmax": ["4x3x5 softmax", "5 softmax"],
    **WORDS,
    "res": [
        "5x5x3 res[ conv3-3,same ]",
        "6x6x3 res[ conv3-4,s2,p1,bn,relu conv3-4,same,bn | conv1-4,s2,bn ]",
        "6x6x3 res[ conv3-4,s2,p1 | avg1,s2 zeropad-4 ]",
    ],
    "add": ["5x5x3 add[ conv3-3,same,tanh ]", "5x5x3 relu add[ relu | ] tanh", "6 add[ fc-6 ]"],
    "cat": [
        "5x5x3 cat[ | bn relu conv3-2,p1 ]",
        "5x5x3 cat[ conv1-2 | conv1-2 conv3-3,same | max3,s1,same conv1-2 ]",
        "6 cat[ fc-2 | fc-3,relu ]",
    ],
    "repeat": ["6x6x2 2xconv3-2,relu fc-3", "8x8x2 2x[ conv3-3,tanh max2,s1 ] 2xres[ conv3-3,same ]"],
}
TEXTS = texts(GRID)

LENET = "32x32x1 conv5-6,relu max2 conv5-16,relu max2 fc-120,relu fc-84,relu fc-4"
RESIDUAL = (
    "16x16x3 conv3-8,same,bn,relu res[ conv3-8,same,bn,relu conv3-8,same,bn ] "
    "res[ conv3-12,s2,p1,bn,relu conv3-12,p1,bn | conv1-12,s2,bn ] gap fc-4"
)
INCEPTION = (
    "16x16x3 conv3-8,same,relu cat[ conv1-4,relu | conv1-4,relu conv3-6,same,relu | conv1-2,relu conv5-4,same,relu "
    "| max3,s1,same conv1-4,relu ] max3,s2,ceil lrn drop0.2 gap fc-4"
)
WITHOUT_BATCH_NORM = [LENET, INCEPTION]
NETWORKS = [LENET, RESIDUAL, INCEPTION]


class Problem:
    """A network with random weights, images, and a weight for each output; the loss is their product."""

    def __init__(self, text, images=3, dtype=np.float64):
        rng = np.random.default_rng(0)
        self.network = parse_network(text)
        count = images * int(np.prod(self.network.input_shape))
        numbers = (rng.permutation(count) - count // 2 + 0.5) * (4 / count)  # no two are the same, or 0
        self.x = numbers.reshape(images, *self.network.input_shape).astype(dtype)
        self.parameters = {
            name: (rng.normal(size=shape) * max(1, np.prod(shape[:-1])) ** -0.5).astype(dtype)
            for name, shape in self.network.param_shapes().items()
        }
        self.buffers = {
            name: rng.uniform(0.5, 1.5, shape).astype(dtype) for name, shape in self.network.buffer_shapes().items()
        }
        self.weights = rng.normal(size=(images, *self.network.output_shape)).astype(dtype)

    def numpy(self, *, training):
        """Return the output, the gradients with the input's, and new running statistics: by NumPy."""
        context = Context(Shared(training=training, buffers=self.buffers, winograd=False, seed=5, step=3))
        output, cache = self.network.layers.forward(self.x, self.parameters, context)
        gradient, gradients = self.network.layers.backward(self.weights, cache, self.parameters, context)
        return output, {"input": gradient, **gradients}, context.shared.new_buffers


def batch(network, images=10, seed=0):
    rng = np.random.default_rng(seed)
    pictures = rng.normal(size=(images, *network.input_shape)).astype(np.float32)
    return pictures, rng.integers(0, network.output_shape[-1], images)


def near(found, expected, tolerance):
    """Whether no number differs by more than a share of the largest."""
    scale = max(1e-3, np.abs(expected).max(initial=0))
    return found.shape == expected.shape and bool(np.abs(found - expected).max(initial=0) <= tolerance * scale)
