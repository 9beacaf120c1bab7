"""The layers: one small class for each kind; `LAYERS` is the registry that the notation reads."""

from cnncli.networks.layers import connected, convolution, norms, pointwise, pooling, rearranging, resampling
from cnncli.networks.layers.base import Layer
from cnncli.networks.layers.blocks import Add, Block, Concat, Product, Residual
from cnncli.networks.layers.connected import FullyConnected, RadialBasis
from cnncli.networks.layers.convolution import Conv, Depthwise, TransposedConv
from cnncli.networks.layers.norms import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm
from cnncli.networks.layers.pointwise import Activation, Dropout, Flatten, PReLU, ReLU, Scale
from cnncli.networks.layers.pooling import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool, Subsampling
from cnncli.networks.layers.rearranging import ZeroPad
from cnncli.networks.layers.resampling import Upsampling
from cnncli.networks.layers.sequences import Chain, Compound, Repeat, Sequential

LAYERS: dict[str, type[Layer]] = {
    kind.op: kind
    for module in (convolution, pooling, connected, norms, pointwise, resampling, rearranging)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Layer) and kind.op
}
"""The layers of the notation, by their words: every class of these modules that has one."""

ACTIVATIONS = tuple(kind for kind in LAYERS.values() if issubclass(kind, Activation))

BLOCKS: dict[str, type[Block]] = {kind.op: kind for kind in (Residual, Add, Concat, Product)}
"""The blocks of the notation, by their words."""
