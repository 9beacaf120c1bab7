"""Detection: a classifier that slides over a photograph in one pass, beside the same windows one after the other.

Weights are random. Runs alternate; what is printed are medians. Both sides must give the same probabilities.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from timing import alternating

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

SIZE = (480, 640)
SLIDING = 30
"""Times faster that one pass is to be than a call for each window."""


def sliding(rounds: int) -> bool:
    """Print how long LeNet-5 takes for all windows of a picture, and return whether one pass is fast enough."""
    from cnncli.data.normalization import Normalization
    from cnncli.engines.initialization import initialize
    from cnncli.models.model import Model
    from cnncli.models.sliding.sliders import OneByOne, OnePass
    from cnncli.models.sliding.tiles import level_scores
    from cnncli.networks import load_network

    network = load_network("lenet5")
    classes = tuple(map(str, range(10)))
    model = Model(network, *initialize(network, seed=0), classes, Normalization((120.0,), (60.0,)))
    picture = np.random.default_rng(0).integers(0, 256, (*SIZE, 1), np.uint8)
    (height, width), (down, across) = (one_pass := OnePass(model)).windows[:2]
    corners = [(y, x) for y in range(0, SIZE[0] - height + 1, down) for x in range(0, SIZE[1] - width + 1, across)]

    def all_at_once() -> np.ndarray:
        tiles = [(row, column, found) for row, column, found in level_scores(picture, SIZE, one_pass)]
        return np.concatenate([found.reshape(-1, len(classes)) for *_, found in tiles])

    def batches() -> np.ndarray:
        slider = OneByOne(model)
        return np.concatenate([found.reshape(-1, len(classes)) for *_, found in level_scores(picture, SIZE, slider)])

    def one_by_one() -> np.ndarray:
        return np.stack([model.probabilities(picture[y : y + height, x : x + width]) for y, x in corners])

    sides: dict[str, Callable[[], np.ndarray]] = {
        "one pass": all_at_once,
        "windows in batches (--exact)": batches,
        "window by window": one_by_one,
    }
    sums = [call().sum(axis=0) for call in sides.values()]
    assert np.allclose(sums, sums[0], rtol=1e-4), "the sides differ"
    seconds = alternating(list(sides.values()), rounds)
    print(f"lenet5 over {SIZE[1]}x{SIZE[0]}: {len(corners):,} windows")
    for side, taken in zip(sides, seconds, strict=True):
        print(f"  {side:29} {taken:8.3f} s  {taken / seconds[0]:6.1f}")
    return seconds[-1] >= SLIDING * seconds[0]


PARTS = {"sliding": sliding}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    met = [PARTS[name](options.rounds) for name in options.names or PARTS]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
