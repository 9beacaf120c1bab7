"""One layer's arithmetic on the command line: its words, its answers and their working."""

from collections.abc import Callable, Iterable, Iterator, Sequence
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

    def axes(self) -> tuple[Axis, Axis]:
        """Return the layer along its height and its width."""
        rows, columns = _along(parse_padding((self.padding or "0").replace("x", ",")))
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


class Question:
    """A question about one layer: its options, and their values along the height and the width."""

    def __init__(self, layer: OneLayer) -> None:
        layer.check()
        self.layer = layer
        height, width = self.axes = layer.axes()
        self.sizes = _pair(layer.n or "1", "the input size")
        self.along = list(zip(self.axes, self.sizes, strict=True))
        sizes = layer.n, layer.want, layer.inputs_for
        self.square = height == width and not any("x" in (text or "") for text in sizes)  # one answer for both

    def written(self, size: Sequence[int]) -> str:
        """Write a size as the question wrote its own."""
        return str(size[0]) if self.square else f"{size[0]}x{size[1]}"

    def each_side(self, work: Callable[[Axis, int, tuple[str, str]], list[str]]) -> list[list[str]]:
        """Return the working along each axis, with the names of its sides."""
        sides = BOTH if self.square else SIDES
        return [work(axis, n, names) for (axis, n), names in zip(self.along, sides, strict=True)]

    def stacked(self, blocks: list[list[str]]) -> list[str]:
        """Put the lines of both axes one below the other; those of a square layer are the same."""
        if self.square:
            return blocks[0]
        return [
            line
            for name, lines in zip(NAMES, blocks, strict=True)
            for line in (f"{name}:", *(f"  {line}" for line in lines))
        ]

    def facts(self) -> dict[str, Any]:
        """Return the layer itself, for JSON."""
        height, width = self.axes
        return {
            "kernel_size": [height.kernel_size, width.kernel_size],
            "stride": [height.stride, width.stride],
            "dilation": [height.dilation, width.dilation],
            "ceil_mode": height.ceil_mode,
            "transposed": height.transposed,
            "output_padding": [height.output_padding, width.output_padding],
        }


class Answer(NamedTuple):
    """An answer in each of its forms: lines, the working along the height and along the width, facts for JSON."""

    lines: Callable[[], Iterable[str]]
    working: Callable[[], list[list[str]]]
    facts: Callable[[], dict[str, Any]]


def answer(layer: OneLayer, *, explain: bool, as_json: bool) -> str:
    """Answer the question that a layer's options ask: alone, with the working, or as one JSON object.

    Raises:
        ArgumentError: options that do not make a question, or values that cannot be used.
        CnncliError: the question has no answer.
    """
    question = Question(layer)
    find = _settings if layer.want else _inputs if layer.inputs_for else _keeping if layer.keep else _size
    found = find(question)
    if as_json:
        return json_text(question.facts() | found.facts())
    return "\n".join(question.stacked(found.working()) if explain else found.lines())


def _size(asked: Question) -> Answer:
    """Return the output size."""
    outputs = [axis.output_size(n) for axis, n in asked.along]
    return Answer(
        lambda: [asked.written(outputs)],
        lambda: asked.each_side(working),
        lambda: {
            "input_size": asked.sizes,
            "padding": [pixels for axis, n in asked.along for pixels in axis.amounts(n)],
            "output_size": outputs,
            "dropped": [axis.dropped(n) for axis, n in asked.along],
        },
    )


def _settings(asked: Question) -> Answer:
    """Return the paddings and strides that give an output size."""
    layer, wanted = asked.layer, _pair(asked.layer.want, "--want")
    found = [
        settings_for(want, n, axis, any_padding=layer.padding is None, any_stride=layer.stride is None)
        for want, (axis, n) in zip(wanted, asked.along, strict=True)
    ]
    if not all(found):
        given = [f"-f {layer.kernel_size}"]
        given += [f"{word} {value}" for word, value in (("-p", layer.padding), ("-s", layer.stride)) if value]
        raise CnncliError(
            f"no setting gives {layer.want} from {layer.n} with {' '.join(given)} and padding below the filter "
            f"size: {'leave -p or -s out' if len(given) > 1 else 'try another filter'}"
        )

    def explained(settings: list[Setting], axis: Axis, n: int) -> Iterator[str]:
        for setting, line in zip(settings, _setting_lines(settings), strict=True):
            yield line
            yield f"  {sum_in_a_line(axis._replace(padding=setting.padding, stride=setting.strides[0]), n)}"

    return Answer(
        lambda: asked.stacked([_setting_lines(settings) for settings in found]),
        lambda: [[*explained(settings, *one)] for settings, one in zip(found, asked.along, strict=True)],
        lambda: {
            "input_size": asked.sizes,
            "stride": None if layer.stride is None else [axis.stride for axis in asked.axes],
            "want": wanted,
            "settings": {
                name: [_setting_facts(setting) for setting in settings]
                for name, settings in zip(NAMES, found, strict=True)
            },
        },
    )


def _inputs(asked: Question) -> Answer:
    """Return the input sizes that give an output size."""
    words = asked.layer.inputs_for
    wanted = _pair(words, "--inputs-for")
    heights, widths = found = [inputs_for(want, axis) for want, axis in zip(wanted, asked.axes, strict=True)]
    if not all(found):
        raise CnncliError(f"no input gives {words} with these options: try another padding")

    def check_count(count: int) -> None:
        if count > LISTED:
            raise ArgumentError(f"{count} input sizes give {words}: use --json for the smallest and the largest")

    def lines() -> Iterable[str]:
        check_count(len(heights) if asked.square else len(heights) * len(widths))
        return map(asked.written, zip(heights, heights, strict=True) if asked.square else product(heights, widths))

    def sums() -> list[list[str]]:
        check_count(max(map(len, found)))
        return [[sum_in_a_line(axis, n) for n in sizes] for axis, sizes in zip(asked.axes, found, strict=True)]

    ends = {name: {"min": sizes[0], "max": sizes[-1]} for name, sizes in zip(NAMES, found, strict=True)}
    return Answer(lines, sums, lambda: {"output_size": wanted, "input_size": ends})


def _keeping(asked: Question) -> Answer:
    """Return the padding that keeps the size."""
    padding = [pixels for axis, n in asked.along for pixels in keeping_padding(axis, n)]
    return Answer(
        lambda: [_padding_word(padding)], lambda: asked.each_side(keeping_working), lambda: {"padding": padding}
    )


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


def _along(padding: str | int | tuple[int, ...]) -> tuple[str | Pair, str | Pair]:
    """Return one, two or four amounts, or a word, as padding along the height and along the width."""
    if isinstance(padding, str):
        return padding, padding
    amounts = (padding,) if isinstance(padding, int) else padding
    if max(amounts) > LARGEST:
        raise ArgumentError(f"padding must be at most {LARGEST:,}")
    top, bottom, left, right = amounts if len(amounts) == 4 else (amounts[0], amounts[0], amounts[-1], amounts[-1])
    return (top, bottom), (left, right)


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
