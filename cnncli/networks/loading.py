"""Loading networks: by name, from a file, or from words."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cnncli.choices import did_you_mean, nearest
from cnncli.errors import ArgumentError
from cnncli.files.toml import MAX_BYTES, read_toml
from cnncli.networks.errors import NotationError, TextError
from cnncli.networks.network import Network, parse_network
from cnncli.networks.words import quote, read_input, split_words
from cnncli.shapes import Shape

ZOO = Path(__file__).parent / "zoo"
"""The folder of the classic networks, one TOML file each."""

_TEXT, _TEXTS = ("a text", (str,)), ("a text or a list of texts", (str, list))
_KEYS: dict[str, tuple[str, tuple[type, ...]]] = {
    "layers": _TEXTS,
    "title": _TEXT,
    "source": _TEXT,
    "year": ("a whole number", (int,)),
    "input": _TEXT,
    "define": ("a table", (dict,)),
    "published": ("a table", (dict,)),
    "weights": ("a table", (dict,)),
}
"""The form of each key of a network's file, in words and as types."""


def zoo_names() -> list[str]:
    """Return the names of the classic networks.

    Example:
        >>> "vgg16" in zoo_names()
        True
    """
    return sorted(name.removesuffix(".toml") for name in os.listdir(ZOO) if name.endswith(".toml"))


def is_name(text: str) -> bool:
    """Return whether a text names a whole network, one of the zoo or a `.toml` file, instead of writing it out.

    Example:
        >>> is_name("lenet5"), is_name("nets/mine.toml"), is_name("6x6x3 conv3-10")
        (True, True, False)
    """
    name = text.strip()
    return _is_file(name) or name.lower() in zoo_names()


def _is_file(text: str) -> bool:
    return text.endswith(".toml") and not text.count("\n")


def load_network(network: str | Sequence[str] | Path, *, input_shape: Shape | None = None) -> Network:
    """Return a network by its name in the zoo, from its TOML file, or from its text.

    Args:
        network: `vgg16`, a path that ends in `.toml`, a text such as `6x6x3 conv3-10`, or a text's words.
        input_shape: another input than the network's own.

    Raises:
        ArgumentError: there is no such network, or what it says is wrong (a NotationError or ShapeError).

    Example:
        >>> load_network("lenet5").output_shape
        (10,)
    """
    if isinstance(network, Path):
        return read_network_file(network, input_shape=input_shape)
    text = (network if isinstance(network, str) else " ".join(network)).strip()
    if _is_file(text):
        return read_network_file(Path(text), input_shape=input_shape)
    words = split_words(text[: 2 * MAX_BYTES])
    if len(words) != 1 or read_input(words[0].text):
        return parse_network(text, input_shape=input_shape)
    if text.lower() in (names := zoo_names()):
        return read_network_file(ZOO / f"{text.lower()}.toml", input_shape=input_shape)
    if input_shape is None:
        raise ArgumentError(_unknown(text, nearest(text, names)))
    try:
        return parse_network(text, input_shape=input_shape)
    except NotationError as error:
        if found := nearest(text, names, cutoff=0.75):  # rather a name than a layer
            raise ArgumentError(_unknown(text, found)) from error
        raise


def _unknown(name: str, found: str) -> str:
    hint = f"did you mean {found}?" if found else "give one of the zoo, a .toml file, or a text such as 6x6x3 conv3-10"
    return f"no network is called {quote(name)}: {hint}"


def read_network_file(path: Path, *, input_shape: Shape | None = None) -> Network:
    """Return the network of a TOML file: title, source, year, input, layers, [define], [published] and [weights].

    Raises:
        ArgumentError: a file that cannot be read, or that does not hold a network.
    """
    _, table = network_table(path)
    layers = table["layers"]
    text = "\n".join(layers) if isinstance(layers, list) else layers
    about = {key: table[key] for key in ("title", "source", "year", "published", "define") if key in table}
    if "input" in table:
        own = read_input(table["input"].strip())
        if own is None:
            raise ArgumentError(f"{path}: input must be such as '32x32x3', got {quote(table['input'])}")
        input_shape = input_shape or own
    try:
        return parse_network(text, input_shape=input_shape, name=path.name.removesuffix(".toml"), **about)
    except TextError as error:
        error.file = path.stem if path.parent == ZOO else str(path)
        raise


def network_table(network: str | Path) -> tuple[Path, dict[str, Any]]:
    """Return the file of a network, which may be given by its name in the zoo, and its table, with known keys alone.

    Raises:
        ArgumentError: a file that cannot be read, or with other keys.
    """
    path = network if isinstance(network, Path) or network.endswith(".toml") else ZOO / f"{network.lower()}.toml"
    path = Path(path)
    table = read_toml(path, "a network's file")
    try:
        check_keys(table, _KEYS, needed="layers")
    except ArgumentError as error:
        raise ArgumentError(f"{path}: {error}") from error
    return path, table


def check_keys(table: dict[str, Any], keys: dict[str, tuple[str, tuple[type, ...]]], needed: str) -> None:
    """Check the keys of a table, and their values' types; `keys` says the form of each in words and as types.

    Raises:
        ArgumentError: a key that is unknown, of another type, or missing.
    """
    for key, value in table.items():
        if key not in keys:
            raise ArgumentError(f"{quote(key)} is not a key of a network file: {did_you_mean(key, keys)}")
        form, types = keys[key]
        wrong = [value] if not isinstance(value, types) else []
        wrong += [text for text in value if not isinstance(text, str)] if isinstance(value, list) else []
        if wrong:
            raise ArgumentError(f"{key} must be {form}, got {quote(wrong[0])}")
    if needed not in table:
        raise ArgumentError(f'a network\'s file needs {needed} = "...", {keys[needed][0]}')
