import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.errors import ArgumentError
from cnncli.shapes import Window, effective_size, output_size, padding_amounts, pair, same_padding

sizes = st.integers(1, 30)
small = st.integers(1, 6)
amounts = st.integers(0, 7)


@pytest.mark.parametrize(
    ("n", "kernel_size", "options", "expected"),
    [
        (6, 3, {}, 4),
        (6, 3, {"padding": 1}, 6),
        (7, 3, {"stride": 2}, 3),
        (39, 3, {}, 37),
        (37, 5, {"stride": 2}, 17),
        (17, 5, {"stride": 2}, 7),
        (227, 11, {"stride": 4}, 55),
        (224, 7, {"stride": 2, "padding": 3}, 112),
        (6, 3, {"padding": "same"}, 6),
        (5, 2, {"padding": "same", "stride": 2}, 3),
        (7, 3, {"dilation": 3}, 1),
        (6, 3, {"padding": (0, 1)}, 5),
        (7, 2, {"stride": 2, "ceil_mode": True}, 4),
        (1, 1, {}, 1),
    ],
)
def test_sizes_that_people_know(n, kernel_size, options, expected):
    assert output_size(n, kernel_size, **options) == expected


@given(n=sizes, f=small, before=amounts, after=amounts, stride=small, dilation=small)
def test_an_output_is_a_place_where_the_window_fits(n, f, before, after, stride, dilation):
    padded = n + before + after
    last_tap = dilation * (f - 1)
    places = [start for start in range(0, padded, stride) if start + last_tap < padded]
    if not places:
        with pytest.raises(ArgumentError):
            output_size(n, f, padding=(before, after), stride=stride, dilation=dilation)
        return
    found = output_size(n, f, padding=(before, after), stride=stride, dilation=dilation)
    assert found == len(places)


@given(n=sizes, f=small, stride=small, dilation=small, data=st.data())
def test_ceil_mode_keeps_windows_until_the_end_is_covered(n, f, stride, dilation, data):
    span = effective_size(f, dilation)
    padding = data.draw(st.integers(0, f // 2))
    padded = n + 2 * padding
    if span >= padded + stride:
        with pytest.raises(ArgumentError):
            output_size(n, f, padding=padding, stride=stride, dilation=dilation, ceil_mode=True)
        return
    ends = {start: start - stride + span for start in range(0, n + padding, stride)}
    starts = [start for start, covered_to in ends.items() if start == 0 or covered_to < padded]
    assert output_size(n, f, padding=padding, stride=stride, dilation=dilation, ceil_mode=True) == len(starts)


@given(n=sizes, f=small, stride=small, dilation=small)
def test_same_gives_n_over_s_rounded_up_with_the_odd_pixel_after(n, f, stride, dilation):
    before, after = same_padding(n, f, stride=stride, dilation=dilation)
    assert after - before in (0, 1)
    assert output_size(n, f, padding="same", stride=stride, dilation=dilation) == -(-n // stride)
    # Not a pixel more than that needs.
    span = effective_size(f, dilation)
    assert before + after == 0 or (-(-n // stride) - 1) * stride + span == n + before + after


@given(f=small, dilation=small)
def test_effective_size_counts_from_the_first_tap_to_the_last(f, dilation):
    assert effective_size(f, dilation) == len(range((f - 1) * dilation + 1))


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        ("valid", (0, 0, 0, 0)),
        ("same", (1, 1, 0, 1)),
        (2, (2, 2, 2, 2)),
        ((1, 2), (1, 1, 2, 2)),
        ([1, 2, 3, 4], (1, 2, 3, 4)),
        (np.int64(3), (3, 3, 3, 3)),
    ],
)
def test_padding_in_all_its_forms(padding, expected):
    found = padding_amounts(padding, (6, 6), (3, 2))
    assert found == expected
    assert all(type(amount) is int for amount in found)


def test_a_pair_is_vertical_then_horizontal():
    assert pair(3, "stride") == (3, 3)
    assert pair([1, 2], "stride") == (1, 2)
    assert pair(np.int8(2), "stride") == (2, 2)
    window = Window.over((10, 20), (3, 5), stride=(1, 2), padding=(1, 2, 0, 4), dilation=(2, 1))
    assert window.output_size == (9, 10)
    assert window.span == (5, 5)
    assert window.reach == (13, 23)


@given(n=st.integers(5, 20), f=small, stride=small, data=st.data())
def test_rows_of_a_window_are_the_window_over_fewer_rows(n, f, stride, data):
    window = Window.over((n, n), f, stride=stride, padding="same")
    start = data.draw(st.integers(0, window.output_size[0] - 1))
    stop = data.draw(st.integers(start + 1, window.output_size[0]))
    part = window.rows(start, stop)
    assert part == Window.over(part.size, f, stride=stride, padding=(0, 0, *window.padding[2:]))
    assert part.output_size == (stop - start, window.output_size[1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: output_size(6, 3, stride=0), "stride must be a positive integer, got 0"),
        (lambda: output_size(0, 3), "n must be a positive integer, got 0"),
        (lambda: output_size(6, 2.5), "kernel_size must be a positive integer, got 2.5"),
        (lambda: output_size(6, 3, dilation=True), "dilation must be a positive integer, got True"),
        (lambda: output_size(6, 3, padding="full"), "got 'full'"),
        (lambda: output_size(6, 3, padding=(1, 2, 3)), "got (1, 2, 3)"),
        (lambda: output_size(3, 5), "a window of 5 pixels does not fit into 3 pixels with padding 0 + 0"),
        (lambda: output_size(3, 6), "use padding of at least 2"),
        (lambda: pair((1, 2, 3), "stride"), "stride must be a positive integer, got (1, 2, 3)"),
        (lambda: pair("12", "stride"), "stride must be a positive integer, got"),
        (lambda: pair(np.array([1, 2]), "stride"), "stride must be a positive integer, got"),
        (lambda: padding_amounts(-1, (6, 6), (3, 3)), "got -1"),
        (lambda: padding_amounts((1, 2, 3), (6, 6), (3, 3)), "got (1, 2, 3)"),
        (lambda: padding_amounts("full", (6, 6), (3, 3)), "padding must be 'valid', 'same', an integer from 0"),
        (lambda: padding_amounts((), (6, 6), (3, 3)), "got ()"),
    ],
)
def test_an_error_is_one_line_that_says_what_was_asked(call, message):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@given(n=sizes, f=st.integers(1, 40))
def test_the_padding_that_an_error_proposes_fits(n, f):
    if f <= n:
        return
    with pytest.raises(ArgumentError) as caught:
        output_size(n, f)
    proposed = int(str(caught.value).split("at least ")[1].split(",")[0])
    assert output_size(n, f, padding=proposed) >= 1
    with pytest.raises(ArgumentError):
        output_size(n, f, padding=proposed - 1)
