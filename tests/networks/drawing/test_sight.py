"""What one unit sees: against a naive walk along every window, and against the known receptive fields."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncli.networks import load_network, parse_network
from cnncli.networks.drawing.fields import INPUT, sight
from cnncli.shapes import output_size

windows = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 2))


def chain(size, layers):
    words, sizes = [f"{size}x{size + 3}x1"], [(size, size + 3)]
    for kernel, stride, padding in layers:
        padding = min(padding, kernel // 2)
        try:
            sizes.append(tuple(output_size(n, kernel, padding=padding, stride=stride) for n in sizes[-1]))
        except ValueError:
            continue
        words.append(f"conv{kernel}-1,s{stride},p{padding}")
    return words


def seen_naively(rows, places, axis):
    """The places of the input along an axis that places of the last row's output see."""
    for row in reversed(rows):
        kernel, padding, stride, dilation = row.filter[:4]
        taps = {
            place * stride[axis] - padding[2 * axis] + tap * dilation[axis]
            for place in places
            for tap in range(kernel[axis])
        }
        places = {place for place in taps if 0 <= place < row.input_shape[axis]}
    return places


@settings(max_examples=150, deadline=None)
@given(size=st.integers(6, 24), layers=st.lists(windows, min_size=1, max_size=4), data=st.data())
def test_a_unit_sees_what_the_windows_lead_to(size, layers, data):
    words = chain(size, layers)
    if len(words) == 1:
        return
    summary = parse_network(" ".join(words)).summary()
    last = summary.rows[-1]
    unit = [data.draw(st.integers(0, n - 1)) for n in last.output_shape[:2]]
    found = sight(summary, f"{last.name}:{unit[1]},{unit[0]}")
    for number in range(len(summary.rows)):
        rows = summary.rows[number:]
        name = summary.rows[number - 1].name if number else INPUT
        region = found.regions[name]
        for axis, ends in enumerate((region.rows, region.columns)):
            places = seen_naively(rows, {unit[axis]}, axis)
            assert region.is_empty if not places else ends == (min(places), max(places))


def test_the_size_is_that_of_the_summary():
    summary = load_network("vgg16").summary()
    row = next(row for row in summary.rows if row.name == "9.max")
    found = sight(summary, "9.max:14,14")
    assert found.regions[INPUT].rows[1] - found.regions[INPUT].rows[0] + 1 == row.receptive_field.size[0]
    assert "clipped" not in str(found)
    assert "clipped at the border" in str(sight(summary, "9.max:0,0"))


def test_only_maps_that_all_has_gone_through_are_shown():
    found = sight(load_network("resnet18").summary(), "3.res.main.1.conv:5,5")
    assert list(found.regions) == ["3.res.main.1.conv", "3.res.main.0.conv", "2.res", "1.max", "0.conv", INPUT]


@pytest.mark.parametrize("style", ["volumes", "boxes", "table"])
def test_what_is_seen_is_written(style):
    from cnncli.networks.drawing import draw_network

    labels = {label.text for label in draw_network("lenet5", style=style, receptive_field="2.conv:4,3").labels}
    texts = " ".join(labels)
    for words in ("6 to 19", "8 to 21", "3 to 7", "4 to 8"):
        assert words in texts
    assert "Receptive field of 2.conv (conv5-16,relu) at row 3, column 4: 14x14" in texts
