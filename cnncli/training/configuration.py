"""Configuration of a training: every option, its default, and the TOML file that records them.

Nothing here loads NumPy, because the help of a command shows the defaults.
"""

import json
import math
import os
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypedDict

from cnncli.choices import RESIZES, did_you_mean
from cnncli.data.augmentation import AUTO, parse_augmentations
from cnncli.engines.losses import LOSSES
from cnncli.engines.optimizers import OPTIMIZERS, Optimizer
from cnncli.errors import ArgumentError
from cnncli.files.toml import read_toml
from cnncli.shapes import show_shape
from cnncli.training.schedules import SCHEDULES
from cnncli.values import Value

DECAY = 0.05  # weight decay of optimizers in which it is apart from the gradient
SMOOTHING = 0.1  # label smoothing of Szegedy et al., arXiv:1512.00567
CLASS_WEIGHTS = ("none", "balanced")  # weights of the classes: 1, or by the inverse of their frequency
CHECKSUMS = "checksums"  # table of a configuration's file with those of the files that it began with
VERSIONS = "versions"  # table of a configuration's file with the versions that it ran with


class TrainingOptions(TypedDict, total=False):
    """The fields of `Configuration`, as keyword arguments."""

    network: str
    source: str | None
    freeze: int | str | None
    head_lr: float | None
    classes: str | None
    normalization: str | None
    mean: str | None
    std: str | None
    epochs: int | None
    batch_size: int | None
    optimizer: str
    lr: float | None
    momentum: float | None
    weight_decay: float | None
    schedule: str
    warmup: float | None
    augment: str | None
    val: str | None
    class_weight: str
    loss: str
    label_smoothing: float | None
    clip_norm: float | None
    early_stop: int | None
    seed: int
    size: tuple[int, int] | None
    resize: str
    channels: int | None
    strict: bool


class Configuration(Value):
    """The options of a training. Two runs with the same options and the same data give the same bits.

    What depends on data and network stays None until both are known (`cnncli.training.preparing.recipe.settle`).

    Attributes:
        network: a name of the zoo, a TOML file or a text; empty for one that fits the data.
        source: a model to go on from, whose network it is; None to begin with random weights.
        freeze: the number of words at the beginning of its network that stay as they are, or `all` before the head.
        head_lr: learning rate of its head; None for `lr`, times the optimizer's `head_factor` where the head is new.
        classes: a file with the names of its classes, where it does not name them.
        normalization: what its weights expect, where it does not say it: a name in `NORMALIZATIONS`.
        mean: the same in numbers, as `0.485,0.456,0.406`.
        std: standard deviations that go with `mean`.
        epochs: number of passes over the training pictures; None for those that the work of a training allows.
        batch_size: pictures per batch; None for 32, and for 8 of pictures with boxes.
        optimizer: a name in `OPTIMIZERS`.
        lr: learning rate; None for the optimizer's default, by the network; with a source times its `kept_factor`.
        momentum: momentum coefficient, for momentum and nesterov; None for 0.9.
        weight_decay: L2 penalty, decoupled with adamw; None for 0.05 with adamw, 0 with others.
        schedule: a name in `SCHEDULES`.
        warmup: epochs of linear warm-up; None for one, but at most a tenth of all, and for none with a
            constant schedule.
        augment: augmentations, as `shift:2,flip`; `auto` for those that suit the data; None for `auto`, and for none
            where words are frozen, so that these are computed once.
        val: validation data: a share of the training data, such as 0.1 or 10%; a data set; 0 for nothing. None for
            the data's own validation part, and a tenth where it has none.
        class_weight: a word of `CLASS_WEIGHTS`.
        loss: a name in `LOSSES`; of boxes, that of their classes.
        label_smoothing: share of a label that is spread over all classes, from 0 to below 1; None for 0.1, and for 0
            with a loss of the outputs themselves, and for boxes.
        clip_norm: largest norm of the gradient; None for any.
        early_stop: epochs without a better validation after which training stops; None for never.
        seed: seed of all random numbers.
        size: (height, width) to resize pictures to; None where all have one size.
        resize: the way to resize, a name in `RESIZES`.
        channels: 1 for grey, 3 for colour, None for those of the pictures.
        strict: fail on a picture that cannot be read instead of leaving it out.

    Raises:
        ArgumentError: an invalid word or number.

    Example:
        >>> Configuration(optimizer="momentum").momentum
        0.9
    """

    network: str = ""
    source: str | None = None
    freeze: int | str | None = None
    head_lr: float | None = None
    classes: str | None = None
    normalization: str | None = None
    mean: str | None = None
    std: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    optimizer: str = "adamw"
    lr: float | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    schedule: str = "cosine"
    warmup: float | None = None
    augment: str | None = None
    val: str | None = None
    class_weight: str = "none"
    loss: str = "cross_entropy"
    label_smoothing: float | None = None
    clip_norm: float | None = None
    early_stop: int | None = None
    seed: int = 0
    size: tuple[int, int] | None = None
    resize: str = "stretch"
    channels: int | None = None
    strict: bool = False

    def validate(self) -> None:
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            if value is not None or self.defaults[name] is not None:
                self.normalize(**{name: check(name, value)})
        self._check_source()
        if self.early_stop is not None and self.val is not None and parse_share(self.val) == 0:
            raise ArgumentError("early_stop needs something to validate by, and val is 0: leave out one of them")
        if self.warmup and self.epochs and self.warmup >= self.epochs:
            raise ArgumentError(
                f"warmup of {self.warmup:g} epochs leaves nothing of {self.epochs}: choose a shorter one"
            )
        if self.augment not in (None, AUTO):
            self.normalize(augment=",".join(map(str, parse_augmentations(self.augment))))
        optimizer = self.make_optimizer()
        self.normalize(momentum=getattr(optimizer, "momentum", None), weight_decay=optimizer.weight_decay)

    def _check_source(self) -> None:
        if self.source is not None and self.network:
            raise ArgumentError(
                f"the model to go on from, {self.source}, has its own network: leave out --network, or --from"
            )
        needing = [name for name in _OF_SOURCE if getattr(self, name) is not None]
        if self.source is None and needing:
            raise ArgumentError(f"{needing[0]} is about a model to go on from, and none is given: add --from MODEL")

    def make_optimizer(self) -> Optimizer:
        """Return the optimizer.

        Raises:
            ArgumentError: it takes no momentum, or a number is out of range.
        """
        kind = OPTIMIZERS[self.optimizer]
        given = {name: getattr(self, name) for name in ("momentum", "weight_decay")}
        chosen = {name: value for name, value in given.items() if value is not None}
        if kind.decoupled:
            chosen.setdefault("weight_decay", DECAY)
        if "momentum" in chosen and "momentum" not in kind.fields:
            having = " and ".join(name for name, other in OPTIMIZERS.items() if "momentum" in other.fields)
            raise ArgumentError(f"the optimizer {self.optimizer} takes no momentum: {having} do")
        return kind(**chosen)

    def learning_rate(self, step: int, steps_per_epoch: int) -> float:
        """Return the learning rate of a step, counted from 0 over the whole training.

        During the warm-up it rises from lr / n to lr in n equal steps; the schedule runs from there to the end.

        Example:
            >>> plan = Configuration(lr=0.1, epochs=4, schedule="cosine", warmup=2)
            >>> [round(plan.learning_rate(step, 1), 3) for step in range(4)]
            [0.05, 0.1, 0.1, 0.05]
        """
        assert self.lr is not None
        rising, falling = self.schedule_steps(steps_per_epoch)
        if step < rising:
            return self.lr * (step + 1) / rising
        return self.lr * SCHEDULES[self.schedule](min(1.0, (step - rising) / falling))

    def schedule_steps(self, steps_per_epoch: int) -> tuple[int, int]:
        """Return the steps of the warm-up, and of the schedule after it.

        Example:
            >>> Configuration(lr=0.1, epochs=4, warmup=2).schedule_steps(10)
            (20, 20)
        """
        assert self.epochs is not None
        assert self.warmup is not None
        rising = round(self.warmup * steps_per_epoch)
        return rising, max(1, self.epochs * steps_per_epoch - rising)

    @property
    def options(self) -> dict[str, Any]:
        """The options that are set, by name."""
        return {name: value for name in self.fields if (value := getattr(self, name)) is not None}


def write_configuration(
    configuration: Configuration, data: str, versions: Mapping[str, str], checksums: Mapping[str, str] | None = None
) -> str:
    """Return the text of the TOML file that records a training.

    Example:
        >>> print(write_configuration(Configuration(epochs=3), "digits", {"cnncli": "1.0"})[:39])
        data = "digits"
        network = ""
        epochs = 3
    """
    lines = [f"{name} = {_toml(value)}" for name, value in {"data": data, **configuration.options}.items()]
    for title, table in ((CHECKSUMS, checksums), (VERSIONS, versions)):
        if table:
            lines += ["", f"[{title}]", *(f"{name} = {_toml(text)}" for name, text in table.items())]
    return "\n".join([*lines, ""])


def _toml(value: Any) -> str:
    """Return a value in TOML; its texts have the escapes of JSON."""
    if isinstance(value, tuple):
        return f'"{show_shape(value)}"'
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"{value:.1f}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_configuration(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the options that a TOML file sets, `data` among them, without its versions and checksums.

    Raises:
        ArgumentError: it cannot be read, or sets an unknown option.
    """
    table = read_toml(path, "a configuration")
    for title in (CHECKSUMS, VERSIONS):
        table.pop(title, None)
    for name in table:
        if name not in ("data", *Configuration.fields):
            hint = did_you_mean(name, Configuration.fields)
            raise ArgumentError(f"{path}: training has no option {name!r}: {hint}")
    if not isinstance(table.get("data", ""), str):
        raise ArgumentError(f"{path}: data must be a path, got {table['data']!r}")
    return table


def parse_share(text: str) -> float | None:
    """Return 0.2 for `0.2` and `20%`; None for a text that is not a share.

    Example:
        >>> parse_share("0.2"), parse_share("20%"), parse_share("photos/val")
        (0.2, 0.2, None)
    """
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        return None


def parse_size(text: str) -> tuple[int, int]:
    """Return (height, width) of `28x28`, or of `28` for a square.

    Raises:
        ArgumentError: anything else.

    Example:
        >>> parse_size("32"), parse_size("24x32")
        ((32, 32), (24, 32))
    """
    words = text.split("x")
    if len(words) > 2 or not all(word.isascii() and word.isdigit() and 0 < int(word[:6]) < 65536 for word in words):
        raise ArgumentError(f"size must be a number of pixels or height x width, such as 28 or 24x32, got {text!r}")
    return int(words[0]), int(words[-1])


Check = Callable[[str, Any], Any]


def _value(room: str, fits: Callable[[Any], bool], form: Callable[[Any], Any] = lambda value: value) -> Check:
    """Return the check of a value that has to fit, and that is kept in another form."""

    def check(name: str, value: Any) -> Any:
        if not fits(value):
            raise ArgumentError(f"{name} must be {room}, got {value!r}")
        return form(value)

    return check


def _whole(least: int, most: int) -> Check:
    room = f"a whole number from {least} to {most}"
    return _value(room, lambda value: type(value) is int and least <= value <= most)


def _number(room: str, fits: Callable[[float], bool]) -> Check:
    return _value(room, lambda value: type(value) is not bool and isinstance(value, int | float) and fits(value), float)


def _word(words: Collection[str]) -> Check:
    def check(name: str, value: Any) -> Any:
        if not isinstance(value, str) or value not in words:
            raise ArgumentError(f"unknown {name} {str(value)[:40]!r}: {did_you_mean(str(value), words)}")
        return value

    return check


def _val(name: str, value: Any) -> str:
    if isinstance(value, float | int) and not isinstance(value, bool):
        return f"{value:g}"
    text = _text(name, value)
    share = parse_share(text)
    return text if share is None or os.path.exists(text) else f"{share:g}"


def _text(name: str, value: Any) -> str:
    if isinstance(value, tuple | list) and all(isinstance(word, str) for word in value):
        value = (" " if name == "network" else ",").join(value)
    if not isinstance(value, str | os.PathLike):
        raise ArgumentError(f"{name} must be a text, got {value!r}")
    return os.fspath(value)


def _size(name: str, value: Any) -> tuple[int, int]:
    if isinstance(value, str):
        return parse_size(value)
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2 or not all(type(number) is int and 0 < number < 65536 for number in pair):
        raise ArgumentError(f"{name} must be a number of pixels or (height, width), got {value!r}")
    return pair[0], pair[1]


def _freeze(name: str, value: Any) -> int | str:
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if number == "all" or (type(number) is int and 1 <= number <= 1_000_000):
        found: int | str = number
        return found
    raise ArgumentError(f"{name} must be a number of words from 1, or all, got {value!r}")


_OF_SOURCE = ("freeze", "head_lr", "classes", "normalization", "mean", "std")
"""Options that need a model to go on from."""

_POSITIVE = _number("a finite number above 0", lambda value: 0 < value < math.inf)
_FROM_0 = _number("a finite number from 0", lambda value: 0 <= value < math.inf)
_FRACTION = _number("a number from 0 to below 1", lambda value: 0 <= value < 1)

_CHECKS: dict[str, Check] = {
    "network": _text,
    **dict.fromkeys(("source", "classes", "normalization", "mean", "std"), _text),
    "freeze": _freeze,
    "head_lr": _POSITIVE,
    "epochs": _whole(1, 1_000_000),
    "batch_size": _whole(1, 1_000_000),
    "lr": _POSITIVE,
    "momentum": _FRACTION,
    "weight_decay": _FROM_0,
    "warmup": _FROM_0,
    "augment": _text,
    "val": _val,
    "label_smoothing": _FRACTION,
    "clip_norm": _POSITIVE,
    "early_stop": _whole(1, 1_000_000),
    "seed": _whole(0, 2**63 - 1),
    "size": _size,
    "channels": _value("1 (grey) or 3 (colour)", lambda value: type(value) is int and value in (1, 3)),
    "strict": _value("true or false", lambda value: isinstance(value, bool)),
    "optimizer": _word(OPTIMIZERS),
    "schedule": _word(SCHEDULES),
    "class_weight": _word(CLASS_WEIGHTS),
    "loss": _word(LOSSES),
    "resize": _word(RESIZES),
}
"""The check of each option, which returns its normal form."""
