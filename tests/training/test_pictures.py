"""The pictures of a run: they are there, they are readable, and what is drawn is what is so."""

import math

import numpy as np
import pytest
from drawings import check_drawing, drawn_size
from models import random_model
from PIL import Image

from cnncli.data import ArrayDataset
from cnncli.models.judging.metrics import score
from cnncli.training.aims.classifying import Classifying
from cnncli.training.pictures import (
    draw_confusion,
    draw_curves,
    draw_features,
    draw_filters,
    draw_mistakes,
    first_filters,
    save_all,
)

TEXTS = {
    "12x12x1 conv3-4,relu fc-3": (4, 3, 3, 1),
    "12x12x3 conv5x3-130 fc-3": (130, 5, 3, 3),
    "12x12x1 max2 dw3 fc-3": (1, 3, 3, 1),
    "12x12x1 fc-7,relu fc-3": (7, 12, 12, 1),
    "12x12x3 res[ conv3-3,same ] fc-3": (3, 3, 3, 3),
    "12x12x1 bn conv1-2,relu conv3-2 fc-3": (2, 1, 1, 1),
    "12x12x3 fc-3": (3, 12, 12, 3),
}


def lines(count, **more):
    return [
        {"epoch": e, "train_loss": 2 / e, "train_accuracy": 1 - 0.5 / e, "val_loss": 3 / e, "val_accuracy": 0.5} | more
        for e in range(1, count + 1)
    ]


def drawn(canvas, folder):
    canvas.save(folder / "drawn.png")
    with Image.open(folder / "drawn.png") as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize("text", TEXTS)
def test_all_pictures_of_a_run(tmp_path, text):
    model, rng = random_model(text), np.random.default_rng(0)
    dataset = ArrayDataset(
        rng.integers(0, 256, (40, *model.input_shape), dtype=np.uint8),
        rng.integers(0, 3, 40),
        model.class_names,
        "x.npz",
    )
    aim = Classifying(model.network, balanced=False)
    written = save_all(tmp_path, aim.draw(lines(3), 2, aim.judge(model, dataset, 1)))
    assert [path.name for path in written] == ["curves.svg", "confusion.svg", "filters.png", "mistakes.png"]
    for path in written:
        assert all(100 < side < 2000 for side in drawn_size(path))
    assert first_filters(model)[1].shape == TEXTS[text]


def test_a_picture_that_shows_nothing_is_not_left_from_before(tmp_path):
    (tmp_path / "filters.png").write_bytes(b"of another end")
    written = save_all(tmp_path, {"curves.svg": draw_curves(lines(2), "accuracy", "Accuracy", 2), "filters.png": None})
    assert written == list(tmp_path.iterdir()) == [tmp_path / "curves.svg"]


def test_a_network_without_filters_has_no_picture_of_them():
    assert draw_filters(random_model("3x3x1 gap sigmoid", ("no", "yes"))) is None


@pytest.mark.parametrize("count", [1, 2, 5, 41, 1000, 100_000])
def test_curves_of_any_length(count):
    svg = draw_curves(lines(count), "accuracy", "Accuracy", count)
    check_drawing(svg)
    words = [label.text for label in svg.labels]
    assert words.count("training") == words.count("validation") == words.count(f"kept: epoch {count}") == 2
    assert len(str(svg)) < 100_000


def test_without_validation_there_is_one_curve():
    svg = draw_curves(lines(5, val_loss=None, val_accuracy=None), "accuracy", "Accuracy", 0)
    words = {label.text for label in svg.labels}
    assert "training" in words
    assert "validation" not in words
    assert not any("kept" in word for word in words)


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, 1e12, 1e-12])
def test_curves_of_odd_numbers(value):
    check_drawing(draw_curves(lines(4, train_loss=value, train_accuracy=0.0), "accuracy", "Accuracy", 1))
    check_drawing(draw_curves([], "accuracy", "Accuracy", 0))


def test_the_confusion_matrix_says_what_is_right():
    svg = draw_confusion(score(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), ("cat", "dog")))
    check_drawing(svg)
    words = [label.text for label in svg.labels]
    assert "75.0% of 4 right (95% interval 30.1% to 95.4%)" in words
    assert [word for word in words if word.isdigit()] == ["1", "1", "2"]


def test_names_that_are_no_text_and_classes_without_pictures():
    names = ("", "x" * 300, "two\nlines\t\x1b[2J", "größe 犬")
    check_drawing(draw_confusion(score(np.array([1, 2]), np.array([1, 1]), names)))


def test_the_worst_mistakes_come_first(tmp_path):
    pixels = np.zeros((3, 4, 4, 3), np.uint8)
    pixels[0, ..., 0] = pixels[1, ..., 1] = pixels[2, ..., 2] = 255
    dataset = ArrayDataset(pixels, np.array([0, 0, 0]), ("a", "b"), "x")
    probabilities = np.array([[0.4, 0.6], [0.01, 0.99], [0.9, 0.1]])
    found = drawn(draw_mistakes(dataset, probabilities, ("a", "b")), tmp_path)
    green, red = (np.argwhere((found == colour).all(axis=2)) for colour in ([0, 255, 0], [255, 0, 0]))
    assert len(green) > 5000 < len(red)
    assert green[:, 1].max() < red[:, 1].min()
    assert not (found == [0, 0, 255]).all(axis=2).any()


def test_no_mistakes_is_a_picture_too(tmp_path):
    dataset = ArrayDataset(np.zeros((2, 4, 4, 1), np.uint8), np.array([0, 1]), ("a", "b"), "x")
    drawn(draw_mistakes(dataset, np.eye(2), ("a", "b")), tmp_path)


@pytest.mark.parametrize(
    "shape", [(5, 7, 3), (1, 1, 9), (300, 200, 2), (8, 8, 256), (1, 1, 4096), (56, 56, 512), (10,), (1000,)]
)
def test_sheets_of_features(tmp_path, shape):
    maps = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    pixels = drawn(draw_features(maps, "0.conv of a.png"), tmp_path)
    assert pixels.shape[1] < 1700
    assert pixels.shape[0] < 3000
    drawn(draw_features(np.zeros(shape, np.float32), "flat"), tmp_path)


def test_features_share_one_scale(tmp_path):
    maps = np.zeros((2, 2, 3), np.float32)
    maps[..., 1], maps[..., 2] = 0.5, 1
    found = drawn(draw_features(maps, "t"), tmp_path)
    assert {0, 128, 255} <= set(found[100, :, 0].tolist())
