"""What random numbers depend on: the same as in the NumPy engine, so that both drop the same numbers."""

import torch

from cnncli.networks.layers.context import Context, Shard


class Chance:
    """The batch under way, which all layers of a network look at.

    Attributes:
        seed: of the training.
        step: the number of the batch.
        first_image: the place in the batch of the first image that this process computes.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed, self.step, self.first_image = seed, 0, 0

    def uniform(self, path: str, like: torch.Tensor) -> torch.Tensor:
        """Return numbers from 0 to below 1 in the shape (N, C, H, W) or (N, features) of a tensor, and on its device.

        They belong to the seed, the step, the layer and the image: the number of processes changes nothing.

        Args:
            path: the beginning of the layer's names.
            like: what the numbers are for.
        """
        shard = Shard(seed=self.seed, step=self.step, first_image=self.first_image)
        shape = tuple(like.permute(0, 2, 3, 1).shape) if like.ndim == 4 else tuple(like.shape)
        numbers = torch.from_numpy(Context(shard, path).uniform(shape).copy()).to(like.device)
        return numbers.permute(0, 3, 1, 2) if like.ndim == 4 else numbers
