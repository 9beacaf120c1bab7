import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cnncli.errors import ArgumentError
from cnncli.files.matrices import format_matrix, parse_matrix, read_matrix

SOBEL = ((1, 0, -1), (2, 0, -2), (1, 0, -1))


@pytest.mark.parametrize(
    "text",
    [
        "1 0 -1; 2 0 -2; 1 0 -1",
        "1,0,-1;2,0,-2;1,0,-1",
        "1, 0, -1\n2,\t0 , -2\n\n1  0\t-1\n",
        "# Sobel\n1 0 -1  # first\r\n2 0 -2\r\n1 0 -1;",
        "\ufeff1 0 -1\n2 0 -2\n1 0 -1",
    ],
)
def test_rows_and_numbers_may_be_separated_in_many_ways(text):
    assert parse_matrix(text) == SOBEL


def test_whole_numbers_stay_integers_and_others_become_floats():
    (row,) = parse_matrix("7 -2 1.5 1e3 1/9 -1/2")
    assert row == (7, -2, 1.5, 1000.0, 1 / 9, -0.5)
    assert [type(number) for number in row] == [int, int, float, float, float, float]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 0 -1; 2 0 x", "kernel row 2, column 3: 'x' is not a number"),
        ("1 2; 3", "kernel row 2 has 1 numbers where row 1 has 2"),
        ("1 nan", "kernel row 1, column 2: nan is not a finite number"),
        ("1e999", "kernel row 1, column 1: inf is not a finite number"),
        ("1/0", "kernel row 1, column 1: '1/0' is not a number"),
        ("1,,2", "kernel row 1, column 2: '' is not a number"),
        ("", "kernel holds no numbers"),
        ("# nothing\n;;", "kernel holds no numbers"),
    ],
)
def test_an_error_says_where(text, message):
    with pytest.raises(ArgumentError) as caught:
        parse_matrix(text, what="kernel")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_columns_are_aligned():
    assert format_matrix([[1, 0, -1], [10, 0, -10]]) == " 1 0  -1\n10 0 -10"
    assert format_matrix(np.array([[30, 0]], np.uint8)) == "30 0"


shapes = array_shapes(min_dims=2, max_dims=2, max_side=5)


@given(
    arrays(np.int64, shapes)
    | arrays(np.float64, shapes, elements=st.floats(allow_nan=False, allow_infinity=False))
    | arrays(np.float32, shapes, elements=st.floats(allow_nan=False, allow_infinity=False, width=32))
)
def test_formatted_text_reads_back_exactly(matrix):
    back = parse_matrix(format_matrix(matrix))
    assert np.array_equal(np.array(back, matrix.dtype), matrix)
    assert all(isinstance(number, int) == (matrix.dtype.kind == "i") for row in back for number in row)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("kernel.txt", "1 0 -1\n2 0 -2\n1 0 -1\n"),
        ("kernel.CSV", "1,0,-1\n2,0,-2\n1,0,-1\n"),
        ("kernel.json", json.dumps(SOBEL)),
    ],
)
def test_a_file_is_read_by_its_suffix(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_matrix(tmp_path / name) == SOBEL


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("kernel.json", b"[[1, 2], [3]]", "row 2 has 1 numbers where row 1 has 2"),
        ("kernel.json", b"[[1, null]]", "row 1, column 2: null is not a number"),
        ("kernel.json", b"[[1, true]]", "row 1, column 2: true is not a number"),
        ("kernel.json", b"[[NaN]]", "row 1, column 1: nan is not a finite number"),
        ("kernel.json", b"[[1,", "is not JSON"),
        ("kernel.json", b"[1, 2]", "is not a list of lists of numbers"),
        ("kernel.txt", b"1 2\n3 y", "row 2, column 2: 'y' is not a number"),
        ("kernel.txt", b"\xff\xfe\x00", "holds no text"),
        ("kernel.png", b"1", "a matrix is read from .txt, .csv, .json"),
        ("kernel.txt", None, "no such file"),
    ],
)
def test_a_file_error_names_the_file(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ArgumentError) as caught:
        read_matrix(tmp_path / name, what="kernel")
    assert str(caught.value).startswith(f"kernel file {tmp_path / name}")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
