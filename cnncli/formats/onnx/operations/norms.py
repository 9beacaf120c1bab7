"""Normalising operations."""

from cnncli.errors import ModelError
from cnncli.formats.onnx.operations.base import Call, Operation, Outcome, is_layer, operation, same_shape
from cnncli.formats.tensor_shapes import broadcast, written
from cnncli.networks.layers import BatchNorm, GroupNorm, InstanceNorm, Layer, LayerNorm, LocalResponseNorm

_SCALE_AND_SHIFT = Operation(norm=(1, 2))


def _group_norm(call: Call, outcome: Outcome) -> Layer:
    return GroupNorm(call.number("epsilon", 1e-5), groups=call.integer("num_groups", 1))


def _instance_norm(call: Call, outcome: Outcome) -> Layer | None:
    affine = set(call.tensor(1).values or ()) != {1} or set(call.tensor(2).values or ()) != {0}
    return InstanceNorm(call.number("epsilon", 1e-5), affine) if len(call.shape()) == 4 else None


@operation(
    "BatchNormalization", facts=_SCALE_AND_SHIFT._replace(layer=is_layer(BatchNorm()), buffers=(3, 4), outputs=1)
)
@operation("InstanceNormalization", facts=_SCALE_AND_SHIFT._replace(layer=_instance_norm))
@operation("GroupNormalization", facts=_SCALE_AND_SHIFT._replace(layer=_group_norm))
def _of_channels(call: Call) -> Outcome:
    shape = call.shape()
    channels = shape[1] if len(shape) > 1 else 1
    for index in range(1, len(call.inputs)):
        if call.has(index) and call.shape(index) not in ((channels,), (call.integer("num_groups", channels),)):
            raise ModelError(f"got {channels} channels ({written(shape)}), needs {written(call.shape(index))}")
    return Outcome((shape,), in_place=True)


def _layer_norm(call: Call, outcome: Outcome) -> Layer | None:
    rank = len(call.shape())
    last = call.integer("axis", -1) in (-1, rank - 1) and (rank != 4 or call.tensor(0).channels_last)
    return LayerNorm(call.number("epsilon", 1e-5)) if last and call.has(2) else None


@operation("LayerNormalization", facts=_SCALE_AND_SHIFT._replace(layer=_layer_norm))
@operation("RMSNormalization", "SimplifiedLayerNormalization", facts=_SCALE_AND_SHIFT)
def _of_last_axes(call: Call) -> Outcome:
    shape = call.shape()
    if call.has(1) and broadcast([shape, call.shape(1)]) != shape:
        raise ModelError(f"got {written(shape)}, needs {written(call.shape(1))} at its end")
    return Outcome((shape,), in_place=True)


@operation("com.microsoft.SkipLayerNormalization", facts=Operation(norm=(2, 3)))
@operation("com.microsoft.SkipSimplifiedLayerNormalization")
def _of_sums(call: Call) -> Outcome:
    """Normalize the sum of two inputs; the fourth output is that sum."""
    return Outcome((call.shape(), None, None, call.shape()))


def _local_response(call: Call, outcome: Outcome) -> Layer:
    numbers = (call.number(name, default) for name, default in (("bias", 1.0), ("alpha", 1e-4), ("beta", 0.75)))
    return LocalResponseNorm(call.integer("size", 1), *numbers)


operation("LRN", facts=Operation(layer=_local_response))(same_shape)
