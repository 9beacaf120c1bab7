"""What suits the data where the user leaves it open."""

from cnncli.data import Dataset
from cnncli.data.augmentation import Augmentation, Flip, Shift
from cnncli.data.symmetry import measure_lean

SHIFT = 1 / 8  # share of the shorter side: 4 pixels of CIFAR-10's 32 (He et al., arXiv:1512.03385, section 4.2)


def suited_augmentations(train: Dataset) -> tuple[Augmentation, ...]:
    """Return the augmentations that suit pictures: shifts, and flips where mirrored pictures are of their class.

    Example:
        >>> import numpy as np
        >>> from cnncli.data import ArrayDataset
        >>> noise = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3)).astype(np.uint8)
        >>> [str(each) for each in suited_augmentations(ArrayDataset(noise, np.arange(60) % 2, ("a", "b"), "noise"))]
        ['shift:2', 'flip']
    """
    shift = Shift(max(1, round(min(train.shape[:2]) * SHIFT)))
    return (shift, Flip()) if measure_lean(train).allows_mirroring else (shift,)
