"""README.md and the pages in docs/ lead to each other, to files that exist, to every command and to every picture."""

import importlib
import re
from pathlib import Path

import pytest

from cnncli.cli.app import COMMANDS

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PICTURES = ROOT / "docs" / "pictures"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md")), ROOT / "benchmarks" / "README.md"]
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def prose(page):
    """Return a page without its code and its comments."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


def targets(page):
    """Return what a page links to, without other sites: pairs of a file and an anchor, which may be empty."""
    text = re.sub(r"`[^`\n]*`", "", prose(page).replace("\\`", ""))
    found = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"", text)
    links = [first or second for first, second in found]
    split = [link.partition("#") for link in links if not re.match(r"[a-z]+:", link)]
    return [((page.parent / path).resolve() if path else page, anchor) for path, _, anchor in split]


def anchors(page):
    """Return the anchors that GitHub gives the headings of a page."""
    names = []
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        names.append(f"{name}-{names.count(name)}" if name in names else name)
    return {*names, *re.findall(r"<a (?:id|name)=\"([^\"]+)\"", prose(page))}


def pictures():
    """Return the files of all pictures."""
    return {path for path in PICTURES.rglob("*") if path.is_file()}


def test_anchors_are_made_as_github_makes_them(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# `cnncli edge`: filter images\n## 1x1 & more_of [it](x.md)\n```\n# code\n```\n", encoding="utf-8")
    assert anchors(page) == {"cnncli-edge-filter-images", "1x1--more_of-it"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page):
    missing = [
        f"{path}#{anchor}"
        for path, anchor in targets(page)
        if not path.exists() or (anchor and anchor not in anchors(path))
    ]
    assert missing == []


def test_every_page_can_be_reached_from_the_front_page():
    reached, waiting = set(), [README]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            waiting += [path for path, _ in targets(page) if path.suffix == ".md" and path.exists()]
    assert set(PAGES) - reached == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_section_is_empty(page):
    text = re.sub(r"<!--.*?-->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    code = FENCE.sub(lambda block: "code" + "\n" * block[0].count("\n"), text)
    headings = [(len(marks), body.strip()) for marks, body in re.findall(r"^(#+) .*\n((?:(?!#+ ).*\n?)*)", code, re.M)]
    following = [*(level for level, _ in headings[1:]), 1]
    assert [page for (level, body), after in zip(headings, following, strict=True) if not body and after <= level] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_section(command):
    headings = [heading for page in PAGES for heading in re.findall(r"^##+ .*$", prose(page), re.MULTILINE)]
    assert any(f"`cnncli {command}`" in heading for heading in headings)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_front_page_has_every_command(command):
    row = rf"^\| \[`{command}`\]\(docs/\w+\.md#cnncli-{command}[\w-]*\) \| [A-Z]"
    assert re.search(row, README.read_text(encoding="utf-8"), re.MULTILINE), "run .venv/bin/cog -P -r README.md"


def test_the_page_of_options_is_that_of_the_commands(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    made = importlib.import_module("options").page()
    page = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    assert made in page, "run .venv/bin/cog -P -r docs/options.md"
    assert made.count("`--") > 200


def test_the_front_page_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) < 250


def test_every_picture_is_made_by_a_command_and_shown(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    commands = importlib.import_module("make_pictures").PICTURES
    shown = {path for page in PAGES for path, _ in targets(page) if path.is_relative_to(PICTURES)}
    assert pictures() == {PICTURES / name for name in commands} == shown


def test_pictures_are_small():
    sizes = {path: path.stat().st_size for path in pictures()}
    assert sum(sizes.values()) < 1_500_000
    assert [path.name for path, size in sizes.items() if path.suffix == ".svg" and size > 60_000] == []
