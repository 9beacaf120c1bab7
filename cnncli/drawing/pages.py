"""Web pages of one file: no network, no fonts or scripts from elsewhere, light and dark, narrow and on paper."""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from cnncli.drawing.svg.document import Svg, attribute_text, escaped
from cnncli.drawing.svg.theme import DARK, FONTS, LIGHT, Theme
from cnncli.errors import ImageError
from cnncli.files.temporary import open_whole

PNG, JPEG = "image/png", "image/jpeg"
"""Kinds of pictures that every browser shows."""

_CONTROLS = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]")


class Page:
    """A page, written from top to bottom.

    What it is given is text, whatever its letters; only `add` takes HTML. Its policy forbids every request, and every
    script but those that were added by `script`.

    Args:
        title: the first heading, and the name of the page.
        style: more rules of CSS.
        theme: what it is drawn on; paper is light.

    Example:
        >>> page = Page("digits")
        >>> page.table(("class", "images"), [("<b>", 40)], caption="Data")
        >>> "&lt;b&gt;" in str(page)
        True
    """

    def __init__(self, title: str, *, style: str = "", theme: Theme = Theme.AUTO) -> None:
        self.title, self._theme = shown(title), theme
        self._style, self._scripts = style, list[str]()
        self._lines = [f"<h1>{escaped(self.title)}</h1>"]

    def add(self, html: str) -> None:
        """Add HTML as it is."""
        self._lines.append(html)

    def element(self, name: str, text: str, **attributes: object) -> None:
        """Add an element that holds a text; `_` in the name of an attribute stands for `-`."""
        self.add(f"<{name}{attribute_text(attributes)}>{escaped(shown(text))}</{name}>")

    @contextmanager
    def block(self, name: str, **attributes: object) -> Iterator[None]:
        """Put what is added within into an element, such as `section` or `details`."""
        self.add(f"<{name}{attribute_text(attributes)}>")
        yield
        self.add(f"</{name}>")

    def heading(self, text: str, level: int = 2) -> None:
        """Add a heading."""
        self.element(f"h{level}", text)

    def paragraph(self, text: str, style: str = "") -> None:
        """Add a paragraph, `faint` for one that explains."""
        self.element("p", text, class_=style)

    def code(self, text: str) -> None:
        """Add lines to copy, as they are."""
        self.add(f"<pre><code>{escaped(_lines(text))}</code></pre>")

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "", numbers: bool = True
    ) -> None:
        """Add a table whose first column names its rows; the others are numbers, or texts.

        Numbers have their thousands set apart; None is an empty cell.
        """
        title = f"<caption>{escaped(shown(caption))}</caption>" if caption else ""
        head = "".join(f'<th scope="col">{escaped(shown(column))}</th>' for column in columns)
        body = "".join(f"<tr>{_row(row)}</tr>" for row in rows)
        about = attribute_text({"class": "wide", "tabindex": 0, "role": "group", "aria_label": caption or columns[0]})
        kind = "numbers" if numbers else "texts"
        self.add(f'<div{about}><table class="{kind}">{title}<thead><tr>{head}</tr></thead>')
        self.add(f"<tbody>{body}</tbody></table></div>")

    def facts(self, pairs: Mapping[str, str]) -> None:
        """Add names with what they stand for."""
        items = "".join(
            f"<dt>{escaped(shown(name))}</dt><dd>{escaped(shown(text))}</dd>" for name, text in pairs.items()
        )
        self.add(f"<dl>{items}</dl>")

    def drawing(self, svg: Svg, *, least: int = 0) -> None:
        """Add a drawing; one that is `least` pixels wide or more scrolls where the page is narrower."""
        figure = {"class": "drawing", "style": f"--least: {least}px; --most: {svg.width:g}px"}
        self.add(f"<figure{attribute_text(figure)}>{svg}</figure>")

    def picture(
        self, content: bytes, alt: str, *, kind: str = PNG, width: int = 0, captions: Sequence[str] = ()
    ) -> None:
        """Add a picture that is inside the page, with what it shows for those who do not see it, and captions."""
        uri = f"data:{kind};base64,{base64.b64encode(content).decode()}"
        image = attribute_text({"src": uri, "alt": shown(alt), "width": width or None})
        words = "".join(f"<span>{escaped(shown(caption))}</span>" for caption in captions)
        self.add(f"<figure><img{image}>{f'<figcaption>{words}</figcaption>' if words else ''}</figure>")

    def script(self, text: str) -> None:
        """Add a script, which the policy of the page allows by its digest."""
        self._scripts.append(text)

    def __str__(self) -> str:
        scripts = "".join(f"<script>{script}</script>" for script in self._scripts)
        return "\n".join(
            [
                '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
                f'<meta http-equiv="Content-Security-Policy" content="{self._policy()}">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                f'<meta name="color-scheme" content="{_SCHEMES[self._theme]}">',
                f"<title>{escaped(self.title)}</title>",
                f"<style>{_theme_rules(self._theme)}{_STYLE}{self._style}</style></head><body><main>",
                *self._lines,
                f"</main>{scripts}</body></html>",
                "",
            ]
        )

    def save(self, path: str | Path, *, replace: bool = False) -> None:
        """Write the page, whole or not at all; an existing file is replaced if `replace` says so.

        Raises:
            ImageError: the file cannot be written.
        """
        with open_whole(path, ImageError, replace=replace) as file:
            file.write(str(self).encode(errors="replace"))

    def _policy(self) -> str:
        digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in self._scripts)
        allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
        return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}"


def shown(text: str) -> str:
    """Return a text on one line, with a space for each control code; letters that join others stay."""
    return " ".join(_CONTROLS.sub(" ", text).split())


def _lines(text: str) -> str:
    return "\n".join(_CONTROLS.sub(" ", line) for line in text.splitlines())


def _row(cells: Sequence[object]) -> str:
    texts = [f"{cell:,}" if isinstance(cell, int) else "" if cell is None else str(cell) for cell in cells]
    first, *others = (escaped(shown(text)) for text in texts)
    return f'<th scope="row">{first}</th>' + "".join(f"<td>{text}</td>" for text in others)


def _theme_rules(theme: Theme) -> str:
    dark = f":root {{{_colours(DARK)}}}"
    asked = {Theme.LIGHT: "", Theme.DARK: f"@media screen {{{dark}}}"}
    rest = asked.get(theme, f"@media screen and (prefers-color-scheme: dark) {{{dark}}}")
    return f":root {{{_colours(LIGHT)} color-scheme: {_SCHEMES[theme]}}}{rest}"


def _colours(colours: Mapping[str, str]) -> str:
    return "".join(f"--{name}: {colour};" for name, colour in colours.items() if not name.startswith("line-"))


_SCHEMES = {Theme.AUTO: "light dark", Theme.LIGHT: "light", Theme.DARK: "dark"}

_STYLE = (
    f"body {{margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 {FONTS}}}"
    """
main {max-width: 1080px; margin: 0 auto; padding: 16px; overflow-wrap: anywhere}
h1 {font-size: 26px; line-height: 1.25; margin: 8px 0} h2 {font-size: 19px; margin: 36px 0 8px} h3 {font-size: 16px}
section {break-inside: avoid-page} p {margin: 8px 0; max-width: 75ch} .faint, figcaption {color: var(--faint)}
.note {border-left: 4px solid var(--mark); padding: 4px 12px; background: var(--fill-5)}
.wide {overflow-x: auto; max-width: 100%} .wide:focus-visible {outline: 2px solid var(--mark)}
table {border-collapse: collapse; margin: 8px 0; font-variant-numeric: tabular-nums; overflow-wrap: normal}
caption {text-align: left; color: var(--faint); padding: 4px 0}
th, td {padding: 3px 12px 3px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--grid)}
td {white-space: nowrap} tbody th {font-weight: normal; min-width: 9em; max-width: 40ch; overflow-wrap: break-word}
.numbers td, .numbers th:not(:first-child) {text-align: right; padding: 3px 0 3px 18px}
.texts td {white-space: normal; overflow-wrap: anywhere}
dl {display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 2px 18px; margin: 8px 0}
dt {color: var(--faint)} dd {margin: 0}
pre {background: var(--fill-5); padding: 10px 12px; border-radius: 4px; margin: 8px 0; white-space: pre-wrap}
code {font: 13px/1.45 ui-monospace, monospace} summary {cursor: pointer; padding: 4px 0}
figure {margin: 8px 0; break-inside: avoid} img {image-rendering: pixelated; max-width: 100%; vertical-align: top}
figcaption {font-size: 13px; line-height: 1.35} figcaption span {display: block; unicode-bidi: isolate}
.drawing {overflow-x: auto} .drawing svg {width: 100%; height: auto; min-width: var(--least); max-width: var(--most)}
.beside {display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); gap: 12px 24px}
.tiles {display: grid; grid-template-columns: repeat(auto-fill, minmax(128px, 1fr)); gap: 14px}
@media (max-width: 480px) {dl {grid-template-columns: minmax(0, 1fr)} dd {margin-bottom: 6px}}
@media print {
main {max-width: none; padding: 0} body {font-size: 11px} h2 {break-after: avoid}
.wide, .drawing {overflow: visible}
table {font-size: 10px} @page {margin: 14mm}
details::details-content {content-visibility: visible; block-size: auto} tr {break-inside: avoid}
}
"""
)
