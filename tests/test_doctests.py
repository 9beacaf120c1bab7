import doctest
import importlib
import pkgutil

import pytest

import cnncli.networks.layers
import cnncli.ops

MODULES = [
    "cnncli.errors",
    "cnncli.shapes",
    "cnncli.choices",
    "cnncli.filters.named",
    "cnncli.filters.edges",
    "cnncli.filters.rendering",
    "cnncli.values",
    *(f"cnncli.networks.{name}" for name in ("errors", "loading", "network", "notation", "summarizing", "summary")),
    *(f"cnncli.networks.layers.{module.name}" for module in pkgutil.iter_modules(cnncli.networks.layers.__path__)),
    *(f"cnncli.ops.{module.name}" for module in pkgutil.iter_modules(cnncli.ops.__path__)),
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_the_modules_have_examples():
    attempted = [doctest.testmod(importlib.import_module(name)).attempted for name in MODULES]
    assert sum(attempted) > 25
