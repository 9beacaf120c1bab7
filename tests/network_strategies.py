"""Random layers and networks that chain."""

from hypothesis import strategies as st

from cnncli.networks import LAYERS, Network, ShapeError
from cnncli.networks.layers import (
    ACTIVATIONS,
    Add,
    AvgPool,
    BatchNorm,
    Chain,
    Concat,
    Conv,
    Depthwise,
    Dropout,
    Flatten,
    FullyConnected,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LocalResponseNorm,
    MaxPool,
    PReLU,
    Product,
    RadialBasis,
    Repeat,
    Residual,
    Scale,
    Sequential,
    Subsampling,
    TransposedConv,
    Upsampling,
)
from cnncli.networks.layers.pointwise import LeakyReLU
from cnncli.networks.layers.rearranging import Crop, DepthToSpace, Shuffle, SpaceToDepth, Split, ZeroPad

kernels = st.tuples(st.integers(1, 5), st.integers(1, 5)) | st.sampled_from([(1, 1), (3, 3)])
strides = st.sampled_from([(1, 1), (1, 1), (2, 2), (2, 1), (3, 3)])
dilations = st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 3)])
four_paddings = st.tuples(*[st.integers(0, 3)] * 4)
paddings = st.sampled_from(["valid", "same", "same", (1, 1, 1, 1), (2, 2, 1, 1)]) | four_paddings
counts = st.integers(1, 12)
decimals = st.floats(0, 4, allow_subnormal=False).map(lambda value: round(value, 6))


@st.composite
def convolutions(draw):
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    return Conv(
        draw(kernels),
        groups * draw(counts),
        draw(strides),
        draw(paddings),
        draw(dilations),
        groups,
        draw(st.booleans()),
    )


@st.composite
def transposed_convolutions(draw):
    groups, stride, padding = draw(st.sampled_from([1, 1, 2])), draw(strides), draw(paddings)
    extra = (0, 0) if padding == "same" else tuple(draw(st.integers(0, s - 1)) for s in stride)
    filters = groups * draw(counts)
    return TransposedConv(draw(kernels), filters, stride, padding, extra, draw(dilations), groups, draw(st.booleans()))


def depthwise(channels):
    filters = st.none() | st.just(channels) | st.just(2 * channels)
    return st.builds(Depthwise, kernels, filters, strides, paddings, dilations, st.booleans())


pools = st.builds(MaxPool, kernels, strides | st.just((0, 0)), paddings, dilations, st.booleans()) | st.builds(
    AvgPool, kernels, strides, paddings, st.booleans(), st.booleans()
)


def in_pytorch(pool):
    """PyTorch has ceil mode with its own padding alone: the same on both sides, and at most half a window."""
    if pool.padding == "valid" or not pool.ceil_mode:
        return pool
    top, bottom, left, right = (1, 0, 0, 0) if pool.padding == "same" else pool.padding
    known = (top, left) == (bottom, right) and 2 * top <= pool.kernel_size[0] and 2 * left <= pool.kernel_size[1]
    return pool if known else pool.replace(ceil_mode=False)


norms = st.builds(LocalResponseNorm, st.integers(1, 7), decimals, decimals, decimals) | st.just(BatchNorm())
activations = st.sampled_from(ACTIVATIONS).map(lambda kind: kind()) | st.builds(LeakyReLU, decimals)
dropouts = st.builds(Dropout, st.sampled_from([0.0, 0.2, 0.5, 0.25]))
heads = st.sampled_from([GlobalAvgPool(), GlobalMaxPool(), Flatten(), RadialBasis(3)]) | st.builds(
    FullyConnected, counts, st.booleans()
)
followers = st.lists(
    activations | dropouts | st.sampled_from([BatchNorm(), LocalResponseNorm()]),
    min_size=1,
    max_size=3,
    unique_by=lambda layer: layer.op,
)


def divisors(number):
    return st.sampled_from([part for part in range(1, number + 1) if number % part == 0])


def standardizations(channels):
    return st.one_of(
        st.builds(LayerNorm, decimals, st.booleans()),
        st.builds(GroupNorm, decimals, st.booleans(), divisors(channels)),
        st.builds(InstanceNorm, decimals, st.booleans()),
    )


def rearrangements(channels):
    parts = divisors(channels).flatmap(lambda count: st.tuples(st.integers(1, count), st.just(count)))
    return st.one_of(
        st.builds(Crop, st.tuples(*[st.integers(0, 2)] * 4)),
        st.builds(Split, parts),
        st.builds(Shuffle, divisors(channels)),
        st.builds(SpaceToDepth, st.integers(1, 3)),
        st.builds(DepthToSpace, st.integers(1, 3)),
    )


upsamplings = st.builds(Upsampling, strides) | st.builds(Upsampling, strides, st.just("bilinear"), st.booleans())
adaptive = st.builds(GlobalAvgPool, kernels) | st.builds(GlobalMaxPool, kernels)


def plain_layers(channels):
    return st.one_of(
        convolutions(),
        convolutions(),
        depthwise(channels),
        transposed_convolutions(),
        pools.map(in_pytorch),
        st.builds(Subsampling, kernels, strides),
        norms,
        activations,
        dropouts,
        st.just(ZeroPad(channels + 3)),
        upsamplings,
        adaptive,
        rearrangements(channels),
        standardizations(channels),
        st.builds(Scale, decimals) | st.builds(PReLU, st.booleans()),
    )


@st.composite
def words(draw, channels, kinds=plain_layers):
    layer = draw(kinds(channels))
    rest = [follower for follower in draw(followers) if follower.op != layer.op] if draw(st.booleans()) else []
    return Chain((layer, *rest)) if rest else layer


def fits(layer, shape):
    try:
        size = layer.output_shape(shape)
    except ShapeError:
        return False
    return max(size) <= 64


def gates(shape, main):
    """Branches whose results fit that of another branch, by broadcasting."""
    gate = (*main.layers, *((GlobalAvgPool(),) if len(shape) == 3 else ()))
    known = [gate, (*gate, FullyConnected(shape[-1])), main.layers]
    return st.lists(st.sampled_from([Sequential(layers) for layers in known]), max_size=2)


@st.composite
def blocks(draw, shape, depth, kinds):
    main = draw(sequences(shape, depth - 1, kinds))
    if draw(st.booleans()):
        rest = [path for path in [draw(sequences(shape, depth - 1, kinds, most=2))] if fits(path, shape)]
        return Concat((Sequential(), main, *rest)[draw(st.integers(0, 1)) :])
    output_shape = main.output_shape(shape)
    if kinds is plain_layers and draw(st.integers(0, 3)) == 0:
        return Product((main, *draw(gates(output_shape, main))))
    kind = draw(st.sampled_from([Residual, Add]))
    if output_shape == shape and main.layers and draw(st.booleans()):
        return kind(main)
    same_channels = (Conv((1, 1), output_shape[2]),) if len(output_shape) == 3 else ()
    return kind(main, Sequential((*main.layers, *same_channels)))


@st.composite
def sequences(draw, shape, depth=2, kinds=plain_layers, most=4):
    layers = []
    for _ in range(draw(st.integers(1, most))):
        if depth and draw(st.integers(0, 3)) == 0:
            layer = draw(blocks(shape, depth, kinds))
        else:
            layer = draw(words(shape[-1], kinds))
        if draw(st.integers(0, 4)) == 0:
            layer = Repeat(draw(st.integers(1, 3)), (layer,))
        if fits(layer, shape):
            layers.append(layer)
            shape = layer.output_shape(shape)
    return Sequential(tuple(layers))


@st.composite
def networks(draw, kinds=plain_layers, with_heads=True):
    shape = (draw(st.integers(1, 24)), draw(st.integers(1, 24)), draw(st.sampled_from([1, 2, 3, 4, 6])))
    body = draw(sequences(shape, kinds=kinds))
    head = (draw(heads),) if with_heads and draw(st.booleans()) else ()
    layers = (*body.layers, *head) or (LAYERS["relu"](),)
    return Network(shape, Sequential(layers))
