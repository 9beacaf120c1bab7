"""Animations of a layer's arithmetic: where its window stands, without numbers."""

from collections.abc import Sequence

from cnncli.animations.frames import Animation, Frame, Kind, Plane, check_size
from cnncli.animations.sizes import formula_lines, places_of, settings
from cnncli.networks.arithmetic import Axis
from cnncli.shapes import Four, IntOrPair, Pair, Window, pair

Kinds = tuple[tuple[Kind, ...], ...]


def animate_shape(n: IntOrPair, axis: Axis | Sequence[Axis]) -> Animation:
    """Return the animation of one layer over an input of n pixels, as `cnncli animate shape` shows it.

    A transposed layer is shown as the convolution that it equals (section 4 of Dumoulin and Visin, arXiv:1603.07285):
    of stride 1, over the input with s - 1 zeros between its pixels and d(f - 1) - p around them.

    Args:
        n: input size in pixels, or (height, width).
        axis: the layer along both axes, or along the height and along the width.

    Raises:
        ArgumentError: values that cannot be used, or an input or output that is too large to watch.

    Example:
        >>> shown = animate_shape(5, Axis(3, stride=2, padding=(1, 1)))
        >>> shown.geometry.output_size, shown.formula[1]
        ((3, 3), 'floor((n + 2p - f)/s + 1) = floor((5 + 2*1 - 3)/2 + 1) = 3')
    """
    sizes = pair(n, "n")
    axes = (axis, axis) if isinstance(axis, Axis) else tuple(axis)
    window = _window(sizes, axes)
    return _transposed(window, axes) if axes[0].transposed else _plain(window, axes)


def _window(sizes: Pair, axes: Sequence[Axis]) -> Window:
    """Return the geometry of a layer, with the padding as the user counts it."""
    down, across = axes
    return Window(
        sizes,
        (down.kernel_size, across.kernel_size),
        (down.stride, across.stride),
        (*down.amounts(sizes[0]), *across.amounts(sizes[1])),
        (down.dilation, across.dilation),
        (down.output_size(sizes[0]), across.output_size(sizes[1])),
    )


def _plain(window: Window, axes: Sequence[Axis]) -> Animation:
    check_size(window)
    top, _, left, _ = window.padding
    below, beside = (window.reach[axis] - window.size[axis] - window.corner[axis] for axis in (0, 1))  # in ceil mode
    kinds = _surrounded(window, (1, 1), (top, max(window.padding[1], below), left, max(window.padding[3], beside)))
    padded = any(window.padding)
    return Animation(
        f"Convolution{settings(window)}",
        _legend(window, beyond=below > window.padding[1] or beside > window.padding[3]),
        "padded to" if padded else "",
        formula_lines(axes, window.size),
        window,
        (tuple((None,) * len(line) for line in kinds),),
        kinds,
        (),
        tuple(Frame(row, column, places_of(window, row, column)) for row, column in _positions(window)),
    )


def _legend(window: Window, *, beyond: bool) -> tuple[tuple[Kind, str], ...]:
    padded = any(window.padding)
    if beyond:
        return ((Kind.PADDING, f"{'padding, and ' if padded else ''}past the end, under a partial window"),)
    return ((Kind.PADDING, "padding"),) if padded else ()


def _transposed(window: Window, axes: Sequence[Axis]) -> Animation:
    around = _around(window, axes)
    stretched = Window.over(
        (_stretched(window, 0), _stretched(window, 1)),
        window.kernel_size,
        padding=[max(0, amount) for amount in around],
        dilation=window.dilation,
    )
    check_size(stretched)
    kinds = _surrounded(window, window.stride, stretched.padding)
    # Where the layer cuts off more than the window reaches, its first position lies within the input.
    skipped = max(0, -around[0]), max(0, -around[2])
    frames = tuple(
        Frame(row, column, places_of(stretched, row + skipped[0], column + skipped[1]))
        for row, column in _positions(window)
    )
    zeros: Plane = tuple(tuple(None if kind is Kind.INPUT else 0 for kind in line) for line in kinds)
    found = {kind for line in kinds for kind in line}
    more = " + op at the bottom and right" if any(axis.added for axis in axes) else ""
    words = [
        (Kind.INSERTED, "zeros between the pixels: s - 1"),
        (Kind.PADDING, f"zeros around them: d(f - 1) - p{more}"),
    ]
    legend = tuple((kind, text) for kind, text in words if kind in found)
    made = ["stretched"] * (Kind.INSERTED in found) + ["padded"] * (Kind.PADDING in found)
    return Animation(
        f"Transposed convolution{settings(window)}",
        legend,
        f"{' and '.join(made)} to" if made else "",
        formula_lines(axes, window.size),
        window,
        (zeros,),
        kinds,
        (),
        frames,
    )


def _around(window: Window, axes: Sequence[Axis]) -> Four:
    """Return the zeros around the stretched input of a transposed layer; below 0 where some of it is cut off."""
    (top, bottom, left, right), (height, width) = window.padding, window.span
    down, across = axes
    return (
        height - 1 - top,
        height - 1 - bottom + down.added,
        width - 1 - left,
        width - 1 - right + across.added,
    )


def _stretched(window: Window, axis: int) -> int:
    return (window.size[axis] - 1) * window.stride[axis] + 1


def _positions(window: Window) -> list[Pair]:
    height, width = window.output_size
    return [(row, column) for row in range(height) for column in range(width)]


def _surrounded(window: Window, step: Pair, padding: Four) -> Kinds:
    """Return the kinds of cells of an input whose pixels stand `step` apart, with padding around them."""
    rows, columns = (
        [Kind.PADDING] * before
        + [Kind.INSERTED if at % gap else Kind.INPUT for at in range((n - 1) * gap + 1)]
        + [Kind.PADDING] * after
        for n, gap, (before, after) in zip(window.size, step, (padding[:2], padding[2:]), strict=True)
    )
    return tuple(tuple(_either(row, column) for column in columns) for row in rows)


def _either(row: Kind, column: Kind) -> Kind:
    for kind in (Kind.PADDING, Kind.INSERTED):
        if kind in (row, column):
            return kind
    return Kind.INPUT
