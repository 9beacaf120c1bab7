"""Training from beginning to end: from data to a model and its scores."""

import os
import platform
import threading
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple, Unpack

import numpy as np

from cnncli.choices import did_you_mean
from cnncli.data.augmentation import AUTO
from cnncli.data.boxes.dataset import Labelled
from cnncli.engines.backends import Backend, open_backend
from cnncli.errors import ArgumentError, ModelError
from cnncli.models.detector import Detector
from cnncli.models.judging.box_scores import BoxScores
from cnncli.models.judging.metrics import Scores
from cnncli.models.judging.splits import Split, find_run, save_split
from cnncli.models.model import Model
from cnncli.threads import cores
from cnncli.training.aims.aim import Verdict
from cnncli.training.aims.classifying import ACCURACY
from cnncli.training.baselines import Baselines
from cnncli.training.checkpoints import Checkpoint, load_checkpoint
from cnncli.training.configuration import Configuration, TrainingOptions, write_configuration
from cnncli.training.preparing.preparation import Preparation, prepare
from cnncli.training.preparing.sources import read_source
from cnncli.training.run_folder import Metrics, RunFolder
from cnncli.training.trainer import Trainer
from cnncli.training.watcher import Watcher
from cnncli.version import __version__


class TrainingResult(NamedTuple):
    """Result of a training.

    Attributes:
        model: the model of the best epoch, or of the last weights if no epoch was completed: a `Detector` where the
            labels are boxes.
        metrics: an entry for each epoch.
        done: whether it ran to its end; otherwise it was told to stop, and can be resumed.
        best_epoch: number of the model's epoch, from 1; 0 where no epoch was completed.
        chosen_by: measure of the best epoch: `accuracy`, or `balanced accuracy` where classes are weighted;
            `mAP at 0.5` of boxes.
        judged_by: the part of the data that `scores` and `baselines` are of: `validation`, or `train` where nothing was
            held out.
        scores: scores of the model; None if the training was stopped.
        test_scores: scores of the model on the data's test part, if there is one.
        baselines: None where the training was stopped, and for boxes.
        chosen_among: number of epochs that the best was chosen from by the pictures of `scores`, whose interval holds
            for all of them at once.
        pictures: files that were drawn.
        report: the page on the run; None where no files are kept.
    """

    model: Model | Detector
    metrics: tuple[Metrics, ...]
    done: bool
    best_epoch: int
    chosen_by: str = ACCURACY
    judged_by: str = "validation"
    scores: Scores | BoxScores | None = None
    test_scores: Scores | BoxScores | None = None
    baselines: Baselines | None = None
    chosen_among: int = 1
    pictures: tuple[Path, ...] = ()
    report: Path | None = None


def train(
    data: str | os.PathLike[str] | Labelled,
    *,
    output: str | os.PathLike[str] | None = None,
    resume: bool = False,
    force: bool = False,
    jobs: int | None = None,
    engine: str | Backend = "numpy",
    device: str = "auto",
    watcher: Watcher | None = None,
    stop: threading.Event | None = None,
    **options: Unpack[TrainingOptions],
) -> TrainingResult:
    """Train a network on labelled pictures, as `cnncli train` does.

    The same options, seed and data give the same bits, whatever the number of jobs, and whether or not the training
    was stopped and resumed on the way.

    Args:
        data: a folder with a folder of pictures for each class, MNIST's or CIFAR-10's files, an `.npz`; pictures with
            boxes of any kind that `open_boxes` takes; or a data set.
        output: the folder of the run: model, checkpoint, metrics, configuration and pictures; None to keep no files.
        resume: continue the run in `output`. Options that are not given keep their values. Only `epochs` may be
            given another value: a larger one, and with a constant schedule alone, because other schedules are laid out
            over the number of epochs.
        force: overwrite the run in `output`.
        jobs: processes and threads; None for the machine's cores.
        engine: a name in `ENGINES`, or a backend that is open.
        device: a name in `DEVICES`.
        watcher: observer of the progress.
        stop: once set, the training finishes the batch under way, saves everything and returns.
        **options: `network`, or `source` to go on from a model; `epochs`, `batch_size`, `optimizer`, `lr` and all
            others of `Configuration`.

    Raises:
        ArgumentError: an invalid option, a network that does not fit the data, a run that is not to be
            overwritten, or another training than the one to resume.
        DataError: data that cannot be read, or trained on.
        NoInputError: no pictures at all.
        ModelError: a file of the run that is damaged, or cannot be written.
        TrainingError: the loss is no longer finite.

    Example:
        >>> import numpy as np
        >>> from cnncli.data import ArrayDataset
        >>> pixels = np.array([10, 200] * 20, np.uint8)[:, None, None, None] + np.zeros((40, 4, 4, 1), np.uint8)
        >>> pixels[:, 0, 0, 0] = range(40)
        >>> data = ArrayDataset(pixels, np.arange(40) % 2, ("dark", "bright"), "patches")
        >>> run = train(data, network="fc-2,softmax", epochs=20, lr=0.05)
        >>> run.scores.accuracy, run.baselines.majority_class
        (1.0, 0.5)
    """
    with open_backend(engine, device) if isinstance(engine, str) else nullcontext(engine) as backend:
        _check_started(backend)
        folder, processes = None if output is None else RunFolder(output), backend.processes
        jobs, watcher = jobs or cores(), watcher if watcher is not None and processes.is_first else Watcher()
        with processes.fail_together():
            checkpoint, configuration = _begin(
                folder, {**options}, resume=resume, force=force or not processes.is_first
            )
            source = read_source(checkpoint.source) if checkpoint and checkpoint.source else None
            preparation = prepare(configuration, data, jobs=jobs, progress=watcher.checking, source=source)
        watcher.prepared(preparation)
        own = folder if processes.is_first else None
        with Trainer(preparation, own, jobs=jobs, watcher=watcher, stop=stop, backend=backend) as trainer:
            with processes.fail_together():
                _open(trainer, folder, checkpoint, data)
            return _run(trainer, jobs, data if isinstance(data, str | os.PathLike) else "a data set in memory")


def _open(trainer: Trainer, folder: RunFolder | None, checkpoint: Checkpoint | None, data: Any) -> None:
    """Open the folder, load the checkpoint if resuming, and write the facts known before the first batch.

    Then even a run that is killed in its first batch can be resumed.
    """
    own = trainer.folder
    split = None if own is None or (checkpoint and own.split.exists()) else _split(trainer.preparation)
    if own is not None:
        own.open(fresh=checkpoint is None)
    if checkpoint is not None and folder is not None:
        trainer.restore(checkpoint, folder)
    if own is not None:
        versions = {"cnncli": __version__, "numpy": np.__version__, "python": platform.python_version()}
        versions |= trainer.backend.versions()
        path = os.path.abspath(data) if isinstance(data, str | os.PathLike) else ""
        source = trainer.preparation.source
        checksums = {"source": source.checksum} if source else None
        text = write_configuration(trainer.preparation.configuration, path, versions, checksums)
        own.write_text(own.config, text)
        if split is not None:
            save_split(own.split, split)
        trainer.save()


def _split(preparation: Preparation) -> Split:
    """Return the split of a training, to which belongs what the run of its source trained on."""
    split = Split.of(preparation.train, preparation.validation)
    with suppress(ModelError):  # the source is gone, and the training is resumed
        before = None if preparation.source is None else find_run(preparation.source.word)
        return split if before is None or before.split is None else split.after(before.split)
    return split


def _run(trainer: Trainer, jobs: int, data: str | os.PathLike[str]) -> TrainingResult:
    notes: list[str] = []
    if not trainer.is_done and not trainer.is_told_to_stop():
        if notes := [*trainer.backend.notes(trainer.engine.network), *filter(None, [trainer.compare()])]:
            trainer.watcher.computing(notes)
        trainer.watcher.begins(trainer.estimate(), trainer.progress.epoch)
    done = trainer.run()
    run = TrainingResult(trainer.best or trainer.model(), tuple(trainer.metrics), done, trainer.progress.best_epoch)
    if not trainer.processes.is_first:
        return run
    run, verdict = _judged(run, trainer, jobs) if done else (run, None)
    return _drawn(run, verdict, trainer, jobs, os.fspath(data), notes)


def _drawn(
    run: TrainingResult,
    verdict: Verdict[Any, Any, Any] | None,
    trainer: Trainer,
    jobs: int,
    data: str,
    notes: Sequence[str],
) -> TrainingResult:
    """Return the run with its pictures and its report, where it has a folder; one that was stopped has no pictures."""
    folder = trainer.folder
    if folder is None:
        return run
    from cnncli.training.pictures import save_all
    from cnncli.training.reports.report import write_run_report
    from cnncli.training.reports.training import Trained

    preparation, backend = trainer.preparation, trainer.backend
    if verdict is not None:
        drawn = save_all(folder.path, preparation.aim.draw(trainer.metrics, run.best_epoch, verdict))
        run = run._replace(pictures=tuple(drawn))
    environment = {"engine": backend.name, **backend.versions(), "processes and threads": f"{jobs:,}"}
    trained = Trained(data, folder.path, preparation, trainer.metrics, run.best_epoch, run.done, notes)
    write_run_report(trained, run, verdict, environment)
    return run._replace(report=folder.report)


def _check_started(engine: Backend) -> None:
    """Check that processes started by torchrun train together and do not overwrite each other's run."""
    started = os.environ.get("WORLD_SIZE", "1")
    if engine.processes.count == 1 and started != "1":
        raise ArgumentError(
            f"torchrun has started {started} processes, and the engine {engine.name} trains in one: add --engine torch"
        )


def _begin(
    folder: RunFolder | None, options: dict[str, Any], *, resume: bool, force: bool
) -> tuple[Checkpoint | None, Configuration]:
    """Check everything possible before any work; return the checkpoint to continue from, and the options."""
    unknown = [name for name in options if name not in Configuration.fields]
    if unknown:
        raise ArgumentError(f"training has no option {unknown[0]!r}: {did_you_mean(unknown[0], Configuration.fields)}")
    if folder is None:
        if resume:
            raise ArgumentError("resume needs output, the folder of the run to continue")
        return None, Configuration(**options)
    folder.check(force=force, resume=resume)
    if not resume:
        return None, Configuration(**options)
    checkpoint = load_checkpoint(folder.checkpoint)
    if options.get("augment") == AUTO:  # the run has the augmentations that were chosen
        del options["augment"]
    configuration = Configuration(**{**checkpoint.configuration.options, **options})
    checkpoint.check_options(configuration, folder.checkpoint)
    return checkpoint, configuration


def _judged(run: TrainingResult, trainer: Trainer, jobs: int) -> tuple[TrainingResult, Verdict[Any, Any, Any]]:
    """Return the run with the scores of its model, and what it makes of the pictures that judge it."""
    trainer.watcher.judging()
    preparation, model = trainer.preparation, run.model.on(trainer.backend)
    aim, held_out, test = preparation.aim, preparation.validation, preparation.test
    dataset, epochs = (preparation.train, 1) if held_out is None else (held_out, max(1, len(run.metrics)))
    verdict = aim.judge(model, dataset, jobs, choices=epochs)
    run = run._replace(
        judged_by="train" if held_out is None else "validation",
        scores=verdict.scores,
        chosen_by=aim.chosen_by,
        chosen_among=epochs,
        test_scores=None if test is None else aim.judge(model, test, jobs).scores,
        baselines=aim.baselines(dataset, preparation.train),
    )
    return run, verdict
