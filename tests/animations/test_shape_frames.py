import itertools

import numpy as np
import pytest

from cnncli import ArgumentError, Axis, conv2d, filter_image
from cnncli.animations.filtering import animate_filter
from cnncli.animations.frames import Kind
from cnncli.animations.shapes import animate_shape

EXAMPLES = {
    "no padding, no strides": (4, Axis(3), 2),
    "arbitrary padding, no strides": (5, Axis(4, padding=(2, 2)), 6),
    "half padding, no strides": (5, Axis(3, padding=(1, 1)), 5),
    "full padding, no strides": (5, Axis(3, padding=(2, 2)), 7),
    "no padding, strides": (5, Axis(3, stride=2), 2),
    "padding, strides": (5, Axis(3, stride=2, padding=(1, 1)), 3),
    "padding, strides (odd)": (6, Axis(3, stride=2, padding=(1, 1)), 3),
    "no padding, no stride, dilation": (7, Axis(3, dilation=2), 3),
}
"""The convolutions that Dumoulin and Visin animate (arXiv:1603.07285): input size, layer, output size."""

TRANSPOSED = {
    "no padding, no strides": (2, Axis(3, transposed=True), 4),
    "arbitrary padding, no strides": (6, Axis(4, padding=(2, 2), transposed=True), 5),
    "half padding, no strides": (5, Axis(3, padding=(1, 1), transposed=True), 5),
    "full padding, no strides": (7, Axis(3, padding=(2, 2), transposed=True), 5),
    "no padding, strides": (2, Axis(3, stride=2, transposed=True), 5),
    "padding, strides": (3, Axis(3, stride=2, padding=(1, 1), transposed=True), 5),
    "padding, strides (odd)": (3, Axis(3, stride=2, padding=(1, 1), output_padding=1, transposed=True), 6),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_dumoulin_and_visin(name):
    n, axis, size = EXAMPLES[name]
    shown = animate_shape(n, axis)
    assert shown.geometry.output_size == (size, size)
    assert shown.formula[-1].endswith(f" = {size}")
    assert (shown.frames[-1].row, shown.frames[-1].column) == (size - 1, size - 1)
    assert {frame.value for frame in shown.frames} == {None}
    options = {"stride": axis.stride, "padding": axis.padding[0], "dilation": axis.dilation}
    image = np.arange(n * n).reshape(n, n)
    kernel = np.arange(axis.kernel_size**2).reshape(axis.kernel_size, -1) - 4
    numbers = animate_filter(image, kernel, padding_mode="zeros", **options)
    assert np.array_equal(numbers.output, filter_image(image, kernel, padding_mode="zeros", **options))
    assert np.array_equal(numbers.output, conv2d(image, kernel, **options))
    assert [frame.places for frame in numbers.frames] == [frame.places for frame in shown.frames]
    assert numbers.kinds == shown.kinds
    assert numbers.formula == shown.formula


@pytest.mark.parametrize("name", TRANSPOSED)
def test_the_transposed_examples_of_dumoulin_and_visin(name):
    n, axis, size = TRANSPOSED[name]
    shown = check_transposed((n, n), (axis, axis))
    assert shown.geometry.output_size == (size, size)
    kinds = [kind for row in shown.kinds for kind in row]
    assert kinds.count(Kind.INPUT) == n * n
    assert (Kind.INSERTED in kinds) == (axis.stride > 1)


def test_the_odd_transposed_example_has_its_second_line_of_zeros_at_the_bottom_and_right():
    n, axis, _ = TRANSPOSED["padding, strides (odd)"]
    kinds = animate_shape(n, axis).kinds
    ends = [[row[at] is Kind.PADDING for at in (0, 1, -2, -1)] for row in (kinds[3], [*zip(*kinds, strict=True)][3])]
    assert ends == [[True, False, True, True]] * 2


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "output_padding"),
    [
        options
        for options in itertools.product([1, 2, 3], [(0, 0), (1, 2), (3, 2)], [1, 2], [0, 1])
        if options[3] < max(options[0], options[2])
    ],
)
def test_transposed_layers_are_the_convolutions_that_are_shown(stride, padding, dilation, output_padding):
    axis = Axis(3, stride, padding, dilation, transposed=True, output_padding=output_padding)
    check_transposed((4, 5), (axis, axis._replace(kernel_size=2, padding=(0, 1))))


def check_transposed(sizes, axes):
    """Check that the windows, over the cells shown, give what PyTorch's transposed convolution gives."""
    torch = pytest.importorskip("torch")
    shown = animate_shape(sizes, axes)
    image = np.random.default_rng(1).integers(-9, 10, sizes).astype(float)
    kernel = np.random.default_rng(2).integers(-9, 10, [axis.kernel_size for axis in axes]).astype(float)
    cells, pixels = np.zeros((len(shown.kinds), len(shown.kinds[0]))), iter(image.ravel())
    for place in np.ndindex(cells.shape):
        if shown.kinds[place[0]][place[1]] is Kind.INPUT:
            cells[place] = next(pixels)
    got = [
        sum(cells[place] * w for place, w in zip(f.places, kernel[::-1, ::-1].ravel(), strict=True))
        for f in shown.frames
    ]
    # PyTorch pads both sides alike: without padding, and cut afterwards.
    whole = torch.nn.functional.conv_transpose2d(
        torch.tensor(image)[None, None],
        torch.tensor(kernel)[None, None],
        stride=tuple(axis.stride for axis in axes),
        dilation=tuple(axis.dilation for axis in axes),
    )[0, 0].numpy()
    whole = np.pad(whole, [(0, axis.output_padding) for axis in axes])
    cut = tuple(
        slice(axis.padding[0], length - axis.padding[1]) for axis, length in zip(axes, whole.shape, strict=True)
    )
    assert np.array_equal(np.reshape(got, shown.geometry.output_size), whole[cut])
    return shown


def test_partial_windows_are_shown_over_cells_past_the_end():
    shown = animate_shape((6, 7), Axis(2, stride=2, ceil_mode=True))
    assert shown.geometry.output_size == (3, 4)
    assert (len(shown.kinds), len(shown.kinds[0])) == (6, 8)
    assert [row[-1] for row in shown.kinds] == [Kind.PADDING] * 6
    assert "past the end" in shown.legend[0][1]


@pytest.mark.parametrize("axis", [Axis(3), Axis(3, transposed=True)])
def test_large_inputs_are_refused_before_any_work(axis):
    with pytest.raises(ArgumentError, match="too large to watch"):
        animate_shape(10**9, axis)
