"""Augmentation: every epoch shows each picture a little differently.

Augmentations work on pictures as they are stored, before normalization. Beyond its border a picture repeats its nearest
pixel, so that pages and skies go on.

To add one, write a class with its `amount` and `change`, and `move` where it moves pixels, and enter it in
`AUGMENTATIONS`.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnncli.choices import did_you_mean
from cnncli.data.augmentation.base import Augmentation
from cnncli.data.augmentation.colours import Brightness, Contrast, Hue, Saturation
from cnncli.data.augmentation.moving import Cutout, Flip, RandomCrop, Rotate, Shift, Zoom
from cnncli.errors import ArgumentError
from cnncli.lazy import Lazy

if TYPE_CHECKING:  # `--help` reads the registry and has to load no NumPy
    import numpy as np

    from cnncli.arrays import Array
    from cnncli.data.resizing import Size
else:
    np = Lazy("numpy")

_KINDS = (Shift, Flip, Rotate, RandomCrop, Zoom, Cutout, Brightness, Contrast, Saturation, Hue)
AUGMENTATIONS: dict[str, type[Augmentation]] = {kind.word: kind for kind in _KINDS}

AUTO = "auto"
"""The word for augmentations that are chosen by the data: `cnncli.training.preparing.recipe` does."""

NONE = "none"
"""The word for no augmentations."""

VISIBLE = 0.3
"""Share of a box that has to be left in the picture: with less of it, an object is neither found nor missed."""

_WORD = re.compile(r"([a-z]+)(?::?(\d+\.?\d*|\.\d+)(%?))?")


def parse_augmentations(text: str | Sequence[str]) -> tuple[Augmentation, ...]:
    """Parse augmentations as they are written on a command line: names, with or without an amount, or `none`.

    Raises:
        ArgumentError: an unknown name, an amount out of range, or the same twice.

    Example:
        >>> [str(each) for each in parse_augmentations("shift3,flip,rotate:15,contrast:30%")]
        ['shift:3', 'flip', 'rotate:15', 'contrast:0.3']
    """
    words = text.split(",") if isinstance(text, str) else [word for part in text for word in part.split(",")]
    if words == [NONE]:
        return ()
    found = tuple(_parse(word.strip()) for word in words if word.strip())
    names = [each.word for each in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ArgumentError(f"augmentation {twice[0]} is given twice")
    return found


def _parse(word: str) -> Augmentation:
    match = _WORD.fullmatch(word)
    if match is None or match[1] not in AUGMENTATIONS:
        hint = did_you_mean(match[1] if match else word, AUGMENTATIONS)
        raise ArgumentError(f"unknown augmentation {word!r}: {hint}")
    kind = AUGMENTATIONS[match[1]]
    if match[2] is None:
        return kind()
    if match[3] and not kind.is_share:
        raise ArgumentError(f"augmentation {kind.word} takes no percentage, got {word}")
    return kind(float(match[2]) / 100 if match[3] else float(match[2]))


def augment(
    images: "Array", augmentations: Sequence[Augmentation], *, seed: int, epoch: int, items: "Array"
) -> "Array":
    """Return pictures changed at random, one augmentation after the other.

    The random numbers belong to the items: an item of an epoch is changed in the same way in every batch and on every
    thread.

    Args:
        images: (N, H, W, C), uint8 or float32, before normalization; may be written over.
        augmentations: applied in order.
        seed: of the whole training.
        epoch: number of the epoch.
        items: (N,) numbers of these items in the training data.

    Example:
        >>> images = np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1)
        >>> changed = augment(images.copy(), parse_augmentations("flip"), seed=1, epoch=0, items=np.array([0, 1]))
        >>> changed.shape, sorted(changed.ravel().tolist())
        ((2, 2, 2, 1), [0, 1, 2, 3, 4, 5, 6, 7])
    """
    from cnncli.data.randomness import ItemRandom

    for augmentation in augmentations:
        images = augmentation.change(images, ItemRandom(seed, epoch, items, augmentation.word))
    return images


def augment_boxes(
    labels: "Array", size: "Size", augmentations: Sequence[Augmentation], *, seed: int, epoch: int, items: "Array"
) -> "Array":
    """Return the boxes of pictures that `augment` changes, as they are afterwards, cut at the pictures' borders.

    Args:
        labels: (N, M, 5) as `BoxDataset.labels`: class, x, y, width, height.
        size: (H, W) of the pictures.
        augmentations: as in `augment`; each keeps boxes.
        seed: as in `augment`.
        epoch: as in `augment`.
        items: as in `augment`.

    Example:
        >>> labels = np.array([[[1, 0, 0, 2, 4]]] * 2, np.float32)
        >>> moved = augment_boxes(labels, (8, 8), parse_augmentations("flip"), seed=1, epoch=0, items=np.array([0, 1]))
        >>> sorted(moved[:, 0, 1].tolist())
        [0.0, 6.0]
    """
    from cnncli.data.boxes.boxes import CROWD, NO_BOX
    from cnncli.data.randomness import ItemRandom

    places = labels[..., 1:].astype(np.float64)
    for augmentation in augmentations:
        places = augmentation.move(places, size, ItemRandom(seed, epoch, items, augmentation.word))
    low = places[..., :2].clip(0, size[::-1])
    sides = (places[..., :2] + places[..., 2:]).clip(0, size[::-1]) - low
    left = sides.prod(axis=-1) / np.maximum(places[..., 2:].prod(axis=-1), 1e-9)
    classes = np.where((left < VISIBLE) & (labels[..., 0] >= 0), CROWD, labels[..., 0])
    classes = np.where(left > 0, classes, NO_BOX)
    return np.concatenate([classes[..., np.newaxis], low, sides], axis=-1).astype(labels.dtype)
