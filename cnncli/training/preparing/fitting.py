"""Fitting of a named network and data to each other: its outputs to the classes, its input and the pictures' sizes.

- The head gets an output for each class (`cnncli.networks.heads`), and the input the channels of the pictures.
- A network that takes pictures of any size, such as one with a global pooling before its head, takes the pictures'.
- One with a fixed input gets pictures of its size: padded with black if no side is larger and each misses at most an
  eighth of the input's, as LeNet-5's authors put digits of 28x28 on 32x32; resized otherwise.
- Pictures of several sizes are resized to the network's own.

A size that was asked for overrules these rules: the network is built for it.
"""

from typing import NamedTuple

from cnncli.data.resizing import Size
from cnncli.errors import ArgumentError
from cnncli.networks import Network, load_network
from cnncli.networks.errors import ShapeError
from cnncli.networks.heads import output_count, with_outputs
from cnncli.networks.loading import is_name
from cnncli.shapes import show_shape

PADDED = 1 / 8  # largest share of a side of the input that is filled by padding


class Way(NamedTuple):
    """The way of pictures to an input: their size there, and how they are brought to it, a name in `RESIZES`."""

    size: Size
    resize: str


def named_network(text: str) -> Network | None:
    """Return the network of a name in the zoo or of a file, with its own input; None for a text, or none of its own.

    Example:
        >>> str(named_network("lenet5"))[:14], named_network("conv3-8 fc-10")
        ('32x32x1 conv5-', None)
    """
    if not is_name(text):
        return None
    network = load_network(text, input_shape=None)
    return network if len(network.input_shape) == 3 else None


def takes_any_size(network: Network) -> bool:
    """Return whether a network has the same arrays for larger pictures.

    Example:
        >>> takes_any_size(load_network("resnet18")), takes_any_size(load_network("lenet5"))
        (True, False)
    """
    height, width, channels = network.input_shape
    try:
        larger = network.replace(input_shape=(2 * height, 2 * width, channels))
    except ShapeError:
        return False
    return larger.param_shapes() == network.param_shapes() and output_count(larger) == output_count(network)


def find_way(network: Network, size: Size, resize: str) -> Way:
    """Return the way of pictures of a size to a network: `resize` is how to resize them.

    Example:
        >>> find_way(load_network("lenet5"), (28, 28), "stretch"), find_way(load_network("lenet5"), (64, 64), "stretch")
        (Way(size=(32, 32), resize='pad'), Way(size=(32, 32), resize='stretch'))
        >>> find_way(load_network("resnet18"), (64, 64), "stretch")
        Way(size=(64, 64), resize='stretch')
    """
    height, width, _ = network.input_shape
    missing = (height - size[0]) / height, (width - size[1]) / width
    if max(missing) == min(missing) == 0 or takes_any_size(network):
        return Way(size, resize)
    padded = resize == "stretch" and min(missing) >= 0 and max(missing) <= PADDED
    return Way((height, width), "pad" if padded else resize)


def fit(network: Network, shape: tuple[int, int, int], outputs: int) -> Network:
    """Return a named network for pictures of a shape, with so many outputs.

    Raises:
        ArgumentError: it is not a classifier, or the pictures are too small for it.
    """
    own = network.input_shape
    try:
        return with_outputs(network, outputs).replace(input_shape=shape)
    except ShapeError as error:
        if error.needs.startswith("at least"):
            error.fits = f"--size {own[0]}x{own[1]} makes them as large as its own input"
            raise ArgumentError(f"{network.name}: images of {show_shape(shape[:2])} are too small: {error}") from error
        raise


def describe(own: Network, fitted: Network, size: Size | None, way: Way) -> str:
    """Return what was changed to fit a network and pictures to each other, in words; empty for nothing.

    Args:
        own: the network as it is named.
        fitted: the network that is trained.
        size: the pictures' size; None for several.
        way: their way to its input.
    """
    found = []
    if size != way.size:
        how = "padded" if way.resize == "pad" else "resized"
        found.append(f"images {how} from {show_shape(size) if size else 'several sizes'} to its {show_shape(way.size)}")
    (*sides, channels), (*own_sides, own_channels) = fitted.input_shape, own.input_shape
    if sides != own_sides:
        found.append(f"an input of {show_shape(fitted.input_shape)} instead of {show_shape(own.input_shape)}")
    elif channels != own_channels:
        found.append(f"{_counted(channels, 'channel')} instead of {own_channels}")
    outputs, before = output_count(fitted) or 0, output_count(own)
    if outputs != before:
        found.append(f"{_counted(outputs, 'output')} instead of {before}")
    return f"{own.name}: {', '.join(found)}" if found else ""


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
