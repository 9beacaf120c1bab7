"""Animations as a page: one file for a mouse, a finger, a keyboard or a screen reader, without any network."""

import json
from pathlib import Path

from cnncli.animations.boards import CLASSES, Boards, board_data
from cnncli.animations.frames import Animation
from cnncli.animations.placing import kernel_heading, output_heading, plane_heading, sum_words
from cnncli.drawing.pages import Page
from cnncli.drawing.svg.document import escaped
from cnncli.drawing.svg.lettering import text_width
from cnncli.drawing.svg.theme import Theme

KEYS = (
    "Point at a cell of the output, or tap it, to see its window. Left and right arrow: one position back or on. "
    "Space: play or pause. Home and End: the first and the last position. Up and down, in the output: a row."
)


def animation_page(animation: Animation, *, theme: Theme = Theme.AUTO, delay: float = 1.0) -> Page:
    """Return an animation as a page that plays it, and that shows the window of each cell of the output.

    Args:
        animation: what is shown.
        theme: what the page is drawn on.
        delay: seconds for which a position stays. For whoever asks for less motion, the page waits.

    Example:
        >>> from cnncli.animations.filtering import animate_filter
        >>> page = animation_page(animate_filter([[10, 10, 0, 0]] * 3, "vertical"))
        >>> "floor((4 + 2*1 - 3)/1 + 1) = 4" in str(page)
        True
    """
    boards = Boards.of(animation)
    page = Page(animation.title, style=_resource("player.css"), theme=theme)
    for line in animation.formula:
        page.paragraph(line, "faint")
    page.add(_stage(animation, boards))
    for kind, text in animation.legend:
        page.add(f'<p class="faint"><span class="swatch {CLASSES[kind]}"></span>{escaped(text)}</p>')
    page.add(_controls(len(animation.frames)))
    page.add('<div id="working" role="status" aria-atomic="true" aria-label="Arithmetic of this position"></div>')
    page.paragraph(KEYS, "faint")
    page.add("<noscript><p>This page needs JavaScript: without it, its boards are empty.</p></noscript>")
    data = json.dumps(board_data(animation, boards, delay), separators=(",", ":")).replace("<", "\\u003c")
    page.add(f'<script type="application/json" id="frames">{data}</script>')
    page.script(_resource("player.js"))
    return page


def _stage(animation: Animation, boards: Boards) -> str:
    """Return the boards: the output beside its only channel, or beside all channels."""
    planes = [
        boards.planes.html(f"plane-{channel}", plane_heading(animation, channel), framed=True)
        for channel in range(len(animation.planes))
    ]
    output = boards.output.html("output", output_heading(animation), role="grid", framed=True)
    terms = ["" for _ in planes]
    for number, kernel in enumerate(animation.kernels):
        terms[kernel.channel] += _term(animation, boards, number)
    beside = [f'<div class="terms">{own}</div>' for own in terms]
    if len(planes) == 1:
        return f'<div class="stage">{planes[0]}{output}{beside[0]}</div>'
    rows = (f'<div class="channel">{plane}{own}</div>' for plane, own in zip(planes, beside, strict=True))
    return f'<div class="stage several"><div class="channels">{"".join(rows)}</div>{output}</div>'


def _term(animation: Animation, boards: Boards, number: int) -> str:
    """Return the boards of the window under a kernel, of the kernel and of their products, and their sum."""
    window = boards.windows.html(f"window-{number}", "window")
    kernel = boards.kernels.html(f"kernel-{number}", kernel_heading(animation, number))
    products = boards.products.html(f"products-{number}", "products")
    # Wide enough for every sum, because an output that moves would put another cell under the mouse.
    widest = max(text_width(sum_words(frame.sums[number]), 15) for frame in animation.frames)
    total = f'<p class="total" id="sum-{number}" style="min-width: {widest:.0f}px"></p>'
    return f'<div class="term">{window}{_sign("&times;")}{kernel}{_sign("=")}{products}{total}</div>'


def _sign(sign: str) -> str:
    return f'<span class="sign">{sign}</span>'


def _controls(count: int) -> str:
    buttons = "".join(
        f'<button type="button" id="{name}">{name.capitalize()}</button>'
        for name in ("first", "back", "play", "next", "last")
    )
    slider = f'<input type="range" id="slider" min="0" max="{count - 1}" value="0" aria-label="Position">'
    return f'<div class="controls">{buttons}{slider}<span id="count"></span></div>'


def _resource(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
