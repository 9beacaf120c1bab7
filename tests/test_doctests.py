"""The examples in docstrings are true, in every module that has some."""

import doctest
import importlib
import shutil
from pathlib import Path

import numpy as np
import pytest

import cnncli

ROOT = Path(cnncli.__file__).parents[1]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "cnncli").rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]
EXTRAS = {"cnncli.models.exporting": "onnx"}
"""Packages that a module's examples need and cnncli itself does not."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with what examples name: samples, digits and a model of them."""
    folder = tmp_path_factory.mktemp("examples")
    samples = Path(__file__).parents[1] / "samples"
    shutil.copytree(samples, folder / "samples")
    shutil.copytree(samples / "digits", folder / "digits")
    cnncli.train(folder / "digits", network="conv5-4,s2,relu fc-10", epochs=8, output=folder / "runs" / "digits")
    return folder


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name, folder, monkeypatch):
    if name in EXTRAS:
        pytest.importorskip(EXTRAS[name])
    if name.startswith("cnncli.engines.torch."):
        pytest.importorskip("torch")
    monkeypatch.chdir(folder)
    result = doctest.testmod(importlib.import_module(name), extraglobs={"np": np, "load_model": cnncli.load_model})
    assert result.attempted > 0
    assert result.failed == 0


def test_examples_are_found():
    assert len(MODULES) > 60
