"""Random labelled boxes and boxes found for them: crowds, ties, empty pictures, classes without boxes."""

import numpy as np

from cnncli.data.boxes.boxes import Boxes

AREAS = (30.0**2, 32.0**2, 50.0**2, 96.0**2, 200.0**2)


def random_boxes(seed, *, pictures=6, classes=3, most=8, most_found=30):
    """Return found and labelled boxes of pictures; whole numbers, so that overlaps and scores are often equal."""
    rng = np.random.default_rng(seed)
    side, last = int(rng.choice([10, 60, 300])), classes - int(rng.integers(0, 2) and classes > 1)
    found, labelled = [], []
    for _ in range(pictures):
        count, seen = rng.integers(0, most + 1), rng.integers(0, most_found + 1)
        places = _places(rng, count, side)
        areas = rng.choice(AREAS, count) if rng.random() < 0.5 else None
        labelled.append(Boxes.of(places, rng.integers(0, last, count), None, rng.random(count) < 0.15, areas))
        near, labels = _places(rng, seen, side), rng.integers(0, classes, seen)
        if count:
            which, moved = rng.integers(0, count, seen), rng.random(seen) < 0.8
            near[moved] = places[which[moved]] + np.rint(rng.normal(0, side / 30, (moved.sum(), 4)))
            near[:, 2:] = np.abs(near[:, 2:]) + 1
            labels = np.where(rng.random(seen) < 0.7, labelled[-1].labels[which], labels)
        scores = rng.integers(0, 5, seen) / 4 if rng.random() < 0.5 else rng.random(seen)
        found.append(Boxes.of(near, labels, scores))
    return found, labelled


def _places(rng, count, side):
    return np.concatenate([rng.integers(0, side, (count, 2)), rng.integers(1, side, (count, 2))], axis=1).astype(float)
