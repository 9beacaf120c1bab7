import doctest
import importlib
import pkgutil

import pytest

pytest.importorskip("torch")

import cnncli.engines.torch

MODULES = [f"cnncli.engines.torch.{module.name}" for module in pkgutil.iter_modules(cnncli.engines.torch.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
