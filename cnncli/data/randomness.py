"""Random numbers that belong to an item, whatever the order of work.

A number is a hash of the seed, the epoch, the item, and its place among the item's numbers, so that shuffling, threads
and resuming change nothing.
"""

import zlib

import numpy as np

from cnncli.arrays import Array

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


class ItemRandom:
    """The random numbers of some items.

    Args:
        seed: of the whole training.
        epoch: number of the epoch.
        items: (n,) numbers of the items.
        purpose: name of their use; each use gets other numbers.

    Example:
        >>> first = ItemRandom(1, 0, np.array([4, 7]), "flip").uniform(0)
        >>> again = ItemRandom(1, 0, np.array([7, 4]), "flip").uniform(0)
        >>> first[::-1].tolist() == again.tolist()
        True
    """

    def __init__(self, seed: int, epoch: int, items: Array, purpose: str) -> None:
        key = np.zeros(1, np.uint64)
        for part in (seed, epoch, zlib.crc32(purpose.encode())):
            key = _mixed(key ^ np.uint64(part & _MASK))
        self._keys = _mixed(np.asarray(items).astype(np.uint64) ^ key)

    def uniform(self, draw: int) -> Array:
        """Return a number from 0 to below 1 for each item, float64; `draw` counts the numbers of an item."""
        bits: Array = _mixed(self._keys + np.uint64((draw + 1) * _GOLDEN & _MASK))
        return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def integers(self, draw: int, low: int, high: int) -> Array:
        """Return an integer from `low` to `high`, both included, for each item."""
        steps: Array = np.floor(self.uniform(draw) * (high - low + 1)).astype(np.int64)
        return low + steps


def _mixed(keys: Array) -> Array:
    """Apply the finalizer of SplitMix64 (Steele, Lea and Flood 2014): each bit changes half of the resulting bits."""
    keys = keys + np.uint64(_GOLDEN)
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Array = keys ^ (keys >> np.uint64(31))
    return mixed
