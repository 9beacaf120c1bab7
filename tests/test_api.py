"""What a program can import from `cnncli` is what the documentation promises, and all of it is there."""

import ast
import inspect
from pathlib import Path

import pytest

import cnncli

PROMISED = {
    "ArgumentError",
    "CnncliError",
    "FILTERS",
    "ImageError",
    "LAYERS",
    "Network",
    "NoInputError",
    "OPTIMIZERS",
    "avg_pool2d",
    "conv2d",
    "edge_picture",
    "filter_image",
    "load_model",
    "load_network",
    "max_pool2d",
    "min_pool2d",
    "parse_network",
    "read_image",
    "render",
    "train",
    "write_image",
}


def test_the_exported_names_are_exactly_the_promised_ones():
    assert set(cnncli.__all__) == set(dir(cnncli)) == PROMISED


def test_the_stub_says_the_same_in_order():
    stub = ast.parse(Path(cnncli.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    names = [(node.module, alias.name, alias.asname) for node in stub.body for alias in node.names]
    assert {name for _, name, _ in names} == PROMISED
    assert all(name == alias for _, name, alias in names)
    assert names == sorted(names)


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_every_name_is_there_and_documented(name):
    thing = getattr(cnncli, name)
    if inspect.isfunction(thing):
        assert "Example:" in inspect.getdoc(thing)
    elif inspect.isclass(thing):
        assert issubclass(thing, cnncli.CnncliError) or "Example:" in inspect.getdoc(thing)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError):
        cnncli.nothing_of_that_name  # noqa: B018


def test_one_except_catches_every_error():
    with pytest.raises(cnncli.CnncliError, match="unknown filter"):
        cnncli.filter_image([[1, 2], [3, 4]], "sobol")
    with pytest.raises(ValueError, match="unknown filter"):  # and the usual kind too
        cnncli.filter_image([[1, 2], [3, 4]], "sobol")
    with pytest.raises(cnncli.CnncliError, match="no such file"):
        cnncli.read_image("nowhere.png")
