import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import NUMPY_MODES, random_image

from cnncli.errors import ArgumentError
from cnncli.filters.bands import ArrayRows
from cnncli.ops.borders import PADDING_MODES, border_index, take_rows

sizes, amounts = st.integers(1, 9), st.integers(0, 30)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("zeros", "...abcd..."),
        ("reflect", "dcbabcdcba"),
        ("symmetric", "cbaabcddcb"),
        ("replicate", "aaaabcdddd"),
        ("circular", "bcdabcdabc"),
    ],
)
def test_the_row_a_b_c_d(mode, expected):
    found = "".join("abcd"[at] if at >= 0 else "." for at in border_index(4, 3, 3, mode))
    assert found == expected


def test_every_mode_is_tested():
    assert set(PADDING_MODES) == set(NUMPY_MODES)


@given(n=sizes, before=amounts, after=amounts)
@pytest.mark.parametrize("mode", PADDING_MODES)
def test_borders_are_numpy_s_however_wide(mode, n, before, after):
    line = np.arange(n)
    expected = np.pad(line, (before, after), NUMPY_MODES[mode], **({"constant_values": -1} if mode == "zeros" else {}))
    assert border_index(n, before, after, mode).tolist() == expected.tolist()
    for taken in (slice(1, 3), slice(before, before + n + 1), slice(n, 99), slice(5, 2)):
        assert border_index(n, before, after, mode, taken=taken).tolist() == expected[taken].tolist()


def test_what_is_reached_past_the_padding_is_outside():
    assert border_index(3, 1, 1, "replicate", reach=8).tolist() == [0, 0, 1, 2, 2, -1, -1, -1]
    assert border_index(3, 0, 0, "zeros", reach=2).tolist() == [0, 1, 2]


@given(st.integers(1, 9), st.lists(st.integers(-1, 8), min_size=1, max_size=25), st.booleans())
def test_rows_are_taken_in_any_order(height, index, deep):
    image = random_image((height, 4, 2) if deep else (height, 4))
    index = np.minimum(index, height - 1)
    padded = np.concatenate([image, np.zeros_like(image[:1])])
    assert np.array_equal(take_rows(ArrayRows(image), index), padded[index])


def test_rows_in_sequence_are_not_copied():
    image = random_image((9, 4))
    assert np.shares_memory(take_rows(ArrayRows(image), np.arange(2, 6)), image)


@pytest.mark.parametrize("mode", PADDING_MODES)
def test_rows_are_read_once(mode):
    class Counted(ArrayRows):
        def rows(self, start, stop):
            reads.append((start, stop))
            return super().rows(start, stop)

    reads = []
    image = random_image((20, 3))
    for taken in (slice(0, 30), slice(4, 11), slice(25, 36), slice(0, 2)):
        reads.clear()
        index = border_index(20, 8, 8, mode, taken=taken)
        take_rows(Counted(image), index)
        assert len(reads) <= (2 if mode == "circular" else 1)
        assert sum(stop - start for start, stop in reads) == len(np.unique(index[index >= 0]))


def test_an_unknown_mode_is_told_with_the_modes():
    with pytest.raises(ArgumentError) as caught:
        border_index(4, 1, 1, "mirror")
    assert str(caught.value) == f"unknown padding_mode 'mirror': the modes are {', '.join(PADDING_MODES)}"


@pytest.mark.parametrize("mode", PADDING_MODES)
def test_a_part_of_an_index_is_that_part(mode):
    whole = border_index(7, 3, 2, mode)
    for start in range(12):
        for stop in range(start, 15):
            assert border_index(7, 3, 2, mode, taken=slice(start, stop)).tolist() == whole[start:stop].tolist()
