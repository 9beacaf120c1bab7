"""Drawings as files: SVG as it is; PNG and PDF by the rasteriser of the extra `cnncli[draw]`."""

import os
from io import BytesIO
from types import ModuleType
from typing import Any

from cnncli.drawing.svg.document import Svg
from cnncli.errors import ArgumentError, ImageError
from cnncli.files.temporary import open_whole

SUFFIXES = (".svg", ".png", ".pdf")
"""Kinds of files for a drawing."""

_MOST_PIXELS = 80_000_000  # 320 MB; beyond its memory, the rasteriser ends the process
_LONGEST_SIDE = 14_400  # points: readers of PDF show no more, and a conversion of more takes minutes without Ctrl-C


def save_drawing(drawing: Svg, path: str | os.PathLike[str], *, replace: bool = True, scale: float = 2) -> None:
    """Write a drawing as SVG, PNG or PDF, whichever the suffix of the path says, whole or not at all.

    Args:
        drawing: the drawing; one whose theme is `auto` is light as PNG and PDF.
        path: a name that ends in `.svg`, `.png` or `.pdf`.
        replace: whether an existing file is replaced.
        scale: pixels of a PNG for each pixel of the drawing. A PDF has one point for each.

    Raises:
        ArgumentError: the path has another suffix.
        ImageError: the file cannot be written, the extra is missing, or a PNG or PDF would be too large.

    Example:
        >>> save_drawing(Svg(60, 20, title="nothing"), "net.jpg")
        Traceback (most recent call last):
        ...
        cnncli.errors.ArgumentError: net.jpg: drawings are written as .svg, .png or .pdf
    """
    check_drawing(path)
    content = _content(drawing, os.fspath(path), scale)
    with open_whole(path, ImageError, replace=replace) as file:
        file.write(content)


def check_drawing(path: str | os.PathLike[str]) -> None:
    """Refuse a path that `save_drawing` cannot write to, before any work.

    Raises:
        ArgumentError: its suffix is not one of `SUFFIXES`.
        ImageError: its kind needs an extra that is missing.
    """
    if _kind(path) not in SUFFIXES:
        raise ArgumentError(f"{os.fspath(path)}: drawings are written as .svg, .png or .pdf")
    if _kind(path) != ".svg":
        _rasteriser(os.fspath(path))


def _kind(path: str | os.PathLike[str]) -> str:
    return os.path.splitext(path)[1].lower()


def _content(drawing: Svg, path: str, scale: float) -> bytes:
    if _kind(path) == ".svg":
        return str(drawing).encode()
    if _kind(path) == ".pdf":
        if max(drawing.width, drawing.height) > _LONGEST_SIDE:
            size = f"{drawing.width:.0f}x{drawing.height:.0f}"
            raise ImageError(f"{path} would have {size} points, over {_LONGEST_SIDE:,} a side: write .svg instead")
        return _converted(path, "svg_to_pdf", str(drawing))
    width, height = round(drawing.width * scale), round(drawing.height * scale)
    if width * height > _MOST_PIXELS:
        raise ImageError(
            f"{path} would have {width}x{height} pixels, over {_MOST_PIXELS:,}: write .svg or .pdf instead"
        )
    return _smaller(_converted(path, "svg_to_png", str(drawing), scale=scale))


def _smaller(png: bytes) -> bytes:
    """Return a PNG in a third of its bytes: the rasteriser's is made to be fast, with an alpha channel that is full."""
    from PIL import Image

    written = BytesIO()
    with Image.open(BytesIO(png)) as picture:
        picture.convert("RGB").save(written, "PNG")
    return written.getvalue()


def _converted(path: str, function: str, text: str, **options: Any) -> bytes:
    try:
        content: bytes = getattr(_rasteriser(path), function)(text, **options)
    except (RuntimeError, ValueError) as error:  # its text goes on with a trace of the stack
        raise ImageError(f"{path}: the drawing cannot be converted: {str(error).splitlines()[0]}") from error
    return content


def _rasteriser(path: str) -> ModuleType:
    try:
        import vl_convert
    except ImportError as error:
        what = f"{path}: drawings as PNG and PDF need an extra, SVG needs none"
        raise ImageError(f"{what}: pip install 'cnncli[draw]'") from error
    module: ModuleType = vl_convert
    return module
