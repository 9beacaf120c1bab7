"""Animations as SVG that moves by its style sheet alone: also as a picture of a web page, and without any script."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from cnncli.animations.scene import Rect, Ring, Scene, Shape, Strokes, Words
from cnncli.drawing.svg.document import Svg
from cnncli.drawing.svg.theme import Theme

HOLD = 2
"""Delays for which the last step stays before the first comes again."""


def moving_svg(scene: Scene, *, theme: Theme = Theme.AUTO, delay: float = 1.0) -> Svg:
    """Return a drawing that shows its steps one after the other, for `delay` seconds each, and begins again.

    Whoever asks for less motion, and programs that do not move pictures, see the last step. Where the drawing is not a
    picture of a page but stands for itself, it waits while the mouse is over it.
    """
    count, pace = len(scene.steps), _pace(len(scene.steps), delay)
    svg = Svg(scene.width, scene.height, title=scene.title, theme=theme, extra_style=_motion(count, delay))
    _draw(svg, scene.ground)
    for number, step in enumerate(scene.steps):
        _part(svg, step.under, f"s{pace} s{pace}{number}", is_last=number == count - 1)
    _draw(svg, scene.numbers)
    for number, step in enumerate(scene.steps):
        with svg.group(class_=f"k{pace} k{pace}{number}"):
            _draw(svg, step.kept)
    for number, step in enumerate(scene.steps):
        _part(svg, step.over, f"s{pace} s{pace}{number}", is_last=number == count - 1)
    return svg


def _part(svg: Svg, shapes: Iterable[Shape], classes: str, *, is_last: bool) -> None:
    with svg.group(class_=classes, visibility=None if is_last else "hidden"):
        _draw(svg, shapes)


def _pace(count: int, delay: float) -> str:
    """Return a part of names that only drawings with the same rules share, so that several can stand in one page."""
    return f"{count}-{1000 * delay:.0f}-"


def _motion(count: int, delay: float) -> str:
    """Return the rules: `s` are shown in one step, `k` from one step on."""
    whole, pace = count + HOLD, _pace(count, delay)
    return "".join(
        [
            f".s{pace},.k{pace} {{animation: {whole * delay:g}s step-end infinite}}",
            *(rule for number in range(count) for rule in _rules(number, count, whole, pace)),
            f"svg:hover .s{pace},svg:hover .k{pace} {{animation-play-state: paused}}",
            f"@media (prefers-reduced-motion: reduce) {{.s{pace},.k{pace} {{animation: none !important}}}}",
        ]
    )


def _rules(number: int, count: int, whole: int, pace: str) -> Iterator[str]:
    shown, hidden = "{visibility: visible}", "{visibility: hidden}"
    begin, end = (f"{100 * step / whole:.4g}%" for step in (number, number + 1))
    first = f"0% {hidden}" if number else ""
    last = f"{end},to {hidden}" if number < count - 1 else ""
    kinds = {"s": f"{begin} {shown}{last}"} | ({"k": f"{begin},to {shown}"} if number else {})
    for kind, keys in kinds.items():
        name = f"{kind}{pace}{number}"
        yield f"@keyframes {name} {{{first}{keys}}}.{name} {{animation-name: {name}}}"


def _draw(svg: Svg, shapes: Iterable[Shape]) -> None:
    """Draw shapes in order; texts of one look that follow each other are one element."""
    for look, group in groupby(shapes, _look):
        if look is None:
            for shape in group:
                _draw_one(svg, shape)
            continue
        size, anchor, style, bold = look
        places = [(one.x, one.y, one.text) for one in group if isinstance(one, Words)]
        svg.texts(places, size=size, anchor=anchor, style=style, bold=bold)


def _look(shape: Shape) -> tuple[float, str, str, bool] | None:
    return (shape.size, shape.anchor, shape.style, shape.bold) if isinstance(shape, Words) else None


def _draw_one(svg: Svg, shape: Shape) -> None:
    match shape:
        case Rect(x, y, width, height, style, line):
            svg.rect(x, y, width, height, style=style, stroke_width=line if line != 1 else None)
        case Strokes(ends, style, line):
            path = "".join(f"M{_point(*begin)}L{_point(*end)}" for begin, end in ends)
            svg.path(path, style=f"{style} open", stroke_width=line if line != 1 else None)
        case Ring(x, y, radius, style, line):
            svg.circle(x, y, radius, style=style, stroke_width=line if line != 1 else None)


def _point(x: float, y: float) -> str:
    return f"{x:g} {y:g}"
