"""An SVG document, written shape by shape."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cnncli.drawing.svg.lettering import text_width
from cnncli.drawing.svg.theme import Theme, style_sheet
from cnncli.errors import ImageError
from cnncli.files.temporary import open_whole
from cnncli.files.text import cleaned

Point = tuple[float, float]


class Label(NamedTuple):
    """A text of a drawing, with the rectangle that it takes at most."""

    text: str
    left: float
    top: float
    right: float
    bottom: float


class Svg:
    """A drawing, its sizes in pixels; shapes are named by the classes of the theme (`cnncli/drawing/svg/theme.py`).

    Attributes:
        width: pixels.
        height: pixels.
        title: name of the drawing, for those who hear it.
        labels: every text, with its place.

    Example:
        >>> drawing = Svg(60, 20, title="one box")
        >>> drawing.rect(1, 1, 58, 18, style="fill-1 edge")
        >>> drawing.text(30, 14, "<3", anchor="middle")
        >>> "&lt;3" in str(drawing)
        True
    """

    def __init__(
        self,
        width: float,
        height: float,
        *,
        title: str,
        description: str = "",
        theme: Theme = Theme.AUTO,
        extra_style: str = "",
    ) -> None:
        self.width, self.height, self.title = width, height, title
        self.labels: list[Label] = []
        self._description, self._theme, self._extra_style = description, theme, extra_style
        self._lines: list[str] = []

    def add(self, name: str, content: str = "", /, **attributes: object) -> None:
        """Add an element; `_` in the name of an attribute stands for `-`, and content is taken as it is."""
        begin = f"{name}{attribute_text(attributes)}"
        self._lines.append(f"<{begin}>{content}</{name}>" if content else f"<{begin}/>")

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        style: str = "edge open",
        rounded: float = 0,
        **more: object,
    ) -> None:
        """Draw a rectangle."""
        self.add("rect", x=x, y=y, width=width, height=height, rx=rounded or None, class_=style, **more)

    def line(
        self, points: Sequence[Point], *, style: str = "edge", width: float = 1, arrow: bool = False, **more: object
    ) -> None:
        """Draw a line through points, with the head of an arrow at its end if `arrow`."""
        self.add(
            "polyline",
            points=" ".join(f"{_written(x)},{_written(y)}" for x, y in points),
            class_=f"{style} open",
            stroke_width=width if width != 1 else None,
            **more,
        )
        if arrow:
            self._head(points[-2], points[-1], style)

    def polygon(self, points: Sequence[Point], *, style: str = "edge open", **more: object) -> None:
        """Draw a closed shape."""
        self.add("polygon", points=" ".join(f"{_written(x)},{_written(y)}" for x, y in points), class_=style, **more)

    def path(self, d: str, *, style: str = "edge open", **more: object) -> None:
        """Draw a path in the notation of SVG."""
        self.add("path", d=d, class_=style, **more)

    def circle(self, x: float, y: float, radius: float, *, style: str = "edge open", **more: object) -> None:
        """Draw a circle."""
        self.add("circle", cx=x, cy=y, r=radius, class_=style, **more)

    def image(self, x: float, y: float, width: float, height: float, uri: str, **more: object) -> None:
        """Draw a picture that is given as a `data:` URI; single pixels stay sharp."""
        self.add("image", x=x, y=y, width=width, height=height, href=uri, style="image-rendering: pixelated", **more)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 13,
        anchor: str = "start",
        style: str = "ink",
        bold: bool = False,
        upright: bool = False,
        **more: object,
    ) -> None:
        """Write a line of text with its base line at y; `anchor` is start, middle or end.

        An `upright` one is turned about its point, and runs upwards.
        """
        words = " ".join(cleaned(text).split())
        width, before = _extent(words, size, anchor, bold=bold)
        if upright:
            self.labels.append(Label(words, x - 0.8 * size, y + before - width, x + 0.25 * size, y + before))
            more["transform"] = f"rotate(-90 {_written(x)} {_written(y)})"
        else:
            self.labels.append(Label(words, x - before, y - 0.8 * size, x - before + width, y + 0.25 * size))
        self.add(
            "text",
            escaped(words),
            x=x,
            y=y,
            font_size=size,
            text_anchor=anchor if anchor != "start" else None,
            font_weight="bold" if bold else None,
            class_=style,
            **more,
        )

    def texts(
        self,
        places: Iterable[tuple[float, float, str]],
        *,
        size: float = 13,
        anchor: str = "start",
        style: str = "ink",
        bold: bool = False,
    ) -> None:
        """Write several texts (x, y, text) of one look, each as `text` does, as one element of half the bytes."""
        spans = []
        for x, y, text in places:
            words = " ".join(cleaned(text).split())
            width, before = _extent(words, size, anchor, bold=bold)
            self.labels.append(Label(words, x - before, y - 0.8 * size, x - before + width, y + 0.25 * size))
            spans.append(f'<tspan x="{_written(x)}" y="{_written(y)}">{escaped(words)}</tspan>')
        look = {"text_anchor": anchor if anchor != "start" else None, "font_weight": "bold" if bold else None}
        self.add("text", "".join(spans), font_size=size, class_=style, **look)

    @contextmanager
    def group(self, **attributes: object) -> Iterator[None]:
        """Put what is drawn within into a group; one that is moved must not hold text, whose place is recorded."""
        outer, self._lines = self._lines, []
        try:
            yield
        finally:
            inner, self._lines = self._lines, outer
            self.add("g", "".join(inner) or " ", **attributes)

    def __str__(self) -> str:
        size = f'width="{_written(self.width)}" height="{_written(self.height)}"'
        view = f'viewBox="0 0 {_written(self.width)} {_written(self.height)}"'
        description = f"<desc>{escaped(cleaned(self._description))}</desc>" if self._description else ""
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} {view} role="img">',
                f"<title>{escaped(cleaned(self.title))}</title>{description}",
                f"<style>{style_sheet(self._theme, self._extra_style)}</style>",
                '<rect width="100%" height="100%" class="paper"/>',
                *self._lines,
                "</svg>",
                "",
            ]
        )

    def save(self, path: str | Path, *, replace: bool = True) -> None:
        """Write the drawing, whole or not at all; an existing file is replaced if `replace` says so.

        Raises:
            ImageError: the file cannot be written.
        """
        with open_whole(path, ImageError, replace=replace) as file:
            file.write(str(self).encode())

    def _head(self, before: Point, end: Point, style: str) -> None:
        (x, y), length = end, ((end[0] - before[0]) ** 2 + (end[1] - before[1]) ** 2) ** 0.5 or 1.0
        along = (end[0] - before[0]) / length, (end[1] - before[1]) / length
        back = x - 7 * along[0], y - 7 * along[1]
        sides = [(back[0] - turn * 3.5 * along[1], back[1] + turn * 3.5 * along[0]) for turn in (1, -1)]
        self.line([sides[0], end, sides[1]], style=style)


def _extent(words: str, size: float, anchor: str, *, bold: bool) -> tuple[float, float]:
    """Return the width of a line of text, and how much of it lies before its point."""
    width = text_width(words, size, bold=bold)
    return width, {"start": 0.0, "middle": width / 2, "end": width}[anchor]


def _written(value: object) -> str:
    return f"{round(value, 2):g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)


def attribute_text(values: Mapping[str, object]) -> str:
    """Return attributes as they stand in an element, without those of None or an empty text.

    Example:
        >>> attribute_text({"class_": "ink", "font_size": 13, "rx": None})
        ' class="ink" font-size="13"'
    """
    there = {name: value for name, value in values.items() if value is not None and value != ""}
    return "".join(f' {name.rstrip("_").replace("_", "-")}="{escaped(_written(one))}"' for name, one in there.items())


def escaped(text: str) -> str:
    """Return a text as content or as an attribute; `html.escape` takes 2 ms to load."""
    for letter, name in (("&", "amp"), ("<", "lt"), (">", "gt"), ('"', "quot")):
        text = text.replace(letter, f"&{name};")
    return text
