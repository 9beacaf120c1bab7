import numpy as np
import pytest

from cnncli.errors import ArgumentError
from cnncli.models.judging.metrics import confusion_matrix, score, wilson_interval

NAMES = ("a", "b", "c", "d", "e")


def cases():
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 5, 200)
    yield "mixed", labels, np.where(rng.uniform(size=200) < 0.6, labels, rng.integers(0, 5, 200))
    yield "perfect", labels, labels.copy()
    yield "all wrong", labels, (labels + 1) % 5
    yield "one answer", labels, np.zeros(200, int)
    yield "a class is absent", labels % 3, rng.integers(0, 3, 200)
    yield "an absent class is named", labels % 3, rng.integers(0, 5, 200)
    yield "one item", np.array([2]), np.array([2])


@pytest.mark.parametrize(
    ("name", "labels", "predictions"), [*cases()], ids=lambda value: value if isinstance(value, str) else ""
)
def test_scores_are_those_of_scikit_learn(name, labels, predictions):
    metrics = pytest.importorskip("sklearn.metrics")
    found = score(labels, predictions, NAMES)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(labels, predictions))
    assert found.macro_f1 == pytest.approx(metrics.f1_score(labels, predictions, average="macro", zero_division=0))
    assert np.array_equal(found.confusion, metrics.confusion_matrix(labels, predictions, labels=range(5)))
    columns = metrics.precision_recall_fscore_support(labels, predictions, labels=range(5), zero_division=0)
    for place, scores in enumerate(found.per_class):
        assert scores.name == NAMES[place]
        assert scores[1:] == pytest.approx([column[place] for column in columns])
    low, high = found.accuracy_interval
    assert 0 <= low <= found.accuracy <= high <= 1


def test_the_confusion_matrix_adds_up():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 4, 99), rng.integers(0, 4, 99)
    found = confusion_matrix(labels, predictions, 4)
    assert found.dtype == np.int64
    assert found.sum() == 99
    assert np.array_equal(found.sum(axis=1), np.bincount(labels, minlength=4))
    assert np.array_equal(found.sum(axis=0), np.bincount(predictions, minlength=4))


@pytest.mark.parametrize(
    ("hits", "total"), [(0, 10), (1, 10), (5, 10), (10, 10), (98, 100), (9901, 10_000), (0, 1), (1, 1)]
)
def test_the_interval_is_that_of_scipy(hits, total):
    from scipy.stats import binomtest

    expected = binomtest(hits, total).proportion_ci(0.95, method="wilson")
    assert wilson_interval(hits, total) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_more_items_make_it_narrower():
    widths = [high - low for low, high in (wilson_interval(9 * n, 10 * n) for n in (1, 10, 100, 1000))]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        ([], [], "0 labels and 0 predictions: nothing to compare"),
        ([0, 1], [0], "2 labels and 1 predictions"),
        ([0, 5], [0, 0], "a label outside 0 to 4: 0 to 5"),
        ([0, 1], [-1, 0], "a prediction outside 0 to 4: -1 to 0"),
    ],
)
def test_what_cannot_be_compared(labels, predictions, message):
    with pytest.raises(ArgumentError, match=message):
        score(np.array(labels, int), np.array(predictions, int), NAMES)


def test_what_is_no_part():
    with pytest.raises(ArgumentError, match="11 of 10 is not a share"):
        wilson_interval(11, 10)
    with pytest.raises(ArgumentError, match="0 of 0 is not a share"):
        wilson_interval(0, 0)
