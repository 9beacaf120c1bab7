"""The stages of a model file, and the summary that is made of them."""

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import NamedTuple

from cnncli.errors import ArgumentError
from cnncli.networks.layers import Layer
from cnncli.networks.summarizing import union, window_warnings
from cnncli.networks.summary import Omission, ReceptiveField, Row, Summary, totals
from cnncli.shapes import Shape


class Stage(NamedTuple):
    """One operation of a model file, on the way from the input to the output.

    Attributes:
        name: name in the file.
        op: its kind; a layer's word where it is one.
        inputs: names of the activations that come in.
        outputs: names of the activations that go out.
        input_shape: shape of the first input, `(H, W, C)` or `(N,)`; None if it is not known.
        output_shapes: shapes of the outputs.
        layer: the layer of ours that does the same, where there is one.
        params: trainable numbers that no earlier stage has.
        repeated: those of them that an earlier stage has too, where they are taken for others that are equal.
        buffers: numbers that are kept but not trained.
        macs: multiply-adds of a convolution or a fully connected layer.
        in_place: it can overwrite its first input.
        unknown: which of `params` and `macs` leave something out.
        runs: number of runs; 0 if another branch is taken.
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
    stages: Sequence[Stage],
    outputs: Iterable[str],
    notes: Iterable[str],
    omissions: Iterable[Omission] = (),
) -> Summary:
    """Return the summary of stages that begin with an input, a name and its shape."""
    rows = tuple(_rows(start, stages))
    known = start[1] is not None and all(shape is not None for stage in stages for shape in stage.output_shapes)
    size = prod(start[1] or ())
    peak = _peak(start[0], size, stages, set(outputs)) if known else None
    # The backward pass of a normalization needs its input and its output.
    kept = size + sum(
        stage.activations for stage in stages if not stage.in_place or (stage.layer and stage.layer.measures)
    )
    return Summary(
        name, title, start[1], rows, totals(rows), peak, kept if known else None, tuple(notes), tuple(omissions)
    )


def _rows(start: tuple[str, Shape | None], stages: Sequence[Stage]) -> Iterator[Row]:
    picture = start[1] is not None and len(start[1]) == 3
    fields: dict[str, ReceptiveField | None] = {start[0]: ReceptiveField() if picture else None}
    for stage in stages:
        row = _row(stage, union([fields.get(name) for name in stage.inputs]) if stage.inputs else None)
        fields |= dict.fromkeys(stage.outputs, row.receptive_field)
        yield row


def _row(stage: Stage, before: ReceptiveField | None) -> Row:
    row = Row(
        stage.name,
        str(stage.layer) if stage.layer is not None else stage.op,
        stage.op,
        input_shape=stage.input_shape,
        output_shape=stage.output_shapes[0] if stage.output_shapes else None,
        activations=stage.activations,
        params=stage.params,
        buffers=stage.buffers,
        macs=stage.runs * stage.macs,
        receptive_field=None if _moves(stage) else before,
        unknown=(*stage.unknown, *(("activations",) if None in stage.output_shapes else ())),
    )
    if stage.layer is None or stage.input_shape is None:
        return row
    try:
        return row._replace(
            connections=stage.layer.connections(stage.input_shape),
            receptive_field=before and stage.layer.receptive_field(before, stage.input_shape),
            filter=stage.layer.filter_shape(stage.input_shape),
            warnings=tuple(window_warnings(stage.layer.window(stage.input_shape))),
        )
    except ArgumentError:  # what the file's own format allows, such as a window that sees padding alone
        return row


def _moves(stage: Stage) -> bool:
    """Return whether positions of the output are other positions of the input, in a way that is not followed."""
    after = stage.output_shapes[0] if stage.output_shapes else None
    if stage.input_shape is None or after is None:
        return True
    return len(stage.input_shape) == 3 and after[:2] != stage.input_shape[:2]


def _peak(start: str, size: int, stages: Sequence[Stage], outputs: set[str]) -> int:
    """Return the most numbers in memory at a time: inputs and outputs of a stage, and those needed later."""
    last = {name: index for index, stage in enumerate(stages) for name in stage.inputs}
    alive, total, peak = {start: size}, size, size
    for index, stage in enumerate(stages):
        done = {name for name in stage.inputs if last[name] == index and name not in outputs}
        taken = alive.get(stage.inputs[0], 0) if stage.inputs and stage.in_place and stage.inputs[0] in done else 0
        total += stage.activations
        peak = max(peak, total - taken)
        for name, shape in zip(stage.outputs, stage.output_shapes, strict=False):
            alive[name] = prod(shape or ())
            if name not in last and name not in outputs:
                done.add(name)
        total -= sum(alive.pop(name, 0) for name in done)
    return peak
