"""The batched convolution against PyTorch, against finite arithmetic, and against itself."""

import numpy as np
import pytest

from cnncli.errors import ArgumentError
from cnncli.ops.batches.convolution_gradients import ConvolutionPlan
from cnncli.ops.batches.workspaces import Workspace
from cnncli.shapes import Window

KERNEL_SIZES = [1, 3, (2, 5)]
STRIDES = [1, (2, 3)]
PADDINGS = ["valid", "same", 1, (0, 1, 2, 1)]
DILATIONS = [1, 2]
CHANNELS = [(1, 4, 1), (4, 6, 2), (8, 8, 1), (8, 16, 8), (6, 6, 6), (10, 3, 1)]


def geometries(size):
    for kernel_size in KERNEL_SIZES:
        for stride in STRIDES:
            for padding in PADDINGS:
                for dilation in DILATIONS:
                    try:
                        yield Window.over(size, kernel_size, stride=stride, padding=padding, dilation=dilation)
                    except ArgumentError:
                        continue


def problem(window, channels, dtype=np.float64):
    rng = np.random.default_rng(0)
    inputs, filters, groups = channels
    x = rng.normal(size=(3, *window.size, inputs)).astype(dtype)
    weight = rng.normal(size=(*window.kernel_size, inputs // groups, filters)).astype(dtype)
    grad = rng.normal(size=(3, *window.output_size, filters)).astype(dtype)
    return x, weight, grad


def run(plan, x, weight, grad, memory):
    y = plan.forward(x, plan.algorithm.prepare(weight), memory=memory)[0].copy()
    dx = plan.input_gradient(grad, plan.input_algorithm.prepare(weight), memory=memory).copy()
    return y, dx, plan.weight_gradient(grad, x, memory=memory).copy()


def torch_run(window, groups, x, weight, grad):
    torch = pytest.importorskip("torch")
    pixels = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    kernel = torch.tensor(weight.transpose(3, 2, 0, 1), requires_grad=True)
    top, bottom, left, right = window.padding
    padded = torch.nn.functional.pad(pixels, (left, right, top, bottom))
    y = torch.nn.functional.conv2d(padded, kernel, stride=window.stride, dilation=window.dilation, groups=groups)
    y.backward(torch.tensor(grad.transpose(0, 3, 1, 2)))
    y, dx = (array.numpy().transpose(0, 2, 3, 1) for array in (y.detach(), pixels.grad))
    return y, dx, kernel.grad.numpy().transpose(2, 3, 1, 0)


def relative(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("winograd", [True, False])
@pytest.mark.parametrize("size", [(12, 12), (11, 9)])
@pytest.mark.parametrize("channels", CHANNELS)
def test_every_geometry_is_pytorch_s(channels, size, winograd):
    memory = Workspace()
    for window in geometries(size):
        x, weight, grad = problem(window, channels)
        found = run(ConvolutionPlan(window, *channels, winograd=winograd), x, weight, grad, memory)
        for mine, theirs in zip(found, torch_run(window, channels[2], x, weight, grad), strict=True):
            assert relative(mine, theirs) < 1e-12, window


@pytest.mark.parametrize("channels", CHANNELS)
def test_the_adjoint_identity(channels):
    """<conv(x), y> = <x, conv_transpose(y)>, and the same of the weights."""
    for window in geometries((11, 9)):
        x, weight, grad = problem(window, channels)
        y, dx, dw = run(ConvolutionPlan(window, *channels), x, weight, grad, Workspace())
        assert np.isclose((y * grad).sum(), (x * dx).sum())
        assert np.isclose((y * grad).sum(), (weight * dw).sum())


@pytest.mark.parametrize("height", [2, 3, 4, 7, 14, 32])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_winograd_is_close_in_float32(height, padding):
    window = Window.over((height + 2 * (padding == "valid"), 9), 3, padding=padding)
    x, weight, grad = problem(window, (16, 24, 1), np.float32)
    exact = run(
        ConvolutionPlan(window, 16, 24, winograd=False), *(a.astype(np.float64) for a in (x, weight, grad)), Workspace()
    )
    for mine, theirs in zip(run(ConvolutionPlan(window, 16, 24), x, weight, grad, Workspace()), exact, strict=True):
        assert mine.dtype == np.float32
        assert relative(mine, theirs) < 5e-6


def test_winograd_s_borders_are_those_of_each_layer():
    """Layers of all kinds and batches of all sizes take turns in one memory, whose zeros between rows must stay."""
    rng = np.random.default_rng(2)
    memory = Workspace()
    for _ in range(400):
        size, padding = tuple(rng.integers(2, 12, 2).tolist()), tuple(rng.integers(0, 6, 4).tolist())
        try:
            window = Window.over(size, (3, int(rng.integers(1, 7))), padding=padding)
        except ArgumentError:
            continue
        channels = int(rng.choice([8, 9])), int(rng.choice([3, 8, 9])), 1
        x, weight, grad = problem(window, channels)
        images = int(rng.integers(1, 4))
        x, grad = x[:images], grad[:images]
        plain = run(ConvolutionPlan(window, *channels, winograd=False), x, weight, grad, Workspace())
        for mine, theirs in zip(run(ConvolutionPlan(window, *channels), x, weight, grad, memory), plain, strict=True):
            assert relative(mine, theirs) < 1e-12, window


@pytest.mark.parametrize("channels", [*CHANNELS, (128, 5, 1), (130, 8, 1)])
def test_inference_adds_the_bias_whatever_the_algorithm(channels):
    memory, bias, used = Workspace(), np.random.default_rng(3).normal(size=channels[1]), set()
    for window in geometries((11, 9)):
        x, weight, _ = problem(window, channels)
        plan = ConvolutionPlan(window, *channels)
        plain = ConvolutionPlan(window, *channels, winograd=False)
        expected, _ = plain.forward(x, plain.algorithm.prepare(weight))
        for images in (1, 3):
            algorithm = plan.inferring(images)
            out = np.empty((images, *expected.shape[1:]))
            columns = algorithm.columns(x[:images], memory)
            algorithm.apply(columns, algorithm.prepare(weight), out, memory, bias)
            assert relative(out, expected[:images] + bias) < 1e-12, window
            used.add(type(algorithm).__name__)
    assert "GatheredWinograd" in used or channels[0] < 128


def test_columns_that_were_kept_give_the_same_gradient():
    window = Window.over((8, 8), 3, padding="same")
    for channels in [(1, 6, 1), (16, 16, 1), (4, 4, 2)]:
        plan = ConvolutionPlan(window, *channels)
        x, weight, grad = problem(window, channels)
        _, columns = plan.forward(x, plan.algorithm.prepare(weight))
        assert np.array_equal(plan.weight_gradient(grad, x, columns), plan.weight_gradient(grad, x))


def test_a_workspace_changes_no_bits():
    window = Window.over((9, 9), 3, padding="same")
    memory = Workspace()
    for channels in [(16, 16, 1), (3, 8, 1), (8, 8, 8)]:
        plan = ConvolutionPlan(window, *channels)
        x, weight, grad = problem(window, channels, np.float32)
        first = run(plan, x, weight, grad, memory)
        run(plan, x + 1, weight, grad, memory)
        for again, fresh in zip(first, run(plan, x, weight, grad, memory), strict=True):
            assert np.array_equal(again, fresh)
