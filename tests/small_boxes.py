"""Small pictures of coloured squares with their boxes, which a small network finds after a moment."""

import csv

import numpy as np
from PIL import Image

COLORS = {"red": (230, 40, 40), "green": (40, 200, 40), "blue": (40, 60, 240)}
HEAD = ["file", "class", "x", "y", "width", "height"]


def layers(classes=2):
    """A network with a cell for every 4 pixels."""
    return f"conv3-8,s2,p1,bn,relu conv3-16,s2,p1,bn,relu conv3-16,p1,bn,relu conv1-{5 + classes}"


PLAIN = {"optimizer": "adam", "lr": 0.01, "schedule": "constant", "warmup": 0, "augment": "none", "batch_size": 8}
"""Options of a training in which every step is alike."""


def squares(count=40, *, size=(32, 32), classes=2, most=2, seed=0):
    """Return pictures (count, H, W, 3) on a noisy ground, and the squares of each: class, x, y, width, height.

    Every fifth picture has none.
    """
    rng = np.random.default_rng(seed)
    pixels = rng.integers(90, 130, (count, *size, 3)).astype(np.uint8)
    names, found = list(COLORS)[:classes], []
    for number, picture in enumerate(pixels):
        rows = []
        for place in rng.permutation(4)[: 0 if number % 5 == 4 else 1 + number % most]:
            height, width = rng.integers(8, 15, 2).tolist()
            top = rng.integers(0, size[0] // 2 - min(height, size[0] // 2) + 1) + place // 2 * (size[0] // 2)
            left = rng.integers(0, size[1] // 2 - min(width, size[1] // 2) + 1) + place % 2 * (size[1] // 2)
            name = names[int(rng.integers(classes))]
            picture[top : top + height, left : left + width] = COLORS[name]
            rows.append((name, int(left), int(top), width, height))
        found.append(rows)
    return pixels, found


def save(folder, pixels, boxes, *, first=0):
    """Write pictures, and the table of their boxes; pictures without boxes have a row without a class."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "boxes.csv", "a", newline="") as file:
        table = csv.writer(file)
        if not file.tell():
            table.writerow(HEAD)
        for number, (picture, rows) in enumerate(zip(pixels, boxes, strict=True), first):
            Image.fromarray(picture).save(folder / f"{number:03d}.png")
            table.writerows([[f"{number:03d}.png", *row] for row in rows or [[""] * 5]])
    return folder


def squares_folder(folder, count=40, *, grey=False, **options):
    """Write pictures of squares as a folder, and return its path."""
    pixels, boxes = squares(count, **options)
    return save(folder, pixels[..., 0] if grey else pixels, boxes)
