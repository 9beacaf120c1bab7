"""Preparation of a training: the parts of the data, the network, the loss and the optimizer of a configuration."""

import os
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cnncli.data import (
    Dataset,
    Finding,
    OnChecked,
    Parts,
    Reading,
    Resized,
    SizesDifferError,
    Subset,
    known_classes,
    open_dataset,
    split,
)
from cnncli.data.augmentation.base import Augmentation
from cnncli.data.boxes.dataset import BoxDataset, Labelled
from cnncli.data.boxes.opening import has_boxes
from cnncli.data.listing import visible_folders
from cnncli.data.normalization import Normalization, measure
from cnncli.data.pictures import BYTES
from cnncli.data.resizing import Size
from cnncli.engines.freezing import split_network
from cnncli.engines.head import check_outputs, logits_network
from cnncli.engines.losses import LOSSES, Loss, balanced_weights
from cnncli.engines.optimizers import Optimizer
from cnncli.errors import ArgumentError, DataError
from cnncli.networks import Network, load_network
from cnncli.networks.errors import ShapeError
from cnncli.networks.words import read_input, split_words
from cnncli.shapes import show_shape
from cnncli.training.aims.aim import Aim
from cnncli.training.aims.classifying import Classifying
from cnncli.training.configuration import SMOOTHING, Configuration
from cnncli.training.preparing.fitting import Way, describe, find_way, fit, named_network
from cnncli.training.preparing.held_out import FRACTION, check_held_out, held_out_duplicates, held_out_share, read_alike
from cnncli.training.preparing.memory import check_memory
from cnncli.training.preparing.recipe import SIZE, USUAL, Pace, chosen_augmentations, default_layers, settle
from cnncli.training.preparing.sources import Source, frozen_words, open_source

BATCH_SIZE = 32
FEATURE_BYTES = 512 << 20  # bytes of the outputs of frozen words that are kept in memory
CACHE_BYTES = 256 << 20  # bytes of decoded pictures that are kept in memory


class Preparation(NamedTuple):
    """Everything that a training needs.

    Attributes:
        configuration: the options, with nothing left open.
        aim: what it is after.
        validation: the part that epochs are judged by; None where nothing is held out.
        test: the part that stays untouched until the end; None where the data has no such part.
        findings: problems of the data that its owner should know.
        folders: folder of each part, where the data's folders are its parts.
        resize: way to resize pictures to the network's input: a name in `RESIZES`.
        adapted: what was changed to fit the network and the pictures to each other, in words; empty for nothing.
        normalization: measured on `train`.
        loss: loss of the logits.
        data_digest: digest of the data, to check it when a training is resumed.
        source: the model that it goes on from; None for one that begins with random weights.
        new_head: whether the weights of the head begin at random.
        frozen: the number of words of the network, repeats counted, that stay as they are.
    """

    configuration: Configuration
    aim: Aim[Any, Any, Any]
    train: Labelled
    validation: Labelled | None
    test: Labelled | None
    findings: tuple[Finding, ...]
    folders: Mapping[str, str]
    network: Network
    resize: str
    adapted: str
    normalization: Normalization
    loss: Loss
    optimizer: Optimizer
    augmentations: tuple[Augmentation, ...]
    data_digest: str
    source: Source | None = None
    new_head: bool = True
    frozen: int = 0

    @property
    def epochs(self) -> int:
        """Number of epochs."""
        assert self.configuration.epochs is not None
        return self.configuration.epochs

    @property
    def batch_size(self) -> int:
        """Pictures per batch."""
        assert self.configuration.batch_size is not None
        return self.configuration.batch_size

    @property
    def head_lr(self) -> float:
        """Learning rate of the head, where that of the other weights is `lr`."""
        options = self.configuration
        assert options.lr is not None
        return options.head_lr or options.lr * (self.optimizer.head_factor if self.source and self.new_head else 1.0)

    @property
    def frozen_params(self) -> int:
        """Numbers that could be trained, and are frozen."""
        return split_network(self.network, self.frozen)[0].totals.params

    @property
    def remembers(self) -> bool:
        """Whether what the frozen words make of pictures is kept: it does not change, and there is room."""
        return bool(self.frozen and not self.augmentations and self.feature_bytes <= FEATURE_BYTES)

    @property
    def feature_bytes(self) -> int:
        """Bytes of what the frozen words make of the pictures to train on and to validate by."""
        pictures = len(self.train) + (0 if self.validation is None else len(self.validation))
        return 4 * pictures * prod(split_network(self.network, self.frozen)[0].output_shape)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in order."""
        return self.train.class_names

    @property
    def changes(self) -> str:
        """The augmentations in words, as `augmented by shift:4,flip`; empty where there are none."""
        return f"augmented by {self.configuration.augment}" if self.augmentations else ""

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return len(batch_starts(len(self.train), self.batch_size))


def batch_starts(items: int, batch_size: int) -> list[int]:
    """Return the first item of each batch of an epoch; a last picture alone joins the batch before it.

    The statistics of batch norm need more than one picture.

    Example:
        >>> batch_starts(7, 3), batch_starts(8, 3), batch_starts(1, 3)
        ([0, 3], [0, 3, 6], [0])
    """
    starts = list(range(0, items, batch_size))
    if len(starts) > 1 and batch_size > 1 and items - starts[-1] == 1:
        starts.pop()
    return starts


def prepare(
    configuration: Configuration,
    data: str | os.PathLike[str] | Labelled,
    *,
    jobs: int = 1,
    progress: OnChecked | None = None,
    source: Source | None = None,
) -> Preparation:
    """Open the data, split it, measure it, and check that the network and the loss fit it.

    The data is a path of any kind that `open_dataset` takes, or a data set; `jobs` threads decode its pictures, and
    `progress` is called with the files done and all files while a folder is checked. `source` is the model to go on
    from; None to open the one that the configuration names, if it does.

    Raises:
        ArgumentError: a network, a loss or a split that does not fit.
        DataError: data that cannot be read, or trained on.
        NoInputError: no pictures at all.
    """
    options, source = configuration, source or open_source(configuration)
    reading = Reading(
        options.size, options.resize, options.channels, options.strict, jobs=jobs, cache_bytes=CACHE_BYTES
    )
    if isinstance(data, BoxDataset) or (not isinstance(data, Dataset) and has_boxes(data)):
        from cnncli.training.preparing.box_preparation import prepare_boxes

        return prepare_boxes(options, data, reading._replace(progress=progress), source)
    if source is not None and source.finds_boxes:
        raise ArgumentError(f"{source.word}: finds boxes, and the data has a class for each picture: leave out --from")
    options = options.replace(batch_size=options.batch_size or BATCH_SIZE)
    if options.label_smoothing is None:
        options = options.replace(label_smoothing=0.0 if LOSSES[options.loss].takes_outputs else SMOOTHING)
    own = named_network(options.network) if source is None else source.network
    parts, way, given = _opened(options, data, reading, progress, own, source)
    train = parts.train
    _check_classes(data, train)
    augmentations = chosen_augmentations(options, train)
    for augmentation in augmentations:
        augmentation.check(train.shape[2], has_scale=train.scale == BYTES)
    loss = _loss(options, train)
    outputs = loss.outputs(len(train.class_names))
    network = _network(options, own, train.shape, outputs)
    if own is None:
        words = options.network or str(network.layers)
        options = options.replace(network=words, size=options.size if given else way.size)
    check_outputs(network, len(train.class_names), loss)
    frozen = frozen_words(network, options.freeze)
    preparation = Preparation(
        options.replace(augment=",".join(map(str, augmentations))),
        Classifying(logits_network(network, loss), balanced=options.class_weight != "none"),
        *parts._replace(findings=(*parts.findings, *check_memory(options, network, frozen))),
        network=network,
        resize=way.resize,
        adapted=_adapted(source, own, network, given, way),
        normalization=measured(train) if source is None else source.normalization,
        loss=loss,
        optimizer=options.make_optimizer(),
        augmentations=augmentations,
        data_digest=data_digest(train, parts.validation),
        source=source,
        new_head=source is None or not source.keeps_head(train.class_names, outputs),
        frozen=frozen,
    )
    return settled(preparation)


def settled(preparation: Preparation, pace: Pace = USUAL) -> Preparation:
    """Return a preparation whose configuration leaves nothing open."""
    network = preparation.network
    computed = split_network(network, preparation.frozen)[1] if preparation.remembers else network
    options = settle(preparation.configuration, network, computed, len(preparation.train), pace)
    return preparation._replace(configuration=options)


def _opened(
    configuration: Configuration,
    data: str | os.PathLike[str] | Dataset,
    reading: Reading,
    progress: OnChecked | None,
    own: Network | None,
    source: Source | None,
) -> tuple[Parts, Way, Size | None]:
    """Return the parts of the data, brought to a network's own input, their way there, and their size before.

    The size before is None where there were several: they get the network's own, or `SIZE`.
    """
    reading = reading if source is None else source.reading(configuration, reading)
    given = None
    try:
        parts = _parts(configuration, data, reading, progress)
        given = parts.train.shape[:2]
    except SizesDifferError:
        height, width = (SIZE, SIZE) if own is None else own.input_shape[:2]
        parts = _parts(configuration, data, reading._replace(size=(height, width)), progress)
    way = Way(reading.size or parts.train.shape[:2], reading.resize)
    if source is not None:
        parts = source.labelled(parts)
    elif own is not None and reading.size is None:
        way = find_way(own, *way)
    return (parts if own is None else _brought(parts, way)), way, given


def _network(configuration: Configuration, own: Network | None, shape: tuple[int, int, int], outputs: int) -> Network:
    """Return the network to train: a named one, fitted; or the one of a text, or of none."""
    if own is not None:
        return fit(own, shape, outputs)
    words = configuration.network or default_layers(shape, outputs)
    return choose_network(words, shape, sized=configuration.size is not None)


def _adapted(source: Source | None, own: Network | None, network: Network, given: Size | None, way: Way) -> str:
    """Return what was changed to fit the network and the pictures to each other, in words; empty for nothing."""
    if source is not None:
        return ""
    if own is not None:
        return describe(own, network, given, way)
    return "" if given else f"images resized from several sizes to {show_shape(way.size)}: --size takes another"


def _brought(parts: Parts, way: Way) -> Parts:
    """Return the parts with all pictures brought to a size."""
    others: dict[str, Any] = {
        name: Resized(part, *way)
        for name, part in parts._asdict().items()
        if isinstance(part, Dataset) and part.shape[:2] != way.size
    }
    return parts._replace(**others)


def _check_classes(data: object, train: Dataset) -> None:
    """Refuse data of a single class."""
    present = np.flatnonzero(train.counts()).tolist()
    if len(present) < 2:
        only = ", ".join(repr(train.class_names[place]) for place in present)
        raise DataError(f"{named_data(data)}: all pictures are of one class, {only}: {_advice(data, train, present)}")


def _parts(
    configuration: Configuration,
    data: str | os.PathLike[str] | Dataset,
    reading: Reading,
    progress: OnChecked | None,
) -> Parts:
    """Return the parts of the data, with the validation part that the configuration asks for."""
    parts = Parts(data) if isinstance(data, Dataset) else open_dataset(data, reading, progress=progress)
    train, val, share = parts.train, configuration.val, held_out_share(configuration.val)
    if val is not None and share is None:
        parts = _with_validation(val, parts, reading, progress)
    elif val is not None or parts.validation is None:
        share = FRACTION if share is None else share
        inner, held_out = split(train, share) if share else (None, None)
        parts = parts._replace(
            train=train if inner is None else Subset(train, inner),
            validation=None if held_out is None else Subset(train, held_out),
        )
    for part in (parts.validation, parts.test):
        if part is not None:
            _check_shape(named_data(data), part, train)
    return parts


def _with_validation(path: str, parts: Parts, reading: Reading, progress: OnChecked | None) -> Parts:
    """Return parts with a validation part that is read from a path."""
    train = parts.train
    given = open_dataset(path, read_alike(reading, train), progress=progress)
    check_held_out(path, given)
    own = given.train if given.validation is None else given.validation
    validation, unknown = known_classes(path, "validation", own, train.class_names)
    _check_shape(path, validation, train)
    found = (*filter(None, [unknown]), *held_out_duplicates(train, validation, parts.test))
    return parts._replace(validation=validation, findings=(*parts.findings, *given.findings, *found))


def _advice(data: object, train: Dataset, present: list[int]) -> str:
    """Return advice about a single class: often an archive has put a folder around the data."""
    if isinstance(data, str | os.PathLike):
        inner = os.path.join(os.fspath(data), *(train.class_names[place] for place in present))
        if os.path.isdir(inner) and visible_folders(inner):
            return f"its folder holds folders itself: if those are the classes or parts, name {inner}"
    return "there is nothing to tell apart"


def _check_shape(path: str, held_out: Dataset, train: Dataset) -> None:
    if held_out.shape != train.shape:
        shapes = show_shape(held_out.shape), show_shape(train.shape)
        raise DataError(f"{path}: {held_out.names[0]} is {shapes[0]}, those to train on are {shapes[1]}")


def named_data(data: object) -> str:
    """Return the name of data in messages."""
    return str(data) if isinstance(data, str | os.PathLike) else "the data"


def choose_network(text: str, shape: Sequence[int], *, sized: bool = False) -> Network:
    """Return the network to train on pictures of a shape (H, W, C).

    Args:
        text: a name of the zoo, a `.toml` file or a text, with or without its input.
        shape: shape of the pictures.
        sized: whether they were resized already.

    Raises:
        ArgumentError: an unknown network, or one that does not fit the pictures.
    """
    shape = tuple(shape)
    first = split_words(text[:100])[:1]
    written = read_input(first[0].text) if first else None
    if written is not None and written != shape and not text.endswith(".toml"):
        hint = "" if sized or len(written) != 3 else f"add --size {written[0]}x{written[1]}, or "
        raise ArgumentError(
            f"the network takes {show_shape(written)}, the pictures are {show_shape(shape)}: "
            f"{hint}leave the input out of its text"
        )
    try:
        return load_network(text, input_shape=shape)
    except ShapeError as error:
        if error.needs.startswith("at least"):
            error.fits = "; ".join(filter(None, (error.fits, "larger pictures would, too: --size")))
        raise


def _loss(configuration: Configuration, train: Dataset) -> Loss:
    balanced = configuration.class_weight == "balanced"
    weights = balanced_weights(train.labels, len(train.class_names)) if balanced else None
    return LOSSES[configuration.loss](configuration.label_smoothing or 0.0, weights)


def measured(train: Labelled) -> Normalization:
    """Return the normalization that suits the pictures to train on.

    Raises:
        DataError: pictures with numbers that are not finite.
    """
    try:
        return measure(train)
    except ArgumentError as error:
        for indices, images in train.chunks():
            finite = np.isfinite(images).all(axis=(1, 2, 3))
            if not finite.all():
                name = train.names[int(indices[finite.argmin()])]
                raise DataError(f"{name}: holds numbers that are not finite: they cannot be trained on") from error
        raise


def data_digest(train: Labelled, validation: Labelled | None) -> str:
    """Return a digest of the data: pictures, their order, labels, classes and the part that is held out."""
    digest = blake2b(digest_size=16)
    for dataset in (train, validation):
        digest.update(b"|" if dataset is None else repr((dataset.shape, dataset.class_names)).encode(errors="replace"))
        if dataset is not None:
            digest.update(b"".join(dataset.fingerprints))
            digest.update(dataset.labels.astype("<i8" if dataset.labels.dtype.kind == "i" else "<f4").tobytes())
    return digest.hexdigest()


def default_output(data: str | os.PathLike[str]) -> Path:
    """Return the default folder of a run: `runs/` and the name of the data.

    Example:
        >>> default_output("samples/digits/").as_posix()
        'runs/digits'
    """
    return Path("runs") / (Path(os.path.abspath(data)).stem or "run")
