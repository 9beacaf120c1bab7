"""One layer's arithmetic: forwards beside PyTorch, backwards beside trying everything."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cnncli.errors import ArgumentError
from cnncli.networks.arithmetic import (
    Axis,
    inputs_for,
    keeping_padding,
    keeping_working,
    settings_for,
    sum_in_a_line,
    working,
)

small = st.integers(1, 6)
sizes = st.integers(1, 40)
paddings = st.one_of(st.sampled_from(["same", "valid"]), st.tuples(st.integers(0, 5), st.integers(0, 5)))
amounts = st.tuples(st.integers(0, 3), st.integers(0, 3))
axes = st.builds(Axis, small, small, paddings, st.integers(1, 3), st.booleans(), st.just(False), st.just(0))
transposed_axes = st.builds(Axis, small, small, amounts, st.integers(1, 3), st.just(False), st.just(True), st.just(0))


def made(axis, n):
    """The output size, or None where there is none."""
    try:
        return axis.output_size(n)
    except ArgumentError:
        return None


@pytest.mark.parametrize(
    ("axis", "n", "expected"),
    [
        (Axis(3), 39, 37),
        (Axis(5, 2), 37, 17),
        (Axis(5, 2), 17, 7),
        (Axis(7, 2, (3, 3)), 224, 112),
        (Axis(3, 2, (1, 1)), 112, 56),
        (Axis(3, 2, ceil_mode=True), 112, 56),
        (Axis(3, 2, ceil_mode=True), 2, 1),
        (Axis(6, 4, (1, 1), ceil_mode=True), 1, 1),
        (Axis(3, dilation=2), 7, 3),
        (Axis(2, 2, transposed=True), 28, 56),
        (Axis(3, 2, (1, 1), transposed=True, output_padding=1), 14, 28),
        (Axis(3, 2, "same", transposed=True), 14, 28),
        (Axis(2, 3, "same", transposed=True), 5, 15),
    ],
)
def test_sizes_that_people_know(axis, n, expected):
    assert axis.output_size(n) == expected


@settings(max_examples=60)
@given(sizes, small, small, st.integers(0, 3), st.integers(1, 3), st.integers(0, 2), st.booleans())
def test_sizes_are_pytorchs(n, f, s, p, d, extra, transposed):
    torch = pytest.importorskip("torch")
    axis = Axis(f, s, (p, p), d, transposed=transposed, output_padding=extra if transposed else 0)
    kind = torch.nn.ConvTranspose1d if transposed else torch.nn.Conv1d
    options = {"output_padding": extra} if transposed else {}
    try:
        expected = kind(1, 1, f, s, p, dilation=d, **options)(torch.zeros(1, 1, n)).shape[2]
    except (RuntimeError, ValueError):
        expected = None
    assert made(axis, n) == (expected or None)


@settings(max_examples=60)
@given(sizes, small, small, st.booleans(), st.data())
def test_ceil_mode_is_pytorchs(n, f, s, ceil, data):
    torch = pytest.importorskip("torch")
    p = data.draw(st.integers(0, f // 2))
    axis = Axis(f, s, (p, p), ceil_mode=ceil)
    if n + 2 * p < f:
        return
    found = torch.nn.functional.max_pool1d(torch.zeros(1, 1, n), f, s, p, ceil_mode=ceil).shape[2]
    assert axis.output_size(n) == found


@given(axes, sizes)
def test_every_pixel_is_seen_or_dropped(axis, n):
    size = made(axis, n)
    if size is None or axis.stride > axis.span:
        return
    before, after = axis.amounts(n)
    covered = {start * axis.stride + tap for start in range(size) for tap in range(axis.span)}
    ends = [pixel for pixel in range(n) if pixel + before not in covered]
    assert axis.dropped(n) == len(ends)
    assert axis.unused(n) == len(set(range(n + before + after)) - covered)


@given(axes | transposed_axes, small)
def test_inputs_are_all_that_give_the_output(axis, size):
    expected = [n for n in range(1, 120) if made(axis, n) == size]
    assert list(inputs_for(size, axis)) == expected


@settings(max_examples=60)
@given(sizes, small, st.integers(1, 2), st.integers(1, 12), st.booleans(), st.booleans())
def test_settings_are_all_that_give_the_output(n, f, d, size, ceil, transposed):
    axis = Axis(f, 1, (0, 0), d, ceil_mode=ceil and not transposed, transposed=transposed)
    totals = range(2 * axis.span - 1)
    expected = {
        (padding, stride)
        for padding in ((total // 2, total - total // 2) for total in totals)
        for stride in range(1, 60)
        if made(axis._replace(padding=padding, stride=stride), n) == size
    }
    found = settings_for(size, n, axis)
    listed = {(each.padding, stride) for each in found for stride in each.strides if stride < 60}
    assert {one for one in expected if one not in listed} <= {
        (each.padding, stride) for each in found if each.unbounded for stride in range(each.strides[-1], 60)
    }
    assert listed <= expected
    for each in found:
        if each.unbounded:
            assert axis._replace(padding=each.padding, stride=10**6).output_size(n) == size


@given(sizes, small, small, st.integers(1, 12), paddings)
def test_a_given_padding_or_stride_is_kept(n, f, s, size, padding):
    axis = Axis(f, s, padding)
    exact = settings_for(size, n, axis, any_padding=False, any_stride=False)
    assert bool(exact) == (made(axis, n) == size)
    for each in settings_for(size, n, axis, any_padding=False):
        assert each.padding == padding
    for each in settings_for(size, n, axis, any_stride=False):
        assert list(each.strides) == [s]


@given(sizes, st.integers(1, 9), small, st.integers(1, 3), st.sampled_from(["", "ceil_mode", "transposed"]))
@example(15, 6, 2, 1, "ceil_mode")
@example(1, 6, 2, 1, "ceil_mode")
def test_the_keeping_padding_is_the_least_that_keeps_the_size(n, f, s, d, kind):
    axis = Axis(f, s, dilation=d, **({kind: True} if kind else {}))
    padding = keeping_padding(axis, n)
    totals = (axis._replace(padding=(total // 2, total - total // 2)) for total in range(sum(padding) + 1))
    assert [tried.padding for tried in totals if made(tried, n) == n] == [padding]
    assert f"= {n}" in " ".join(keeping_working(axis, n)) or "2p" in keeping_working(axis, n)[0]
    if s == 1:
        assert padding == keeping_padding(axis)
        assert (padding[0] == padding[1]) == (d * (f - 1) % 2 == 0)


@given(axes | transposed_axes, sizes)
def test_the_working_calculates_to_the_size(axis, n):
    size = made(axis, n)
    if size is None:
        return
    lines = working(axis, n)
    assert f"= {size}" in lines
    filled = sum_in_a_line(axis, n).rpartition(" = ")[0]
    names = {"floor": lambda x: x // 1, "ceil": lambda x: -(-x // 1)}
    value = eval(filled, {"__builtins__": {}}, names)
    assert value == size


def test_the_working_names_what_is_dropped_and_padded():
    text = "\n".join(working(Axis(2, 2, "same"), 7, ("top", "bottom")))
    assert "padding: 0 at the top, 1 at the bottom" in text
    assert "dropped: 2 pixels at the bottom" in "\n".join(working(Axis(3, 3), 8, ("top", "bottom")))
    assert "unused: 1 pixel of the padding" in "\n".join(working(Axis(7, 2, (3, 3)), 224))
    assert "skipped: 1 pixel between" in "\n".join(working(Axis(1, 2), 9))
    assert "= floor(2.333...)" in working(Axis(3, 3), 7)


@pytest.mark.parametrize("f", range(1, 10))
def test_odd_filters_pad_evenly(f):
    text = "\n".join(keeping_working(Axis(f)))
    assert (f"p = {(f - 1) // 2}" in text.splitlines()) == (f % 2 == 1)
    assert ("not an integer" in text) == (f % 2 == 0)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (lambda: Axis(5).output_size(3), "does not fit"),
        (lambda: Axis(0).output_size(3), "kernel_size must be a positive"),
        (lambda: Axis(3, transposed=True, ceil_mode=True).output_size(3), "does not round"),
        (lambda: Axis(3, 1, transposed=True, output_padding=1).output_size(3), "smaller than the stride"),
        (lambda: Axis(3, 2, "same", transposed=True, output_padding=1).output_size(3), "leave the output padding out"),
        (lambda: Axis(1, 1, (4, 4), transposed=True).output_size(3), "less padding"),
        (lambda: inputs_for(0, Axis(3)), "wanted size must be a positive integer"),
        (lambda: settings_for(7, 9, Axis(5000)), "up to 1000 pixels"),
        (lambda: settings_for(7, 9, Axis(3, transposed=True, ceil_mode=True)), "does not round"),
        (lambda: keeping_padding(Axis(3, transposed=True, ceil_mode=True), 9), "does not round"),
        (lambda: keeping_padding(Axis(3, transposed=True, output_padding=1), 9), "smaller than the stride"),
        (lambda: keeping_padding(Axis(0), 9), "kernel_size must be a positive"),
    ],
)
def test_questions_without_sense_are_refused(question, words):
    with pytest.raises(ArgumentError, match=re.escape(words)):
        question()
