"""The same picture twice: in two parts of the data, or under two labels."""

from cnncli.training.datasets.base import Dataset, Finding


def find_duplicates(seen: Dataset, held_out: Dataset) -> Finding | None:
    """Return what is to be said of pictures that are in both parts: a network knows them by heart.

    Files are compared byte by byte, pictures in memory pixel by pixel; a file and a picture in memory by the pixels.

    Example:
        >>> import numpy as np
        >>> from cnncli.training.datasets.base import ArrayDataset
        >>> pixels = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1)
        >>> data = ArrayDataset(pixels, np.array([0, 1, 0]), ("a", "b"), "x")
        >>> other = ArrayDataset(pixels[2:], np.array([0]), ("a", "b"), "y")
        >>> find_duplicates(data, other).message
        '1 picture of the held-out part is in the training part too: y[0] = x[2]'
    """
    same_kind = seen.fingerprint_kind == held_out.fingerprint_kind
    if not same_kind and seen.shape != held_out.shape:
        return None
    known = seen.fingerprints if same_kind else seen.pixel_fingerprints()
    asked = held_out.fingerprints if same_kind else held_out.pixel_fingerprints()
    places = {mark: place for place, mark in reversed(list(enumerate(known)))}
    pairs = [(place, places[mark]) for place, mark in enumerate(asked) if mark in places]
    if same_kind:
        pairs = [pair for pair in pairs if held_out.full_fingerprint(pair[0]) == seen.full_fingerprint(pair[1])]
    if not pairs:
        return None
    shown = [f"{held_out.names[place]} = {seen.names[other]}" for place, other in pairs]
    count = f"{len(pairs)} picture{'s' if len(pairs) > 1 else ''} of the held-out part"
    verb = "are" if len(pairs) > 1 else "is"
    message = f"{count} {verb} in the training part too: {_some(shown)}"
    return Finding("duplicate", message, tuple(shown))


def find_conflicts(dataset: Dataset) -> Finding | None:
    """Return what is to be said of pictures that have two labels: one of them is wrong."""
    first: dict[bytes, int] = {}
    pairs = []
    for place, mark in enumerate(dataset.fingerprints):
        other = first.setdefault(mark, place)
        if dataset.labels[other] != dataset.labels[place] and _same(dataset, other, place):
            pairs.append((other, place))
    if not pairs:
        return None
    shown = [f"{_labelled(dataset, other)} = {_labelled(dataset, place)}" for other, place in pairs]
    message = f"{len(pairs)} picture{'s have' if len(pairs) > 1 else ' has'} two labels: {_some(shown)}"
    return Finding("conflict", message, tuple(shown))


def _same(dataset: Dataset, first: int, second: int) -> bool:
    return dataset.full_fingerprint(first) == dataset.full_fingerprint(second)


def _labelled(dataset: Dataset, place: int) -> str:
    return f"{dataset.names[place]} ({dataset.class_names[dataset.labels[place]]})"


def _some(texts: list[str]) -> str:
    return "; ".join(texts[:3]) + (f"; and {len(texts) - 3} more" if len(texts) > 3 else "")
