"""Learning a kernel: what a filter made of an image is enough to find the filter again."""

from itertools import product

import numpy as np
import pytest
from oracles import WITH_KERNELS, gray_photograph, photograph, random_image
from scipy.signal import correlate2d

from cnncli.engines.optimizers import OPTIMIZERS
from cnncli.errors import ArgumentError
from cnncli.filters.edges import filter_image
from cnncli.training.learning import learn_kernel

LINEAR = [name for name, known in WITH_KERNELS.items() if len(known.kernels) == 1]
GEOMETRIES = list(
    product(
        [1, 2, (2, 3)], ["same", "valid", (1, 2)], ["zeros", "reflect", "replicate", "circular", "symmetric"], [1, 2]
    )
)


def small(name="camera"):
    return gray_photograph(name)[100:164, 200:270]


@pytest.mark.parametrize("name", LINEAR)
def test_every_filter_is_found_again(name):
    kernel = np.array(WITH_KERNELS[name].kernels[0], float)
    found = learn_kernel(small(), filter_image(small(), name), kernel.shape)
    np.testing.assert_allclose(found.kernel, kernel, atol=1e-3 * abs(kernel).max())
    np.testing.assert_allclose(found.least_squares.kernel, kernel, atol=1e-6 * abs(kernel).max())
    assert found.converged


@pytest.mark.parametrize(("stride", "padding", "mode", "dilation"), GEOMETRIES)
def test_every_geometry_is_the_one_of_filtering(stride, padding, mode, dilation):
    image, kernel = random_image((13, 16)).astype(np.float64), np.arange(6.0).reshape(3, 2) - 2
    geometry = {"stride": stride, "padding": padding, "padding_mode": mode, "dilation": dilation}
    found = learn_kernel(image, filter_image(image, kernel, **geometry), (3, 2), **geometry)
    np.testing.assert_allclose(found.least_squares.kernel, kernel, atol=1e-9)
    np.testing.assert_allclose(found.kernel, kernel, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam"])
def test_optimizers_come_to_one_answer(optimizer):
    image = random_image((24, 24))
    target = filter_image(image, "sobel", direction="vertical")
    found = learn_kernel(image, target, 3, optimizer=optimizer)
    np.testing.assert_allclose(found.kernel, [[1, 0, -1], [2, 0, -2], [1, 0, -1]], atol=1e-3)
    assert found.losses[0][1] == pytest.approx(np.square(target.astype(float)).mean())
    assert found.losses[-1][0] == found.steps


def test_a_step_is_that_of_torch():
    torch = pytest.importorskip("torch")
    image, target = random_image((9, 9), np.float64), random_image((7, 7), np.float64, seed=1)
    found = learn_kernel(image, target, 3, padding="valid", optimizer="sgd", lr=0.05, steps=7)
    weight = torch.zeros(1, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    descent = torch.optim.SGD([weight], lr=0.05)
    for _ in range(7):
        descent.zero_grad()
        response = torch.nn.functional.conv2d(torch.from_numpy(image)[None, None], weight)
        torch.nn.functional.mse_loss(response[0, 0], torch.from_numpy(target)).backward()
        descent.step()
    np.testing.assert_allclose(found.kernel, weight.detach().numpy()[0, 0], rtol=1e-9)
    assert not found.converged


@pytest.mark.parametrize("bias", [False, True])
def test_noise_is_fitted_as_lstsq_fits_it(bias):
    image, target = random_image((20, 20)), random_image((18, 18), np.float64)
    found = learn_kernel(image, target, 3, padding="valid", bias=bias)
    windows = np.lib.stride_tricks.sliding_window_view(image.astype(float), (3, 3)).reshape(-1, 9)
    matrix = np.column_stack([windows, np.ones(len(windows))]) if bias else windows
    answer, squares, *_ = np.linalg.lstsq(matrix, target.ravel(), rcond=None)
    for fit in (found, found.least_squares):
        np.testing.assert_allclose(fit.kernel.ravel(), answer[:9], atol=1e-6 * abs(answer[:9]).max())
        assert fit.bias == pytest.approx(answer[9] if bias else 0, rel=1e-5)
        assert fit.loss == pytest.approx(squares[0] / target.size)
    left = matrix @ answer - target.ravel()
    assert found.least_squares.largest_residual == pytest.approx(abs(left).max())
    assert found.explained == pytest.approx(1 - squares[0] / target.size / target.var())


def test_a_bias_is_found_again():
    found = learn_kernel(small(), filter_image(small(), "vertical", bias=12.5), 3, bias=True)
    assert found.bias == pytest.approx(12.5, abs=1e-3)


def test_a_flipped_kernel_is_found_as_it_was_given():
    image, kernel = small(), [[1, 2], [3, 5]]
    found = learn_kernel(image, filter_image(image, kernel, flip=True), 2, flip=True)
    np.testing.assert_allclose(found.kernel, kernel, atol=1e-4)


def test_a_kernel_over_volume():
    image = photograph("astronaut")[:48, :48]
    kernel = np.arange(27.0).reshape(3, 3, 3) - 13
    target = sum(correlate2d(image[..., c].astype(float), kernel[..., c], "valid") for c in range(3))
    found = learn_kernel(image, target, 3, padding="valid", steps=10)
    np.testing.assert_allclose(found.least_squares.kernel, kernel, atol=1e-8)
    assert found.kernel.shape == (3, 3, 3)


def test_the_course_s_step_leaves_the_kernel_open_and_gives_the_smallest():
    step = np.repeat([[10, 10, 10, 0, 0, 0]], 6, axis=0)
    found = learn_kernel(step, filter_image(step, "vertical", padding="valid"), 3, padding="valid")
    assert (found.rank, found.unknowns) == (3, 9)
    np.testing.assert_allclose(found.kernel, [[1, 0, -1]] * 3, atol=1e-6)


@pytest.mark.parametrize("image", [np.zeros((5, 5)), np.full((5, 5), 7), np.full((5, 5), 0.1)])
@pytest.mark.parametrize("bias", [False, True])
def test_a_flat_image_teaches_what_it_can(image, bias):
    found = learn_kernel(image, np.zeros((3, 3)), 3, padding="valid", bias=bias)
    assert (found.kernel == 0).all()
    assert (found.converged, found.explained) == (True, None)
    constant = learn_kernel(image, np.full((3, 3), 5.0), 3, padding="valid", bias=True)
    assert constant.largest_residual < 1e-6


def test_many_equations_are_solved_in_blocks(monkeypatch):
    image, target = random_image((60, 50)), random_image((60, 50), np.float64)
    at_once = learn_kernel(image, target, 3, bias=True)
    monkeypatch.setattr("cnncli.training.learning._BLOCK_NUMBERS", 3000)
    monkeypatch.setattr("cnncli.training.learning._LSTSQ_NUMBERS", 3000)
    in_blocks = learn_kernel(image, target, 3, bias=True)
    np.testing.assert_allclose(in_blocks.least_squares.kernel, at_once.least_squares.kernel, rtol=1e-9)
    np.testing.assert_allclose(in_blocks.kernel, at_once.kernel, rtol=1e-6)
    assert in_blocks.least_squares[1:] == pytest.approx(at_once.least_squares[1:])


@pytest.mark.parametrize(
    ("target", "options", "advice"),
    [
        ((62, 62), {}, "padding valid would fit"),
        ((64, 64), {"padding": "valid"}, "padding same or padding 1"),
        ((32, 32), {}, "stride 2 would fit"),
        ((60, 60), {"padding": "valid"}, "filter size 5 would fit"),
        ((31, 31), {}, "stride 2 with padding valid would fit"),
        ((64, 63), {}, "no padding, stride or filter size makes it fit"),
    ],
)
def test_sizes_that_do_not_fit_say_what_would(target, options, advice):
    with pytest.raises(ArgumentError) as error:
        learn_kernel(np.zeros((64, 64)), np.zeros(target), 3, **options)
    assert advice in str(error.value)
    assert "64x64" in str(error.value)


def test_a_kernel_with_too_many_numbers_is_refused_before_memory_is_taken():
    with pytest.raises(ArgumentError, match="a 65x65 filter has 4,225 numbers: at most 4,096 can be learnt"):
        learn_kernel(np.eye(80), np.eye(80), 65)


@pytest.mark.parametrize(
    ("image", "target", "options", "message"),
    [
        (np.full((9, 9), np.nan), np.zeros((9, 9)), {}, "the image holds numbers that are not finite"),
        (np.zeros((9, 9)), np.full((9, 9), np.inf), {}, "the target holds numbers that are not finite"),
        (np.zeros((9, 9)), np.zeros((9, 9, 3)), {}, "one response"),
        (np.zeros(9), np.zeros((9, 9)), {}, "the image is"),
        (np.eye(9), np.eye(9), {"optimizer": "newton"}, "the optimizers are sgd, momentum"),
        (np.eye(9), np.eye(9), {"lr": -1.0}, "lr must be"),
    ],
)
def test_what_cannot_be_learnt_from_is_said(image, target, options, message):
    with pytest.raises(ArgumentError, match=message):
        learn_kernel(image, target, 3, **options)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov"])
@pytest.mark.parametrize("lr", [1.0, 1e300])
def test_a_learning_rate_too_large_says_which_is_not(optimizer, lr):
    image = random_image((12, 12))
    with pytest.raises(ArgumentError, match="take less than") as error:
        learn_kernel(image, image, 3, optimizer=optimizer, lr=lr)
    limit = float(str(error.value).split("less than ")[1].split(",")[0])
    assert learn_kernel(image, image, 3, optimizer="sgd", lr=0.9 * limit, steps=50).losses[-1][1] < 1e5


def test_every_optimizer_learns_something():
    image = random_image((12, 12))
    for name in OPTIMIZERS:
        losses = learn_kernel(image, image, 3, optimizer=name, steps=500).losses
        assert losses[-1][1] < losses[0][1]


@pytest.mark.parametrize("bias", [False, True])
def test_numbers_whose_squares_are_too_large_are_refused(bias):
    image = np.random.default_rng(0).random((9, 9)) * 1e300
    with pytest.raises(ArgumentError, match="exceed floating point"):
        learn_kernel(image, image, 3, padding="same", bias=bias)


def test_a_filter_that_reaches_far_beyond_the_image_is_refused():
    image = np.eye(9)
    with pytest.raises(ArgumentError, match="over the limit of 4,096 a side"):
        learn_kernel(image, image, 3, padding="same", dilation=10**20)
