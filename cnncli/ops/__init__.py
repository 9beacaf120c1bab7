"""The NumPy convolution core: arrays in, arrays out; no files, no printing, no state."""

from cnncli.ops.activations import ACTIVATIONS
from cnncli.ops.borders import PADDING_MODES
from cnncli.ops.convolution import conv2d
from cnncli.ops.gradients import gradient_magnitude
from cnncli.ops.pooling import avg_pool2d, max_pool2d, min_pool2d

__all__ = ["ACTIVATIONS", "PADDING_MODES", "avg_pool2d", "conv2d", "gradient_magnitude", "max_pool2d", "min_pool2d"]
