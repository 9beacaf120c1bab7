"""Confusion matrices: their numbers, their shades, and how small they stay."""

import random
import re

import pytest
from drawings import check_drawing

from cnncli.drawing.svg.matrices import draw_matrix
from cnncli.drawing.svg.theme import DARK, LIGHT

NAMES = ("", "a class with a very long name, longer than there is room for it", "小貓", "قطة", "<script>", "🐈")
SAID = {"title": "Confusion matrix", "note": "97% of 1,000 right", "across": "predicted", "down": "true"}


def counts_of(classes, items, right=0.7, seed=0):
    rng, counts = random.Random(seed), [[0] * classes for _ in range(classes)]
    for _ in range(items):
        truth = rng.randrange(classes)
        counts[truth][truth if rng.random() < right else rng.randrange(classes)] += 1
    return counts


def names_of(classes):
    return [f"{NAMES[place % len(NAMES)]} {place // len(NAMES)}" for place in range(classes)]


@pytest.mark.parametrize("classes", [1, 2, 3, 10, 37, 80])
def test_labels_never_overlap(classes):
    check_drawing(draw_matrix(names_of(classes), counts_of(classes, 30 * classes), **SAID))


@pytest.mark.parametrize("classes", [2, 10])
def test_every_count_is_written_in_its_cell(classes):
    counts = counts_of(classes, 5000)
    svg = draw_matrix([f"c{place}" for place in range(classes)], counts, **SAID)
    labels = [label for label in svg.labels if re.fullmatch(r"[\d,]+", label.text)]
    assert [label.text for label in labels] == [f"{count:,}" for row in counts for count in row if count]
    columns = sorted({round((label.left + label.right) / 2) for label in labels})
    assert len(columns) == classes


def test_shades_tell_right_from_wrong_and_show_the_smallest_share():
    svg = str(draw_matrix(["a", "b"], [[999, 1], [0, 5]], **SAID))
    body = svg[svg.index("<g ") : svg.index("</g>")]
    right = re.findall(r'd="([^"]*)" class="heat-1" fill-opacity="([^"]*)"', body)
    wrong = re.findall(r'd="([^"]*)" class="heat-2" fill-opacity="([^"]*)"', body)
    assert right == [("M0 0h1v1h-1zM1 1h1v1h-1z", "1")]
    assert wrong == [("M1 0h1v1h-1z", "0.05")]


def test_a_class_without_pictures_has_no_shade():
    body = str(draw_matrix(["a", "b"], [[0, 0], [0, 3]], **SAID))
    assert body.count("M1 1h1v1h-1z") == 1
    assert "M0 0h" not in body


@pytest.mark.parametrize(("items", "most"), [(50_000, 400_000), (300_000, 600_000)])
def test_a_thousand_classes_stay_small(items, most):
    svg = draw_matrix(names_of(1000), counts_of(1000, items, right=0.8), **SAID)
    assert len(str(svg)) < most
    check_drawing(svg)


def luminance(colour):
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def rgb(text):
    return [int(text[place : place + 2], 16) for place in (1, 3, 5)]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("style", ["heat-1", "heat-2"])
def test_numbers_can_be_read_on_every_shade(theme, style):
    ink = luminance(rgb(theme["ink"]))
    for level in range(21):
        pairs = zip(rgb(theme["paper"]), rgb(theme[style]), strict=True)
        ground = luminance([paper + level / 20 * (full - paper) for paper, full in pairs])
        assert (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) >= 4.5
