"""Small data that a small network learns in a moment."""

import numpy as np
from PIL import Image

from cnncli.data import ArrayDataset

NETWORK = "conv3-4,bn,relu max2 drop0.2 fc-3,softmax"
"""A network with everything that resuming has to get right: running statistics and dropout."""

PLAIN = {"optimizer": "adam", "schedule": "constant", "warmup": 0, "augment": "none", "label_smoothing": 0}
"""Options of a training in which every step is alike, so that few epochs are enough, and more can follow."""

PLAIN_WORDS = [word for name, value in PLAIN.items() for word in (f"--{name.replace('_', '-')}", str(value))]
"""The same options on a command line."""


def bars(count=60, *, classes=3, size=8, seed=0, channels=1):
    """Noisy pictures with a bright bar whose place tells the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    pixels = rng.integers(0, 120, (count, size, size, channels))
    for picture, label in zip(pixels, labels, strict=True):
        start = label * size // classes
        picture[start : start + max(1, size // classes - 1)] += 130
    return pixels.astype(np.uint8), labels


def bars_dataset(count=60, *, classes=3, size=8, seed=0):
    pixels, labels = bars(count, classes=classes, size=size, seed=seed)
    return ArrayDataset(pixels, labels, [f"class {label}" for label in range(classes)], "bars")


def bars_folder(folder, count=60, **options):
    """Write them as a folder for each class, and return its path."""
    pixels, labels = bars(count, **options)
    for number, (picture, label) in enumerate(zip(pixels, labels, strict=True)):
        path = folder / f"class {label}"
        path.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.squeeze()).save(path / f"{number:03d}.png")
    return folder


def bars_npz(path, count=60, **options):
    """Write them as an .npz file, and return its path."""
    pixels, labels = bars(count, **options)
    np.savez(path, x=pixels, y=labels)
    return path
