"""What a training on boxes does where the user leaves it open; `docs/detection.md` has the measurements."""

import math
from collections.abc import Sequence

import numpy as np

from cnncli.arrays import Array
from cnncli.data import ArrayDataset
from cnncli.data.augmentation import AUTO, parse_augmentations
from cnncli.data.augmentation.base import Augmentation
from cnncli.data.augmentation.colours import Brightness, Contrast
from cnncli.data.augmentation.moving import Flip, Zoom
from cnncli.data.boxes.dataset import BoxDataset
from cnncli.data.pictures import BYTES
from cnncli.data.resizing import Size, resized
from cnncli.data.symmetry import measure_lean
from cnncli.errors import ArgumentError
from cnncli.ops.boxes import corners
from cnncli.training.configuration import Configuration
from cnncli.training.preparing.recipe import Pace

AREA = 320 * 240  # pixels that pictures are shrunk to
MULTIPLE = 16  # that the sides of the input are rounded to: the largest stride inside a network
STRIDE, FINE = 8, 4  # pixels between cells, and where boxes are small
CELLS = 2.0  # sides, in cells, of the boxes of a class: with fewer, small ones are missed
WIDTHS = (16, 24, 48)  # filters of the stages that lead to the grid
ZOOM = 1.33  # factor that pictures are enlarged or made smaller by
LOOKED_AT = 400  # pictures whose objects are looked at
CROP = 16  # side of the pictures of objects that are looked at
BATCH_SIZE = 8  # with 16, half as many steps, a training takes 1.5 times as long to the same precision
PACE = Pace(most=60, seen=6000, faster=2.0)  # ten photographs are learnt from for 600 epochs


def input_size(sizes: Sequence[Size]) -> Size:
    """Return the size that pictures of some sizes are brought to: of their median proportions, shrunk to `AREA`.

    Example:
        >>> input_size([(480, 640)] * 3), input_size([(96, 96)])
        ((240, 320), (96, 96))
    """
    height, width = np.median(np.asarray(sizes, np.float64).reshape(-1, 2), axis=0)
    scale = min(1.0, math.sqrt(AREA / (height * width)))
    return _rounded(height * scale), _rounded(width * scale)


def _rounded(side: float) -> int:
    return max(1, round(side / MULTIPLE)) * MULTIPLE


def box_stride(labels: Array) -> int:
    """Return the pixels between cells that suit boxes: those of the class with the smallest ones, by the median.

    Args:
        labels: (N, M, 5) as those of a `BoxDataset`.

    Example:
        >>> labels = np.array([[[0, 0, 0, 90, 80], [1, 0, 0, 12, 30]]])
        >>> box_stride(labels), box_stride(labels[:, :1])
        (4, 8)
    """
    known = labels[labels[..., 0] >= 0]
    sides = known[:, 3:].min(axis=1)
    smallest = min(float(np.median(sides[known[:, 0] == label])) for label in np.unique(known[:, 0]))
    return STRIDE if smallest >= CELLS * STRIDE else FINE


def box_layers(stride: int, classes: int) -> str:
    r"""Return the layers of a network that puts out a cell for every `stride` pixels.

    Convolutions of stride 2 lead to the grid. There, half of the maps have seen a coarser grid and come back (Newell et
    al., arXiv:1603.06937), so that a cell knows what is around it.

    Example:
        >>> print(box_layers(4, 2).replace(" cat", "\n cat").replace("] conv1", "]\n conv1"))
        conv3-24,s2,p1,bn,relu conv3-48,s2,p1,bn,relu res[ conv3-48,p1,bn,relu conv3-48,p1,bn ]
         cat[ | conv3-96,s2,p1,bn,relu res[ conv3-96,p1,bn,relu conv3-96,p1,bn ] tconv2-48,s2,bn,relu ]
         conv1-64,bn,relu conv3-64,p1,bn,relu conv1-7
    """
    halving = [f"conv3-{width},s2,p1,bn,relu" for width in WIDTHS[-int(math.log2(stride)) :]]
    here, below = WIDTHS[-1], 2 * WIDTHS[-1]
    context = f"cat[ | conv3-{below},s2,p1,bn,relu {_block(below)} tconv2-{here},s2,bn,relu ]"
    return " ".join(
        [*halving, _block(here), context, "conv1-64,bn,relu", "conv3-64,p1,bn,relu", f"conv1-{5 + classes}"]
    )


def _block(width: int) -> str:
    return f"res[ conv3-{width},p1,bn,relu conv3-{width},p1,bn ]"


def chosen_box_augmentations(options: Configuration, train: BoxDataset) -> tuple[Augmentation, ...]:
    """Return the augmentations of a training on boxes.

    Raises:
        ArgumentError: one that turns boxes, or that does not fit the pictures.
    """
    asked = options.augment
    if asked is None:
        asked = AUTO if options.freeze is None else ""
    augmentations = suited_box_augmentations(train) if asked == AUTO else parse_augmentations(asked)
    for augmentation in augmentations:
        if not augmentation.keeps_boxes:
            raise ArgumentError(f"augmentation {augmentation.word} turns boxes, which fit no object then: leave it out")
        augmentation.check(train.shape[2], has_scale=train.scale == BYTES)
    return augmentations


def suited_box_augmentations(train: BoxDataset) -> tuple[Augmentation, ...]:
    """Return the augmentations that suit pictures: flips only where a mirrored object is one of its class."""
    found = (Zoom(ZOOM), Brightness(), Contrast()) if train.scale == BYTES else (Zoom(ZOOM),)
    lean = measure_lean(object_crops(train), less_common=True)
    return (Flip(), *found) if lean.allows_mirroring else found


def object_crops(train: BoxDataset) -> ArrayDataset:
    """Return the pictures inside the boxes of some pictures, all of one small size, labelled by their classes."""
    crops, labels = [], []
    for item in np.unique(np.linspace(0, len(train) - 1, LOOKED_AT).round().astype(np.int64)).tolist():
        [image], rows = train.images([item]), train.labels[item]
        for row in rows[rows[:, 0] >= 0]:
            left, top, right, bottom = corners(row[1:]).tolist()
            rows_seen, columns_seen = _pixels(top, bottom, train.shape[0]), _pixels(left, right, train.shape[1])
            crops.append(resized(np.ascontiguousarray(image[rows_seen, columns_seen]), (CROP, CROP)))
            labels.append(int(row[0]))
    return ArrayDataset(np.stack(crops), np.array(labels), train.class_names, "objects")


def _pixels(start: float, stop: float, size: int) -> slice:
    """Return the pixels along an axis that a box covers, at least one."""
    first = min(max(round(start), 0), size - 1)
    return slice(first, max(first + 1, round(stop)))
