"""The layers: one small class for each kind; `LAYERS` is the registry that the notation reads."""

from cnncli.networks.layers.base import Layer
from cnncli.networks.layers.blocks import Add, Block, Concat, Product, Residual
from cnncli.networks.layers.connected import FullyConnected, RadialBasis
from cnncli.networks.layers.convolution import Conv, Depthwise, TransposedConv
from cnncli.networks.layers.norms import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LocalResponseNorm,
)
from cnncli.networks.layers.pointwise import ACTIVATIONS, Activation, Dropout, Flatten, PReLU, ReLU, Scale
from cnncli.networks.layers.pooling import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool, Subsampling
from cnncli.networks.layers.rearranging import REARRANGEMENTS, ZeroPad
from cnncli.networks.layers.resampling import Upsampling
from cnncli.networks.layers.sequences import Chain, Compound, Repeat, Sequential

_KINDS: tuple[type[Layer], ...] = (
    Conv,
    Depthwise,
    TransposedConv,
    MaxPool,
    AvgPool,
    Subsampling,
    GlobalAvgPool,
    GlobalMaxPool,
    FullyConnected,
    RadialBasis,
    BatchNorm,
    LayerNorm,
    GroupNorm,
    InstanceNorm,
    LocalResponseNorm,
    Scale,
    Dropout,
    Flatten,
    Upsampling,
    ZeroPad,
    *REARRANGEMENTS,
    PReLU,
    *ACTIVATIONS,
)

LAYERS: dict[str, type[Layer]] = {kind.op: kind for kind in _KINDS}
"""The layers of the notation, by their words."""

BLOCKS: dict[str, type[Block]] = {"res": Residual, "add": Add, "cat": Concat, "mul": Product}
"""The blocks of the notation, by their words."""

__all__ = [
    "ACTIVATIONS",
    "BLOCKS",
    "LAYERS",
    "Activation",
    "Add",
    "AvgPool",
    "BatchNorm",
    "Block",
    "Chain",
    "Compound",
    "Concat",
    "Conv",
    "Depthwise",
    "Dropout",
    "Flatten",
    "FullyConnected",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "GroupNorm",
    "InstanceNorm",
    "Layer",
    "LayerNorm",
    "LocalResponseNorm",
    "MaxPool",
    "PReLU",
    "Product",
    "RadialBasis",
    "ReLU",
    "Repeat",
    "Residual",
    "Scale",
    "Sequential",
    "Subsampling",
    "TransposedConv",
    "Upsampling",
    "ZeroPad",
]
