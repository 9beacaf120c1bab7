"""A program can import from `cnncli` exactly what the documentation promises, and do with it what the commands do."""

import ast
import doctest
import importlib.util
import inspect
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import cnncli
from cnncli.cli.app import COMMANDS
from cnncli.data import Reading, ReadingOptions
from cnncli.filters.edges import Filtering, FilterOptions
from cnncli.models.dream_options import DreamFields, DreamOptions
from cnncli.models.finding.options import FindingFields, FindingOptions
from cnncli.models.why.options import WhyFields, WhyOptions
from cnncli.training.configuration import Configuration, TrainingOptions

ROOT = Path(__file__).parent.parent
PROMISED = {
    "ArgumentError",
    "Axis",
    "Boxes",
    "CnncliError",
    "DataError",
    "FILTERS",
    "ImageError",
    "LAYERS",
    "Model",
    "ModelError",
    "Network",
    "NoInputError",
    "OPTIMIZERS",
    "Told",
    "StyleOptions",
    "TrainingError",
    "__version__",
    "animate_filter",
    "animate_pool",
    "animate_shape",
    "avg_pool2d",
    "batch_sheet",
    "compare_depths",
    "compare_networks",
    "compare_optimizers",
    "conv2d",
    "detect_files",
    "convert_boxes",
    "filter_kernel",
    "filter_statistics",
    "forward",
    "find_boxes",
    "find_learning_rate",
    "count_as",
    "draw_network",
    "save_animation",
    "save_drawing",
    "dream",
    "edge_picture",
    "evaluate",
    "evaluate_boxes",
    "explain",
    "explain_activation",
    "explain_class",
    "explain_pooling",
    "explain_step",
    "export_onnx",
    "export_weights",
    "filter_image",
    "harvest_files",
    "inputs_for",
    "iou",
    "judge_boxes",
    "keeping_padding",
    "learn_kernel",
    "load_model",
    "load_network",
    "max_pool2d",
    "min_pool2d",
    "nms",
    "open_boxes",
    "open_dataset",
    "output_size",
    "parse_network",
    "pool_image",
    "predict_files",
    "sort_files",
    "read_image",
    "render",
    "settings_for",
    "summarize_network",
    "train",
    "transfer_style",
    "write_report",
    "write_image",
}


def documented(monkeypatch):
    """Return the page's table of what commands are called in Python."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    spec = importlib.util.spec_from_file_location("from_python", ROOT / "docs" / "from_python.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_exported_names_are_exactly_the_promised_ones():
    assert set(cnncli.__all__) == set(dir(cnncli)) == PROMISED


def test_the_stub_says_the_same_in_order():
    stub = ast.parse(Path(cnncli.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    names = [(node.module, alias.name, alias.asname) for node in stub.body for alias in node.names]
    assert {name for _, name, _ in names} == PROMISED
    assert all(name == alias for _, name, alias in names)
    assert names == sorted(names)


def test_every_command_has_its_functions(monkeypatch):
    functions = documented(monkeypatch).FUNCTIONS
    missing = set(COMMANDS) - set(functions)
    assert not missing, f"add the functions of {', '.join(missing)} to FUNCTIONS in docs/from_python.py"
    assert set(functions) == set(COMMANDS)
    for names in functions.values():
        assert names
        assert set(names) <= PROMISED
        assert all(inspect.isfunction(getattr(cnncli, name)) for name in names)


def test_the_page_on_python_names_what_is_there():
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\bcnncli\.(\w+)", page)) <= PROMISED
    assert {name for name in PROMISED if not re.search(rf"\b{name}\b", page)} == set()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder that holds what examples use: samples, digits and a model of them."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(ROOT / "samples", folder / "samples")
    shutil.copytree(ROOT / "samples" / "digits", folder / "digits")
    cnncli.train(folder / "digits", network="conv5-4,s2,relu fc-10", epochs=8, output=folder / "runs" / "digits")
    return folder


@pytest.mark.parametrize("name", sorted(PROMISED - {"FILTERS", "LAYERS", "OPTIMIZERS", "__version__"}))
def test_every_name_is_documented_by_examples_that_are_true(name, folder, monkeypatch):
    if name == "export_onnx":
        pytest.importorskip("onnx", reason="the extra cnncli[onnx] is not installed")
    monkeypatch.chdir(folder)
    thing = getattr(cnncli, name)
    found = doctest.DocTestFinder(recurse=inspect.isclass(thing)).find(
        thing, name, globs={"load_model": cnncli.load_model, **vars(sys.modules[thing.__module__])}
    )
    if not inspect.isclass(thing) or not issubclass(thing, cnncli.CnncliError):
        assert "Example:" in inspect.getdoc(thing)
        assert any(test.examples for test in found)
        assert "+SKIP" not in inspect.getdoc(thing)
    for test in found:
        assert doctest.DocTestRunner().run(test).failed == 0


@pytest.mark.parametrize(
    ("record", "options"),
    [
        (FindingOptions.fields, FindingFields),
        (WhyOptions.fields, WhyFields),
        (DreamOptions.fields, DreamFields),
        (Reading._fields, ReadingOptions),
        (Filtering.fields, FilterOptions),
        (Configuration.fields, TrainingOptions),
    ],
)
def test_options_are_the_fields_of_their_record(record, options):
    assert tuple(options.__annotations__) == tuple(record)


def test_the_version_is_that_which_is_installed():
    assert re.fullmatch(r"\d+\.\d+.*|unknown", cnncli.__version__)


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


@pytest.mark.parametrize("path", ["photo.jpg", Path("photo.jpg")])
@pytest.mark.parametrize(
    "call",
    [
        lambda path: cnncli.conv2d(path, [[1, 0, -1]]),
        lambda path: cnncli.filter_image(path, "sobel"),
        lambda path: cnncli.edge_picture(path, "sobel"),
        lambda path: cnncli.explain(path, "sobel", 0, 0),
        lambda path: cnncli.render(path),
        lambda path: cnncli.pool_image(path, 2),
        lambda path: cnncli.max_pool2d(path, 2),
        lambda path: cnncli.min_pool2d(path, 2),
        lambda path: cnncli.avg_pool2d(path, 2),
        lambda path: cnncli.learn_kernel(path, np.ones((5, 5))),
        lambda path: cnncli.learn_kernel(np.ones((5, 5)), path),
    ],
)
def test_a_path_in_place_of_an_array_names_read_image(call, path):
    with pytest.raises(cnncli.ArgumentError, match=r"is an array, got .*: read it with read_image\('photo\.jpg'\)"):
        call(path)


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        (cnncli.ModelError, lambda: cnncli.load_model("samples")),
        (cnncli.ModelError, lambda: cnncli.evaluate("nowhere", "nowhere")),
        (cnncli.ModelError, lambda: list(cnncli.predict_files("nowhere", "x.png"))),
        (cnncli.DataError, lambda: cnncli.open_dataset("nowhere")),
        (cnncli.DataError, lambda: cnncli.train("nowhere")),
        (cnncli.ImageError, lambda: cnncli.read_image("nowhere.png")),
        (cnncli.ArgumentError, lambda: cnncli.train("nowhere", optimizer="adamm")),
    ],
)
def test_errors_have_their_kinds(kind, call):
    with pytest.raises(kind):
        call()
