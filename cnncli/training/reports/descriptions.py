"""The choices of a training, in words."""

from cnncli.engines.detection.losses import DetectionLoss
from cnncli.shapes import show_shape
from cnncli.training.preparing.preparation import Preparation


def loss_words(preparation: Preparation) -> str:
    """Return the loss in words: of boxes, its terms and their weights."""
    loss, smoothing = preparation.loss, preparation.configuration.label_smoothing
    smoothed = f" smoothed by {smoothing:g}" if smoothing else ""
    if not isinstance(loss, DetectionLoss):
        return preparation.configuration.loss.replace("_", " ") + smoothed
    label = f" + {loss.label_weight:g} cross entropy{smoothed} of the class" if len(preparation.class_names) > 1 else ""
    return f"focal loss of the objectness + {loss.box_weight:g} {loss.box_loss} of the box{label}"


def source_words(preparation: Preparation) -> str:
    """Return the model that a training goes on from, how pictures are brought to it, and what becomes of its head."""
    source, classes = preparation.source, len(preparation.class_names)
    assert source is not None
    shape = show_shape(preparation.network.input_shape)
    head = f"a new head for {classes} classes" if preparation.new_head else "its classes and its head are kept"
    return f"{source.word}: images {shape} ({preparation.resize}), {preparation.normalization.words}; {head}"


def frozen_words(preparation: Preparation) -> str:
    """Return which words of a network are frozen, and how often they are computed."""
    words, count = preparation.network.layers.unrolled, preparation.frozen
    noun = "the first word" if count == 1 else f"the first {count} words"
    numbers = f"{preparation.frozen_params:,} of {preparation.network.totals.params:,} parameters"
    often = "computed once for all epochs"
    if not preparation.remembers:
        why = "images are augmented"
        if not preparation.augmentations:
            why = f"{preparation.feature_bytes / 2**30:.1f} GiB of outputs are too many to keep"
        often = f"computed once an epoch, because {why}"
    return f"{noun} of {len(words)}, up to {words[count - 1].label} ({numbers}), {often}"


def rate_words(preparation: Preparation) -> str:
    """Return the learning rate in words: its schedule, its warm-up, and that of the head."""
    options = preparation.configuration
    warmup = f", warm-up {options.warmup:g}" if options.warmup else ""
    head = f", head {preparation.head_lr:g}" if preparation.head_lr != options.lr else ""
    return f"lr {options.lr:g} {options.schedule}{warmup}{head}"


def duration(seconds: float) -> str:
    """Return a time in the unit that fits.

    Example:
        >>> duration(0.123), duration(90), duration(9000)
        ('0.12 s', '90 s', '2.5 h')
    """
    if seconds < 600:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
