"""Label files as text: read with limits, XML without entities."""

import json
import mmap
from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from cnncli.errors import DataError, reason

MAX_BYTES = 4 << 20
"""Bytes of a file of labels of one picture."""

_MAX_DEPTH = 64


def read_bytes(path: str, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the content of a label file.

    Raises:
        DataError: it cannot be read, or is larger than the limit.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from error
    if len(content) > max_bytes:
        raise DataError(f"{path}: is larger than {max_bytes:,} bytes")
    return content


def read_text(path: str, max_bytes: int = MAX_BYTES) -> str:
    """Return the text of a label file in UTF-8.

    Raises:
        DataError: it cannot be read, is too large, or not UTF-8.
    """
    try:
        return read_bytes(path, max_bytes).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: is not text in UTF-8: byte {error.start:,} is 0x{error.object[error.start]:02x}"
        ) from error


def read_json(path: str, max_bytes: int) -> Any:
    """Return the value of a JSON file, without outlines and key points, which are most of COCO's files.

    Raises:
        DataError: it cannot be read, is too large, or is not JSON.
    """
    try:
        return json.loads(read_bytes(path, max_bytes), object_hook=_without_outlines)
    except RecursionError as error:
        raise DataError(f"{path}: is nested too deeply") from error
    except ValueError as error:  # of a number with thousands of digits, or of text in no encoding, a plain one
        raise DataError(f"{path}: is not JSON: {error}") from error


def holds(path: str, *words: bytes) -> list[bool]:
    """Return which of some words a file holds, at the speed of memory; none where it cannot be read."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return [content.find(word) >= 0 for word in words]
    except (OSError, ValueError):  # a ValueError: it is empty
        return [False] * len(words)


def _without_outlines(found: dict[str, Any]) -> dict[str, Any]:
    found.pop("segmentation", None)
    found.pop("keypoints", None)
    return found


class Element:
    """An element of XML: its tag, its text and the elements inside it."""

    __slots__ = ("inside", "tag", "text")

    def __init__(self, tag: str) -> None:
        self.tag, self.text = tag, ""
        self.inside: list[Element] = []

    def all(self, tag: str) -> Iterator["Element"]:
        """Yield the elements inside of a tag."""
        return (element for element in self.inside if element.tag == tag)

    def first(self, *tags: str) -> "Element | None":
        """Return the first element on a way of tags; None without one."""
        found: Element | None = self
        for tag in tags:
            found = next(found.all(tag), None) if found else None
        return found

    def word(self, *tags: str) -> str:
        """Return the text of the first element on a way of tags, empty without one."""
        found = self.first(*tags)
        return found.text.strip() if found else ""


def parse_xml(content: bytes, path: str) -> Element:
    """Return the outermost element of an XML text.

    Entities are refused where they are declared, so that none can unfold to gigabytes or bring in another file.

    Raises:
        DataError: it is not XML, declares entities, or is nested too deeply.

    Example:
        >>> parse_xml(b"<a><b>1</b><b>2</b></a>", "x.xml").word("b")
        '1'
    """
    parser = expat.ParserCreate()
    open_elements = [Element("")]

    def start(tag: str, _: dict[str, str]) -> None:
        if len(open_elements) > _MAX_DEPTH:
            raise DataError(f"{path}: is nested deeper than {_MAX_DEPTH} elements")
        element = Element(tag)
        open_elements[-1].inside.append(element)
        open_elements.append(element)

    def end(_: str) -> None:
        open_elements.pop()

    def text(letters: str) -> None:
        open_elements[-1].text += letters

    def entity(name: str, *_: object) -> None:
        raise DataError(f"{path}: declares the entity {name!r}, which labels have no use for: refused")

    parser.buffer_text, parser.buffer_size = True, 1 << 20
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise DataError(f"{path}: is not XML: {error}") from error
    except (ValueError, LookupError) as error:  # an encoding that nobody knows
        raise DataError(f"{path}: is not XML: {error}") from error
    return open_elements[0].inside[0]
