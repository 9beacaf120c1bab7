"""One layer's arithmetic on the command line: its words, its answers and their working."""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any, NamedTuple

from cnncli.cli.options import parse_integers, parse_padding
from cnncli.errors import ArgumentError, CnncliError
from cnncli.files.text import json_text
from cnncli.networks.arithmetic import (
    LISTED,
    Axis,
    Setting,
    inputs_for,
    keeping_padding,
    keeping_working,
    settings_for,
    sum_in_a_line,
    working,
)
from cnncli.shapes import Pair

LARGEST = 10**9
"""The largest number that a size, a stride or a padding may be."""

NAMES = ("height", "width")
SIDES = (("top", "bottom"), ("left", "right"))
BOTH = (("top and left", "bottom and right"),) * 2


class OneLayer(NamedTuple):
    """The options of `shape` about one layer, as they were written; None where they were not.

    A size is `39` or `640x480` (height x width).
    """

    n: str | None = None
    kernel_size: str | None = None
    padding: str | None = None
    stride: str | None = None
    dilation: str | None = None
    ceil: bool = False
    transposed: bool = False
    output_padding: str | None = None
    want: str | None = None
    inputs_for: str | None = None
    keep: bool = False

    @property
    def asked(self) -> bool:
        """True if any of the options was written."""
        return any(self)

    @property
    def square(self) -> bool:
        """True if height and width have the same answer."""
        height, width = self.axes()
        return height == width and not any("x" in (text or "") for text in (self.n, self.want, self.inputs_for))

    def check(self) -> None:
        """Check that the options ask one question.

        Raises:
            ArgumentError: an option that is missing, or one too many.
        """
        questions = [f"--{name.replace('_', '-')}" for name in ("want", "inputs_for", "keep") if getattr(self, name)]
        if len(questions) > 1:
            raise ArgumentError(f"{' and '.join(questions)} are different questions: ask one at a time")
        if self.kernel_size is None:
            raise ArgumentError("the size of one layer needs a filter: add -f, as in `cnncli shape -n 39 -f 3`")
        self._check_input()
        if self.keep and self.padding is not None:
            raise ArgumentError("--keep computes the padding: leave -p out")
        if self.output_padding and not self.transposed:
            raise ArgumentError("--output-padding applies to transposed layers only: add --transposed")

    def _check_input(self) -> None:
        if self.inputs_for:
            if self.n is not None:
                raise ArgumentError("--inputs-for computes the input size: leave -n out, or use --want")
        elif self.n is None and not (self.keep and self.stride in (None, "1")):
            question = "--want" if self.want else "--keep with a stride" if self.keep else "the size of one layer"
            raise ArgumentError(f"{question} needs an input size: add -n, as in `cnncli shape -n 39 -f 3`")

    def sizes(self) -> Pair:
        """Return the (height, width) of the input; 1 where none is given."""
        return _pair(self.n or "1", "the input size")

    def axes(self) -> tuple[Axis, Axis]:
        """Return the layer along its height and its width."""
        padding = parse_padding((self.padding or "0").replace("x", ","))
        rows, columns = (padding, padding) if isinstance(padding, str) else _along(padding)
        heights, widths = zip(
            _pair(self.kernel_size, "the filter size"),
            _pair(self.stride or "1", "the stride"),
            _pair(self.dilation or "1", "the dilation"),
            _pair(self.output_padding or "0", "the output padding", 0),
            strict=True,
        )
        return self._axis(heights, rows), self._axis(widths, columns)

    def _axis(self, numbers: tuple[int, ...], padding: str | Pair) -> Axis:
        kernel, stride, dilation, output_padding = numbers
        return Axis(kernel, stride, padding, dilation, self.ceil, self.transposed, output_padding)

    def facts(self) -> dict[str, Any]:
        """Return the layer itself, for JSON."""
        height, width = self.axes()
        return {
            "kernel_size": [height.kernel_size, width.kernel_size],
            "stride": [height.stride, width.stride],
            "dilation": [height.dilation, width.dilation],
            "ceil_mode": self.ceil,
            "transposed": self.transposed,
            "output_padding": [height.output_padding, width.output_padding],
        }


def answer(layer: OneLayer, *, explain: bool, as_json: bool) -> str:
    """Answer the question that a layer's options ask.

    Args:
        layer: the options.
        explain: show the working.
        as_json: answer as one JSON object.

    Raises:
        ArgumentError: options that do not make a question, or values that cannot be used.
        CnncliError: the question has no answer.
    """
    layer.check()
    question = Want if layer.want else InputsFor if layer.inputs_for else Keep if layer.keep else Size
    reply: Question = question(layer)
    if as_json:
        return json_text(layer.facts() | reply.facts())
    return "\n".join(_stacked(layer, reply.working()) if explain else reply.lines())


class Question:
    """A question about one layer, and its answer as lines, as working and as facts."""

    def __init__(self, layer: OneLayer) -> None:
        self.layer = layer
        self.axes = layer.axes()
        self.sizes = layer.sizes()
        self.sides = BOTH if layer.square else SIDES
        self.solve()

    def solve(self) -> None:
        """Find the answer.

        Raises:
            ArgumentError: values that cannot be used.
            CnncliError: there is no answer.
        """
        raise NotImplementedError

    def lines(self) -> Iterable[str]:
        """Return the answer alone."""
        raise NotImplementedError

    def working(self) -> list[list[str]]:
        """Return the working along the height and along the width."""
        raise NotImplementedError

    def facts(self) -> dict[str, Any]:
        """Return the answer for JSON."""
        raise NotImplementedError

    def written(self, size: Sequence[int]) -> str:
        """Write a size as the question wrote its own."""
        return str(size[0]) if self.layer.square else f"{size[0]}x{size[1]}"


class Size(Question):
    """The output size."""

    def solve(self) -> None:
        self.outputs = [axis.output_size(n) for axis, n in zip(self.axes, self.sizes, strict=True)]

    def lines(self) -> Iterable[str]:
        return [self.written(self.outputs)]

    def working(self) -> list[list[str]]:
        return [working(*one) for one in zip(self.axes, self.sizes, self.sides, strict=True)]

    def facts(self) -> dict[str, Any]:
        along = list(zip(self.axes, self.sizes, strict=True))
        return {
            "input_size": list(self.sizes),
            "padding": [pixels for axis, n in along for pixels in axis.amounts(n)],
            "output_size": self.outputs,
            "dropped": [axis.dropped(n) for axis, n in along],
        }


class Want(Question):
    """The paddings and strides that give an output size."""

    def solve(self) -> None:
        layer = self.layer
        self.wanted = _pair(layer.want, "--want")
        self.found = [
            settings_for(want, n, axis, any_padding=layer.padding is None, any_stride=layer.stride is None)
            for want, n, axis in zip(self.wanted, self.sizes, self.axes, strict=True)
        ]
        if not all(self.found):
            given = [f"-f {layer.kernel_size}"]
            given += [f"{word} {value}" for word, value in (("-p", layer.padding), ("-s", layer.stride)) if value]
            raise CnncliError(
                f"no setting gives {layer.want} from {layer.n} with {' '.join(given)} and padding below the filter "
                f"size: {'leave -p or -s out' if len(given) > 1 else 'try another filter'}"
            )

    def lines(self) -> Iterable[str]:
        return _stacked(self.layer, [_setting_lines(settings) for settings in self.found])

    def working(self) -> list[list[str]]:
        blocks: list[list[str]] = []
        for settings, axis, n in zip(self.found, self.axes, self.sizes, strict=True):
            blocks.append([])
            for setting, line in zip(settings, _setting_lines(settings), strict=True):
                tried = axis._replace(padding=setting.padding, stride=setting.strides[0])
                blocks[-1] += [line, f"  {sum_in_a_line(tried, n)}"]
        return blocks

    def facts(self) -> dict[str, Any]:
        return {
            "input_size": list(self.sizes),
            "stride": None if self.layer.stride is None else [axis.stride for axis in self.axes],
            "want": list(self.wanted),
            "settings": {
                name: [_setting_facts(setting) for setting in settings]
                for name, settings in zip(NAMES, self.found, strict=True)
            },
        }


class InputsFor(Question):
    """The input sizes that give an output size."""

    def solve(self) -> None:
        self.wanted = _pair(self.layer.inputs_for, "--inputs-for")
        self.found = [inputs_for(want, axis) for want, axis in zip(self.wanted, self.axes, strict=True)]
        if not all(self.found):
            raise CnncliError(f"no input gives {self.layer.inputs_for} with these options: try another padding")

    def lines(self) -> Iterable[str]:
        heights, widths = self.found
        self._check_count(len(heights) if self.layer.square else len(heights) * len(widths))
        sizes = zip(heights, heights, strict=True) if self.layer.square else product(heights, widths)
        return map(self.written, sizes)

    def working(self) -> list[list[str]]:
        self._check_count(max(map(len, self.found)))
        return [[sum_in_a_line(axis, n) for n in found] for axis, found in zip(self.axes, self.found, strict=True)]

    def _check_count(self, count: int) -> None:
        if count > LISTED:
            asked = self.layer.inputs_for
            raise ArgumentError(f"{count} input sizes give {asked}: use --json for the smallest and the largest")

    def facts(self) -> dict[str, Any]:
        sizes = {name: {"min": found[0], "max": found[-1]} for name, found in zip(NAMES, self.found, strict=True)}
        return {"output_size": list(self.wanted), "input_size": sizes}


class Keep(Question):
    """The padding that keeps the size."""

    def solve(self) -> None:
        along = zip(self.axes, self.sizes, strict=True)
        self.padding = [pixels for axis, n in along for pixels in keeping_padding(axis, n)]

    def lines(self) -> Iterable[str]:
        return [_padding_word(self.padding)]

    def working(self) -> list[list[str]]:
        return [keeping_working(*one) for one in zip(self.axes, self.sizes, self.sides, strict=True)]

    def facts(self) -> dict[str, Any]:
        return {"padding": self.padding}


def _stacked(layer: OneLayer, blocks: list[list[str]]) -> list[str]:
    """Put the lines of both axes one below the other; those of a square layer are the same."""
    if layer.square:
        return blocks[0]
    return [
        line
        for name, lines in zip(NAMES, blocks, strict=True)
        for line in (f"{name}:", *(f"  {line}" for line in lines))
    ]


def _setting_lines(settings: list[Setting]) -> list[str]:
    """Write settings as options, ready to be used."""
    words = [f"-p {_padding_word(setting.padding)}" for setting in settings]
    width = max(map(len, words))
    uneven = ["  (uneven)" if setting.uneven else "" for setting in settings]
    return [
        f"{word:{width}} -s {_strides_word(setting)}{note}"
        for word, setting, note in zip(words, settings, uneven, strict=True)
    ]


def _strides_word(setting: Setting) -> str:
    first, last = setting.strides[0], setting.strides[-1]
    if setting.unbounded:
        return f"{first} or more"
    return f"{first}" if first == last else f"{first} to {last}"


def _setting_facts(setting: Setting) -> dict[str, Any]:
    return {
        "padding": setting.padding,
        "min_stride": setting.strides[0],
        "max_stride": None if setting.unbounded else setting.strides[-1],
    }


def _padding_word(padding: str | Sequence[int]) -> str:
    """Write padding, (before, after) or all four amounts, as shortly as the option takes it."""
    if isinstance(padding, str):
        return padding
    four = tuple(padding) * (4 // len(padding))
    if len(set(four)) == 1:
        return str(four[0])
    return f"{four[0]},{four[2]}" if four[::2] == four[1::2] else ",".join(map(str, four))


def _along(padding: int | tuple[int, ...]) -> tuple[Pair, Pair]:
    """Return one, two or four amounts as those along the height and along the width."""
    if max([padding] if isinstance(padding, int) else padding) > LARGEST:
        raise ArgumentError(f"padding must be at most {LARGEST:,}")
    match padding:
        case (top, bottom, left, right):
            return (top, bottom), (left, right)
        case (vertical, horizontal):
            return (vertical, vertical), (horizontal, horizontal)
        case int(amount):
            return (amount, amount), (amount, amount)
    raise ArgumentError(f"padding must be one, two or four amounts, got {padding!r}")


def _pair(text: str | None, name: str, smallest: int = 1) -> Pair:
    """Return `3`, or `3x5` or `3,5` (vertical and horizontal), as a pair."""
    text = text or ""
    numbers = parse_integers(text.lower().replace("x", ","))
    if len(numbers) not in (1, 2) or min(numbers) < smallest:
        form = f"a whole number from {smallest}, or two such as 3x5 (vertical x horizontal)"
        raise ArgumentError(f"{name} must be {form}, got {text[:60]!r}")
    if max(numbers) > LARGEST:
        raise ArgumentError(f"{name} must be at most {LARGEST:,}")
    return numbers[0], numbers[-1]
