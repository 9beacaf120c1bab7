"""Animations as files."""

import os
from collections.abc import Callable
from typing import BinaryIO

from cnncli.animations.frames import Animation
from cnncli.drawing.svg.theme import Theme
from cnncli.errors import ArgumentError, ImageError
from cnncli.files.temporary import open_whole

Writer = Callable[[BinaryIO, Animation, Theme, float], None]

SHORTEST, LONGEST = 0.05, 60
"""Seconds for which a position may stay."""


def save_animation(
    animation: Animation,
    path: str | os.PathLike[str],
    *,
    theme: str = "auto",
    delay: float = 1.0,
    replace: bool = True,
) -> None:
    """Write an animation as a moving SVG, a GIF or a web page, whichever the suffix says, whole or not at all.

    Args:
        animation: of `animate_filter`, `animate_pool` or `animate_shape`.
        path: a name that ends in `.svg`, `.gif` or `.html`.
        theme: `auto` (the viewer's setting; for a GIF light), `light` or `dark`.
        delay: seconds for which each position stays, from 0.05 to 60.
        replace: whether an existing file is replaced.

    Raises:
        ArgumentError: another suffix, theme or delay.
        ImageError: the file cannot be written.

    Example:
        >>> from cnncli.animations.filtering import animate_filter
        >>> save_animation(animate_filter([[10, 10, 0, 0]] * 3, "vertical"), "edge.mp4")
        Traceback (most recent call last):
        ...
        cnncli.errors.ArgumentError: edge.mp4: animations are written as .svg, .gif, .html
    """
    write, colours = check_player(path, delay), Theme.of(theme)
    with open_whole(path, ImageError, replace=replace) as file:
        write(file, animation, colours, delay)


def check_player(path: str | os.PathLike[str], delay: float = 1.0) -> Writer:
    """Return what writes a file of that name, before any work.

    Raises:
        ArgumentError: another suffix, or a delay that is too short or too long to watch.
    """
    if not SHORTEST <= delay <= LONGEST:
        raise ArgumentError(f"the delay must be from {SHORTEST} to {LONGEST} seconds, got {delay:g}")
    writer = _WRITERS.get(os.path.splitext(path)[1].lower())
    if writer is None:
        raise ArgumentError(f"{os.fspath(path)}: animations are written as {', '.join(_WRITERS)}")
    return writer


def _write_svg(file: BinaryIO, animation: Animation, theme: Theme, delay: float) -> None:
    from cnncli.animations.layout import scene_of
    from cnncli.animations.svg import moving_svg

    file.write(str(moving_svg(scene_of(animation), theme=theme, delay=delay)).encode())


def _write_gif(file: BinaryIO, animation: Animation, theme: Theme, delay: float) -> None:
    from cnncli.animations.gif import write_gif  # Pillow, for GIF alone
    from cnncli.animations.layout import scene_of

    write_gif(file, scene_of(animation), theme=theme, delay=delay)


def _write_page(file: BinaryIO, animation: Animation, theme: Theme, delay: float) -> None:
    from cnncli.animations.html import animation_page

    file.write(str(animation_page(animation, theme=theme, delay=delay)).encode())


_WRITERS: dict[str, Writer] = {".svg": _write_svg, ".gif": _write_gif, ".html": _write_page}
