"""Evaluating a model, against scikit-learn's measures."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from models import CLASSES, half, halves_model, random_model, write_halves
from PIL import Image

from cnncli.data import open_dataset
from cnncli.errors import DataError, ImageError, NoInputError
from cnncli.models.judging.evaluation import evaluate


def test_scores_are_scikit_learn_s(tmp_path):
    metrics = pytest.importorskip("sklearn.metrics")
    model = random_model("12x12x1 conv3-4,relu max2 fc-3,softmax", seed=3)
    found = evaluate(model, write_halves(tmp_path / "data", 12))
    dataset = open_dataset(tmp_path / "data", model.reading()).train
    predicted = model.predict(dataset.images(range(len(dataset))))
    labels = dataset.labels
    assert found.scores.accuracy == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert found.scores.macro_f1 == pytest.approx(metrics.f1_score(labels, predicted, average="macro", zero_division=0))
    precision, recall, _, support = metrics.precision_recall_fscore_support(labels, predicted, zero_division=0)
    assert [one.precision for one in found.scores.per_class] == pytest.approx(precision.tolist())
    assert [one.recall for one in found.scores.per_class] == pytest.approx(recall.tolist())
    assert [one.support for one in found.scores.per_class] == support.tolist()
    np.testing.assert_array_equal(found.scores.confusion, metrics.confusion_matrix(labels, predicted))
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-5)


def test_mistakes_are_every_wrong_picture_the_most_confident_first(tmp_path):
    model = random_model("12x12x1 conv3-4,relu max2 fc-3,softmax", seed=3)
    found = evaluate(model, write_halves(tmp_path / "data", 12))
    mistakes = found.mistakes()
    wrong = {path for path in found.dataset.names if CLASSES[model.predict(path)] != Path(path).parent.name}
    assert 1 < len(wrong) == len(mistakes)
    assert {mistake.file for mistake in mistakes} == wrong
    confidences = [mistake.probability for mistake in mistakes]
    assert confidences == sorted(confidences, reverse=True)
    for mistake in mistakes:
        assert mistake.label == Path(mistake.file).parent.name != mistake.predicted
        assert (
            max(mistake.probabilities) == mistake.probability == mistake.probabilities[CLASSES.index(mistake.predicted)]
        )


def test_odd_names_keep_their_rows(tmp_path):
    names = ("two\nlines.png", 'comma, "quoted".png', "\x1b[2J.png", os.fsdecode(b"gr\xf6n.png"))
    for place, name in enumerate(names):
        label = "left" if place else "right"
        (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(half("top", np.random.default_rng(place))).save(tmp_path / "data" / label / "x.png")
        (tmp_path / "data" / label / "x.png").rename(tmp_path / "data" / label / name)
    found = evaluate(halves_model(), tmp_path / "data")
    found.save_mistakes(tmp_path / "wrong.csv")
    with open(tmp_path / "wrong.csv", encoding="utf-8", newline="") as file:
        rows = [Path(row["file"]).name for row in csv.DictReader(file)]
    assert sorted(rows) == sorted(["two\nlines.png", 'comma, "quoted".png', r"\x1b[2J.png", r"gr\xf6n.png"])
    with pytest.raises(DataError, match="exists"):
        found.save_mistakes(tmp_path / "wrong.csv")


def test_other_sizes_and_colours_are_read_as_the_model_reads(tmp_path):
    write_halves(tmp_path / "data", 4)
    for path in (tmp_path / "data").rglob("*.png"):
        Image.open(path).resize((48, 36), Image.Resampling.NEAREST).convert("RGB").save(path)
    assert evaluate(halves_model(), tmp_path / "data").scores.accuracy == 1


def test_classes_are_matched_by_name(tmp_path):
    write_halves(tmp_path / "data", 4)
    for path in (tmp_path / "data" / "left").iterdir():
        path.unlink()
    (tmp_path / "data" / "left").rmdir()
    found = evaluate(halves_model(), tmp_path / "data")
    assert found.scores.accuracy == 1
    assert found.scores.confusion.sum(axis=1).tolist() == [0, 4, 4]


def test_parts(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {f"{kind}_{part}": None for kind in "xy" for part in ("train", "test")}
    for part, count in (("train", 5), ("test", 3)):
        arrays[f"x_{part}"] = rng.integers(0, 256, (count, 12, 12), dtype=np.uint8)
        arrays[f"y_{part}"] = rng.integers(0, 2, count)
    np.savez(tmp_path / "data.npz", **arrays)
    model = random_model("12x12x1 fc-2", ("0", "1"))
    assert (evaluate(model, tmp_path / "data.npz").part, len(evaluate(model, tmp_path / "data.npz").dataset)) == (
        "test",
        3,
    )
    assert len(evaluate(model, tmp_path / "data.npz", part="train").dataset) == 5
    with pytest.raises(DataError, match="has no validation part; it has train and test"):
        evaluate(model, tmp_path / "data.npz", part="validation")


def test_unknown_classes_are_said(tmp_path):
    write_halves(tmp_path / "data", 2)
    (tmp_path / "data" / "left").rename(tmp_path / "data" / "below")
    with pytest.raises(DataError, match="below") as error:
        evaluate(halves_model(), tmp_path / "data")
    assert all(name in str(error.value) for name in CLASSES)


def test_a_damaged_picture_is_left_out_or_refused(tmp_path):
    write_halves(tmp_path / "data", 3)
    (tmp_path / "data" / "top" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    found = evaluate(halves_model(), tmp_path / "data")
    assert len(found.dataset) == 8
    assert "0.png" in found.findings[0].message
    with pytest.raises(ImageError, match=r"0\.png"):
        evaluate(halves_model(), tmp_path / "data", strict=True)


def test_no_pictures(tmp_path):
    for name in CLASSES:
        (tmp_path / name).mkdir()
    with pytest.raises(NoInputError):
        evaluate(halves_model(), tmp_path)
