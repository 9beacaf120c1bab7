"""Pictures whose pixels are taken from other places."""

from typing import TYPE_CHECKING

from cnncli.data.augmentation.base import BLOCK, as_stored
from cnncli.lazy import Lazy

if TYPE_CHECKING:  # `--help` reads the registry and has to load no NumPy
    import numpy as np

    from cnncli.arrays import Array
else:
    np = Lazy("numpy")


def sample(images: "Array", rows: "Array", columns: "Array") -> "Array":
    """Return pictures whose pixels are taken from other places, bilinearly; beyond the border, from the nearest pixel.

    Rows and columns count from 0, fractions included, and broadcast to (N, H', W'); so do the pictures returned.
    """
    block = max(1, BLOCK // (images.shape[1] * images.shape[2]))
    parts = [slice(start, start + block) for start in range(0, len(images), block)]
    sample_block = _sample_crossings if rows.shape[2] == columns.shape[1] == 1 else _sample_block
    sampled = [sample_block(images[part], rows[part], columns[part]) for part in parts]
    return np.concatenate([as_stored(numbers, images) for numbers in sampled])


def _sample_block(images: "Array", rows: "Array", columns: "Array") -> "Array":
    """Sample a few pictures, in float32."""
    count, height, width, channels = images.shape
    pixels = images.reshape(-1, channels).astype(np.float32)
    (above, down, row), (left, right, column) = _split_places(rows, height), _split_places(columns, width)
    at = (np.arange(count)[:, np.newaxis, np.newaxis] * height + above) * width + left

    def between(places: "Array") -> "Array":
        first, second = pixels.take(places, axis=0), pixels.take(places + column, axis=0)
        return _mix(first, second, right)

    return _mix(between(at), between(at + row * width), down)


def _sample_crossings(images: "Array", rows: "Array", columns: "Array") -> "Array":
    """Do the same where rows and columns cross everywhere: to the last bit, in half the time.

    A row of the result is a mix of two long rows, and each of these is mixed once, not for every row that needs it.
    """
    count, height, width, channels = images.shape
    pixels, first_rows = images.reshape(-1, channels).astype(np.float32), np.arange(count)[:, np.newaxis] * height
    (above, down, row), (left, right, column) = _split_places(rows, height), _split_places(columns, width)
    at = np.arange(count * height).reshape(count, height, 1) * width + left
    first, second = (pixels.take(places, axis=0).reshape(count, height, -1) for places in (at, at + column))
    # Seen as single channels, the inner loops would be three numbers long.
    across = _mix(first, second, right.repeat(channels, axis=3).reshape(count, 1, -1)).reshape(count * height, -1)
    at = first_rows + above[:, :, 0]
    sampled = _mix(across.take(at, axis=0), across.take(at + row, axis=0), down[:, :, 0])
    return sampled.reshape(count, rows.shape[1], -1, channels)


def _split_places(places: "Array", size: int) -> "tuple[Array, Array, int]":
    """Return places along an axis as the pixel before, the fraction of the way to the next, and the step to that."""
    inside = places.astype(np.float32).clip(0, size - 1)
    before = np.minimum(inside.astype(np.intp), max(0, size - 2))
    return before, (inside - before).astype(np.float32)[..., np.newaxis], min(1, size - 1)


def _mix(first: "Array", second: "Array", part: "Array") -> "Array":
    """Go a fraction of the way from first to second, in place; so an even picture stays even to the last bit."""
    second -= first
    second *= part
    first += second
    return first
