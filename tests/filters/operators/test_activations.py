import numpy as np
import pytest
import scipy.special

from cnncli.filters.operators.filtering import ACTIVATIONS

REFERENCES = {"relu": lambda x: np.where(x > 0, x, 0), "tanh": np.tanh, "sigmoid": scipy.special.expit}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64", "float32", "float64"])
def test_values_are_those_of_the_definition(name, dtype):
    x = np.array([[0, 1, 2, 5, 100]], dtype)
    x = x if dtype == "uint8" else np.concatenate([x, -x])
    found = ACTIVATIONS[name](x)
    assert found.shape == x.shape
    assert np.allclose(found, REFERENCES[name](x.astype(np.float64)), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_ends_of_the_line_cause_no_warnings(name):
    found = ACTIVATIONS[name](np.array([-np.inf, -1e30, 1e30, np.inf, np.nan], np.float32))
    expected = {"relu": [0, 0, np.float32(1e30), np.inf], "tanh": [-1, -1, 1, 1], "sigmoid": [0, 0, 1, 1]}
    assert found[:4].tolist() == expected.get(name, found[:4].tolist())
    assert np.isnan(found[4])


def test_types():
    for dtype in ("int8", "int16", "int64", "uint8", "float32", "float64"):
        assert ACTIVATIONS["relu"](np.ones(3, dtype)).dtype == dtype
    for name in ("tanh", "sigmoid"):
        for dtype, expected in (
            ("uint8", "float32"),
            ("int16", "float32"),
            ("int32", "float64"),
            ("float32", "float32"),
        ):
            assert ACTIVATIONS[name](np.ones(3, dtype)).dtype == expected


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_they_rise_and_leave_their_input_alone(name):
    x = np.linspace(-5, 5, 101)
    before = x.copy()
    found = ACTIVATIONS[name](x)
    assert np.array_equal(x, before)
    assert (np.diff(found) >= 0).all()
    assert not np.shares_memory(found, x)
