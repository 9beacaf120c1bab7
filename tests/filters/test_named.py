import ast
from pathlib import Path

import numpy as np
import pytest
from oracles import WITH_KERNELS

from cnncli import choices, edge_picture, filter_image, render
from cnncli.errors import ArgumentError
from cnncli.filters.chains import Chain, Step
from cnncli.filters.named import FILTERS, find_filter, transposed
from cnncli.filters.operators.filtering import ACTIVATIONS
from cnncli.filters.operators.linear import unit
from cnncli.ops import PADDING_MODES
from cnncli.ops.convolution.separable import signed_sums
from cnncli.ops.ranks.rank_filter import MODES

ROOT = Path(__file__).parent.parent.parent
PAIRS = [name for name, known in FILTERS.items() if len(known.kernels) == 2]
GRADIENTS = ["vertical", "horizontal", *PAIRS]


def test_the_kernels_are_those_of_the_course():
    assert FILTERS["vertical"].kernels == (((1, 0, -1), (1, 0, -1), (1, 0, -1)),)
    assert FILTERS["horizontal"].kernels == (((1, 1, 1), (0, 0, 0), (-1, -1, -1)),)
    assert FILTERS["sobel"].kernels[0] == ((1, 0, -1), (2, 0, -2), (1, 0, -1))
    assert FILTERS["scharr"].kernels[0] == ((3, 0, -3), (10, 0, -10), (3, 0, -3))
    assert FILTERS["prewitt"].kernels[0] == FILTERS["vertical"].kernels[0]
    assert FILTERS["roberts"].kernels == (((1, 0), (0, -1)), ((0, 1), (-1, 0)))


@pytest.mark.parametrize("name", ["sobel", "scharr", "prewitt"])
def test_the_horizontal_kernel_is_the_vertical_one_transposed(name):
    vertical, horizontal = FILTERS[name].kernels
    assert horizontal == transposed(vertical)
    assert np.array_equal(horizontal, np.transpose(vertical))


@pytest.mark.parametrize("name", FILTERS)
def test_an_entry_is_complete(name):
    known = FILTERS[name]
    assert known.name == name
    assert known.about
    assert "\n" not in known.about
    assert len(known.kernels) in ((1, 2) if not known.factory else (0, 1, 2))
    assert len({np.shape(kernel) for kernel in known.kernels}) <= 1
    assert known.factory or not known.arguments
    assert all(known.kernels or argument.default is not None for argument in known.arguments)
    assert known.look.color in ("gray", "each")
    assert known.look.scale in choices.SCALES
    assert known.look.signed in choices.SIGNED
    assert find_filter(name) is known


@pytest.mark.parametrize("name", FILTERS)
def test_an_entry_is_all_that_a_filter_takes(name):
    image = np.linspace(0, 255, 108).reshape(9, 12).astype(np.uint8)
    assert filter_image(image, name).shape == edge_picture(image, name).shape == (9, 12)
    assert render([[Chain.of(name).unit]], filter=name, white=1).tolist() == [[255]]
    page = (ROOT / "docs" / "filters.md").read_text(encoding="utf-8")
    is_documented = f"| `{FILTERS[name].word}` | {FILTERS[name].about} | " in page
    assert is_documented, "run .venv/bin/cog -P -r docs/filters.md"


@pytest.mark.parametrize("name", FILTERS)
def test_arguments_are_those_that_the_entry_names(name):
    for wrong in ("", "x", "nan", "inf", ",".join("3" * (len(FILTERS[name].arguments) + 1))):
        with pytest.raises(ArgumentError, match=f"^{name}:{wrong}: "):
            Step.parse(f"{name}:{wrong}")


@pytest.mark.parametrize("size", [1, 2, 5, 12])
def test_a_box_is_a_mean(size):
    image = np.random.default_rng(size).random((20, 23))
    response = filter_image(image, f"box:{size}", padding="valid")
    expected = np.lib.stride_tricks.sliding_window_view(image, (size, size)).mean((2, 3))
    assert np.allclose(response, expected, rtol=1e-12)
    assert Step.parse(f"box:{size}.0").name == f"box{size}"


def test_no_other_module_tells_filters_apart_by_name():
    words = FILTERS.keys() - set(choices.DIRECTIONS) - set(MODES) - {"threshold", "box"}  # found objects have both
    for path in (ROOT / "cnncli").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            told = [*getattr(node, "comparators", []), *getattr(node, "keys", []), getattr(node, "slice", None)]
            named = {part.value for each in told if each for part in ast.walk(each) if isinstance(part, ast.Constant)}
            assert not named & words, f"{path}:{node.lineno}"


@pytest.mark.parametrize("name", GRADIENTS)
def test_a_gradient_sums_to_zero_and_is_antisymmetric(name):
    for kernel in map(np.array, FILTERS[name].kernels):
        assert kernel.sum() == 0
        # Turned by 180 degrees it is its own negative: `flip` changes the sign alone.
        assert np.array_equal(kernel[::-1, ::-1], -kernel)


def test_the_other_kernels_keep_or_remove_the_mean():
    for name in WITH_KERNELS.keys() - set(GRADIENTS):
        total = np.sum(FILTERS[name].kernels[0])
        assert total == 0 or total == pytest.approx(1)


@pytest.mark.parametrize("name", WITH_KERNELS)
def test_unit_scale_is_the_largest_response_to_pixels_from_0_to_1(name):
    for kernel in map(np.array, FILTERS[name].kernels):
        assert unit(*signed_sums(kernel)) == pytest.approx(np.sum(kernel * (kernel > 0)))


def test_unit_scale_never_divides_by_zero():
    assert unit(*signed_sums(np.zeros((1, 2)))) == 1
    assert unit(*signed_sums(np.array([[-2, -1]]))) == 3


def test_the_words_of_the_options_are_the_keys_of_the_registries():
    assert set(choices.PADDING_MODES) == set(PADDING_MODES)
    assert set(choices.ACTIVATIONS) == set(ACTIVATIONS)
    assert set(choices.POOLING_MODES) == {"max", "avg", "min"}
    for words in (choices.DIRECTIONS, choices.COLORS, choices.CHANNELS, choices.SCALES, choices.SIGNED):
        assert len(words) == len(set(words))


def test_an_unknown_filter_is_told_with_the_nearest_name():
    with pytest.raises(ArgumentError) as caught:
        find_filter("sobell")
    assert str(caught.value) == "unknown filter 'sobell': did you mean sobel?"
    with pytest.raises(ArgumentError, match="unknown filter 'xyzzy': choose from vertical, "):
        find_filter("xyzzy")
