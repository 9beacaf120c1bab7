"""A translation has the code, pictures, sums and headings of its original, so that the two cannot drift apart."""

import re
from collections import Counter
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
TRANSLATIONS = sorted(DOCS.glob("*.*.md"))
BLOCK = re.compile(r"^<!--\[\[\[cog\n.*?^<!--\[\[\[end\]\]\]-->$|^```.*?^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.parametrize("page", TRANSLATIONS, ids=lambda page: page.name)


def original(page):
    """Return the page that a page is a translation of: `course.md` for `course.zh-TW.md`."""
    return page.with_name(f"{page.name.partition('.')[0]}.md")


def blocks(page):
    """Return the code of a page, and what cog has made in it."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def prose(page):
    """Return a page without its code, and without what cog has made in it."""
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


def sections(page):
    """Return the level, the number if it has one, and the text of each section."""
    found = re.findall(r"^(#+) (\d*).*\n((?:(?!#).*\n?)*)", prose(page), re.MULTILINE)
    return [(len(marks), number, text) for marks, number, text in found]


def spans(text):
    """Return how often each piece of code stands in a text, sums included; a line may end within one."""
    return Counter(" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text))


def test_it_has_the_code_of_the_original(page):
    assert blocks(page) == blocks(original(page)) != []


def test_it_has_the_pictures_of_the_original(page):
    pictures = r"!\[[^]]*\]\([^)]*\)"
    assert re.findall(pictures, prose(page)) == re.findall(pictures, prose(original(page)))


def test_it_has_the_headings_of_the_original(page):
    here, there = ([section[:2] for section in sections(each)] for each in (page, original(page)))
    assert here == there != []


def test_each_section_names_the_same_sums_and_commands(page):
    for (_, number, here), (_, _, there) in zip(sections(page), sections(original(page)), strict=True):
        assert spans(here) == spans(there), number


@pytest.mark.parametrize("part", [r"^<details>", r"^- ", r"^\|", r"(?:^>.*\n)+"], ids=["folded", "item", "row", "box"])
def test_each_section_has_as_many_parts(page, part):
    for (_, number, here), (_, _, there) in zip(sections(page), sections(original(page)), strict=True):
        assert len(re.findall(part, here, re.MULTILINE)) == len(re.findall(part, there, re.MULTILINE)), number


def test_nothing_is_left_untranslated(page):
    left = [line for line in prose(page).splitlines() if re.search(r"(\b[a-z]+ ){5}", line) and "![" not in line]
    assert left == []


def test_the_pages_link_each_other_in_their_first_lines(page):
    for one, other in ((page, original(page)), (original(page), page)):
        assert f"]({other.name})" in "".join(one.read_text(encoding="utf-8").splitlines()[:4])
