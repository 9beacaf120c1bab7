"""The published weights of a network: how their arrays are named elsewhere, and what they expect of pictures.

A network's file says it in tables such as `[weights.torchvision]`:

    names = "conv1 bn1 layer1.{0,1}.{conv1,bn1,conv2,bn2} ... fc"

Each word names a module, in the order of our layers that have arrays; braces stand for several words, as in a shell. An
array is called after its module: `conv1.weight`, `bn1.running_mean`. Behind a name, `:2` says how many axes its weights
have there, where they are not those of its kind of layer (a 1x1 convolution that is `Linear` there), and `=` that the
layer's only array has this very name.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cnncli.choices import NORMALIZATIONS, RESIZES
from cnncli.errors import ArgumentError
from cnncli.networks.layers import BatchNorm, Conv, Layer
from cnncli.networks.layers.convolution import Depthwise
from cnncli.networks.layers.fields import FIELDS
from cnncli.networks.layers.sequences import Sequential
from cnncli.networks.loading import check_keys, network_table
from cnncli.networks.network import Network
from cnncli.networks.words import quote

MAX_MODULES = 10_000
"""Modules that a text of names stands for."""


class Module(NamedTuple):
    """The place of a layer's arrays in other programs' files.

    Attributes:
        name: what the names of its arrays begin with.
        rank: the number of axes of its weights; None for those of its kind of layer.
        is_array: whether the layer's only array has this very name.
    """

    name: str
    rank: int | None = None
    is_array: bool = False

    @classmethod
    def of(cls, word: str) -> "Module":
        """Return the module of a word.

        Example:
            >>> Module.of("block.3:2"), Module.of("gamma=")
            (Module(name='block.3', rank=2, is_array=False), Module(name='gamma', rank=None, is_array=True))
        """
        name, colon, rank = word.partition(":")
        if colon and not (rank.isascii() and rank.isdigit()):
            raise ArgumentError(f"{quote(word)}: after the colon stands a number of axes, as in block.3:2")
        return cls(name.removesuffix("="), int(rank) if colon else None, name.endswith("="))

    def array(self, role: str) -> str:
        """Return the name of one of its arrays: `weight`, `bias`, `running_mean` or `running_var`."""
        return self.name if self.is_array else f"{self.name}.{role}"


class PublishedWeights(NamedTuple):
    """What is known of the weights that a program publishes for a network.

    Attributes:
        program: its name: torchvision, timm, keras.
        modules: one for each of our layers that has arrays, in their order.
        normalization: what the pictures are to be normalised by: a name in `NORMALIZATIONS`.
        resize: how they are resized: a name in `RESIZES`.
        eps: the epsilon of batch norms, where it is not the network's.
        padding: how convolutions are padded, where it is not the network's: `same`, as in TensorFlow.
        channels: the order of the pictures' colours: `rgb` or `bgr`.
        extras: beginnings of the names of arrays that files may have beside the network's.
        renamed: parts of names in older files, and what stands there today.
    """

    program: str
    modules: tuple[Module, ...]
    normalization: str = "imagenet"
    resize: str = "crop"
    eps: float | None = None
    padding: str | None = None
    channels: str = "rgb"
    extras: tuple[str, ...] = ()
    renamed: Mapping[str, str] = {}


_KEYS: dict[str, tuple[str, tuple[type, ...]]] = {
    "names": ("a text or a list of texts", (str, list)),
    "normalization": ("a text", (str,)),
    "resize": ("a text", (str,)),
    "eps": ("a number", (float,)),
    "padding": ("a text", (str,)),
    "channels": ("a text", (str,)),
    "extras": ("a text", (str,)),
    "renamed": ("a table", (dict,)),
}

_CHOICES: dict[str, Collection[str]] = {
    "normalization": NORMALIZATIONS,
    "resize": RESIZES,
    "padding": ("same",),
    "channels": ("rgb", "bgr"),
}


def published_weights(network: str | Path) -> dict[str, PublishedWeights]:
    """Return what is known of the published weights of a network, by the program that publishes them.

    Args:
        network: a name in the zoo, or a TOML file.

    Raises:
        ArgumentError: there is no such file, or a table in it is not as described above.

    Example:
        >>> found = published_weights("resnet18")
        >>> found["torchvision"].modules[0].array("weight"), found["timm"].normalization
        ('conv1.weight', 'imagenet')
    """
    path, table = network_table(network)
    tables = table.get("weights", {})
    found = {}
    for program, entries in tables.items():
        where = f"{path}: [weights.{quote(program)[1:-1]}]"
        try:
            found[program] = _published(program, entries, tables)
        except ArgumentError as error:
            raise ArgumentError(f"{where}: {error}") from error
    return found


def _published(program: str, entries: Any, tables: Mapping[str, Any]) -> PublishedWeights:
    if not isinstance(entries, dict):
        raise ArgumentError(f"must be a table, got {quote(entries)}")
    # Names that are those of another program's table.
    if isinstance(other := entries.get("names"), str) and other != program and isinstance(tables.get(other), dict):
        entries = {**tables[other], **entries, "names": tables[other].get("names")}
    check_keys(entries, _KEYS, needed="names")
    names = entries["names"]
    words = expand(" ".join(names) if isinstance(names, list) else names)
    renamed = entries.get("renamed", {})
    if not all(isinstance(new, str) for new in renamed.values()):
        raise ArgumentError("renamed must be a table of texts")
    found = PublishedWeights(
        program,
        tuple(map(Module.of, words)),
        eps=entries.get("eps"),
        extras=tuple(entries.get("extras", "").split()),
        renamed=renamed,
    )
    for key, choices in _CHOICES.items():
        if entries.get(key, next(iter(choices))) not in choices:
            raise ArgumentError(f"{key} must be one of {', '.join(choices)}, got {quote(entries[key])}")
    return found._replace(**{key: entries[key] for key in _CHOICES if key in entries})


def expand(text: str) -> list[str]:
    """Return the words of a text, braces expanded as in a shell.

    Raises:
        ArgumentError: braces that are not closed or hold neither commas nor a range, or more than `MAX_MODULES` words.

    Example:
        >>> expand("fc layer{1..2}.{conv,bn{1,2}}")
        ['fc', 'layer1.conv', 'layer1.bn1', 'layer1.bn2', 'layer2.conv', 'layer2.bn1', 'layer2.bn2']
    """
    found: list[str] = []
    for word in text.split():
        for expanded in _expanded(word):
            found.append(expanded)
            if len(found) > MAX_MODULES:
                raise ArgumentError(f"names stand for at most {MAX_MODULES:,} modules")
    return found


def _expanded(word: str, depth: int = 0) -> Iterator[str]:
    before, opening, rest = word.partition("{")
    if not opening:
        yield word
        return
    if depth > 20:
        raise ArgumentError("names have at most 20 braces in a word")
    parts, after = _split_braces(word, rest)
    for part in parts:
        for inner in _expanded(part, depth + 1):
            for end in _expanded(after, depth + 1):
                yield before + inner + end


def _split_braces(word: str, text: str) -> tuple[list[str], str]:
    """Return what stands between braces, and what follows them; the text begins behind the opening one."""
    depth, start, parts = 0, 0, []
    for index, letter in enumerate(text):
        if depth == 0 and letter in ",}":
            parts.append(text[start:index])
            start = index + 1
            if letter == "}":
                return (_range(word, parts[0]) if len(parts) == 1 else parts), text[start:]
        depth += {"{": 1, "}": -1}.get(letter, 0)
    raise ArgumentError(f"{quote(word)}: a brace is not closed")


def _range(word: str, text: str) -> list[str]:
    """Return the numbers of `0..3`."""
    first, dots, last = text.partition("..")
    if not (dots and first.isascii() and first.isdigit() and last.isascii() and last.isdigit() and len(last) < 6):
        raise ArgumentError(f"{quote(word)}: between braces stand words with commas, or a range as 0..3")
    return [str(number) for number in range(int(first), int(last) + 1)]


def as_published(network: Network, weights: PublishedWeights) -> Network:
    """Return the network that published weights are for: with their batch norms' epsilon, and their padding.

    Example:
        >>> from cnncli.networks import parse_network
        >>> keras = PublishedWeights("keras", (), eps=0.001, padding="same")
        >>> print(as_published(parse_network("8x8x1 conv3-4,s2,p1,bn,relu 2xres[ bn dw3,p1 ] conv1-2"), keras))
        8x8x1 conv3-4,s2,same,bn,eps0.001,relu 2xres[ bn,eps0.001 dw3,same ] conv1-2
    """
    network = network if weights.eps is None else with_epsilon(network, weights.eps)
    padding = weights.padding
    return network if padding is None else _changed(network, lambda layer: _padded(layer, padding))


def _padded(layer: Layer, padding: str) -> Layer:
    """Return a convolution that pads with another padding, if it pads at all; any other layer as it is."""
    is_padded = isinstance(layer, Conv | Depthwise) and layer.padding != "valid"
    return layer.replace(padding=padding) if is_padded else layer


def with_epsilon(network: Network, eps: float) -> Network:
    """Return the network with another epsilon in all its batch norms.

    Example:
        >>> from cnncli.networks import parse_network
        >>> print(with_epsilon(parse_network("8x8x1 conv3-4,bn,relu 2xres[ bn ]"), 0.001))
        8x8x1 conv3-4,bn,eps0.001,relu 2xres[ bn,eps0.001 ]
    """
    return _changed(network, lambda layer: layer.replace(eps=eps) if isinstance(layer, BatchNorm) else layer)


def _changed(network: Network, change: Callable[[Layer], Layer]) -> Network:
    """Return the network with all its layers changed."""

    def changed(part: Any) -> Any:
        if isinstance(part, tuple):
            return tuple(map(changed, part))
        if not isinstance(part, Layer):
            return part
        inner = {name: getattr(part, name) for name in part.fields if name not in FIELDS}
        return change(part.replace(**{name: changed(value) for name, value in inner.items()}) if inner else part)

    layers: Sequential = changed(network.layers)
    return network.replace(layers=layers)
