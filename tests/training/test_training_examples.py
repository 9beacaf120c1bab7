import doctest
import importlib
import pkgutil

import pytest

import cnncli.data
import cnncli.training

MODULES = [
    *(
        f"cnncli.training.{module.name}"
        for module in pkgutil.iter_modules(cnncli.training.__path__)
        if not module.ispkg
    ),
    *(f"cnncli.data.{module.name}" for module in pkgutil.iter_modules(cnncli.data.__path__)),
    "cnncli.cli.training.running",
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_modules_have_examples():
    assert sum(doctest.testmod(importlib.import_module(name)).attempted for name in MODULES) > 60
