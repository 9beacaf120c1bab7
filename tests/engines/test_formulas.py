"""The formulas of optimizers say what their steps do."""

import math

import numpy as np
import pytest

from cnncli.engines.formulas import worked_out
from cnncli.engines.optimizers import CLIPPING, OPTIMIZERS, clip_by_norm


@pytest.mark.parametrize("weight_decay", [0.0, 0.05])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_formulas_of_every_optimizer_are_its_step(name, weight_decay):
    optimizer = OPTIMIZERS[name](weight_decay=weight_decay)
    parameters = np.random.default_rng(3).normal(size=1)
    state = optimizer.initial_state(parameters)
    for step, gradient in enumerate([0.7, -0.02, 3.0, 0.0], start=1):
        names = {"W": parameters[0], "dW": gradient, "lr": 0.1 / step, "t": step}
        names |= {key: array[0] for key, array in state.items()}
        names |= {field: getattr(optimizer, field) for field in optimizer.fields}
        lines = list(worked_out(optimizer.working, names, {}))
        optimizer.update(parameters, np.array([gradient]), state, step, 0.1 / step)
        found = {line.name: line.value for line in lines}  # the last of a name
        assert set(optimizer.state_names) <= set(found)
        assert found["W"] == pytest.approx(parameters[0], rel=1e-12)
        assert {key: found[key] for key in state} == pytest.approx({key: array[0] for key, array in state.items()})


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_says_where_it_comes_from(name):
    assert OPTIMIZERS[name].source
    assert OPTIMIZERS[name].course


def test_clipping_is_its_formula():
    gradients = np.array([3.0, -4.0])
    before = gradients.copy()
    norm = clip_by_norm(gradients, 2.0)
    values = [next(worked_out([CLIPPING], {"dW": slope, "norm": norm, "clip_norm": 2.0}, {})).value for slope in before]
    assert values == pytest.approx(gradients.tolist())


def test_what_was_computed_elsewhere_is_shown_where_a_name_is_set_last():
    first, second = worked_out(["W = W / 3", "W = W * 3"], {"W": 1.0}, {"W": 0.99})
    assert (first.value, second.value) == (pytest.approx(1 / 3), 0.99)
    assert second.numbers == "0.3333333 * 3"


@pytest.mark.parametrize(
    ("formula", "numbers", "value"),
    [
        ("a = sqrt(b) + 1e-6", "sqrt(4) + 1e-6", 2 + 1e-6),
        ("a = sign(c) * b**2", "sign((-2)) * 4**2", -16.0),
        ("a = max(b, abs(c))", "max(4, abs((-2)))", 4.0),
    ],
)
def test_numbers_take_the_place_of_names(formula, numbers, value):
    (line,) = worked_out([formula], {"b": 4.0, "c": -2.0}, {})
    assert (line.numbers, line.value) == (numbers, value)
    words = {"sqrt": math.sqrt, "sign": np.sign}
    assert eval(line.numbers, words) == pytest.approx(value)
