"""Completion of words in a shell. It runs whenever the Tab key is pressed, so that nothing heavy is loaded."""

from textwrap import shorten

from cnncli.choices import PARTS

_ROOM = 72  # characters of a description: Typer breaks lines of 80, which zsh shows as they are


def complete_filters(incomplete: str) -> list[tuple[str, str]]:
    """Return the filter words that go on from the last word of a chain, each with what it is.

    Example:
        >>> [word for word, _ in complete_filters("gaussian:1.4 so")]
        ['gaussian:1.4 sobel']
    """
    from cnncli.filters.named import FILTERS

    before, space, last = incomplete.rpartition(" ")
    return [
        (before + space + name, shorten(entry.about, _ROOM, placeholder=" ..."))
        for name, entry in FILTERS.items()
        if name.startswith(last)
    ]


def complete_networks(incomplete: str) -> list[str]:
    """Return the networks of the zoo that begin with a word.

    Example:
        >>> complete_networks("vgg")
        ['vgg11', 'vgg13', 'vgg16', 'vgg19']
    """
    from cnncli.networks.loading import zoo_names

    return [name for name in zoo_names() if name.startswith(incomplete)]


def complete_parts(incomplete: str) -> list[str]:
    """Return the parts of data sets that begin with a word.

    Example:
        >>> complete_parts("t")
        ['train', 'test']
    """
    return [part for part in PARTS if part.startswith(incomplete)]
