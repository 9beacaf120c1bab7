import numpy as np
import pytest

from cnncli.data import ArrayDataset, Subset, datasets
from cnncli.training.baselines import Baselines, nearest_centroid


@pytest.fixture(scope="module")
def digits():
    datasets = pytest.importorskip("sklearn.datasets")
    found = datasets.load_digits()
    pixels = found.images[..., np.newaxis].astype(np.uint8)
    data = ArrayDataset(pixels, found.target, tuple("0123456789"), "digits")
    return Subset(data, np.arange(1200)), Subset(data, np.arange(1200, 1797))


def flat(part):
    return part.images(np.arange(len(part))).reshape(len(part), -1).astype(float)


@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")  # of pixels that are always black
@pytest.mark.parametrize("chunk", [None, 10_000])
def test_nearest_centroid_is_that_of_scikit_learn(digits, chunk, monkeypatch):
    neighbors = pytest.importorskip("sklearn.neighbors")
    if chunk:
        monkeypatch.setattr(datasets, "_CHUNK_BYTES", chunk)
    train, test = digits
    oracle = neighbors.NearestCentroid().fit(flat(train), train.labels)
    found = nearest_centroid(test, train)
    assert found == pytest.approx(oracle.score(flat(test), test.labels))
    assert found > 0.8


def test_majority_is_that_of_scikit_learn(digits):
    dummy = pytest.importorskip("sklearn.dummy")
    train, test = digits
    oracle = dummy.DummyClassifier(strategy="most_frequent").fit(flat(train), train.labels)
    assert Baselines.on(test, train).majority_class == pytest.approx(oracle.score(flat(test), test.labels))


def test_a_class_without_pictures_is_never_named():
    pixels = np.array([0, 10, 200, 210], np.uint8).reshape(4, 1, 1, 1)
    train = ArrayDataset(pixels, np.array([0, 0, 2, 2]), ("a", "b", "c"), "x")
    for label, share in enumerate((105 / 256, 0, 151 / 256)):
        every = np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1)
        test = ArrayDataset(every, np.full(256, label), train.class_names, "y")
        assert nearest_centroid(test, train) == pytest.approx(share, abs=0.01)
        assert (nearest_centroid(test, train) == 0) == (label == 1)


def test_large_numbers_lose_nothing():
    rng = np.random.default_rng(0)
    pixels = (1e6 + rng.normal(size=(100, 2, 2, 1)) + (np.arange(100) % 2 * 8)[:, None, None, None]).astype(np.float32)
    data = ArrayDataset(pixels, np.arange(100) % 2, ("a", "b"), "x")
    assert nearest_centroid(data, data) == 1
