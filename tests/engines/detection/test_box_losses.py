import numpy as np
import pytest

from cnncli.engines.detection.box_losses import BOX_LOSSES, SMOOTH, pairs_of
from cnncli.engines.detection.grid import Grid
from cnncli.ops.boxes import iou

GRID = Grid((64, 40), (8, 10), 1)  # strides 8 down, 4 across


def case(count=60, seed=0):
    """Cells, their numbers and labels: near ones, far ones, and one within the other."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, GRID.count, count)
    places = np.hstack([rng.uniform(0, 30, (count, 2)), rng.uniform(2, 40, (count, 2))])
    numbers = GRID.numbers(cells, places) + rng.normal(size=(count, 4)) * rng.choice([0.1, 0.5, 3], (count, 1))
    return cells, numbers, places


def places_of(cells, numbers):
    centres, sides = GRID.boxes(cells, numbers)
    return np.hstack([centres - sides / 2, sides])


@pytest.mark.parametrize("name", ["giou", "diou", "smooth_l1"])
def test_gradients_agree_with_finite_differences(name):
    cells, numbers, places = case()
    _, slopes = BOX_LOSSES[name](GRID, cells, numbers, places)
    for number in range(4):
        sides = []
        for sign in (1, -1):
            moved = numbers.copy()
            moved[:, number] += sign * 1e-6
            sides.append(BOX_LOSSES[name](GRID, cells, moved, places)[0])
        numeric = (sides[0] - sides[1]) / 2e-6
        assert np.abs(slopes[:, number] - numeric).max() < 1e-6 * max(1, np.abs(numeric).max())


def test_the_gradient_of_proportions_agrees_with_finite_differences_where_their_weight_is_constant():
    cells, numbers, places = case()
    (losses, slopes), (others, other_slopes) = (
        BOX_LOSSES[name](GRID, cells, numbers, places) for name in ("ciou", "diou")
    )

    def proportions(numbers):
        sides = GRID.boxes(cells, numbers)[1]
        return 4 / np.pi**2 * (np.arctan(places[:, 2] / places[:, 3]) - np.arctan(sides[:, 0] / sides[:, 1])) ** 2

    v = proportions(numbers)
    weight = v / (1 - pairs_of(GRID, cells, numbers, places).iou + v)
    for number in range(4):
        step = np.eye(4)[number] * 1e-6
        numeric = weight * (proportions(numbers + step) - proportions(numbers - step)) / 2e-6
        assert np.abs((slopes - other_slopes)[:, number] - numeric).max() < 1e-8
    assert np.allclose(losses - others, weight * v, atol=1e-12)


def test_the_overlap_is_that_of_boxes():
    cells, numbers, places = case()
    expected = np.diagonal(iou(places_of(cells, numbers), places))
    assert np.allclose(pairs_of(GRID, cells, numbers, places).iou, expected, atol=1e-12)
    assert (expected == 0).any()
    assert (expected > 0.8).any()


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("giou", "generalized_box_iou_loss"), ("diou", "distance_box_iou_loss"), ("ciou", "complete_box_iou_loss")],
)
def test_losses_and_gradients_are_those_of_torchvision(name, theirs):
    torch, ops = pytest.importorskip("torch"), pytest.importorskip("torchvision.ops")
    cells, numbers, places = case()
    losses, slopes = BOX_LOSSES[name](GRID, cells, numbers, places)
    found = torch.tensor(numbers, requires_grad=True)
    scale = torch.tensor([4.0, 8.0], dtype=torch.float64)
    middles = torch.tensor(np.stack([cells % 10, cells // 10], 1) + 0.5)
    centres, sides = (middles + found[:, :2]) * scale, found[:, 2:].clamp(-6, 6).exp() * scale
    edges = torch.tensor(np.hstack([places[:, :2], places[:, :2] + places[:, 2:]]))
    expected = getattr(ops, theirs)(torch.hstack([centres - sides / 2, centres + sides / 2]), edges, eps=1e-12)
    expected.sum().backward()
    assert np.allclose(losses, expected.detach().numpy(), atol=1e-6)
    assert np.allclose(slopes, found.grad.numpy(), atol=1e-6)


def test_the_loss_of_numbers_is_that_of_pytorch():
    torch = pytest.importorskip("torch")
    cells, numbers, places = case()
    losses, slopes = BOX_LOSSES["smooth_l1"](GRID, cells, numbers, places)
    found, wanted = torch.tensor(numbers, requires_grad=True), torch.tensor(GRID.numbers(cells, places))
    expected = torch.nn.functional.smooth_l1_loss(found, wanted, reduction="none", beta=SMOOTH).sum(1)
    expected.sum().backward()
    assert np.allclose(losses, expected.detach().numpy(), atol=1e-12)
    assert np.allclose(slopes, found.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize("name", BOX_LOSSES)
def test_a_box_that_is_its_label_costs_nothing(name):
    cells, _, places = case()
    losses, _ = BOX_LOSSES[name](GRID, cells, GRID.numbers(cells, places), places)
    assert np.abs(losses).max() < 1e-12


@pytest.mark.parametrize("name", BOX_LOSSES)
def test_a_step_down_the_slope_brings_a_box_nearer(name):
    cells, numbers, places = case()
    before, slopes = BOX_LOSSES[name](GRID, cells, numbers, places)
    after, _ = BOX_LOSSES[name](GRID, cells, numbers - 1e-4 * slopes, places)
    assert (after < before).all()


@pytest.mark.parametrize("name", BOX_LOSSES)
@pytest.mark.filterwarnings("error")
def test_huge_numbers_have_finite_losses(name):
    cells, numbers, places = case()
    losses, slopes = BOX_LOSSES[name](GRID, cells, numbers * 1e30, places)
    assert np.isfinite(losses).all()
    assert np.isfinite(slopes).all()


@pytest.mark.parametrize("name", ["giou", "diou", "ciou"])
def test_beyond_its_limit_a_side_has_no_gradient(name):
    cells, numbers, places = case()
    numbers[:, 2], numbers[:, 3] = 7, -7
    losses, slopes = BOX_LOSSES[name](GRID, cells, numbers, places)
    assert not slopes[:, 2:].any()
    numbers[:, 2], numbers[:, 3] = 60, -60
    assert np.array_equal(BOX_LOSSES[name](GRID, cells, numbers, places)[0], losses)


def test_known_values():
    one, cells = Grid((8, 8), (1, 1), 1), np.zeros(1, int)
    apart = np.array([[16.0, 0, 8, 8]])  # the cell's own box is 0, 0, 8, 8
    assert BOX_LOSSES["giou"](one, cells, np.zeros((1, 4)), apart)[0] == pytest.approx(1 + 8 / 24)
    assert BOX_LOSSES["diou"](one, cells, np.zeros((1, 4)), apart)[0] == pytest.approx(1 + 16**2 / (24**2 + 8**2))
    assert BOX_LOSSES["smooth_l1"](one, cells, np.zeros((1, 4)), apart)[0] == pytest.approx(2 - 0.05)
