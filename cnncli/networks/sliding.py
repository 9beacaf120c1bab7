"""A classifier that slides: the network which gives a classifier's outputs for every window of a picture in one pass.

What a window shares with its neighbours is computed once: a fully connected layer becomes a convolution of the window's
size, a global pooling a pooling of it (Sermanet et al. 2013, OverFeat, arXiv:1312.6229, section 3.5). A layer that
rounds its output down leaves out pixels at a window's end; the window behind it begins where it would have begun.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from cnncli.errors import ArgumentError
from cnncli.networks.layers import Block, Chain, Layer, Sequential
from cnncli.networks.network import Network
from cnncli.shapes import Four, Pair, Shape

if TYPE_CHECKING:
    from cnncli.arrays import Array

REMEDY = "windows can be computed one by one (--exact)"


def sliding_network(network: Network, input_shape: Shape | None = None) -> Network:
    """Return the network whose output at each place is a classifier's for the window there.

    Its output is (rows, columns, outputs); windows are as large as the classifier's input, and as far apart as the
    receptive fields of its last layer. A picture has as many as lie inside it if its sides are the window's plus a
    multiple of the stride. Padding that a window gets at its borders, the picture gets at its own: with padding, the
    outputs differ from those of the windows by themselves.

    Args:
        network: the classifier.
        input_shape: (H, W, C) of the picture; None for a single window.

    Raises:
        ArgumentError: a layer sees more than a window that moves; the message names it.

    Example:
        >>> from cnncli.networks import parse_network
        >>> print(sliding_network(parse_network("32x32x3 conv5-6,relu max2 fc-10,softmax"), (48, 64, 3)))
        48x64x3 conv5-6,relu max2 conv14-10,softmax
    """
    window = network.input_shape
    if len(window) != 3 or (len(network.output_shape) == 3 and network.output_shape[:2] != (1, 1)):
        raise ArgumentError(f"{network.name or 'the network'} does not turn a picture into classes: nothing slides")
    layers, _, shape = _sequence(network.layers, window, window)
    slid = Network(window, layers, network.name, network.title)
    if shape[:2] != (1, 1):
        raise _fixed(network.layers.unrolled[-1])
    step = windows(slid).stride
    larger = tuple(n + 3 * s for n, s in zip(window[:2], step, strict=True))
    if slid.layers.output_shape((*larger, window[2]))[:2] != (4, 4):
        raise _fixed(network.layers.unrolled[-1])
    return slid if input_shape is None else slid.replace(input_shape=input_shape)


def sliding_arrays(
    arrays: Mapping[str, "Array"], given: Mapping[str, Shape], wanted: Mapping[str, Shape]
) -> dict[str, "Array"]:
    """Return a classifier's arrays as those of its sliding network: they keep their order, and their numbers.

    Args:
        arrays: by name.
        given: names and shapes of the classifier's parameters, or of its buffers.
        wanted: the same of the sliding network.
    """
    return {new: arrays[old].reshape(shape) for old, (new, shape) in zip(given, wanted.items(), strict=True)}


class Windows(NamedTuple):
    """The windows of a sliding network.

    Attributes:
        size: (height, width) in pixels.
        stride: (vertical, horizontal) pixels from one to the next; the first begins at the picture's first pixel.
        margins: (top, bottom, left, right) pixels around a window that its output depends on.
        padded: the first word that pads, or whose last window hangs over; empty where none does.
    """

    size: Pair
    stride: Pair
    margins: Four
    padded: str


def windows(slid: Network) -> Windows:
    """Return the windows of a sliding network whose input is one window.

    Raises:
        ArgumentError: a layer moves by fractions of pixels, or not at all.

    Example:
        >>> from cnncli.networks import load_network
        >>> windows(sliding_network(load_network("lenet5")))
        Windows(size=(32, 32), stride=(4, 4), margins=(0, 0, 0, 0), padded='')
    """
    rows, (height, width, _) = slid.summary().rows, slid.input_shape
    field = [row for row in rows if not row.depth][-1].receptive_field
    if field is None:
        unknown = max((row for row in rows if row.receptive_field is None), key=lambda row: row.depth)
        raise _unable(unknown.spec)
    starts = [round(centre - (n - 1) / 2) for centre, n in zip(field.offset, field.size, strict=True)]
    ends = [start + n - side for start, n, side in zip(starts, field.size, (height, width), strict=True)]
    margins = (max(0, -starts[0]), max(0, ends[0]), max(0, -starts[1]), max(0, ends[1]))
    padded = next(
        (layer.label for layer, shape in all_layers(slid.layers, slid.input_shape) if _pads(layer, shape)), ""
    )
    return Windows((height, width), field.stride, margins, padded)


def all_layers(layers: Layer, shape: Shape) -> Iterator[tuple[Layer, Shape]]:
    """Yield the layers, those in blocks too, and their input's shapes."""
    for part in layers.leaves(shape):
        yield part.layer, part.input_shape
        for _, _, branch in part.layer.branches:
            yield from all_layers(branch, part.input_shape)


def _pads(layer: Layer, shape: Shape) -> bool:
    window = layer.window(shape)
    if window is None:
        return False
    padded = window.size[0] + sum(window.padding[:2]), window.size[1] + sum(window.padding[2:])
    return any(window.padding) or any(n > m for n, m in zip(window.reach, padded, strict=True))


def _sequence(layers: Sequential, given: Shape, shape: Shape) -> tuple[Sequential, Shape, Shape]:
    """Return the layers that slide, and the shapes that the classifier's layers and these make of a window.

    Args:
        layers: the classifier's layers.
        given: the shape of their input.
        shape: the same for the sliding layers: (H, W, C) still, where the classifier has flattened it.
    """
    slid: list[Layer] = []
    for word in layers.unrolled:
        parts: list[Layer] = []
        for layer in word.words:
            parts.append(_layer(layer, given, shape))
            given, shape = layer.output_shape(given), parts[-1].output_shape(shape)
        slid.append(Chain(tuple(parts)) if len(parts) > 1 else parts[0])
    return Sequential(tuple(slid)), given, shape


def _layer(layer: Layer, given: Shape, shape: Shape) -> Layer:
    """Return the layer that slides; arguments are those of `_sequence`."""
    if isinstance(layer, Block):
        return _block(layer, given, shape)
    found = layer.sliding(shape)
    if found is None or (_is_flattened(given, shape) and layer.reach != "number" and not layer.sees_all):
        raise _fixed(layer)
    return found


def _block(block: Block, given: Shape, shape: Shape) -> Layer:
    branches, *ends = zip(*(_sequence(branch, given, shape) for _, _, branch in block.branches), strict=True)
    if len({after[:2] for after in ends[1]}) > 1 or any(map(_is_flattened, *ends)):
        raise _fixed(block)
    return type(block).of(list(branches))


def _is_flattened(given: Shape, shape: Shape) -> bool:
    """Return whether a classifier has flattened the pixels of a window, which still are (H, W, C) where it slides."""
    return len(given) == 1 and shape[:2] != (1, 1)


def _fixed(layer: Layer) -> ArgumentError:
    return _unable(layer.label)


def _unable(word: str) -> ArgumentError:
    return ArgumentError(f"{word} sees more than a window that moves, so the network cannot slide: {REMEDY}")
