"""From steps that files give to the summary that every network has."""

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import NamedTuple

from cnncli.errors import ArgumentError
from cnncli.networks.layers import Layer
from cnncli.networks.summarizing import union, window_warnings
from cnncli.networks.summary import Omission, ReceptiveField, Row, Summary, totals
from cnncli.shapes import Shape


class Step(NamedTuple):
    """One operation on the way from the input to the output.

    Attributes:
        name: what the file calls it.
        op: its kind; a layer's word where it is one.
        inputs: names of the activations that come in.
        outputs: names of the activations that go out.
        input_shape: of the first input, `(H, W, C)` or `(N,)`; None where it is not known.
        output_shapes: of the outputs.
        layer: the layer of ours that does the same, where there is one.
        params: trainable numbers that no earlier step has.
        repeated: those of them that an earlier step has too, where they are taken for others that are equal.
        buffers: numbers that are kept but not trained.
        macs: multiply-adds of a convolution or a fully connected layer.
        in_place: it can overwrite its first input.
        unknown: which of `params` and `macs` leave something out.
        runs: how often it is done; 0 where another branch is taken.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    input_shape: Shape | None
    output_shapes: tuple[Shape | None, ...]
    layer: Layer | None = None
    params: int = 0
    buffers: int = 0
    macs: int = 0
    in_place: bool = False
    unknown: tuple[str, ...] = ()
    runs: int = 1
    repeated: int = 0

    @property
    def activations(self) -> int:
        """The numbers that go out, as far as they are known."""
        return self.runs * sum(prod(shape) for shape in self.output_shapes if shape is not None)


def summarize(
    name: str,
    title: str,
    start: tuple[str, Shape | None],
    steps: Sequence[Step],
    outputs: Iterable[str],
    notes: Iterable[str],
    omissions: Iterable[Omission] = (),
) -> Summary:
    """Return the summary of steps that begin with an input, a name and its shape."""
    rows = tuple(_rows(start, steps))
    known = start[1] is not None and all(shape is not None for step in steps for shape in step.output_shapes)
    size = prod(start[1] or ())
    peak = _peak(start[0], size, steps, set(outputs)) if known else None
    # The backward pass of a normalization needs what comes in and what goes out.
    kept = size + sum(step.activations for step in steps if not step.in_place or (step.layer and step.layer.measures))
    return Summary(
        name, title, start[1], rows, totals(rows), peak, kept if known else None, tuple(notes), tuple(omissions)
    )


def _rows(start: tuple[str, Shape | None], steps: Sequence[Step]) -> Iterator[Row]:
    picture = start[1] is not None and len(start[1]) == 3
    fields: dict[str, ReceptiveField | None] = {start[0]: ReceptiveField() if picture else None}
    for step in steps:
        row = _row(step, union([fields.get(name) for name in step.inputs]) if step.inputs else None)
        fields |= dict.fromkeys(step.outputs, row.receptive_field)
        yield row


def _row(step: Step, before: ReceptiveField | None) -> Row:
    row = Row(
        step.name,
        str(step.layer) if step.layer is not None else step.op,
        step.op,
        input_shape=step.input_shape,
        output_shape=step.output_shapes[0] if step.output_shapes else None,
        activations=step.activations,
        params=step.params,
        buffers=step.buffers,
        macs=step.runs * step.macs,
        receptive_field=None if _moves(step) else before,
        unknown=(*step.unknown, *(("activations",) if None in step.output_shapes else ())),
    )
    if step.layer is None or step.input_shape is None:
        return row
    try:
        return row._replace(
            connections=step.layer.connections(step.input_shape),
            receptive_field=before and step.layer.receptive_field(before, step.input_shape),
            filter=step.layer.filter_shape(step.input_shape),
            warnings=tuple(window_warnings(step.layer.window(step.input_shape))),
        )
    except ArgumentError:  # what the file's own format allows, such as a window that sees padding alone
        return row


def _moves(step: Step) -> bool:
    """Whether positions of the output are other positions of the input, in a way that is not followed."""
    after = step.output_shapes[0] if step.output_shapes else None
    if step.input_shape is None or after is None:
        return True
    return len(step.input_shape) == 3 and after[:2] != step.input_shape[:2]


def _peak(start: str, size: int, steps: Sequence[Step], outputs: set[str]) -> int:
    """Return the most numbers that must be there at one time: what a step reads and writes, and what waits."""
    last = {name: index for index, step in enumerate(steps) for name in step.inputs}
    alive, total, peak = {start: size}, size, size
    for index, step in enumerate(steps):
        done = {name for name in step.inputs if last[name] == index and name not in outputs}
        taken = alive.get(step.inputs[0], 0) if step.inputs and step.in_place and step.inputs[0] in done else 0
        total += step.activations
        peak = max(peak, total - taken)
        for name, shape in zip(step.outputs, step.output_shapes, strict=False):
            alive[name] = prod(shape or ())
            if name not in last and name not in outputs:
                done.add(name)
        total -= sum(alive.pop(name, 0) for name in done)
    return peak
