"""The summary of a network, row by row: records that tables, JSON and model files share."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from cnncli.shapes import Four, Pair, Shape, Window, show_shape

IDENTITY = "identity"
"""The word of a branch without layers."""

BYTES = 4
"""The bytes of a number: float32."""


class ReceptiveField(NamedTuple):
    """The part of the input that one position of an output sees, in pixels of the input.

    Attributes:
        size: (height, width); larger than the input where it reaches into the padding.
        stride: (vertical, horizontal) pixels between the fields of neighbouring positions.
        offset: (vertical, horizontal) centre of the first position's field; the first pixel's centre is 0.0.

    The recurrences are those of Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks",
    Distill, 2019.

    Example:
        >>> ReceptiveField().through(Window.over((6, 6), 3)).through(Window.over((4, 4), 2, stride=2))
        ReceptiveField(size=(4, 4), stride=(2, 2), offset=(1.5, 1.5))
    """

    size: Pair = (1, 1)
    stride: Pair = (1, 1)
    offset: tuple[float, float] = (0.0, 0.0)

    def through(self, window: Window) -> "ReceptiveField":
        """Return the field of the positions of a window that slides over positions with this field."""
        (size, stride, offset), span = self, window.span
        before = window.padding[0], window.padding[2]
        return ReceptiveField(
            (size[0] + (span[0] - 1) * stride[0], size[1] + (span[1] - 1) * stride[1]),
            (stride[0] * window.stride[0], stride[1] * window.stride[1]),
            (
                offset[0] + ((span[0] - 1) / 2 - before[0]) * stride[0],
                offset[1] + ((span[1] - 1) / 2 - before[1]) * stride[1],
            ),
        )


class FilterShape(NamedTuple):
    """The filters of a layer, in a course's letters: f, p, s, d, groups and n_c.

    Attributes:
        kernel_size: f, (height, width).
        padding: p, (top, bottom, left, right) pixels.
        stride: s, (vertical, horizontal).
        dilation: d, (vertical, horizontal).
        groups: independent groups of channels.
        filters: n_c, the channels that come out.
        weight: shape of the weights, (f_h, f_w, C_in / groups, n_c) for a convolution; None for a pooling layer.
        bias: number of biases.
    """

    kernel_size: Pair
    padding: Four
    stride: Pair
    dilation: Pair
    groups: int
    filters: int
    weight: Shape | None
    bias: int


class Row(NamedTuple):
    """One layer of a network, with what its word adds to it; or a block, whose numbers are the sums of its inner rows.

    Attributes:
        name: place in the network: `0.conv`, `4.res`, `4.res.main.0.conv`.
        spec: the word of the notation, `conv3-64,same,relu`; of a block its name alone, `res` or `cat`.
        op: the kind of layer: `conv`; `identity` for a branch without layers.
        depth: 0 at the top, one more within each block; a block's row comes before its inner rows.
        branch: the branch of a block that begins with this row, `main`, `shortcut` or `branch 1`; else empty.
        input_shape: input shape, `(H, W, C)` or `(N,)`; None if a file does not say.
        output_shape: output shape.
        activations: numbers that go out.
        params: trainable numbers.
        buffers: numbers that are kept but not trained, such as batch norm's running statistics.
        macs: multiply-adds of convolutions and fully connected layers.
        connections: inputs and biases that each output sees, summed (as LeCun et al. 1998 count them).
        receptive_field: None where it is not known.
        filter: the filters, of a layer that has them.
        warnings: warnings, such as of dropped pixels or uneven padding.
        unknown: names of the numbers that are incomplete because of the file, and so lower bounds.
    """

    name: str
    spec: str
    op: str
    depth: int = 0
    branch: str = ""
    input_shape: Shape | None = None
    output_shape: Shape | None = None
    activations: int = 0
    params: int = 0
    buffers: int = 0
    macs: int = 0
    connections: int = 0
    receptive_field: ReceptiveField | None = None
    filter: FilterShape | None = None
    warnings: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class Totals(NamedTuple):
    """Sums over the rows of depth 0."""

    params: int = 0
    buffers: int = 0
    macs: int = 0
    activations: int = 0
    connections: int = 0


class Memory(NamedTuple):
    """Bytes in float32; None where something is not known.

    Attributes:
        weights: parameters and buffers.
        inference: the weights, and the most activations that are alive at any one moment.
        training: the weights, the gradient and the momentum of each parameter, and the activations that the backward
            pass needs.
    """

    weights: int | None
    inference: int | None
    training: int | None


class Omission(NamedTuple):
    """Something that totals leave out.

    Attributes:
        totals: the names of these totals: "params", "macs", "activations".
        text: the part left out, and why.
    """

    totals: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{' and '.join(self.totals)} {self.text}"


class Summary(NamedTuple):
    """A network, row by row, and its totals.

    Attributes:
        name: its name in the zoo or its file's; empty for a text.
        title: its name in full.
        input_shape: input shape; None if a file does not say.
        rows: one row a layer, blocks before their inner rows.
        totals: sums over the rows of depth 0.
        peak: the most numbers of activations alive at one moment of a forward pass over one example.
        kept: the numbers of activations that a backward pass over one example needs.
        notes: notes for readers on the origin of the numbers.
        omissions: the parts left out of totals, and why.
    """

    name: str
    title: str
    input_shape: Shape | None
    rows: tuple[Row, ...]
    totals: Totals
    peak: int | None = None
    kept: int | None = None
    notes: tuple[str, ...] = ()
    omissions: tuple[Omission, ...] = ()

    @property
    def output_shape(self) -> Shape | None:
        """Shape of the last layer's output, the input's if there are no layers; None if a file does not say."""
        outer = [row for row in self.rows if row.depth == 0]
        return outer[-1].output_shape if outer else self.input_shape

    @property
    def unknown(self) -> frozenset[str]:
        """The names of the totals that are incomplete, and so lower bounds."""
        return frozenset(name for row in self.rows for name in row.unknown)

    def memory(self, batch_size: int = 1) -> Memory:
        """Return the memory that a batch takes, in bytes of float32.

        Counted: the weights (parameters and buffers); in inference the largest set of activations that must be alive
        together, the inputs of residual and concatenated branches among them for as long as they are needed, with
        batch norm, activations and dropout computed in place; in training the input and what each layer puts out
        (a convolution's and its batch norm's both; an activation or dropout in place), the weights, and a gradient and
        a momentum for each parameter. Not counted: workspaces, and the gradients of activations.
        """
        if self.unknown & {"params", "buffers"}:
            return Memory(None, None, None)
        weights = self.totals.params + self.totals.buffers
        inference = None if self.peak is None else (weights + batch_size * self.peak) * BYTES
        trained = weights + 2 * self.totals.params
        training = None if self.kept is None else (trained + batch_size * self.kept) * BYTES
        return Memory(weights * BYTES, inference, training)

    def _repr_html_(self) -> str:
        from cnncli.files.html import html_table

        # HTML would drop other spaces before the name of a layer in a block.
        cells: list[tuple[object, ...]] = [
            ("\u2003" * row.depth + row.name, row.spec, _shown(row.output_shape), row.params, row.macs)
            for row in self.rows
        ]
        cells.append(("total", "", "", self.totals.params, self.totals.macs))
        caption = f"{self.title or self.name or 'network'}, input {_shown(self.input_shape)}"
        return html_table(caption, ("layer", "word", "output", "params", "macs"), cells)


def _shown(shape: Shape | None) -> str:
    return "?" if shape is None else show_shape(shape)


def are_layers(rows: Sequence[Row]) -> list[bool]:
    """Return for each row whether it is a layer; a block's row, whose numbers are only sums, has deeper rows after it.

    Example:
        >>> rows = Row("0.res", "res", "res"), Row("0.res.main.0.bn", "bn", "bn", depth=1), Row("1.fc", "fc-2", "fc")
        >>> are_layers(rows)
        [False, True, True]
    """
    depths = [*(row.depth for row in rows), 0]
    return [after <= depth for depth, after in itertools.pairwise(depths)]


def totals(rows: Sequence[Row], depth: int = 0) -> Totals:
    """Return the sums over the rows of one depth.

    Example:
        >>> totals((Row("0.fc", "fc-2", "fc", params=8), Row("1.relu", "relu", "relu")))
        Totals(params=8, buffers=0, macs=0, activations=0, connections=0)
    """
    top = [row for row in rows if row.depth == depth]
    return Totals(*(sum(getattr(row, name) for row in top) for name in Totals._fields))
