"""Pages: one file that asks for nothing, in which every text stays a text."""

import re
from html.parser import HTMLParser

import pytest

from cnncli.drawing.pages import JPEG, Page
from cnncli.drawing.svg.document import Svg
from cnncli.errors import ImageError

TEXTS = (
    "<script>alert(1)</script>",
    "小貓",
    "قطة",
    '"quoted" & more',
    "two\nlines\x1b[2J",
    "gr\udcf6n",
    "👨\u200d👩\u200d👧 🐈",
)


class Reader(HTMLParser):
    """The words of a page, its elements, and those that are open."""

    def __init__(self, html):
        super().__init__()
        self.words, self.elements, self.open = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def full_page(text):
    page = Page(text)
    with page.block("section", aria_label=text):
        page.heading(text)
        page.paragraph(text, "faint")
        page.code(text)
        page.table((text, text), [(text, 1234), (text, None)], caption=text)
        page.facts({text: text})
        svg = Svg(40, 20, title=text)
        svg.text(0, 12, text)
        page.drawing(svg)
        page.picture(b"\xff\xd8", text, kind=JPEG, captions=(text, text))
    return page


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_stays_a_text(text, tmp_path):
    full_page(text).save(tmp_path / "page.html")
    page = Reader((tmp_path / "page.html").read_text("utf-8"))
    assert not page.open
    assert "script" not in {tag for tag, _ in page.elements}
    expected = " ".join(re.sub(r"[\s\x1b\udcf6]", " ", text).split())
    assert page.words.count(expected) >= 10


def test_a_page_allows_its_own_scripts_alone():
    page = Page("none")
    assert "script-src 'none'" in str(page)
    page.script("one()")
    page.script("two()")
    policy = re.search(r'Policy" content="([^"]+)"', str(page)).group(1)
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert len(re.findall(r"'sha256-[A-Za-z0-9+/]{43}='", policy)) == 2


def test_tables_and_pictures_say_what_they_are():
    page = Reader(str(full_page("cats")))
    assert [attributes["scope"] for tag, attributes in page.elements if tag == "th"] == ["col", "col", "row", "row"]
    assert [attributes["alt"] for tag, attributes in page.elements if tag == "img"] == ["cats"]
    assert "1,234" in page.words


def test_a_page_is_not_overwritten_unasked(tmp_path):
    path = tmp_path / "page.html"
    Page("one").save(path)
    with pytest.raises(ImageError, match="exists"):
        Page("two").save(path)
    Page("two").save(path, replace=True)
    assert "<title>two</title>" in path.read_text()
