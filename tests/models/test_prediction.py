"""Predicting files: in order, in batches, whatever some of them are."""

import threading
import tracemalloc

import numpy as np
import pytest
from models import CLASSES, half, halves_model, random_model, write_halves
from PIL import Image

from cnncli.data import read_picture
from cnncli.models import prediction
from cnncli.models.model import Model
from cnncli.models.prediction import predict_files


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("at_once", [1, 4, 128])
def test_files_are_predicted_in_their_order(tmp_path, monkeypatch, jobs, at_once):
    monkeypatch.setattr(prediction, "MOST_AT_ONCE", at_once)
    paths = sorted(map(str, write_halves(tmp_path, 5).rglob("*.png")), key=lambda path: path[-5])
    found = list(predict_files(halves_model(), paths, jobs=jobs))
    assert [one.input for one in found] == paths
    assert all(one.top()[0][0] in one.input for one in found)


def test_probabilities_are_the_model_s(tmp_path):
    model = random_model("12x12x3 conv3-4,bn,relu max2 fc-3,softmax")
    paths = list(map(str, write_halves(tmp_path).rglob("*.png")))
    images = np.stack([read_picture(path, model.reading()) for path in paths])
    found = np.stack([one.probabilities for one in predict_files(model, paths)])
    np.testing.assert_allclose(found, model.probabilities(images), rtol=1e-5)


@pytest.mark.parametrize("count", [5, 40, 300])
def test_jobs_change_no_bit(tmp_path, count):
    """Neither of a few files, which are divided among threads, nor of many."""
    model = random_model("12x12x3 conv3-16,bn,relu res[ conv3-16,same,bn,relu conv3-16,same,bn ] max2 fc-3,softmax")
    paths = (list(map(str, write_halves(tmp_path).rglob("*.png"))) * 13)[:count]
    one, *others = (
        [row.probabilities.tobytes() for row in predict_files(model, paths, jobs=jobs)] for jobs in (1, 2, 3)
    )
    assert others == [one, one]


def test_what_cannot_be_read_fails_by_name_and_the_others_are_done(tmp_path):
    write_halves(tmp_path, 1)
    (tmp_path / "junk.png").write_text("junk")
    (tmp_path / "empty.png").touch()
    (tmp_path / "cut.png").write_bytes((tmp_path / "top" / "0.png").read_bytes()[:60])
    np.save(tmp_path / "nan.npy", np.full((12, 12), np.nan))
    bad = [str(tmp_path / name) for name in ("junk.png", "none.png", "empty.png", "cut.png", "nan.npy", "left")]
    good = [str(tmp_path / kind / "0.png") for kind in CLASSES]
    found = list(predict_files(halves_model(), [*bad[:3], *good, *bad[3:]]))
    assert [one.input for one in found if one.error] == bad
    assert all(one.error.startswith(one.input) and "\n" not in one.error for one in found if one.error)
    assert [one.top()[0][0] for one in found if not one.error] == list(CLASSES)


def test_kinds_of_numbers_go_together(tmp_path):
    pixels = half("right", np.random.default_rng(0))
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels.astype(np.uint16) * 257).save(tmp_path / "b.png")
    np.save(tmp_path / "c.npy", pixels.astype(np.float64))
    Image.fromarray(np.dstack([pixels] * 3)).save(tmp_path / "d.png")
    found = list(predict_files(halves_model(), [str(tmp_path / name) for name in ("a.png", "b.png", "c.npy", "d.png")]))
    for one in found[1:]:
        np.testing.assert_allclose(one.probabilities, found[0].probabilities, atol=1e-5)


def test_stopping_finishes_what_is_under_way(tmp_path, monkeypatch):
    monkeypatch.setattr(prediction, "MOST_AT_ONCE", 4)
    paths, stop = list(map(str, write_halves(tmp_path, 12).rglob("*.png"))), threading.Event()
    found = predict_files(halves_model(), paths, jobs=1, stop=stop)
    first = next(found)
    stop.set()
    # The next batch is begun while the first is handed on.
    assert [first.input, *(one.input for one in found)] in (paths[:4], paths[:8])


def test_many_files_take_the_memory_of_two_batches(tmp_path):
    np.save(tmp_path / "large.npy", np.zeros((128, 128), np.uint8))
    model = random_model("128x128x1 avg32 fc-3")

    def measured(count):
        tracemalloc.start()
        for _ in predict_files(model, [str(tmp_path / "large.npy")] * count):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    measured(10)
    assert measured(900) < 1.3 * measured(300)


def test_a_model_that_gives_no_numbers_is_said(tmp_path):
    model = halves_model()
    broken = Model(
        model.network,
        {name: array * np.nan for name, array in model.parameters.items()},
        {},
        CLASSES,
        model.normalization,
    )
    paths = list(map(str, write_halves(tmp_path, 1).rglob("*.png")))
    assert all("no finite probabilities" in one.error for one in predict_files(broken, paths))


def test_nothing_is_predicted_of_nothing():
    assert list(predict_files(halves_model(), [])) == []
