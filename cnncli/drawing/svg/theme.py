"""Colours and dashes of drawings, on light and on dark paper, as the style sheet of an SVG document."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from cnncli.choices import check_choice

FONTS = "ui-sans-serif, system-ui, sans-serif"
"""Generic names: the viewer has a font for every script that it can show."""

DASHES = ("", "7 4", "2 3", "9 3 2 3", "12 4", "5 2 1 2", "1 4", "14 3 4 3")
"""Dashes of the series of a chart, so that they differ in grey print."""


class Theme(StrEnum):
    """The colours of a drawing: `auto` follows the viewer's setting, and is light where there is none."""

    AUTO = "auto"
    LIGHT = "light"
    DARK = "dark"

    @classmethod
    def of(cls, word: str) -> "Theme":
        """Return the theme of a name.

        Raises:
            ArgumentError: there is none.
        """
        check_choice("theme", word, [theme.value for theme in cls])
        return cls(word)


LIGHT: Mapping[str, str] = MappingProxyType(
    {
        "paper": "#ffffff",
        "ink": "#1f2933",
        "faint": "#57626e",
        "grid": "#d5dae0",
        "mark": "#a34100",
        "fill-1": "#cfe3f5",
        "fill-2": "#fbe3bd",
        "fill-3": "#d3eddd",
        "fill-4": "#ead7ec",
        "fill-5": "#e6e8eb",
        "fill-6": "#fbd5cc",
        "heat-1": "#6fa8e8",
        "heat-2": "#f0954a",
        "line-1": "#1f63b2",
        "line-2": "#b34700",
        "line-3": "#00724f",
        "line-4": "#8a3f8f",
        "line-5": "#57626e",
        "line-6": "#a51d2d",
        "line-7": "#6b5b00",
        "line-8": "#0f6d7a",
    }
)
DARK: Mapping[str, str] = MappingProxyType(
    {
        "paper": "#14181d",
        "ink": "#e8ecf1",
        "faint": "#abb5c0",
        "grid": "#3a424c",
        "mark": "#ffb26b",
        "fill-1": "#1d3f63",
        "fill-2": "#5a4012",
        "fill-3": "#174a35",
        "fill-4": "#4d2d51",
        "fill-5": "#333a43",
        "fill-6": "#5e2620",
        "heat-1": "#22609f",
        "heat-2": "#9a4a00",
        "line-1": "#7db7f0",
        "line-2": "#ffb26b",
        "line-3": "#59d3a4",
        "line-4": "#dba2e0",
        "line-5": "#a7b1bc",
        "line-6": "#ff9aa2",
        "line-7": "#e0cc5c",
        "line-8": "#6fd3df",
    }
)


def style_sheet(theme: Theme, extra: str = "") -> str:
    """Return the rules for the classes of a drawing, and then `extra`.

    Rasterisers read the first rules, and pass over the media query of `auto` and its dark ones.
    """
    rules = _rules(DARK if theme is Theme.DARK else LIGHT)
    if theme is Theme.AUTO:
        rules += f"@media (prefers-color-scheme: dark) {{{_rules(DARK)}}}"
    return f"text {{font-family: {FONTS}}}{_dashes()}{rules}{extra}"


def _rules(colours: Mapping[str, str]) -> str:
    """Return the classes: `ink`, `faint`, `mark` of text; `paper`, `fill-N`, `heat-N` of areas; `edge`, `line-N`, ...

    On any share of a `heat-N`, `ink` can be read.
    """
    words = [f"text.{name} {{fill: {colours[name]}}}" for name in ("ink", "faint", "mark")]
    areas = [f".{name} {{fill: {colours[name]}}}" for name in colours if name.startswith(("paper", "fill-", "heat-"))]
    strokes = {"edge": "ink", "soft": "faint", "grid": "grid", "line-mark": "mark"}
    strokes |= {name: name for name in colours if name.startswith("line-")}
    lines = [f".{name} {{stroke: {colours[colour]}}}" for name, colour in strokes.items()]
    return "".join([*words, *areas, *lines])


def _dashes() -> str:
    dashed = [f".line-{number} {{stroke-dasharray: {dash}}}" for number, dash in enumerate(DASHES, 1) if dash]
    return ".open {fill: none}" + "".join(dashed) + ".solid {stroke-dasharray: none}"
