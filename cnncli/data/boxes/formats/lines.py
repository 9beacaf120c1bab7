"""JSON lines: an object for each picture, with a list of its boxes; written alone."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cnncli.data.boxes.labels import LabelledBoxes

SIDES = ("x", "y", "width", "height")


def text(pictures: Iterable[LabelledBoxes], class_names: Sequence[str]) -> Iterator[str]:
    """Yield a line for each picture, in full precision."""
    for picture in pictures:
        record: dict[str, Any] = {"file": picture.path}
        if picture.size is not None:
            record |= {"width": picture.size[1], "height": picture.size[0]}
        yield json.dumps(record | {"boxes": list(_boxes(picture, class_names))}, allow_nan=False) + "\n"


def _boxes(picture: LabelledBoxes, class_names: Sequence[str]) -> Iterator[dict[str, Any]]:
    boxes = picture.boxes
    for place, label, score, crowd in zip(*(field.tolist() for field in boxes[:4]), strict=True):
        record = {"class": class_names[label], "score": score, **dict(zip(SIDES, place, strict=True))}
        yield record | {"crowd": True} if crowd else record
