"""Preparation of a training on boxes: the size of the pictures, the network and the loss."""

import os
from typing import Any

from cnncli.data import Reading
from cnncli.data.boxes.dataset import BoxDataset, split_boxes
from cnncli.data.boxes.opening import BoxParts, open_boxes
from cnncli.engines.detection.grid import Grid, first_biases
from cnncli.engines.detection.losses import DetectionLoss
from cnncli.engines.losses import balanced_weights
from cnncli.errors import ArgumentError, DataError
from cnncli.networks import Network
from cnncli.networks.heads import with_channels
from cnncli.shapes import show_shape
from cnncli.training.aims.detecting import Detecting
from cnncli.training.configuration import Configuration
from cnncli.training.preparing.box_recipe import (
    BATCH_SIZE,
    PACE,
    box_layers,
    box_stride,
    chosen_box_augmentations,
    input_size,
)
from cnncli.training.preparing.fitting import Way
from cnncli.training.preparing.held_out import FRACTION, check_held_out, held_out_duplicates, held_out_share, read_alike
from cnncli.training.preparing.memory import check_memory
from cnncli.training.preparing.preparation import (
    Preparation,
    choose_network,
    data_digest,
    measured,
    named_data,
    settled,
)
from cnncli.training.preparing.sources import Source, frozen_words

ANY = (64, 64)
"""The size that pictures of several sizes are opened at, until theirs is known."""


def prepare_boxes(
    configuration: Configuration, data: str | os.PathLike[str] | BoxDataset, reading: Reading, source: Source | None
) -> Preparation:
    """Open data with boxes, measure it, and check that the network fits it; errors are those of `prepare`."""
    options = configuration.replace(
        label_smoothing=configuration.label_smoothing or 0.0, batch_size=configuration.batch_size or BATCH_SIZE
    )
    _check_options(options, source)
    parts = _parts(options, data, reading if source is None else source.reading(options, reading))
    if source is not None:
        parts = source.labelled(parts)
    parts, way, adapted = _brought(options, parts, source)
    train = parts.train
    if not train.counts().any():
        raise DataError(f"{named_data(data)}: no boxes to train on: crowds and difficult ones do not count")
    network = _network(options, train, source)
    grid = Grid.of(network, len(train.class_names))
    augmentations = chosen_box_augmentations(options, train)
    frozen = frozen_words(network, options.freeze)
    words = options.network or ("" if source else str(network.layers))
    preparation = Preparation(
        options.replace(augment=",".join(map(str, augmentations)), network=words, size=way.size, resize=way.resize),
        Detecting(grid, train.class_names, first_biases(grid, train.labels)),
        train,
        parts.validation,
        parts.test,
        (*parts.findings, *check_memory(options, network, frozen)),
        {},
        network=network,
        resize=way.resize,
        adapted=adapted,
        normalization=measured(train) if source is None else source.normalization,
        loss=_loss(options, train, grid),
        optimizer=options.make_optimizer(),
        augmentations=augmentations,
        data_digest=data_digest(train, parts.validation),
        source=source,
        new_head=source is None or source.class_names != train.class_names,
        frozen=frozen,
    )
    return settled(preparation, PACE)


def _check_options(options: Configuration, source: Source | None) -> None:
    """Refuse what makes no sense where the labels are boxes."""
    if options.loss != Configuration.defaults["loss"]:
        raise ArgumentError(
            f"loss {options.loss}: the labels are boxes, whose loss has terms of its own: leave out --loss"
        )
    if source is not None and not source.finds_boxes:
        raise ArgumentError(f"{source.word}: names classes of whole pictures, the labels are boxes: leave out --from")


def _parts(options: Configuration, data: str | os.PathLike[str] | BoxDataset, reading: Reading) -> BoxParts:
    """Return the parts of the data, with the validation part that the configuration asks for."""
    parts = BoxParts(data) if isinstance(data, BoxDataset) else open_boxes(data, reading, several=ANY)
    val, share = options.val, held_out_share(options.val)
    if val is not None and share is None:
        return _with_validation(val, parts, reading)
    if val is None and parts.validation is not None:
        return parts
    share = FRACTION if share is None else share
    if not share:
        return parts._replace(validation=None)
    train, validation = split_boxes(parts.train, share)
    return parts._replace(train=train, validation=validation)


def _with_validation(path: str, parts: BoxParts, reading: Reading) -> BoxParts:
    """Return parts with a validation part that is read from a path."""
    train = parts.train
    alike = read_alike(reading, train)._replace(class_names=train.class_names)
    given = open_boxes(path, alike)
    check_held_out(path, given)
    validation = given.train if given.validation is None else given.validation
    found = held_out_duplicates(train, validation, parts.test)
    return parts._replace(validation=validation, findings=(*parts.findings, *given.findings, *found))


def _brought(options: Configuration, parts: BoxParts, source: Source | None) -> tuple[BoxParts, Way, str]:
    """Return the parts with all pictures brought to one size, their way there, and what was done, in words."""
    sizes = sorted({(height, width) for height, width in parts.train.sizes.tolist()})
    size = options.size or (
        input_size(parts.train.sizes.tolist()) if source is None else source.network.input_shape[:2]
    )
    resize = options.resize if source is None else source.resize
    # Pictures of several proportions keep them.
    if source is None and resize == "stretch" and len({width / height for height, width in sizes}) > 1:
        resize = "pad"
    way = Way((size[0], size[1]), resize)
    given = show_shape(sizes[0]) if len(sizes) == 1 else "several sizes"
    how = "padded" if resize == "pad" else "resized"
    words = "" if sizes == [way.size] else f"images {how} from {given} to {show_shape(way.size)}: --size takes another"
    others: dict[str, Any] = {
        name: part.resized(*way) for name, part in parts._asdict().items() if isinstance(part, BoxDataset)
    }
    return parts._replace(**others), way, words


def _network(options: Configuration, train: BoxDataset, source: Source | None) -> Network:
    """Return the network to train: that of a model, of a text, or one that suits the boxes."""
    channels = 5 + len(train.class_names)
    if source is not None:
        network = source.network.replace(input_shape=train.shape)
        return network if network.output_shape[-1] == channels else with_channels(network, channels)
    words = options.network or box_layers(box_stride(train.labels), len(train.class_names))
    return choose_network(words, train.shape, sized=True)


def _loss(options: Configuration, train: BoxDataset, grid: Grid) -> DetectionLoss:
    labels = train.labels[..., 0]
    balanced = options.class_weight == "balanced"
    weights = balanced_weights(labels[labels >= 0].astype(int), grid.classes) if balanced else None
    return DetectionLoss(options.label_smoothing or 0.0, weights, grid=grid)
