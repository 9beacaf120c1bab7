"""Grids with labels and logits, for tests of detection."""

import numpy as np

from cnncli.engines.detection.grid import Grid

GRIDS = [Grid((40, 64), (5, 8), 3), Grid((48, 32), (6, 8), 1), Grid((32, 32), (4, 4), 2)]


def random_labels(grid, pictures=4, most=6, seed=0, crowds=1):
    """Labels (N, M, 5) of boxes anywhere in the input, in rows at random; the first picture has no boxes."""
    rng = np.random.default_rng(seed)
    labels = np.full((pictures, most + 2, 5), -1, np.float32)
    height, width = grid.size
    for picture in labels[1:]:
        count = rng.integers(1, most + 1)
        sides = np.exp(rng.uniform(0.5, np.log(min(grid.size)), (count, 2)))
        corners = rng.uniform(0, 1, (count, 2)) * ([width, height] - sides)
        classes = rng.integers(0, grid.classes, count)
        classes[: crowds * (count > 2)] = -2
        rows = rng.permutation(len(picture))[:count]
        picture[rows] = np.column_stack([classes, corners, sides])
    return labels


def random_logits(grid, pictures=4, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed + 100)
    return rng.normal(size=(pictures, grid.count * grid.channels)).astype(dtype)
