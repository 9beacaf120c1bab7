"""The words in which a training is shown."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cnncli.shapes import show_shape
from cnncli.training.preparation import ACCURACY, Preparation
from cnncli.training.run_folder import Metrics
from cnncli.training.runs import TrainingResult
from cnncli.training.watcher import Estimate

CLASSES_SHOWN = 20

_USES = {"train": "to train on", "validation": "to validate by", "test": "to test by"}


def summary_lines(data: str, preparation: Preparation) -> Iterator[str]:
    """Yield what is trained, and on what."""
    train, options = preparation.train, preparation.configuration
    sizes = [f"{len(train):,} to train on"]
    sizes += [f"{len(part):,} to {what}" for what, part in _others(preparation)]
    yield f"data      {data}: pictures {show_shape(train.shape)}, {', '.join(sizes)}"
    if preparation.folders:
        yield f"parts     {', '.join(f'{name}/ {_USES[part]}' for part, name in preparation.folders.items())}"
    yield f"classes   {_counts(preparation.class_names, train.counts().tolist())}"
    yield f"network   {preparation.network} ({preparation.network.totals.params:,} parameters)"
    extras = [
        f"lr {options.lr:g} {options.schedule}" + (f", warm-up {options.warmup:g}" if options.warmup else ""),
        *([f"momentum {options.momentum:g}"] if options.momentum is not None else []),
        *([f"weight decay {options.weight_decay:g}"] if options.weight_decay else []),
        f"batches of {options.batch_size}",
        *([f"augmented by {options.augment}"] if options.augment else []),
        options.loss.replace("_", " "),
        f"seed {options.seed}",
    ]
    yield f"training  {options.optimizer}, {', '.join(extras)}"
    if preparation.validation is not None and preparation.chosen_by != ACCURACY:
        yield f"kept      the epoch with the best {preparation.chosen_by} on the pictures to validate by"


def _others(preparation: Preparation) -> Iterator[tuple[str, Sequence[object]]]:
    if preparation.validation is not None:
        yield "validate by", preparation.validation.names
    if preparation.test is not None:
        yield "test by", preparation.test.names


def _counts(names: Sequence[str], counts: Sequence[int]) -> str:
    shown = [f"{name} {count:,}" for name, count in zip(names[:CLASSES_SHOWN], counts, strict=False)]
    more = len(names) - len(shown)
    return f"{len(names)}: {', '.join(shown)}" + (f" and {more} more" if more else "")


def estimate_line(estimate: Estimate, epochs_done: int, epochs: int) -> str:
    """Return how long it will take."""
    left = epochs - epochs_done
    many = f"{left} epochs" if left > 1 else "1 epoch"
    goes_on = f"goes on after epoch {epochs_done}; " if epochs_done else ""
    whole = f", {many} about {_duration(left * estimate.seconds)}" if left > 1 else ""
    return (
        f"time      {goes_on}about {_duration(estimate.seconds)} an epoch "
        f"({estimate.images_per_second:,.0f} images/s){whole}"
    )


def _duration(seconds: float) -> str:
    """Return a time in the unit that fits.

    Example:
        >>> _duration(0.123), _duration(90), _duration(9000)
        ('0.12 s', '90 s', '2.5 h')
    """
    if seconds < 600:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def epoch_line(metrics: Metrics, epochs: int, *, best: bool) -> str:
    """Return an epoch's line."""
    validation = ""
    if metrics["val_accuracy"] is not None:
        loss = "not finite" if metrics["val_loss"] is None else f"{metrics['val_loss']:.4f}"
        validation = f"  validation loss {loss} accuracy {_percent(metrics['val_accuracy'])}"
    return (
        f"epoch {metrics['epoch']:{len(str(epochs))}}/{epochs}  loss {metrics['train_loss']:.4f} "
        f"accuracy {_percent(metrics['train_accuracy'])}{validation}  {metrics['seconds']:.2f} s "
        f"{metrics['images_per_second']:,.0f} images/s{'  *' if best and validation else ''}"
    )


def _percent(part: float) -> str:
    return f"{100 * part:.1f}%"


def result_lines(run: TrainingResult, folder: Path) -> Iterator[str]:
    """Yield what came of a training."""
    if run.scores is not None and run.baselines is not None:
        low, high = run.scores.accuracy_interval
        total = int(run.scores.confusion.sum())
        judged = "validation" if run.judged_by == "validation" else "training"
        yield f"Accuracy on the {total:,} {judged} pictures:"
        widened = f", widened for the choice among {run.chosen_among} epochs" if run.chosen_among > 1 else ""
        interval = f"(95% interval {100 * low:.1f} to {100 * high:.1f}{widened}), epoch {run.best_epoch}"
        yield f"  this network      {_percent(run.scores.accuracy):>6} {interval}"
        if run.chosen_by != ACCURACY:
            yield f"  balanced          {_percent(run.scores.balanced_accuracy):>6}"
        yield f"  nearest centroid  {_percent(run.baselines.nearest_centroid):>6}"
        yield f"  majority class    {_percent(run.baselines.majority_class):>6}"
    if run.test_scores is not None:
        low, high = run.test_scores.accuracy_interval
        total = int(run.test_scores.confusion.sum())
        interval = f"(95% interval {100 * low:.1f} to {100 * high:.1f})"
        yield f"Accuracy on the {total:,} test pictures: {_percent(run.test_scores.accuracy)} {interval}"
    files = ["model.safetensors", *(picture.name for picture in run.pictures)]
    yield f"Written to {folder}: {', '.join(files)}"
