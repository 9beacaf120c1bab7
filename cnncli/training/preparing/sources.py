"""Models that a training goes on from: their weights, and what their pictures are like."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from cnncli.arrays import Array
from cnncli.data import Dataset, Parts, Reading
from cnncli.data.boxes.dataset import BoxDataset
from cnncli.data.boxes.opening import BoxParts
from cnncli.data.normalization import Normalization
from cnncli.engines.initialization import initialize
from cnncli.errors import ArgumentError, DataError, ModelError, reason
from cnncli.formats.files import parse_json
from cnncli.formats.safetensors import INPUT, NETWORK
from cnncli.models.importing.trained import read_class_names, read_finds, read_normalization
from cnncli.models.model import CLASSES, FINDS, NORMALIZATION, RESIZE, SCALE
from cnncli.models.opening import ModelWord, load_trainable
from cnncli.models.told import Told
from cnncli.networks import Network, parse_network
from cnncli.networks.heads import head_names, output_count
from cnncli.shapes import show_shape
from cnncli.training.configuration import Configuration
from cnncli.training.preparing.fitting import takes_any_size

P = TypeVar("P", Parts, BoxParts)

ALL = "all"
"""The word for all words of a network before its head."""

_KEYS = (NETWORK, INPUT, CLASSES, NORMALIZATION, RESIZE, SCALE)
_WORD, _CHECKSUM = "word", "sha256"


class Source(NamedTuple):
    """A model that a training goes on from.

    Attributes:
        word: the word that names it.
        checksum: SHA-256 of its file.
        network: its network, named by the word.
        class_names: its classes.
        normalization: what its weights expect.
        resize: how pictures are resized for it.
        scale: the meaning of the numbers of its pictures.
        finds_boxes: whether it is a detector.
        texts: the same as its file's metadata says it.
        parameters: its weights; empty where a checkpoint has them.
        buffers: its running statistics; empty where a checkpoint has them.
    """

    word: str
    checksum: str
    network: Network
    class_names: tuple[str, ...]
    normalization: Normalization
    resize: str
    scale: str
    finds_boxes: bool
    texts: Mapping[str, str]
    parameters: Mapping[str, Array] = {}
    buffers: Mapping[str, Array] = {}

    @property
    def record(self) -> str:
        """All but the arrays, as JSON."""
        return json.dumps({_WORD: self.word, _CHECKSUM: self.checksum, **self.texts}, ensure_ascii=False)

    def reading(self, configuration: Configuration, reading: Reading) -> Reading:
        """Return how pictures are read for it, with the size and the way to resize that a configuration asks for.

        Raises:
            ArgumentError: it takes pictures of its own size alone, or other channels.
        """
        height, width, channels = self.network.input_shape
        size = configuration.size or (height, width)
        if size != (height, width) and not takes_any_size(self.network):
            raise ArgumentError(
                f"{self.word}: takes images of {height}x{width} alone, got size {show_shape(size)}: leave it out"
            )
        if configuration.channels not in (None, channels):
            own = f"{channels} channel{'s' * (channels != 1)}"
            raise ArgumentError(
                f"{self.word}: its pictures have {own}, got channels {configuration.channels}: leave it out"
            )
        asked = configuration.resize != Configuration.defaults["resize"]
        resize = configuration.resize if asked else self.resize
        return reading._replace(size=size, resize=resize, channels=channels, scale=self.scale)

    def labelled(self, parts: P) -> P:
        """Return data with its classes in the order of the model's, if they are the same.

        Raises:
            DataError: pictures in memory that have other channels; those that are read get the model's.
        """
        channels, own = parts.train.shape[2], self.network.input_shape[2]
        if channels != own:
            raise DataError(f"{self.word}: takes pictures of {own} channels, the data has {channels}")
        if sorted(parts.train.class_names) != sorted(self.class_names):
            return parts
        ordered: dict[str, Any] = {
            name: part.with_classes(self.class_names)
            for name, part in parts._asdict().items()
            if isinstance(part, Dataset | BoxDataset)
        }
        found: P = parts._replace(**ordered)
        return found

    def keeps_head(self, class_names: tuple[str, ...], outputs: int) -> bool:
        """Return whether its head tells these classes apart, with so many outputs."""
        return class_names == self.class_names and outputs == output_count(self.network)


def open_source(configuration: Configuration) -> Source | None:
    """Return the model that a training goes on from; None for one that begins at random.

    Raises:
        ModelError: it cannot be read, or has no network that could be trained.
        ArgumentError: what is told about it does not fit.
    """
    options = configuration
    if options.source is None:
        return None
    told = Told.of_texts(options.classes, options.normalization, options.mean, options.std)
    # No folder of digits is taken for the classes of weights that name none: their head would be kept.
    model, path = load_trainable(options.source, told, unnamed="output "), ModelWord.of(options.source).path()
    try:
        with open(path, "rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: {reason(error)}") from error
    network = model.network.replace(name=options.source)
    texts = {key: text for key, text in model.metadata.items() if key in (*_KEYS, FINDS)}
    about = model.class_names, model.normalization, model.resize, model.scale, FINDS in texts
    return Source(options.source, checksum, network, *about, texts, model.parameters, model.buffers)


def read_source(text: str) -> Source:
    """Return the model of a checkpoint's record.

    Raises:
        ModelError: it is not one.
        ArgumentError: it holds a text that is not a network's or a normalization's.
    """
    table: dict[str, Any] = parse_json(text.encode(errors="replace"), "the source in its metadata")
    if not all(isinstance(table.get(key), str) for key in (_WORD, _CHECKSUM, *_KEYS)):
        raise ModelError("the source in its metadata is not that of a training")
    network = parse_network(table[NETWORK]).replace(name=table[_WORD])
    texts = {key: table[key] for key in (*_KEYS, FINDS) if key in table}
    finds_boxes = read_finds(texts)
    names = read_class_names(table[CLASSES], fewest=1 if finds_boxes else 2)
    about = names, read_normalization(table[NORMALIZATION]), table[RESIZE], table[SCALE], finds_boxes
    return Source(table[_WORD], table[_CHECKSUM], network, *about, texts)


def first_weights(
    source: Source | None, network: Network, *, new_head: bool, seed: int
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the arrays that a training begins with: random ones, or a model's but for a new head."""
    if source is None or not source.parameters:
        return initialize(network, seed)
    head = head_names(network) if new_head else ()
    drawn = initialize(network, seed, only=head)
    given = source.parameters, source.buffers
    names = network.param_shapes(), network.buffer_shapes()
    parameters, buffers = (
        {name: first[name] if name in head else own[name] for name in all_names}
        for first, own, all_names in zip(drawn, given, names, strict=True)
    )
    return parameters, buffers


def frozen_words(network: Network, freeze: int | str | None) -> int:
    """Return how many words of a network are frozen, repeats counted.

    A dropout right before the head stays in training.

    Args:
        network: the network.
        freeze: a number; `ALL` for those before the head; None for none.

    Raises:
        ArgumentError: there are not so many before the head.

    Example:
        >>> frozen_words(parse_network("8x8x1 2xconv3-4,relu max2 drop fc-10"), "all")
        3
    """
    if freeze is None:
        return 0
    words = network.layers.unrolled
    before = int(head_names(network)[0].partition(".")[0])
    if freeze == ALL:
        while before and words[before - 1].op == "drop":
            before -= 1
        if not before:
            raise ArgumentError("freeze all: the network has nothing before its head")
        return before
    if int(freeze) > before:
        raise ArgumentError(
            f"freeze {freeze}: the network has {len(words)} words, its head is number {before + 1}: freeze up to "
            f"{before} of them, or all"
        )
    return int(freeze)
