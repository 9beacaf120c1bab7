"""Normalization: bytes become numbers around 0, which a network learns well from."""

from collections.abc import Sequence

import numpy as np

from cnncli.arrays import Array
from cnncli.choices import NORMALIZATIONS, check_choice
from cnncli.data.datasets import Pictures
from cnncli.errors import ArgumentError
from cnncli.ops.batches.rows import as_rows, row_repeats, tiled
from cnncli.values import Value


class Normalization(Value):
    """(x - mean) / std, for each channel.

    Attributes:
        mean: mean of each channel, on the pictures' scale of 0 to 255.
        std: standard deviation of each channel; 1 if a channel is constant.

    Raises:
        ArgumentError: numbers that are not finite, or a std that is not positive.

    Example:
        >>> Normalization((100.0,), (50.0,)).apply(np.array([[[[150]]]], np.uint8)).tolist()
        [[[[1.0]]]]
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def validate(self) -> None:
        self.normalize(mean=tuple(map(float, self.mean)), std=tuple(map(float, self.std)))
        if len(self.mean) != len(self.std) or not np.isfinite((*self.mean, *self.std)).all() or min(self.std) <= 0:
            raise ArgumentError(
                f"a normalization needs a mean and a std above 0 a channel, got {self.mean}, {self.std}"
            )

    @classmethod
    def called(cls, name: str) -> "Normalization":
        """Return a normalization that many published weights expect: a name in `NORMALIZATIONS`.

        Raises:
            ArgumentError: an unknown name.

        Example:
            >>> Normalization.called("signed")
            Normalization(mean=(127.5,), std=(127.5,))
        """
        check_choice("normalize", name, NORMALIZATIONS)
        return cls(*NORMALIZATIONS[name])

    @classmethod
    def of_numbers(cls, mean: Sequence[float], std: Sequence[float]) -> "Normalization":
        """Return the normalization of numbers as they are published: for pixels from 0 to 1 if all of them are.

        Raises:
            ArgumentError: numbers that are not finite, a std that is not positive, or not one of each a channel.

        Example:
            >>> Normalization.of_numbers((0.5,), (0.5,)), Normalization.of_numbers((120,), (60,))
            (Normalization(mean=(127.5,), std=(127.5,)), Normalization(mean=(120.0,), std=(60.0,)))
        """
        factor = 255 if max(map(abs, (*mean, *std))) <= 1 else 1
        return cls(tuple(factor * number for number in mean), tuple(factor * number for number in std))

    def over(self, channels: int) -> "Normalization":
        """Return the normalization of so many channels, where one mean and std may stand for all of them.

        Raises:
            ArgumentError: it has those of another number of channels.

        Example:
            >>> Normalization((0.0,), (255.0,)).over(3).std
            (255.0, 255.0, 255.0)
        """
        if len(self.mean) not in (1, channels):
            raise ArgumentError(f"a normalization of {len(self.mean)} channels for pictures of {channels}")
        return self if len(self.mean) == channels else Normalization(self.mean * channels, self.std * channels)

    @property
    def words(self) -> str:
        """The numbers that pixels from 0 to 255 become, in words.

        Example:
            >>> Normalization.called("unit").words, Normalization((120.0,), (60.0,)).words
            ('pixels from 0 to 1', 'mean 120 and std 60 of 255')
        """
        named = {one: words for one, words in _WORDS.items() if self == one.over(len(self.mean))}
        mean, std = (",".join(f"{number:.4g}" for number in numbers) for numbers in (self.mean, self.std))
        return next(iter(named.values()), f"mean {mean} and std {std} of 255")

    def apply(self, images: Array) -> Array:
        """Return pictures (N, H, W, C), normalised, as float32.

        Raises:
            ArgumentError: pictures with another number of channels.
        """
        if images.shape[-1] != len(self.mean):
            raise ArgumentError(f"pictures of {images.shape[-1]} channels, normalised for {len(self.mean)}")
        result = np.empty(images.shape, np.float32)
        # Long rows: over single channels the inner loop would be three numbers long.
        repeats = row_repeats(images.shape)
        mean = tiled(np.asarray(self.mean), repeats, result.dtype)
        scale = tiled(1 / np.asarray(self.std), repeats, result.dtype)
        rows = as_rows(result, repeats)
        np.copyto(rows, as_rows(images, repeats), casting="same_kind")
        rows -= mean
        rows *= scale
        return result


_WORDS = {
    Normalization.called("unit"): "pixels from 0 to 1",
    Normalization.called("signed"): "pixels from -1 to 1",
    Normalization.called("none"): "pixels from 0 to 255",
}


def measure(dataset: Pictures) -> Normalization:
    """Return the normalization by the mean and standard deviation of a data set: of the training part alone.

    The pictures are read a few at a time, and added up in float64.

    Example:
        >>> from cnncli.data import ArrayDataset
        >>> pixels = np.array([0, 200], np.uint8).reshape(2, 1, 1, 1)
        >>> measure(ArrayDataset(pixels, np.array([0, 1]), ("a", "b"), "x"))
        Normalization(mean=(100.0,), std=(100.0,))
    """
    count, channels = 0, dataset.shape[2]
    mean, spread = np.zeros(channels), np.zeros(channels)
    for _, images in dataset.chunks():
        numbers = images.reshape(-1, channels).astype(np.float64)
        part_mean = numbers.mean(axis=0)
        numbers -= part_mean
        # Chan, Golub and LeVeque 1979: joining the moments of two parts loses no digits, sums of squares would.
        apart, total = part_mean - mean, count + len(numbers)
        spread += np.einsum("ij,ij->j", numbers, numbers) + apart**2 * (count * len(numbers) / total)
        mean += apart * (len(numbers) / total)
        count = total
    std = np.sqrt(spread / count)
    std[std < 1e-6] = 1
    return Normalization(tuple(mean.tolist()), tuple(std.tolist()))
