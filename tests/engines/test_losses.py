import numpy as np
import pytest

from cnncli.engines.losses import LOSSES, CrossEntropy, Logistic, SquaredError, balanced_weights, softmax
from cnncli.errors import ArgumentError

OPTIONS = [{}, {"label_smoothing": 0.1}, {"class_weights": True}, {"label_smoothing": 0.2, "class_weights": True}]


def case(name, options, dtype="float64", items=6):
    """A loss with logits and labels that fit it."""
    rng = np.random.default_rng(3)
    classes = 2 if name == "logistic" else 4
    chosen = dict(options)
    if chosen.get("class_weights"):
        chosen["class_weights"] = tuple(rng.uniform(0.2, 3, classes))
    loss = LOSSES[name](**chosen)
    logits = (rng.normal(size=(items, loss.outputs(classes))) * 3).astype(dtype)
    return loss, logits, rng.integers(0, classes, items)


def torch_loss(name, loss, logits, labels):
    """PyTorch's loss and gradient, in the reduction that divides by the weights of the labels."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    z = torch.tensor(logits, requires_grad=True)
    weights = None if loss.class_weights is None else torch.tensor(loss.class_weights, dtype=z.dtype)
    target = torch.tensor(labels)
    if name == "cross_entropy":
        value = functional.cross_entropy(z, target, weight=weights, label_smoothing=loss.label_smoothing)
    else:
        each = torch.ones(len(labels), dtype=z.dtype) if weights is None else weights[target]
        smoothing = loss.label_smoothing
        if name == "logistic":
            soft = target.to(z.dtype) * (1 - smoothing) + smoothing / 2
            terms = functional.binary_cross_entropy_with_logits(z[:, 0], soft, reduction="none")
        else:
            soft = functional.one_hot(target, z.shape[1]).to(z.dtype) * (1 - smoothing) + smoothing / z.shape[1]
            terms = functional.mse_loss(z, soft, reduction="none").mean(1)
        value = (terms * each).sum() / each.sum()
    value.backward()
    return float(value.detach()), z.grad.numpy()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loss_and_gradient_are_those_of_pytorch(name, options, dtype):
    loss, logits, labels = case(name, options, dtype, items=50)
    total, gradient = loss(logits, labels)
    weight = loss.total_weight(labels)
    expected, expected_gradient = torch_loss(name, loss, logits, labels)
    tolerance = 1e-6 if dtype == "float32" else 1e-12
    assert gradient.dtype == dtype
    assert total / weight == pytest.approx(expected, rel=tolerance)
    assert np.allclose(gradient / weight, expected_gradient, rtol=10 * tolerance, atol=tolerance)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_gradient_agrees_with_finite_differences(name, options):
    loss, logits, labels = case(name, options)
    _, gradient = loss(logits, labels)
    numeric = np.empty_like(logits)
    for place in np.ndindex(logits.shape):
        sides = []
        for sign in (1, -1):
            moved = logits.copy()
            moved[place] += sign * 1e-5
            sides.append(loss(moved, labels)[0])
        numeric[place] = (sides[0] - sides[1]) / 2e-5
    assert np.abs(gradient - numeric).max() <= 1e-6 * np.abs(numeric).max()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_shards_of_a_batch_add_up(name, options):
    loss, logits, labels = case(name, options, items=9)
    whole, gradient = loss(logits, labels)
    parts = [loss(logits[cut], labels[cut]) for cut in (slice(0, 4), slice(4, 9))]
    assert whole == pytest.approx(sum(total for total, _ in parts), rel=1e-12)
    assert np.allclose(gradient, np.concatenate([part for _, part in parts]), rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_logits_are_left_alone_and_large_ones_are_no_trouble(name):
    loss, logits, labels = case(name, {})
    large = logits * 1000
    before = large.copy()
    total, gradient = loss(large, labels)
    assert np.isfinite(total)
    assert np.isfinite(gradient).all()
    assert np.array_equal(large, before)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_is_seen_and_not_warned_of(name, bad):
    loss, logits, labels = case(name, {}, "float32")
    logits[0] = bad
    labels[0] = 0
    assert not np.isfinite(loss(logits, labels)[0])


@pytest.mark.parametrize("name", LOSSES)
def test_probabilities_are_probabilities_and_rank_as_the_logits(name):
    loss, logits, _ = case(name, {})
    chances = loss.probabilities(logits)
    assert np.allclose(chances.sum(axis=1), 1)
    assert (chances >= 0).all()
    best = (logits[:, 0] > 0).astype(int) if name == "logistic" else logits.argmax(axis=1)
    assert np.array_equal(chances.argmax(axis=1), best)


def test_softmax_is_that_of_scipy():
    import scipy.special

    logits = np.random.default_rng(0).normal(size=(5, 7)) * 50
    assert np.allclose(softmax(logits), scipy.special.softmax(logits, axis=1))


def test_known_values():
    even = np.zeros((1, 10))
    assert CrossEntropy()(even, np.array([3]))[0] == pytest.approx(np.log(10))
    assert Logistic()(np.zeros((1, 1)), np.array([1]))[0] == pytest.approx(np.log(2))
    assert SquaredError()(even, np.array([3]))[0] == pytest.approx(0.1)


def test_balanced_weights_are_those_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.utils.class_weight")
    labels = np.random.default_rng(5).choice(5, size=200, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    expected = sklearn.compute_class_weight("balanced", classes=np.arange(5), y=labels)
    assert np.allclose(balanced_weights(labels, 5), expected)
    assert balanced_weights(labels, 6)[5] == 0  # a class that does not occur


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_smoothing": 1.0}, "label_smoothing must be from 0 to below 1, got 1.0"),
        ({"class_weights": (1.0, -1.0)}, "class weights must be numbers from 0"),
        ({"class_weights": (0.0, 0.0)}, "not all of them 0"),
    ],
)
@pytest.mark.parametrize("name", LOSSES)
def test_what_makes_no_loss_is_refused(name, options, message):
    with pytest.raises(ArgumentError, match=message):
        LOSSES[name](**options)


@pytest.mark.parametrize("name", LOSSES)
def test_there_is_a_weight_for_each_class(name):
    with pytest.raises(ArgumentError, match="3 class weights do not fit 2 classes"):
        LOSSES[name](class_weights=(1, 2, 3)).outputs(2)


def test_outputs_trained_by_squared_error_are_probabilities_already():
    outputs = np.array([[0.9, 0.1, -0.05], [0.0, 0.0, 0.0], [-1.0, -2.0, -3.0]])
    found = SquaredError().probabilities(outputs)
    assert found[0].tolist() == pytest.approx([0.9, 0.1, 0])
    assert found[1].tolist() == pytest.approx([1 / 3] * 3)
    assert found[2].argmax() == 0


def test_logistic_is_for_two_classes():
    assert Logistic().outputs(2) == 1
    with pytest.raises(ArgumentError, match="there are 3: use cross_entropy"):
        Logistic().outputs(3)


@pytest.mark.parametrize("name", LOSSES)
def test_logits_that_do_not_fit_the_labels_are_refused(name):
    with pytest.raises(ArgumentError, match=r"logits of shape \(3, 2\) do not fit 4 labels"):
        LOSSES[name]()(np.zeros((3, 2)), np.zeros(4, int))
