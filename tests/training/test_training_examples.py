import doctest
import importlib
import pkgutil

import pytest

import cnncli.training.datasets

MODULES = [
    *(f"cnncli.training.{name}" for name in ("augmentation", "baselines", "losses", "metrics", "normalization")),
    *(f"cnncli.training.{name}" for name in ("optimizers", "randomness", "schedules", "splits")),
    *(f"cnncli.training.datasets.{module.name}" for module in pkgutil.iter_modules(cnncli.training.datasets.__path__)),
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_modules_have_examples():
    assert sum(doctest.testmod(importlib.import_module(name)).attempted for name in MODULES) > 40
