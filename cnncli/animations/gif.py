"""Animations as GIF: each step drawn with Pillow, in the few colours of the theme and their blends."""

from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

from PIL import Image, ImageColor, ImageDraw

from cnncli.animations.scene import Line, Rect, Ring, Scene, Shape, Strokes, Words
from cnncli.drawing.canvas import font_of
from cnncli.drawing.svg.document import Point
from cnncli.drawing.svg.theme import DARK, LIGHT, Theme

HOLD = 3
"""Delays for which the last step stays."""

FINEST, LARGEST = 2.0, 1400
"""Pixels for each pixel of the scene, and the most pixels of the width for which there are more than one."""

_STROKES = {"edge": "ink", "soft": "faint", "line-mark": "mark"}
_BLENDS = (0.33, 0.67)

Colour = str | int
"""Of an image in colour, or a level of a mask."""


def write_gif(file: BinaryIO, scene: Scene, *, theme: Theme = Theme.AUTO, delay: float = 1.0) -> None:
    """Write a scene as a GIF that shows each step for `delay` seconds, and begins again.

    A GIF cannot follow the viewer's setting: the theme `auto` is light.
    """
    frames = stills(scene, theme=theme)
    first = next(frames)
    milliseconds = round(delay * 100) * 10  # a GIF counts hundredths
    durations = [milliseconds] * (len(scene.steps) - 1) + [HOLD * milliseconds]
    first.save(
        file, format="gif", save_all=True, append_images=frames, duration=durations, loop=0, disposal=1, optimize=True
    )


def stills(scene: Scene, *, theme: Theme = Theme.AUTO) -> Iterator[Image.Image]:
    """Yield a picture with a palette for each step."""
    colours = DARK if theme is Theme.DARK else LIGHT
    scale = max(1.0, min(FINEST, LARGEST / scene.width))
    size = round(scene.width * scale), round(scene.height * scale)
    palette = _palette(colours)
    lasting = _Painter(Image.new("RGB", size, colours["paper"]), colours, scale)
    lasting.draw(scene.ground)
    numbers = _masks(scene.numbers, size, scale)
    for step in scene.steps:
        lasting.draw(step.kept)
        painter = _Painter(lasting.image.copy(), colours, scale)
        painter.draw(step.under)
        for name, mask in numbers.items():
            painter.image.paste(colours[name], mask=mask)
        painter.draw(step.over)
        yield painter.image.quantize(palette=palette, dither=Image.Dither.NONE)


class _Painter:
    """Shapes on an image, in the colours of a theme."""

    def __init__(self, image: Image.Image, colours: Mapping[str, Colour], scale: float) -> None:
        self.image, self._colours, self._scale = image, colours, scale
        self._draw = ImageDraw.Draw(image)

    def draw(self, shapes: Iterable[Shape]) -> None:
        """Draw shapes in order."""
        for shape in shapes:
            match shape:
                case Rect():
                    self._rect(shape)
                case Words():
                    self._words(shape)
                case Strokes(ends, style, line):
                    for begin, end in ends:
                        self._draw.line([*self._at(*begin), *self._at(*end)], self._stroke(style), self._line(line))
                case Ring(x, y, radius, style, line):
                    half = line / 2
                    box = [
                        *self._at(x - radius - half, y - radius - half),
                        *self._at(x + radius + half, y + radius + half),
                    ]
                    self._draw.ellipse(box, outline=self._stroke(style), width=self._line(line))

    def _rect(self, shape: Rect) -> None:
        (left, top), (right, bottom) = (
            self._at(shape.x, shape.y),
            self._at(shape.x + shape.width, shape.y + shape.height),
        )
        fill = next((word for word in shape.style.split() if word.startswith("fill-")), None)
        if fill:
            self._draw.rectangle((left, top, right - 1, bottom - 1), fill=self._colours[fill])
        if stroke := self._stroke(shape.style):
            line = self._line(shape.line)
            before, after = line // 2, line - line // 2 - 1
            box = (left - before, top - before, right + after, bottom + after)
            self._draw.rectangle(box, outline=stroke, width=line)

    def _words(self, shape: Words) -> None:
        font = font_of(shape.text, shape.size * self._scale)
        anchor = {"start": "ls", "middle": "ms", "end": "rs"}[shape.anchor]
        bold = round(0.4 * self._scale) if shape.bold else 0
        self._draw.text(
            self._at(shape.x, shape.y),
            shape.text,
            self._colours[shape.style],
            font,
            anchor,
            stroke_width=bold,
        )

    def _at(self, x: float, y: float) -> Point:
        return round(x * self._scale), round(y * self._scale)

    def _line(self, width: float) -> int:
        return max(1, round(width * self._scale))

    def _stroke(self, style: str) -> Colour | None:
        name = next((_STROKES[word] for word in style.split() if word in _STROKES), None)
        return None if name is None else self._colours[name]


def _masks(shapes: Iterable[Line], size: tuple[int, int], scale: float) -> dict[str, Image.Image]:
    """Return what every step has above its window, by the name of its colour: hundreds of numbers are drawn once."""
    masks: dict[str, Image.Image] = {}
    for shape in shapes:
        name = _STROKES.get(shape.style, shape.style)
        mask = masks.setdefault(name, Image.new("L", size, 0))
        _Painter(mask, {name: 255}, scale).draw([shape])
    return masks


def _palette(colours: Mapping[str, str]) -> Image.Image:
    """Return an image whose palette holds the colours of a theme, and blends of its letters with what is below them."""
    grounds = [colours[name] for name in ("paper", "fill-1", "fill-2", "fill-3", "fill-5")]
    letters = [colours[name] for name in ("ink", "faint")]
    exact = [*map(_levels, [*grounds, *letters, colours["mark"]])]
    blends = [
        [round(a + share * (b - a)) for a, b in zip(_levels(ground), _levels(letter), strict=True)]
        for letter in letters
        for ground in grounds
        for share in _BLENDS
    ]
    image = Image.new("P", (1, 1))
    image.putpalette([level for colour in [*exact, *blends] for level in colour])
    return image


def _levels(colour: str) -> list[int]:
    return list(ImageColor.getrgb(colour)[:3])
