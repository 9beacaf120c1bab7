"""The commands that pages show run once, where no other page can disturb them."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture
def cog(monkeypatch):
    """Yield what cog tells about the page that it works on; pages begin anew with each test."""
    page = SimpleNamespace(inFile="docs/one.md", previous="")
    monkeypatch.setitem(sys.modules, "cog", page)
    monkeypatch.syspath_prepend(str(DOCS))
    monkeypatch.delitem(sys.modules, "console", raising=False)
    monkeypatch.delenv("CNNCLI_TRAININGS", raising=False)
    page.console = importlib.import_module("console")
    yield page
    page.console.SCRATCH.cleanup()


def test_pages_do_not_see_each_other(cog):
    assert cog.console.console("echo 1 > new; ls new") == "```console\n$ echo 1 > new; ls new\nnew\n```"
    cog.inFile = "docs/two.md"
    assert "No such file" in cog.console.console("LC_ALL=C ls new")


def test_a_command_that_a_page_and_its_translation_show_runs_once(cog):
    count = "echo x >> runs; wc -l < runs"
    assert cog.console.console(count, count).splitlines()[1:-1] == [f"$ {count}", "1", f"$ {count}", "2"]
    cog.inFile = "docs/one.zh-TW.md"
    assert cog.console.console(count, count).splitlines()[1:-1] == [f"$ {count}", "1", f"$ {count}", "2"]


def test_a_training_runs_once_for_all_pages(cog, monkeypatch):
    train = "mkdir -p runs/a; date +%N > runs/a/model; cat runs/a/model"
    monkeypatch.setattr(cog.console, "TRAININGS", {train: "runs/a"})
    printed = cog.console.console(train)
    cog.inFile = "docs/two.md"
    cog.console.given("runs/a")
    assert printed.splitlines()[2] == cog.console.console("cat runs/a/model").splitlines()[2]
    assert cog.console.console(train) == printed


def test_only_numbers_may_differ_from_a_training_that_is_shown(cog):
    cog.previous = "```console\n$ echo took 2.1 s\ntook 10 s\n```\n"
    assert cog.console.trained("echo took 2.1 s") in cog.previous
    assert "slower" in cog.console.trained("echo slower 2.1 s")


def test_the_front_page_shows_no_command_that_fails(cog):
    cog.inFile = "README.md"
    assert cog.console.shell("test -d samples/digits  # there") == (
        "```sh\n. .venv/bin/activate\ntest -d samples/digits  # there\n```"
    )
    with pytest.raises(SystemExit, match="missing"):
        cog.console.shell("cat samples/missing")
