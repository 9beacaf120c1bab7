"""Blocks drawn as trees."""

from collections.abc import Sequence

from cnncli.networks.summary import Row


def trees(rows: Sequence[Row]) -> list[str]:
    """Return the words of layers, with the branches of blocks drawn before them.

    Example:
        >>> main = Row("0.res.main.0.conv", "conv3-8", "conv", 1, "main"), Row("0.res.main.1.bn", "bn", "bn", 1)
        >>> shortcut = Row("0.res.shortcut", "identity", "identity", 1, "shortcut")
        >>> print(*trees([Row("0.res", "res", "res"), *main, shortcut]), sep=chr(10))
        res
        ├─ main: conv3-8
        │        bn
        └─ shortcut: identity
    """
    labels = []
    below = {0: ""}  # what is drawn before the inner rows of a block, by its depth
    for row, last in zip(rows, _last_branches(rows), strict=True):
        lead = ""
        if row.depth:
            title = f"{row.branch}: " if row.branch else ""
            outer = below.get(row.depth - 1, "")
            if row.branch or row.depth not in below:
                lead = f"{outer}{'└─ ' if last else '├─ '}{title}"
                below[row.depth] = f"{outer}{'   ' if last else '│  '}{' ' * len(title)}"
            else:
                lead = below[row.depth]
        for deeper in [depth for depth in below if depth > row.depth]:
            del below[deeper]
        labels.append(lead + row.spec)
    return labels


def _last_branches(rows: Sequence[Row]) -> list[bool]:
    """Return for each row whether no further branch of the same block begins after it."""
    later: set[int] = set()
    found = []
    for row in reversed(rows):
        later = {depth for depth in later if depth <= row.depth}
        found.append(row.depth not in later)
        if row.branch:
            later.add(row.depth)
    return found[::-1]


def indented(row: Row) -> str:
    """Return a layer's word after a tab for each block that it is in."""
    return "\t" * row.depth + (f"{row.branch}: " if row.branch else "") + row.spec
