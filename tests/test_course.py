"""The course keeps its word: its sums are true, its programs print what it says, and no section lacks a part."""

import ast
import importlib.util
import io
import math
import operator
import os
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("course*.md"))
ENGLISH = (ROOT / "docs" / "course.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\d+) .*\n((?:.*\n)*?)(?=^## |^# Week|\Z)", ENGLISH, flags=re.MULTILINE))

OPERATIONS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
}
FUNCTIONS = {"floor": math.floor, "sqrt": math.sqrt, "exp": math.exp, "log": math.log, "max": max, "min": min}


def value(node):
    """Return the number of a sum, or raise KeyError or AttributeError if it has letters."""
    match node:
        case ast.Expression():
            return value(node.body)
        case ast.Constant():
            return node.value
        case ast.BinOp():
            return OPERATIONS[type(node.op)](value(node.left), value(node.right))
        case ast.UnaryOp():
            return OPERATIONS[type(node.op)](value(node.operand))
        case ast.Call():
            return FUNCTIONS[node.func.id](*map(value, node.args))
    raise KeyError(node)


def number(text):
    """Return the number of '3,072 * 2^2', with commas between thousands."""
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text).replace("^", "**")
    return value(ast.parse(" ".join(plain.split()), mode="eval"))


def sums(page):
    """Return the sums of a page, code between backticks with '=' or '≈' and without letters."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]*)`", text)]
    letters = re.compile(rf"(?!{'|'.join(FUNCTIONS)})\b[^\W\d_]")
    return [span for span in spans if re.search(r" [=≈] ", span) and not letters.search(span)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_sum_by_hand_is_true(page):
    found = sums(page)
    assert len(found) > 80
    for each in found:
        first, *rest = re.split(r" ([=≈]) ", each)
        for sign, other in zip(rest[::2], rest[1::2], strict=True):
            close = 1e-12 if sign == "=" else 5e-3
            assert math.isclose(number(first), number(other), rel_tol=close), each


def test_sums_are_read_as_they_are_written():
    assert number("(3,072 + 1) * 2^2 - max(1, -2)") == 12_291
    assert number("floor((7 + 2*0 - 3)/2) + 1") == 3
    with pytest.raises(KeyError):
        number("2*w")


@pytest.mark.parametrize("number", SECTIONS)
def test_every_section_has_all_its_parts(number):
    text = SECTIONS[number]
    for part in ("**By hand.**", "**Exercise.**", "<summary>Answer</summary>", "# PyTorch\n", "# Keras\n"):
        assert part in text, part
    assert re.search(r"^print\((console|trained|python)\(", text, flags=re.MULTILINE)
    assert "](pictures/" in text or "--explain" in text, "neither a picture nor a drawing in letters"
    assert "]]]-->\n<!--[[[end" not in text, "cog has not run"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_its_links_and_pictures_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert len(links) > 30
    for link in links:
        path, _, anchor = link.partition("#")
        assert anchor in anchors if not path else path.startswith("http") or (page.parent / path).exists(), link


def programs(library):
    """Return each section's programs for a library."""
    pattern = re.compile(rf"```python\n# {library}\n(.*?)```", flags=re.DOTALL)
    return [pytest.param(program, id=number) for number, text in SECTIONS.items() for program in pattern.findall(text)]


def printed(program, monkeypatch):
    """Return what a program prints in the folder of samples, and what its last comments say that it prints."""
    monkeypatch.chdir(ROOT / "samples")
    lines = program.rstrip().splitlines()
    said = [line.removeprefix("# ") for line in lines if line.startswith("# ")]
    output = io.StringIO()
    with redirect_stdout(output):
        exec(compile(program, "docs/course.md", "exec"), {})
    assert said
    return output.getvalue().splitlines(), said


@pytest.mark.parametrize("program", programs("PyTorch"))
@pytest.mark.filterwarnings("ignore")
def test_pytorch_gives_the_same(program, monkeypatch):
    pytest.importorskip("torch")
    found, said = printed(program, monkeypatch)
    assert found == said


@pytest.mark.parametrize("program", programs("Keras"))
@pytest.mark.filterwarnings("ignore")
def test_keras_gives_the_same(program, monkeypatch):
    if importlib.util.find_spec("tensorflow") is None:
        os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip("keras")
    found, said = printed(program, monkeypatch)
    assert found == said
