"""Chains: filter words in a row, and kernels that users type or keep in files."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import random_image

from cnncli.errors import ArgumentError
from cnncli.files.matrices import format_matrix
from cnncli.filters.chains import Chain, load_chains, load_kernel
from cnncli.filters.edges import as_rows, filter_image
from cnncli.filters.kernel_files import KERNEL_SUFFIXES, check_kernel_path, save_kernel
from cnncli.filters.named import FILTERS
from cnncli.filters.operators.filtering import Filtering

KERNEL = [[1, 0, -1], [2, 0, -2], [1, 0, -1]]


def written(folder, suffix, kernel):
    path = folder / f"my kernel{suffix}"
    if suffix == ".npy":
        np.save(path, kernel)
    elif suffix == ".json":
        path.write_text(json.dumps(kernel))
    else:
        separator = "," if suffix == ".csv" else " "
        path.write_text("\n".join(separator.join(map(str, row)) for row in kernel))
    return str(path)


@pytest.mark.parametrize("suffix", KERNEL_SUFFIXES)
@pytest.mark.parametrize("change", [str, str.upper])
def test_a_file_of_every_kind(tmp_path, suffix, change):
    path = written(tmp_path, suffix, KERNEL)
    renamed = path.removesuffix(suffix) + change(suffix)
    (tmp_path / path).rename(renamed)
    step = load_kernel(renamed)
    assert step.name == "my kernel"
    assert step.operator.weights[0].tolist() == KERNEL
    assert step.operator.weights[0].dtype.kind == "i"


@given(st.lists(st.lists(st.integers(-99, 99) | st.floats(-9, 9), min_size=3, max_size=3), min_size=1, max_size=4))
def test_text_holds_numbers_exactly(kernel):
    step = load_kernel(format_matrix(kernel).replace("\n", "; "))
    assert step.operator.weights[0].tolist() == kernel
    assert (step.name, step.operator.direction) == ("kernel", None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no numbers"),
        (" ; ", "holds no numbers"),
        ("1 two 3", "row 1, column 2: 'two' is not a number"),
        ("1 0; 1", "row 2 has 1 numbers where row 1 has 2"),
        ("1,,2", "column 2: '' is not a number"),
        ("1e999", "not a finite number"),
        ("1/0", "'1/0' is not a number"),
        ("photo.png", "'photo.png' is not a number"),
        ("nowhere.csv", "nowhere.csv"),
        ("nowhere.npy", "nowhere.npy"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text, words):
    with pytest.raises(ArgumentError) as caught:
        load_kernel(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "array",
    [
        np.ones(3),
        np.ones((1, 1, 1, 1, 1)),
        np.ones((1, 1, 0, 1)),
        np.ones((1, 1, 1, 2)),
        np.ones((0, 3)),
        np.full((2, 2), np.nan),
        np.ones((2, 2), complex),
    ],
    ids=str,
)
def test_arrays_that_are_no_kernels(tmp_path, array):
    np.save(tmp_path / "kernel.npy", array)
    with pytest.raises(ArgumentError):
        load_kernel(str(tmp_path / "kernel.npy"))


@pytest.mark.parametrize("content", [b"", b"text", b"\x93NUMPY\x01\x00"])
def test_files_that_are_no_arrays(tmp_path, content):
    path = tmp_path / "kernel.npy"
    path.write_bytes(content)
    with pytest.raises(ArgumentError, match=r"kernel\.npy"):
        load_kernel(str(path))


def test_nothing_in_a_file_is_run(tmp_path):
    np.save(tmp_path / "kernel.npy", np.array([[object()]], object))
    with pytest.raises(ArgumentError, match="array of numbers"):
        load_kernel(str(tmp_path / "kernel.npy"))


def test_chains_in_the_order_asked_for():
    assert [chain.name for chain in load_chains([], None, None)] == ["sobel"]
    assert [chain.name for chain in load_chains(list(FILTERS), None, None)] == list(FILTERS)
    assert [chain.name for chain in load_chains(["box"], "1 0", None)] == ["box", "kernel"]
    assert load_chains(["sobel", "scharr"], None, "angle")[1].is_angle


@pytest.mark.parametrize(
    ("filters", "kernel", "direction"),
    [(["sobel", "sobel"], None, None), (["nothing"], None, None), ([], "1 0", "vertical"), (["box"], None, "angle")],
)
def test_what_does_not_go_together(filters, kernel, direction):
    with pytest.raises(ArgumentError):
        load_chains(filters, kernel, direction)


@pytest.mark.parametrize("suffix", [*KERNEL_SUFFIXES, ".TXT"])
@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=width, max_size=width),
            min_size=1,
            max_size=4,
        )
    )
)
def test_a_saved_kernel_is_read_back_exactly(tmp_path_factory, suffix, kernel):
    path = str(tmp_path_factory.mktemp("kernels") / f"k{suffix}")
    save_kernel(path, np.array(kernel))
    np.testing.assert_array_equal(load_kernel(path).operator.weights[0], kernel)


@pytest.mark.parametrize(("name", "dimensions"), [("k.png", 2), ("k", 2), ("k.txt", 3), ("k.json", 3)])
def test_where_a_kernel_cannot_be_saved(name, dimensions):
    with pytest.raises(ArgumentError, match=name):
        check_kernel_path(name, dimensions)


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(ArgumentError, match="cannot be written: No such file"):
        save_kernel(str(tmp_path / "none" / "k.npy"), np.eye(3))


@pytest.mark.parametrize(
    ("words", "dtype", "expected"),
    [
        ("gaussian:2", "uint8", True),
        ("gaussian:40 box:3", "uint16", True),
        ("gaussian:2 sobel", "float32", True),
        ("gaussian:2", "float32", False),
        ("gaussian:2", "int16", False),
        ("sharpen", "uint8", False),
        ("gaussian:2 laplacian", "uint8", False),
    ],
)
def test_what_is_never_negative_is_known(words, dtype, expected):
    image = random_image((40, 50), dtype)
    response = Chain.of(words).over(as_rows(image), Filtering())
    assert response.never_negative is expected
    numbers = response.rows(0, 40)
    assert (numbers.min() >= -1e-6 * np.abs(numbers).max()) is np.bool_(expected)


def test_options_of_the_last_step_are_for_the_last_of_two_that_are_one():
    image = random_image((20, 24))
    (chain,) = load_chains(["kernel kernel"], "1 2; 3 4", None)
    once = filter_image(image, [[1, 2], [3, 4]])
    expected = filter_image(once, [[1, 2], [3, 4]], stride=2, bias=5)
    response = chain.over(as_rows(image), Filtering(stride=2, bias=5))
    assert np.array_equal(response.rows(0, response.shape[0]), expected)
