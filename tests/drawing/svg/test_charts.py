"""Charts: every point at its place, labels apart, curves that differ without their colours."""

import math

import pytest
from drawings import check_drawing

from cnncli.drawing.axes import ChartAxis
from cnncli.drawing.svg.charts import Area, Curve, Mark, line_chart
from cnncli.drawing.svg.document import Svg

NAMES = ("", "a" * 200, "training", "小貓", "قطة", "<script>alert(1)</script>", "🐈 & 🐕")


def drawn(curves, width=460, height=320, **options):
    svg = Svg(width, height, title="chart")
    line_chart(svg, Area(0, 0, width, height), curves, **{"title": "Loss"} | options)
    return svg, check_drawing(svg)


def shapes(root, name, style):
    found = [shape for shape in root.iter() if shape.tag.endswith(name)]
    return [shape for shape in found if style in shape.get("class", "").split()]


def outline(shape):
    """Return the corners of a marker beside its first, in whole pixels; none of a circle."""
    corners = [tuple(map(float, point.split(","))) for point in shape.get("points", "").split()]
    return tuple((round(x - corners[0][0]), round(y - corners[0][1])) for x, y in corners)


@pytest.mark.parametrize("width", [320, 460, 1000])
@pytest.mark.parametrize("curves", [0, 1, 2, 12])
@pytest.mark.parametrize("mark", [None, Mark(1, "kept: epoch 1"), Mark(20, "kept: epoch 20")])
def test_labels_never_overlap(width, curves, mark):
    rng = range(1, 21)
    lines = [Curve(NAMES[place % 7], [(x, place + x) for x in rng]) for place in range(curves)]
    drawn(lines, width, across=ChartAxis.epochs(20), mark=mark)


def test_points_are_where_the_axes_say():
    across, up = ChartAxis.over(0, 10), ChartAxis.over(0, 1)
    _, root = drawn([Curve("one", [(0, 0), (10, 1), (5, 0.5)])], across=across, up=up)
    grid = [shape.get("points").replace(",", " ").split() for shape in shapes(root, "polyline", "grid")]
    left, bottom, right = map(float, grid[0][:3])
    top = float(grid[-1][1])
    line = shapes(root, "polyline", "line-1")[-1].get("points").replace(",", " ").split()
    middle = [(left + right) / 2, (top + bottom) / 2]
    assert list(map(float, line)) == pytest.approx([left, bottom, right, top, *middle], abs=0.02)


def test_curves_differ_in_dashes_or_markers():
    svg, _ = drawn([Curve(str(place), [(1, place), (2, place)]) for place in range(12)], 1000)
    text = str(svg)
    assert all(f".line-{number} {{stroke-dasharray" in text for number in range(2, 9))
    _, root = drawn([Curve(str(place), [(1, place)]) for place in range(12)], 1000)
    markers = [shape for shape in root.iter() if "solid" in shape.get("class", "")]
    assert len({(shape.get("class"), outline(shape)) for shape in markers}) == 12


def test_numbers_that_are_not_finite_are_left_out():
    svg, _ = drawn([Curve("broken", [(1, 0.5), (2, math.nan), (3, math.inf), (4, 0.25)])])
    assert "nan" not in str(svg)
    assert "inf" not in str(svg)


def test_a_thousand_points_have_few_markers():
    _, root = drawn([Curve("long", [(x, math.sin(x)) for x in range(1, 1001)])])
    assert 5 < len(shapes(root, "circle", "line-1")) < 20


def test_learning_rates_stand_on_powers_of_ten_and_shares_on_percentages():
    svg, _ = drawn([Curve("rate", [(1e-5, 0.1), (10, 0.9)])], across=ChartAxis.powers(1e-5, 10), percent=True)
    words = {label.text for label in svg.labels}
    assert {"1e-05", "0.01", "10", "0%", "100%"} <= words


def test_a_mark_stands_over_its_place():
    svg, root = drawn([Curve("one", [(1, 1), (5, 2)])], mark=Mark(3, "kept: epoch 3"))
    (line,) = shapes(root, "polyline", "line-mark")
    (points,) = [shape.get("points").split() for shape in shapes(root, "polyline", "line-1")][1:]
    xs = [float(point.split(",")[0]) for point in points]
    assert float(line.get("points").split(",")[0]) == pytest.approx(sum(xs) / 2, abs=0.02)
    assert "kept: epoch 3" in {label.text for label in svg.labels}
