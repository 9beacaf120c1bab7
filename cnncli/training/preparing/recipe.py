"""What a training does where the user leaves it open: by the pictures, the network and the work of an epoch."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from cnncli.data import Dataset
from cnncli.data.augmentation import AUTO, parse_augmentations
from cnncli.data.augmentation.base import Augmentation
from cnncli.data.augmentation.moving import Flip, Shift
from cnncli.data.symmetry import measure_lean
from cnncli.engines.optimizers import OPTIMIZERS
from cnncli.networks import Network
from cnncli.training.configuration import Configuration

SIZE = 64  # side that pictures of several sizes are resized to
SHIFT = 1 / 16  # share of the shorter side that pictures are shifted by
WORK = 2e12  # multiply-adds of the forward passes of a training: some three minutes on two cores
FEWEST, MOST = 10, 100  # epochs
WARMUP = 0.1  # largest share of a training for its warm-up
FIRST, WIDEST = 16, 256  # filters of the first stage of a network, and of the last ones at most
RESIDUAL = 2  # last stages that have a residual block: the earlier ones would take most of the time


class Pace(NamedTuple):
    """How long and how fast a kind of training learns.

    Attributes:
        work: multiply-adds of all forward passes.
        most: the most epochs.
        seen: pictures that few of them are repeated for, even if that takes more epochs.
        faster: factor of the learning rates with batch norm, where weights begin at random.
    """

    work: float = WORK
    most: int = MOST
    seen: int = 0
    faster: float = 1.0


USUAL = Pace()


def settle(
    options: Configuration, network: Network, computed: Network, pictures: int, pace: Pace = USUAL
) -> Configuration:
    """Return options with nothing left open.

    Args:
        options: with what the user says.
        network: the network.
        computed: the part of it that every epoch computes.
        pictures: the number of pictures to train on.
        pace: that of the kind of training.

    Example:
        >>> from cnncli.networks import parse_network
        >>> plain, normalized = parse_network("8x8x1 conv3-4,relu fc-2"), parse_network("8x8x1 conv3-4,bn,relu fc-2")
        >>> chosen = [settle(Configuration(), network, network, 400) for network in (plain, normalized)]
        >>> [(options.lr, options.epochs, options.warmup) for options in chosen]
        [(0.001, 100, 1.0), (0.003, 100, 1.0)]
    """
    epochs = options.epochs or default_epochs(computed.totals.macs * pictures, pictures, pace)
    return options.replace(
        epochs=epochs,
        warmup=default_warmup(options.schedule, epochs) if options.warmup is None else options.warmup,
        lr=options.lr or default_lr(options, network, pace.faster),
    )


def default_warmup(schedule: str, epochs: int) -> float:
    """Return the epochs of a warm-up: none before a constant rate, whose trainings may go on for more epochs.

    Example:
        >>> default_warmup("cosine", 20), default_warmup("cosine", 5), default_warmup("constant", 20)
        (1.0, 0.5, 0.0)
    """
    return 0.0 if schedule == "constant" else min(1.0, WARMUP * epochs)


def default_epochs(work: float, pictures: int = 1, pace: Pace = USUAL) -> int:
    """Return the number of epochs that take about the same time, whatever the network and the data.

    Args:
        work: multiply-adds of the forward passes of an epoch.
        pictures: pictures of an epoch.
        pace: that of the kind of training.

    Example:
        >>> [default_epochs(work) for work in (1e9, 1e11, 1e13)]
        [100, 20, 10]
        >>> [default_epochs(pictures * 1e8, pictures, Pace(most=60, seen=6000)) for pictures in (10, 200, 1000)]
        [600, 60, 20]
    """
    most = max(pace.most, pace.seen // max(pictures, 1))
    return max(FEWEST, min(most, round(pace.work / max(work, 1))))


def default_lr(options: Configuration, network: Network, faster: float = 1.0) -> float:
    """Return the learning rate of an optimizer: larger with batch norm, smaller for weights that were trained before.

    Those with batch norm are `faster`.

    Example:
        >>> from cnncli.networks import parse_network
        >>> default_lr(Configuration(optimizer="momentum"), parse_network("8x8x1 conv3-4,bn,relu fc-2"))
        0.02
    """
    kind = OPTIMIZERS[options.optimizer]
    if options.source is not None:
        return kind.default_lr * kind.kept_factor
    return faster * kind.normalized_lr if kind.normalized_lr and network.buffer_shapes() else kind.default_lr


def chosen_augmentations(options: Configuration, train: Dataset) -> tuple[Augmentation, ...]:
    """Return the augmentations of a training; none by default where frozen words could be computed once for all."""
    asked = options.augment
    if asked is None:
        asked = AUTO if options.freeze is None else ""
    return suited_augmentations(train) if asked == AUTO else parse_augmentations(asked)


def suited_augmentations(train: Dataset) -> tuple[Augmentation, ...]:
    """Return the augmentations that suit pictures: shifts, and flips where mirrored pictures are of their class.

    Example:
        >>> import numpy as np
        >>> from cnncli.data import ArrayDataset
        >>> noise = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3)).astype(np.uint8)
        >>> [str(each) for each in suited_augmentations(ArrayDataset(noise, np.arange(60) % 2, ("a", "b"), "noise"))]
        ['shift:1', 'flip']
    """
    shift = Shift(max(1, round(min(train.shape[:2]) * SHIFT)))
    return (shift, Flip()) if measure_lean(train).allows_mirroring else (shift,)


def default_layers(shape: Sequence[int], outputs: int) -> str:
    """Return the layers of a network that fits pictures and outputs.

    Stages of 3x3 convolutions with 16, 32, 64, ... filters, up to 256, each at half the size of the one before it:
    three of them, and more, until no side is above 8, as long as a pool does not go below 1. The last two have a
    residual block (He et al., arXiv:1512.03385); the mean over all places goes to the classes.

    Example:
        >>> default_layers((1, 8, 1), 10)
        'conv3-16,same,bn,relu gap fc-10,softmax'
        >>> default_layers((64, 64, 3), 10).count("max2")
        3
    """
    height, width = shape[:2]
    stages = max(3, math.ceil(math.log2(max(height, width) / 4)))
    stages = min(stages, 1 + int(math.log2(min(height, width))))
    words = []
    for stage in range(stages):
        block = f"conv3-{min(FIRST << stage, WIDEST)},same,bn,relu"
        words += ["max2", block] if stage else [block]
        words += [f"res[ {block} {block} ]"] if 0 < stage >= stages - RESIDUAL else []
    return " ".join([*words, "gap", f"fc-{outputs},{'softmax' if outputs > 1 else 'sigmoid'}"])
