"""The words of a command line as networks: names, files and texts, several one after the other."""

import os
from collections.abc import Sequence

from cnncli.errors import ArgumentError
from cnncli.networks.loading import load_network, zoo_names
from cnncli.networks.summary import Summary
from cnncli.networks.words import read_input
from cnncli.shapes import Shape


def read_networks(words: Sequence[str], input_text: str | None = None, *, shapes: bool = True) -> list[Summary]:
    """Return what is known of the networks that words name or write.

    Args:
        words: names of the zoo, files, and texts, whose words may come one by one.
        input_text: `HxWxC`, the input of all of them, or sizes of any number, for model files.
        shapes: whether shapes are needed; without them a model file's input may stay open.

    Raises:
        ArgumentError: no network, one that is not known, or a text that cannot be read.
        CnncliError: a model file that cannot be read.
    """
    if not words:
        raise ArgumentError("no network: give a name (cnncli params --list lists them), a file, or an input and layers")
    input_shape = None if input_text is None else read_input(input_text) or _sizes(input_text)
    if input_text is not None and input_shape is None:
        raise ArgumentError(
            f"--input must be height x width x channels, such as 224x224x3 (for a model file any sizes, such as 16000 "
            f"or 8x112x112x3), got {input_text!r}"
        )
    return [_summary(group, input_shape, shapes) for group in split_networks(words)]


def _sizes(text: str) -> Shape | None:
    """Return sizes such as 16000 or 8x112x112x3, the channels last."""
    parts = text.lower().split("x")
    plain = len(parts) <= 8 and all(part.isascii() and part.isdecimal() and len(part) < 13 for part in parts)
    return tuple(map(int, parts)) if plain and all(map(int, parts)) else None


def split_networks(words: Sequence[str]) -> list[list[str]]:
    """Return the words of each network: a name, a file and an input begin one.

    Example:
        >>> split_networks(["vgg16", "6x6x3", "conv3-10", "relu", "lenet5"])
        [['vgg16'], ['6x6x3', 'conv3-10', 'relu'], ['lenet5']]
    """
    names = set(zoo_names())
    groups: list[list[str]] = []
    whole = True  # whether the last network takes no more words
    for word in words:
        alone = word in names or _is_file(word)
        if alone or whole or _begins_with_input(word):
            groups.append([])
        groups[-1].append(word)
        whole = alone
    return groups


def _begins_with_input(word: str) -> bool:
    first = word.split(maxsplit=1)[:1]
    return bool(first) and read_input(first[0]) is not None


def _is_file(word: str) -> bool:
    return word.lower().endswith(".toml") or _is_model(word)


def _is_model(word: str) -> bool:
    """Return whether a word is a model file by its ending, or a folder, such as that of a run."""
    if "\0" not in word and os.path.isdir(word) and word not in zoo_names():
        return True
    ending = word.rpartition(".")[2]
    if ending == word or ending.isdecimal():  # as in lrn's 0.75, for which the formats need not be loaded
        return False
    from cnncli.formats import is_model_file

    return is_model_file(word)


def _summary(words: list[str], input_shape: Shape | None, shapes: bool) -> Summary:
    if _is_model(words[0]):
        from cnncli.formats import read_model

        return read_model(words[0], input_shape=input_shape, shapes=shapes)
    network = load_network(words, input_shape=input_shape)
    summary = network.summary()
    return summary if summary.name else summary._replace(name=str(network))
