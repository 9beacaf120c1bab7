"""Animations of a filter: the window of each position, its products and their sum."""

from typing import Unpack

import numpy as np
import numpy.typing as npt

from cnncli.animations.frames import Animation, Frame, Kernel, Kind, Plane, check_size
from cnncli.animations.sizes import places_of, settings, size_formula
from cnncli.arrays import Array
from cnncli.errors import ArgumentError
from cnncli.filters.chains import KERNEL, Chain
from cnncli.filters.edges import FilterOptions, as_rows
from cnncli.filters.explaining.explanation import Explanation, explain_response
from cnncli.filters.operators.filtering import Filtering
from cnncli.filters.operators.linear import LinearResponse
from cnncli.ops.borders import OUTSIDE, Rows, border_index, take_rows
from cnncli.shapes import Window


def animate_filter(
    image: npt.ArrayLike,
    filter: str | npt.ArrayLike,  # noqa: A002
    *,
    direction: str | None = None,
    **filtering: Unpack[FilterOptions],
) -> Animation:
    """Return the animation of a small image under a filter, as `cnncli animate edge` shows it.

    Args:
        image: (H, W) or (H, W, C), at most `LARGEST_SIDE` rows and columns with the padding.
        filter: a word with a kernel, such as `sobel`, or a kernel (f_h, f_w) or (f_h, f_w, C).
        direction: as in `filter_image`.
        **filtering: as in `filter_image`; color `gray`, or `volume` to see each channel.

    Returns:
        An animation; `save_animation` writes it.

    Raises:
        ArgumentError: as `filter_image`; or the image or the output is too large, or the filter has no kernel.

    Example:
        >>> shown = animate_filter([[10, 10, 0, 0]] * 3, "vertical", padding="valid")
        >>> [(frame.column, frame.sums, frame.value) for frame in shown.frames]
        [(0, (30,), 30), (1, (30,), 30)]
    """
    return animate_chain(image, Chain.of(filter, direction), Filtering(**filtering), direction)


def animate_chain(image: npt.ArrayLike, chain: Chain, options: Filtering, direction: str | None = None) -> Animation:
    """Return the animation of a filter that is made ready; `direction` is its name, which the chain has no more."""
    if len(chain.steps) > 1:
        raise ArgumentError(f"an animation shows one filter, got {chain.words!r}: apply the words before it first")
    if options.color == "each":
        raise ArgumentError("an animation shows one output: use color gray, or volume to sum over the channels")
    options = options.replace(color=options.color or ("volume" if chain.color == "volume" else "gray"))
    response = chain.over(as_rows(image), options)
    if not isinstance(response, LinearResponse):
        raise ArgumentError(f"{chain.words} has no kernel to show: choose a filter with one, or pool")
    return animate_response(response, title=_title(chain, options, response.window, direction))


def animate_response(response: LinearResponse, *, title: str) -> Animation:
    """Return the animation of a response whose numbers are kernels over windows."""
    window = response.window
    check_size(window, response.channels)
    height, width = window.output_size
    explained = [explain_response(response, column, row) for row in range(height) for column in range(width)]
    kernels = tuple(
        Kernel(term.name.strip(), number % response.channels, _plane(term.kernel), term.turned)
        for number, term in enumerate(explained[0].terms)
    )
    planes, kinds = padded_planes(response.source, window, response.filtering.border)
    frames = tuple(_frame(one, window) for one in explained)
    padded = any(window.padding)
    legend = ((Kind.PADDING, f"padding: {response.filtering.border}"),) if padded else ()
    return Animation(
        title, legend, "padded to" if padded else "", size_formula(window), window, planes, kinds, kernels, frames
    )


def padded_planes(
    source: Rows, window: Window, padding_mode: str | None
) -> tuple[tuple[Plane, ...], tuple[tuple[Kind, ...], ...]]:
    """Return the numbers of each channel with the padding, and what each cell is.

    Args:
        source: what lies under the window.
        window: its geometry.
        padding_mode: as in `conv2d`; None where cells outside the image have no number, as in pooling.
    """
    (top, bottom, left, right), (down, across) = window.padding, window.reach
    mode = padding_mode or "zeros"
    rows = border_index(window.size[0], top, bottom, mode, down)
    columns = border_index(window.size[1], left, right, mode, across)
    pixels = take_rows(source, rows)
    pixels = pixels.reshape(*pixels.shape[:2], -1)[:, np.maximum(columns, 0)]
    pixels[:, columns == OUTSIDE] = 0
    inside = np.zeros(pixels.shape[:2], bool)
    inside[top : top + window.size[0], left : left + window.size[1]] = True
    kinds = tuple(tuple(Kind.INPUT if cell else Kind.PADDING for cell in line) for line in inside.tolist())
    numbers = pixels.astype(object)
    if padding_mode is None:
        numbers[~inside] = None
    return tuple(_plane(numbers[..., channel]) for channel in range(pixels.shape[2])), kinds


def _frame(explained: Explanation, window: Window) -> Frame:
    row, column = explained.row, explained.column
    return Frame(
        row,
        column,
        places_of(window, row, column),
        tuple(tuple(term.products.ravel().tolist()) for term in explained.terms),
        tuple(term.sum for term in explained.terms),
        explained.steps,
        explained.values[0],
    )


def _plane(numbers: Array) -> Plane:
    return tuple(map(tuple, numbers.tolist()))


def _title(chain: Chain, options: Filtering, window: Window, direction: str | None) -> str:
    height, width = window.kernel_size
    word = f"{height}x{width} kernel" if chain.words == KERNEL else chain.words
    words = [word, *([direction] if direction else []), *(["turned"] if options.flip else [])]
    return f"{', '.join(words)}{settings(window, options.border)}"
