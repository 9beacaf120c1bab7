"""A training in words: its data and options before, its epochs, its scores after."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cnncli.data.boxes.dataset import BoxDataset
from cnncli.models.detector import Detector
from cnncli.models.judging.box_scores import BoxScores
from cnncli.models.judging.metrics import Scores
from cnncli.shapes import show_shape
from cnncli.training.aims.classifying import ACCURACY
from cnncli.training.preparing.preparation import Preparation
from cnncli.training.reports.descriptions import frozen_words, loss_words, rate_words, source_words
from cnncli.training.run_folder import Metrics
from cnncli.training.runs import TrainingResult

SHOWN = {"accuracy": "accuracy", "map": "mAP", "map_50": "mAP50"}
"""The measures that the line of an epoch shows, and their names there."""

CLASSES_SHOWN = 20

_USES = {"train": "for training", "validation": "for validation", "test": "for test"}


def epoch_measures(metrics: Metrics, part: str) -> str:
    """Return the measures of a part of the data in an epoch's line."""
    found = [(word, metrics.get(f"{part}_{name}")) for name, word in SHOWN.items()]
    return "".join(f" {word} {share:.1%}" for word, share in found if share is not None)


def summary_lines(data: str, preparation: Preparation) -> Iterator[str]:
    """Yield the lines on the data, the network and the options of a training."""
    train, options = preparation.train, preparation.configuration
    parts = {"train": train, "validation": preparation.validation, "test": preparation.test}
    sizes = [f"{len(part):,} {_USES[name]}" for name, part in parts.items() if part is not None]
    yield f"data      {data}: {show_shape(train.shape)} images, {', '.join(sizes)}"
    if preparation.folders:
        yield f"parts     {', '.join(f'{name}/ {_USES[part]}' for part, name in preparation.folders.items())}"
    yield _classes_line(preparation)
    if preparation.source is not None:
        yield f"from      {source_words(preparation)}"
    if preparation.frozen:
        yield f"frozen    {frozen_words(preparation)}"
    if preparation.adapted:
        yield f"adapted   {preparation.adapted}"
    yield f"network   {preparation.network} ({preparation.network.totals.params:,} parameters)"
    extras = [
        rate_words(preparation),
        *([f"momentum {options.momentum:g}"] if options.momentum is not None else []),
        *([f"weight decay {options.weight_decay:g}"] if options.weight_decay else []),
        f"batches of {options.batch_size}",
        *([preparation.changes] if preparation.changes else []),
        loss_words(preparation),
        f"seed {options.seed}",
    ]
    epochs = f"{preparation.epochs:,} epoch{'s' * (preparation.epochs != 1)}"
    yield f"training  {epochs}, {options.optimizer}, {', '.join(extras)}"
    if preparation.validation is not None and preparation.aim.chosen_by != ACCURACY:
        yield f"keeps     the epoch with the best {preparation.aim.chosen_by} on the validation images"


def _classes_line(preparation: Preparation) -> str:
    """Return the line on the classes: how many pictures there are of each, or boxes."""
    counts = preparation.train.counts().tolist()
    shown = _counts(preparation.class_names, counts)
    if not isinstance(preparation.train, BoxDataset):
        return f"classes   {len(counts)}: {shown}"
    return f"boxes     {sum(counts):,} of {len(counts)} class{'es' * (len(counts) != 1)}: {shown}"


def _counts(names: Sequence[str], counts: Sequence[int]) -> str:
    shown = [f"{name} {count:,}" for name, count in zip(names[:CLASSES_SHOWN], counts, strict=False)]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _interval(scores: Scores) -> str:
    low, high = scores.accuracy_interval
    return f"95% interval {100 * low:.1f} to {100 * high:.1f}"


def class_scores(scores: Scores | BoxScores | None) -> Scores | None:
    """Return the scores of a classifier; None for others."""
    return scores if isinstance(scores, Scores) else None


def result_lines(run: TrainingResult, folder: Path) -> Iterator[str]:
    """Yield the scores of a training, and the files that it wrote."""
    yield from _box_lines(run) if isinstance(run.model, Detector) else _class_lines(run)
    files = ["model.safetensors", *(path.name for path in (*run.pictures, run.report) if path)]
    yield f"Written to {folder}: {', '.join(files)}"


def _box_lines(run: TrainingResult) -> Iterator[str]:
    """Yield the scores of a detector."""
    for part, scores in ((run.judged_by, run.scores), ("test", run.test_scores)):
        if isinstance(scores, BoxScores):
            name = {"train": "training"}.get(part, part)
            epoch = f", epoch {run.best_epoch}" if part == run.judged_by else ""
            yield f"Mean average precision on the {len(scores.pictures):,} {name} images{epoch}:"
            overall = map(_precision, (scores.map_50, scores.map_75, scores.map))
            yield "  {} at an overlap of 0.5, {} at 0.75, {} over 0.5 to 0.95".format(*overall)
            wide = max(len(one.name) for one in scores.per_class)
            for one in scores.per_class:
                boxes = f"{one.boxes:,} box{'es' * (one.boxes != 1)}"
                yield f"  {one.name:{wide}}  {_precision(one.ap_50)} at 0.5, {boxes}"


def _precision(value: float) -> str:
    """Return an average precision, or a dash where there is nothing to find."""
    return "-" if value < 0 else f"{value:.3f}"


def _class_lines(run: TrainingResult) -> Iterator[str]:
    """Yield the scores of a classifier, with the baselines."""
    scores, test = class_scores(run.scores), class_scores(run.test_scores)
    if scores is not None and run.baselines is not None:
        part = "validation" if run.judged_by == "validation" else "training"
        yield f"Accuracy on the {scores.confusion.sum():,} {part} images:"
        widened = f", widened for the choice among {run.chosen_among} epochs" if run.chosen_among > 1 else ""
        interval = f"{_interval(scores)}{widened}"
        yield f"  this network      {scores.accuracy:>6.1%} ({interval}), epoch {run.best_epoch}"
        if run.chosen_by != ACCURACY:
            yield f"  balanced          {scores.balanced_accuracy:>6.1%}"
        yield f"  nearest centroid  {run.baselines.nearest_centroid:>6.1%}"
        yield f"  majority class    {run.baselines.majority_class:>6.1%}"
    if test is not None:
        accuracy = f"{test.accuracy:.1%} ({_interval(test)})"
        yield f"Accuracy on the {test.confusion.sum():,} test images: {accuracy}"
