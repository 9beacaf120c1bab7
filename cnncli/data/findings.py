"""The same picture twice: in two parts of the data, or under two labels."""

from collections import Counter

from cnncli.data.datasets import Dataset, Finding


def find_duplicates(
    seen: Dataset, held_out: Dataset, seen_part: str = "training", part: str = "held-out"
) -> Finding | None:
    """Return what is to be said of pictures that are in both parts: a network knows them by heart.

    Files are compared byte by byte, pictures in memory pixel by pixel; a file and a picture in memory by the pixels.

    Args:
        seen: the pictures that a network learns from, or is chosen by.
        held_out: those that it is judged by.
        seen_part: what the message calls the first.
        part: what it calls the second.

    Example:
        >>> import numpy as np
        >>> from cnncli.data.datasets import ArrayDataset
        >>> pixels = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1)
        >>> data = ArrayDataset(pixels, np.array([0, 1, 0]), ("a", "b"), "x")
        >>> other = ArrayDataset(pixels[2:], np.array([0]), ("a", "b"), "y")
        >>> find_duplicates(data, other).message
        '1 picture of the held-out part is in the training part too: y[0] = x[2]'
    """
    if seen.fingerprint_kind == held_out.fingerprint_kind:
        known, asked = seen.fingerprints, held_out.fingerprints
        shared = set(known) & set(asked)
        known, asked = _certain(seen, known, shared), _certain(held_out, asked, shared)
    elif seen.shape == held_out.shape:
        known, asked = seen.pixel_fingerprints(), held_out.pixel_fingerprints()
    else:
        return None
    places = {mark: place for place, mark in reversed(list(enumerate(known)))}
    pairs = [(place, places[mark]) for place, mark in enumerate(asked) if mark in places]
    if not pairs:
        return None
    shown = [f"{held_out.names[place]} = {seen.names[other]}" for place, other in pairs]
    count = f"{len(pairs)} picture{'s' if len(pairs) > 1 else ''} of the {part} part"
    verb = "are" if len(pairs) > 1 else "is"
    message = f"{count} {verb} in the {seen_part} part too: {_some(shown)}"
    return Finding("duplicate", message, tuple(shown))


def find_conflicts(dataset: Dataset) -> Finding | None:
    """Return what is to be said of pictures that have two labels: one of them is wrong."""
    marks = dataset.fingerprints
    often = {mark for mark, count in Counter(marks).items() if count > 1}
    first: dict[bytes, int] = {}
    pairs = []
    for place, mark in enumerate(_certain(dataset, marks, often)):
        other = first.setdefault(mark, place)
        if dataset.labels[other] != dataset.labels[place]:
            pairs.append((other, place))
    if not pairs:
        return None
    shown = [f"{_labelled(dataset, other)} = {_labelled(dataset, place)}" for other, place in pairs]
    message = f"{len(pairs)} picture{'s have' if len(pairs) > 1 else ' has'} two labels: {_some(shown)}"
    return Finding("conflict", message, tuple(shown))


def _certain(dataset: Dataset, marks: list[bytes], doubtful: set[bytes]) -> list[bytes]:
    """Fingerprints, those that occur elsewhere too made certain."""
    return [dataset.full_fingerprint(place) if mark in doubtful else mark for place, mark in enumerate(marks)]


def _labelled(dataset: Dataset, place: int) -> str:
    return f"{dataset.names[place]} ({dataset.class_names[dataset.labels[place]]})"


def _some(texts: list[str]) -> str:
    return "; ".join(texts[:3]) + (f"; and {len(texts) - 3} more" if len(texts) > 3 else "")
