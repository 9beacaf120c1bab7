"""The words of a network's text, before anything is known of layers."""

from typing import NamedTuple

from cnncli.networks.layers.fields import read_whole, read_wholes
from cnncli.shapes import Shape

MAX_WORDS = 20_000
"""Words of a text, with those of its macros."""

_BRACKETS = "[]|"

Span = tuple[int, int]
"""The beginning and the end of a part of a text."""


class Word(NamedTuple):
    """A word or a bracket of a text, and where it begins and ends."""

    text: str
    start: int
    end: int

    def split(self) -> "list[Word]":
        """Split the word at its commas."""
        parts, start = [], self.start
        for part in self.text.split(","):
            parts.append(Word(part, start, start + len(part)))
            start += len(part) + 1
        return parts


def split_words(text: str) -> list[Word]:
    """Return the words and brackets of a text; of a text with more than `MAX_WORDS` only so many that this shows.

    Example:
        >>> [word.text for word in split_words("6x6 res[conv3-1,same]")]
        ['6x6', 'res', '[', 'conv3-1,same', ']']
    """
    words: list[Word] = []
    start = 0
    for index, letter in enumerate(text):
        if letter.isspace() or letter in _BRACKETS:
            if index > start:
                words.append(Word(text[start:index], start, index))
            if letter in _BRACKETS:
                words.append(Word(letter, index, index + 1))
            start = index + 1
            if len(words) > MAX_WORDS:
                return words
    if start < len(text):
        words.append(Word(text[start:], start, len(text)))
    return words


def read_input(word: str) -> Shape | None:
    """Return the shape of `HxWxC`, `HxW` or `C@HxW`, or of `N` for numbers without a picture; None for other words.

    Example:
        >>> read_input("28x28"), read_input("3@28x28"), read_input("conv3-10")
        ((28, 28, 1), (28, 28, 3), None)
    """
    word = plain(word)
    channels, at, size = word.rpartition("@")
    sizes = read_wholes(size)
    if sizes is None or 0 in sizes or len(sizes) > 3:
        return None
    if at:
        count = read_whole(channels)
        return (*sizes, count) if len(sizes) == 2 and count else None
    return (*sizes, 1) if len(sizes) == 2 else sizes


def quote(value: object) -> str:
    """Return a text in quotes, at most 60 characters of it."""
    shown = value if isinstance(value, str) else type(value).__name__
    return repr(shown if len(shown) <= 60 else f"{shown[:57]}...")


def plain(text: str) -> str:
    """Return a text in small letters with a plain x, letter for letter."""
    return text.lower() if text.isascii() else text.replace("\u00d7", "x")
