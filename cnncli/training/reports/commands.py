"""The command that repeats a training, or an evaluation."""

import shlex
from collections.abc import Mapping

from cnncli.files.text import printable
from cnncli.shapes import show_shape
from cnncli.training.configuration import Configuration

_FLAGS = {"source": "--from", "normalization": "--normalize"}


def train_command(data: str, configuration: Configuration, engine: str = "numpy") -> str:
    """Return the command that trains with these options, those included that were chosen for the data.

    Args:
        data: name of the data.
        configuration: options with nothing left open.
        engine: a name in `ENGINES`.

    Example:
        >>> train_command("my digits", Configuration(epochs=3, size=(28, 28), strict=True))
        "cnncli train 'my digits' --epochs 3 --weight-decay 0.05 --size 28x28 --strict"
    """
    changed = {name: value for name, value in configuration.options.items() if value != Configuration.defaults[name]}
    return command_text(["cnncli", "train", data], changed | {"engine": None if engine == "numpy" else engine})


def command_text(words: list[str], options: Mapping[str, object]) -> str:
    """Return a command as a shell takes it, without options of None or False.

    Example:
        >>> command_text(["cnncli", "evaluate"], {"source": "a b", "size": None, "strict": True})
        "cnncli evaluate --from 'a b' --strict"
    """
    words = list(words)
    for name, value in options.items():
        if value is not None and value is not False:
            words += [_FLAGS.get(name, f"--{name.replace('_', '-')}"), *_value(value)]
    return printable(shlex.join(words))


def _value(value: object) -> list[str]:
    """Return the word after an option."""
    if value is True:
        return []
    if isinstance(value, tuple):
        return [show_shape(value)]
    return ["none" if value == "" else str(value)]
