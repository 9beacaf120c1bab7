"""The head of a network: the last layer with arrays, which has an output for each class."""

from cnncli.errors import ArgumentError
from cnncli.networks.errors import ShapeError
from cnncli.networks.layers import LAYERS, Chain, Layer, Repeat, Sequential
from cnncli.networks.network import Network
from cnncli.shapes import show_shape


def output_count(network: Network) -> int | None:
    """Return the number of outputs for a picture; None where the output is a picture itself.

    Example:
        >>> from cnncli.networks import parse_network
        >>> output_count(parse_network("4x4x1 conv3-5 gap")), output_count(parse_network("4x4x1 conv3-5"))
        (5, None)
    """
    *size, channels = network.output_shape
    return channels if all(n == 1 for n in size) else None


def head_names(network: Network) -> tuple[str, ...]:
    """Return the names of the head's arrays, trained and kept: those of the last layer that has any.

    Example:
        >>> from cnncli.networks import load_network
        >>> head_names(load_network("lenet5")), head_names(load_network("squeezenet1.1"))
        (('6.fc.weight', '6.fc.bias'), ('21.conv.weight', '21.conv.bias'))
    """
    for prefix, layer, shape in reversed(list(network.layers.parts(network.input_shape))):
        if shapes := {**layer.param_shapes(shape), **layer.buffer_shapes(shape)}:
            return tuple(prefix + name for name in shapes)
    return ()


def with_outputs(network: Network, outputs: int) -> Network:
    """Return the network with so many outputs: its head gets as many, and what follows the head stays.

    A softmax needs several outputs and a lone sigmoid one, so each becomes the other where the number asks for it. The
    network itself comes back where it has so many outputs already. Arrays keep their names.

    Raises:
        ArgumentError: the network does not end in numbers for classes, as one that makes pictures.

    Example:
        >>> from cnncli.networks import parse_network
        >>> print(with_outputs(parse_network("8x8x1 conv3-1000,relu gap softmax"), 10))
        8x8x1 conv3-10,relu gap softmax
        >>> print(with_outputs(parse_network("8x8x1 conv3-8 fc-10,softmax"), 1))
        8x8x1 conv3-8 fc-1,sigmoid
    """
    before = output_count(network)
    if before == outputs:
        return network
    if before is None:
        raise _no_classifier(network)
    place, changed = _changed_head(network, outputs)
    *kept, last = changed
    ending = {(True, "softmax"): "sigmoid", (False, "sigmoid"): "softmax"}.get((outputs == 1, last.words[-1].op))
    if ending and (before == 1 or outputs == 1):
        last = _chained((*last.words[:-1], LAYERS[ending]()))
    try:
        adapted = _ended(network, place, (*kept, last))
    except ShapeError as error:
        raise _no_classifier(network) from error
    if output_count(adapted) != outputs:
        raise _no_classifier(network)
    return adapted


def with_channels(network: Network, channels: int) -> Network:
    """Return the network with so many channels at each place of its output, which its head makes.

    Example:
        >>> from cnncli.networks import parse_network
        >>> print(with_channels(parse_network("8x8x1 conv3-8,relu conv1-7"), 9))
        8x8x1 conv3-8,relu conv1-9
    """
    return _ended(network, *_changed_head(network, channels))


def _changed_head(network: Network, outputs: int) -> tuple[int, tuple[Layer, ...]]:
    """Return the number of the word that is the head, the head with other outputs, and the words after it."""
    names, unrolled = head_names(network), network.layers.unrolled
    place = int(names[0].partition(".")[0]) if names else len(unrolled)
    head, following = unrolled[place : place + 1], unrolled[place + 1 :]
    if not head or not head[0].words[0].filters_field:
        raise _no_classifier(network)
    return place, (_resized(head[0], outputs), *following)


def _ended(network: Network, place: int, words: tuple[Layer, ...]) -> Network:
    """Return the network with other words from a place on, counted unrolled."""
    kept = _without_last(network.layers.layers, len(network.layers.unrolled) - place)
    return network.replace(layers=Sequential((*kept, *words)), published={})


def _resized(layer: Layer, outputs: int) -> Layer:
    """Return a word with another number of filters."""
    first, *options = layer.words
    return _chained((first.replace(**{first.filters_field: outputs}), *options))


def _chained(words: tuple[Layer, ...]) -> Layer:
    return Chain(words) if len(words) > 1 else words[0]


def _without_last(layers: tuple[Layer, ...], count: int) -> list[Layer]:
    """Return layers as they are written without the last ones, counted unrolled: a repeat is opened at its end."""
    kept = list(layers)
    while count:
        last = kept.pop()
        if isinstance(last, Repeat):
            fewer = (last.replace(count=last.count - 1),) if last.count > 2 else last.layers * (last.count - 1)
            kept += [*fewer, *last.layers]
        else:
            count -= 1
    return kept


def _no_classifier(network: Network) -> ArgumentError:
    shown, shape = network.name or "the network", show_shape(network.output_shape)
    if output_count(network) is None:
        return ArgumentError(
            f"{shown} puts out {shape}, not a number for each class: it cannot tell classes apart; gap at its end "
            "would make one of each map"
        )
    return ArgumentError(f"{shown} does not end in a layer whose number of outputs can be chosen: let it end in fc")
