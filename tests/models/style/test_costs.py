"""Costs of style transfer: by hand, by finite differences, and by PyTorch."""

import numpy as np
import pytest

from cnncli.models.style.costs import content_cost, gram, style_cost, variation_cost

WORKED = np.array([[[1, 0], [2, 1]], [[0, 3], [1, 1]]])


def maps(seed, shape=(5, 7, 4)):
    return np.random.default_rng(seed).normal(size=shape)


def test_the_gram_matrix_of_the_worked_example_is_exact():
    assert gram(WORKED).tolist() == [[1 + 4 + 0 + 1, 0 + 2 + 0 + 1], [0 + 2 + 0 + 1, 0 + 1 + 9 + 1]]


def test_a_weight_of_two_counts_a_position_twice():
    weights = np.array([[1, 2], [0, 1]])
    twice = np.array([[[1, 0], [2, 1], [2, 1], [1, 1]]])
    np.testing.assert_array_equal(gram(WORKED, weights), gram(twice))


def test_the_cost_of_a_style_with_itself_is_nothing_whatever_its_size():
    tile = maps(0)
    wide = np.concatenate([tile, tile], axis=1)
    assert style_cost(gram(wide), gram(tile) * 2, 70).value == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize("weighted", [False, True])
def test_slopes_against_finite_differences(weighted):
    output, target, weights = maps(0), maps(1), maps(2)[..., 0] ** 2 if weighted else None
    count = output[..., 0].size if weights is None else weights.sum()

    def style(x):
        return style_cost(gram(x, weights), gram(target), count)

    slope = output @ style(output).slope * (1 if weights is None else weights[..., None])
    check_slope(lambda x: style(x).value, output, slope)
    check_slope(lambda x: content_cost(x, target).value, output, content_cost(output, target).slope)
    check_slope(lambda x: variation_cost(x).value, output, variation_cost(output).slope)


def check_slope(function, at, slope):
    for seed in range(3):
        direction = maps(10 + seed, at.shape)
        difference = (function(at + 1e-5 * direction) - function(at - 1e-5 * direction)) / 2e-5
        assert difference == pytest.approx(float((slope * direction).sum()), rel=1e-6)


def test_costs_and_slopes_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    output, target = maps(0), maps(1)
    x = torch.tensor(output, requires_grad=True)
    flat, other = x.reshape(35, 4), torch.tensor(target).reshape(35, 4)
    loss = ((flat.T @ flat - other.T @ other) ** 2).sum() / (4 * 4**2 * 35**2)
    (slope,) = torch.autograd.grad(loss, x)
    cost = style_cost(gram(output), gram(target), 35)
    assert cost.value == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(output @ cost.slope, slope.numpy(), rtol=1e-10)
    assert content_cost(output, target).value == pytest.approx(0.5 * float(((output - target) ** 2).sum()))


def test_a_picture_of_one_pixel_has_no_variation():
    cost = variation_cost(np.ones((1, 1, 3)))
    assert cost.value == 0
    assert not cost.slope.any()
