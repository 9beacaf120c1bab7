import pickle

import numpy as np
import pytest
from detection_cases import GRIDS, random_labels, random_logits

from cnncli.engines.detection.assignment import assign
from cnncli.engines.detection.box_losses import BOX_LOSSES
from cnncli.engines.detection.grid import Grid
from cnncli.engines.detection.losses import DetectionLoss, focal_loss
from cnncli.engines.losses import Loss
from cnncli.errors import ArgumentError

OPTIONS = [
    {},
    {"box_weight": 0.7, "label_weight": 0.3, "label_smoothing": 0.1, "alpha": 0.5, "gamma": 1.5},
    {"gamma": 0, "radius": 2.5, "class_weights": True},
]


def loss_of(grid, **options):
    if options.get("class_weights"):
        options["class_weights"] = tuple(np.arange(1.0, grid.classes + 1))
    return DetectionLoss(grid=grid, **options)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("box_loss", [name for name in BOX_LOSSES if name != "ciou"])  # its gradient has a constant
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_gradient_agrees_with_finite_differences(grid, box_loss, options):
    loss = loss_of(grid, box_loss=box_loss, **options)
    labels, logits = random_labels(grid, 3, seed=5), random_logits(grid, 3)
    _, gradient = loss(logits, labels)
    rng = np.random.default_rng(0)
    learning = np.zeros((3, grid.count, grid.channels), bool)
    learning[assign(grid, labels, loss.radius)[:2]] = True
    places = np.argwhere(learning.reshape(logits.shape))[:: 1 + learning.sum() // 60]
    for place in [*map(tuple, places), *zip(rng.integers(0, 3, 30), rng.integers(0, logits.shape[1], 30), strict=True)]:
        sides = []
        for sign in (1, -1):
            moved = logits.copy()
            moved[place] += sign * 1e-5
            sides.append(loss(moved, labels)[0])
        assert gradient[place] == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=1e-6)
    assert np.abs(gradient[learning.reshape(logits.shape)]).max() > 0.1


def torch_loss(loss, logits, labels):
    """The same sum and gradient by autograd, picture by picture and cell by cell."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    (down, across), columns = loss.grid.strides, loss.grid.cells[1]
    leaf = torch.tensor(logits, requires_grad=True)
    numbers = leaf.reshape(len(logits), loss.grid.count, loss.grid.channels)
    target = torch.zeros(numbers.shape[:2], dtype=numbers.dtype)
    found = assign(loss.grid, labels, loss.radius)
    weight = torch.tensor(np.where(found.ignored, 0, 1 - loss.alpha))
    total = torch.zeros((), dtype=numbers.dtype)
    for picture, cell, row in zip(found.pictures, found.cells, found.rows, strict=True):
        kind, x, y, w, h = map(float, labels[picture, row])
        tx, ty, tw, th = numbers[picture, cell, 1:5]
        pw, ph = tw.exp() * across, th.exp() * down
        left, top = (cell % columns + 0.5 + tx) * across - pw / 2, (cell // columns + 0.5 + ty) * down - ph / 2
        shared = (torch.clamp(left + pw, max=x + w) - torch.clamp(left, min=x)).clamp(min=0)
        shared = shared * (torch.clamp(top + ph, max=y + h) - torch.clamp(top, min=y)).clamp(min=0)
        union = pw * ph + w * h - shared
        hull = torch.clamp(left + pw, min=x + w) - torch.clamp(left, max=x)
        hull = hull * (torch.clamp(top + ph, min=y + h) - torch.clamp(top, max=y))
        total = total + loss.box_weight * (1 - shared / union + (hull - union) / hull)
        each = torch.tensor(loss.class_weights or (1.0,) * loss.grid.classes, dtype=numbers.dtype)
        total = total + loss.label_weight * functional.cross_entropy(
            numbers[picture, cell, 5:],
            torch.tensor(int(kind)),
            weight=each,
            label_smoothing=loss.label_smoothing,
            reduction="sum",
        )
        target[picture, cell] = (shared / union).detach() if loss.quality else 1.0
        weight[picture, cell] = loss.alpha
    objectness = numbers[..., 0]
    logistic = functional.binary_cross_entropy_with_logits(objectness, target, reduction="none")
    total = total + (weight * (objectness.sigmoid() - target).abs() ** loss.gamma * logistic).sum()
    total.backward()
    return float(total.detach()), leaf.grad.numpy()


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("options", [*OPTIONS, {"quality": True}], ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_sum_and_gradient_are_those_of_pytorch(grid, options, dtype):
    loss = loss_of(grid, **options)
    labels, logits = random_labels(grid, seed=2), random_logits(grid)
    total, gradient = loss(logits.astype(dtype), labels)
    expected, slopes = torch_loss(loss, logits, labels)
    assert gradient.dtype == dtype
    tolerance = 1e-6 if dtype == "float64" else 1e-5
    assert total == pytest.approx(expected, rel=tolerance)
    assert np.abs(gradient - slopes).max() < tolerance


@pytest.mark.parametrize("gamma", [0, 1, 2, 3.5])
def test_the_focal_loss_is_that_of_torchvision(gamma):
    torch, ops = pytest.importorskip("torch"), pytest.importorskip("torchvision.ops")
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=400) * 4, rng.integers(0, 2, 400).astype(np.float64)
    losses, slopes = focal_loss(logits, targets, gamma)
    z = torch.tensor(logits, requires_grad=True)
    expected = ops.sigmoid_focal_loss(z, torch.tensor(targets), alpha=-1, gamma=gamma)
    expected.sum().backward()
    assert np.allclose(losses, expected.detach().numpy(), atol=1e-9)
    assert np.allclose(slopes, z.grad.numpy(), atol=1e-9)


def test_the_focal_loss_of_a_logistic_loss_is_itself():
    logits, targets = np.linspace(-5, 5, 20), np.linspace(0, 1, 20)
    losses, slopes = focal_loss(logits, targets, 0)
    assert np.allclose(losses, np.log1p(np.exp(logits)) - targets * logits)
    assert np.allclose(slopes, 1 / (1 + np.exp(-logits)) - targets)


def test_shards_of_a_batch_add_up():
    grid = GRIDS[0]
    loss, labels, logits = loss_of(grid), random_labels(grid, 7), random_logits(grid, 7)
    whole, gradient = loss(logits, labels)
    parts = [loss(logits[cut], labels[cut]) for cut in (slice(0, 1), slice(1, 4), slice(4, 7))]
    assert whole == pytest.approx(sum(total for total, _ in parts), rel=1e-12)
    assert np.allclose(gradient, np.concatenate([part for _, part in parts]), rtol=1e-12)


def test_the_terms_add_up():
    grid = GRIDS[0]
    labels, logits = random_labels(grid), random_logits(grid)
    loss = loss_of(grid)
    terms = loss.terms(logits, labels)
    assert sum(terms) == pytest.approx(loss(logits, labels)[0], rel=1e-12)
    assert min(terms) > 0
    doubled = loss.replace(box_weight=2 * loss.box_weight, label_weight=3 * loss.label_weight).terms(logits, labels)
    assert doubled == pytest.approx((terms.objectness, 2 * terms.box, 3 * terms.label))


def test_one_class_needs_no_naming():
    grid = GRIDS[1]
    labels, logits = random_labels(grid), random_logits(grid)
    loss = loss_of(grid)
    assert loss.terms(logits, labels).label == 0
    assert not loss(logits, labels)[1].reshape(4, -1, 6)[..., 5].any()


def test_a_picture_without_boxes_teaches_its_cells_that_they_are_empty():
    grid = GRIDS[0]
    labels, logits = random_labels(grid)[:1], random_logits(grid, 1)
    total, gradient = loss_of(grid)(logits, labels)
    by_cell = gradient.reshape(-1, 8)
    assert total > 0
    assert (by_cell[:, 0] > 0).all()
    assert not by_cell[:, 1:].any()


def test_cells_in_a_crowd_teach_nothing():
    grid = GRIDS[0]
    labels = np.array([[[-2, 0, 0, 64, 40]]], np.float32)
    total, gradient = loss_of(grid)(random_logits(grid, 1), labels)
    assert total == 0
    assert not gradient.any()


def test_objectness_learns_the_fit_where_it_is_asked_to():
    grid = Grid((8, 8), (1, 1), 1)
    labels = np.array([[[0, 0, 0, 8, 4]]], np.float32)  # half of the cell's own box
    logits = np.zeros((1, 6))
    _, plain = loss_of(grid)(logits, labels)
    _, fitting = loss_of(grid, quality=True)(logits, labels)
    assert plain[0, 0] < 0
    assert fitting[0, 0] == 0


def test_the_divisor_is_the_number_of_boxes():
    grid = GRIDS[0]
    labels = random_labels(grid)
    assert loss_of(grid).total_weight(labels) == (labels[..., 0] >= 0).sum() > 4
    assert loss_of(grid).total_weight(labels[:1]) == 1


def test_more_rows_without_boxes_change_nothing():
    grid = GRIDS[0]
    labels, logits = random_labels(grid), random_logits(grid)
    longer = np.concatenate([np.full((4, 3, 5), -1, np.float32), labels], axis=1)
    total, gradient = loss_of(grid)(logits, labels)
    again, same = loss_of(grid)(logits, longer)
    assert again == total
    assert np.array_equal(gradient, same)


@pytest.mark.parametrize("box_loss", BOX_LOSSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e3, 1e30])
def test_logits_are_left_alone_and_huge_ones_are_no_trouble(box_loss, dtype, size):
    grid = GRIDS[0]
    labels, logits = random_labels(grid), random_logits(grid, dtype=dtype) * np.dtype(dtype).type(size)
    before = logits.copy()
    total, gradient = loss_of(grid, box_loss=box_loss)(logits, labels)
    assert np.isfinite(total)
    assert np.isfinite(gradient).all()
    assert np.array_equal(logits, before)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channel", [0, 2, 7])
def test_a_logit_that_is_not_finite_is_seen_in_the_sum(bad, channel):
    grid = GRIDS[0]
    labels, logits = random_labels(grid), random_logits(grid, dtype=np.float32)
    logits[0, channel] = bad  # where no box is
    assert not np.isfinite(loss_of(grid)(logits, labels)[0])


def test_a_process_can_be_sent_one():
    loss = loss_of(GRIDS[0], quality=True, class_weights=True)
    assert pickle.loads(pickle.dumps(loss, protocol=5)) == loss
    assert isinstance(loss, Loss)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"box_loss": "iou"}, "box_loss must be one of giou, diou, ciou, smooth_l1, got 'iou'"),
        ({"gamma": 0.5}, "gamma must be 0 or from 1, got 0.5"),
        ({"alpha": 1.5}, "alpha must be from 0 to 1, got 1.5"),
        ({"radius": 0.2}, "radius must be at least 0.5 strides, got 0.2"),
        ({"box_weight": -1.0}, "box_weight must be from 0, got -1.0"),
        ({"class_weights": (1.0, 2.0)}, "2 class weights do not fit 3 classes"),
        ({"label_smoothing": 1.0}, "label_smoothing must be from 0 to below 1, got 1.0"),
    ],
)
def test_what_makes_no_loss_is_refused(options, message):
    with pytest.raises(ArgumentError, match=f"^{message}$"):
        DetectionLoss(grid=GRIDS[0], **options)


def test_what_fits_no_grid_is_refused():
    loss = loss_of(GRIDS[0])
    with pytest.raises(ArgumentError, match="the grid has 3 classes, not 2"):
        loss.outputs(2)
    with pytest.raises(ArgumentError, match="decode them"):
        loss.probabilities(random_logits(GRIDS[0]))
    with pytest.raises(ArgumentError, match=r"outputs of shape \(4, 100\) do not fit a grid of 5x8 cells of 8 numbers"):
        loss(np.zeros((4, 100)), random_labels(GRIDS[0]))
    assert loss.outputs(3) == 5 * 8 * 8
