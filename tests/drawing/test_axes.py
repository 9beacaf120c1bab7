"""Axes: round numbers that hold what is drawn."""

import pytest

from cnncli.drawing.axes import ChartAxis


def test_axes_have_round_numbers():
    assert ChartAxis.over(0, 2.3).ticks == (0, 0.5, 1, 1.5, 2, 2.5)
    assert ChartAxis.over(1, 40, most=8, whole=True).ticks == (0, 5, 10, 15, 20, 25, 30, 35, 40)
    for low, high in [(0, 0), (5, 5), (-3, 4), (0, 1e-9), (1e9, 1e9 + 1)]:
        axis = ChartAxis.over(low, high)
        assert axis.low <= low <= high <= axis.high
        assert axis.low < axis.high
        assert len(axis.ticks) < 12


@pytest.mark.parametrize("axis", [ChartAxis.over(0, 8), ChartAxis.powers(1e-5, 10), ChartAxis.epochs(1)])
def test_the_ends_of_an_axis_are_the_ends_of_its_room(axis):
    assert axis.place(axis.low, 10, 90) == pytest.approx(10)
    assert axis.place(axis.high, 10, 90) == pytest.approx(90)
