"""The training loop."""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from itertools import count
from typing import NamedTuple, NoReturn, Self

import numpy as np

from cnncli.arrays import Array
from cnncli.data.boxes.dataset import Labelled
from cnncli.engines.backends import Backend
from cnncli.engines.engine import StepResult
from cnncli.engines.freezing import FrozenEngine
from cnncli.engines.head import logits_loss, logits_network
from cnncli.engines.processes import OtherProcessError
from cnncli.errors import ModelError, TrainingError
from cnncli.models.detector import Detector
from cnncli.models.model import Model, save_model
from cnncli.models.opening import load_trainable
from cnncli.networks.heads import head_names
from cnncli.training.batches import Batch, Batches, made_ready, make_batches
from cnncli.training.checkpoints import Checkpoint, TrainingProgress, save_checkpoint
from cnncli.training.divergence import Divergence, examine
from cnncli.training.preparing.preparation import Preparation
from cnncli.training.preparing.sources import first_weights
from cnncli.training.run_folder import Metrics, RunFolder
from cnncli.training.watcher import BatchReport, Estimate, Watcher


class Judgement(NamedTuple):
    """Mean loss, measures from 0 to 1 by name, and the one that epochs are chosen by."""

    loss: float
    measures: Mapping[str, float]
    choice: float


class Trainer:
    """Trains a network: epochs of batches, each a step along the gradient.

    Attributes:
        folder: folder of the run, closed at the end; None to keep no files.
        metrics: metrics of the completed epochs.
        best: the model of the best epoch; None before the first.
    """

    def __init__(
        self,
        preparation: Preparation,
        folder: RunFolder | None = None,
        *,
        jobs: int = 1,
        watcher: Watcher | None = None,
        stop: threading.Event | None = None,
        backend: Backend | None = None,
    ) -> None:
        self.preparation, self.folder = preparation, folder
        self.backend = backend or Backend()
        self.processes = self.backend.processes
        self.watcher, self.stop = watcher or Watcher(), stop or threading.Event()
        self.steps = preparation.steps_per_epoch
        self.progress = TrainingProgress()
        self.metrics: list[Metrics] = []
        self.best: Model | Detector | None = None
        seed, network = preparation.configuration.seed, logits_network(preparation.network, preparation.loss)
        self.loss = logits_loss(preparation.loss, network)
        arrays = first_weights(preparation.source, network, new_head=preparation.new_head, seed=seed)
        if preparation.new_head:
            preparation.aim.begin(network, arrays[0])
        make = partial(self.backend.engine, jobs=jobs, seed=seed)
        frozen = preparation.frozen
        self.engine = FrozenEngine(network, *arrays, words=frozen, make=make) if frozen else make(network, *arrays)
        factor = preparation.head_lr / (preparation.configuration.lr or 1)
        self.engine.use(preparation.optimizer, dict.fromkeys(head_names(network), factor))
        self._known: dict[str, Array] = {}
        self._remembers = preparation.remembers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.engine.close()
        if self.folder is not None:
            self.folder.close()

    @property
    def is_done(self) -> bool:
        """True if all epochs are completed, or early stopping applies."""
        options, progress = self.preparation.configuration, self.progress
        stale = progress.epoch - progress.best_epoch
        is_stale = options.early_stop is not None and progress.batch == 0 and stale >= options.early_stop
        return progress.epoch >= self.preparation.epochs or is_stale

    def run(self) -> bool:
        """Train until it is done or told to stop; return whether it is done.

        Raises:
            TrainingError: the loss is no longer finite.
        """
        while not self.is_done and not self.is_told_to_stop():
            self._run_epoch()
        return self.is_done

    def is_told_to_stop(self) -> bool:
        """Return whether this process or another one is told to stop; all ask equally often."""
        return self.processes.any(self.stop.is_set())

    def _run_epoch(self) -> None:
        begin, before = time.perf_counter(), self.progress.seen
        batches = made_ready(self._batches(self.processes.part))
        with closing(batches):
            for batch in batches:
                self._learn(batch)
                self._report(time.perf_counter() - begin, self.progress.seen - before)
                if self.is_told_to_stop() and self.progress.batch < self.steps:
                    self._save_interrupted()
                    return
        self._end_epoch(time.perf_counter() - begin, self.progress.seen - before)

    def _batches(self, part: Callable[[int], slice] | None = None) -> Batches:
        """Yield the batches from here to the end of the epoch, each with the images that this process computes."""
        known = self._features("train", self.preparation.train)
        return make_batches(self.preparation, self.progress.epoch, self.progress.batch, part, known=known)

    def endless_batches(self) -> Batches:
        """Yield the batches of one epoch after another, from the first on."""
        known = self._features("train", self.preparation.train)
        for epoch in count():
            yield from make_batches(self.preparation, epoch, known=known)

    def _batch(self) -> Batch:
        """Return the next batch, whole, as the network gets it."""
        with closing(make_batches(self.preparation, self.progress.epoch, self.progress.batch)) as batches:
            return next(batches)

    def _features(self, part: str, dataset: Labelled) -> Array | None:
        """Return what the frozen layers make of all pictures of a part; None where it is not kept.

        It is computed in an order of its own, so that a resumed training has the same bits; a training that is told to
        stop meanwhile goes without.
        """
        if part not in self._known and self._remembers:
            normalize, found = self.preparation.normalization.apply, []
            for _, images in dataset.chunks():
                if self.stop.is_set():
                    return None
                found.append(self.engine.features(normalize(images)))
            self._known[part] = np.concatenate(found)
        return self._known.get(part)

    def compute(self, batch: Batch, step: int = 0) -> StepResult:
        """Compute the loss and the gradients of a batch."""
        inputs = batch.images if "train" in self._known else self.engine.features(batch.images)
        return self.engine.step(inputs, batch.labels, self.loss, step=step)

    def _learn(self, batch: Batch) -> None:
        """Take one step."""
        progress, options = self.progress, self.preparation.configuration
        step = progress.epoch * self.steps + progress.batch
        result = self.compute(batch, step)
        if not result.finite:
            self._stop_not_finite(batch, result.loss)
        self.engine.update(step + 1, options.learning_rate(step, self.steps), options.clip_norm)
        loss = result.loss * self.loss.total_weight(batch.labels)
        self.progress = progress._replace(
            batch=progress.batch + 1,
            loss_sum=progress.loss_sum + loss,
            weight=progress.weight + self.loss.weight(batch.labels),
            correct=progress.correct + self.preparation.aim.hits(batch.labels, result.logits),
            seen=progress.seen + len(batch.labels),
        )

    def _report(self, seconds: float, images: int) -> None:
        progress = self.progress
        loss, trained = progress.loss_sum / (progress.weight or 1), self._trained_measures()
        report = BatchReport(progress.epoch + 1, progress.batch, self.steps, loss, trained, images / seconds)
        self.watcher.batch(report)

    def _end_epoch(self, seconds: float, images: int) -> None:
        """Judge the epoch, and save it: its metrics, the model where it is the best, and the checkpoint.

        In this order, a process that is killed on the way leaves a checkpoint that runs the epoch again.
        """
        progress, validation = self.progress, self.preparation.validation
        judged = None if validation is None else self.evaluate(validation)
        metrics = {
            "epoch": progress.epoch + 1,
            "train_loss": progress.loss_sum / (progress.weight or 1),
            **{f"train_{name}": value for name, value in self._trained_measures().items()},
            "val_loss": judged and _finite(judged.loss),
            **{f"val_{name}": judged and judged.measures[name] for name in self.preparation.aim.names},
            "lr": self.preparation.configuration.learning_rate((progress.epoch + 1) * self.steps - 1, self.steps),
            "seconds": round(seconds, 6),
            "images_per_second": round(images / seconds, 3),
        }
        is_best = self._is_best(judged)
        progress = progress._replace(epoch=progress.epoch + 1, batch=0, loss_sum=0.0, weight=0.0, correct=0, seen=0)
        if is_best:
            measure, loss = (0.0, 0.0) if judged is None else (judged.choice, _finite(judged.loss) or 0.0)
            progress = progress._replace(best_epoch=progress.epoch, best_accuracy=measure, best_loss=loss)
            self.best = self.model()
        self.progress = progress
        self.metrics.append(metrics)
        if self.folder is not None:
            self.folder.add_metrics(metrics)
            if is_best and self.best is not None:
                save_model(self.folder.model, self.best)
            self.save()
        self.watcher.epoch(metrics, best=is_best)

    def _is_best(self, judged: Judgement | None) -> bool:
        """Return whether this epoch is the best: by its measure, then by loss; without validation the last one is."""
        progress = self.progress
        if not progress.best_epoch or judged is None:
            return True
        return (judged.choice, -judged.loss) > (progress.best_accuracy, -progress.best_loss)

    def _trained_measures(self) -> dict[str, float]:
        """Return the measures of the pictures of the epoch so far."""
        return self.preparation.aim.trained(self.progress.correct, self.progress.seen)

    def save(self) -> None:
        """Write the checkpoint, where there is a folder."""
        if self.folder is not None:
            save_checkpoint(self.folder.checkpoint, self.checkpoint())

    def _save_interrupted(self) -> None:
        """Save in the middle of an epoch, with a model to look at before the first is completed."""
        if self.folder is None:
            return
        if not self.progress.best_epoch:
            save_model(self.folder.model, self.model())
        self.save()

    def evaluate(self, dataset: Labelled) -> Judgement:
        """Return the mean loss and the measures of the weights as they are now."""
        aim, total, weight = self.preparation.aim, 0.0, 0.0
        tally = aim.tally(dataset, self.processes)
        for labels, logits in self._judged(dataset):
            total += self.loss(logits.reshape(len(logits), -1), labels)[0]
            weight += self.loss.weight(labels)
            tally.add(labels, logits)
        total, weight = self.processes.total(np.array([total, weight])).tolist()
        measures = tally.measures()
        return Judgement(total / (weight or 1), measures, aim.choice(measures))

    def _judged(self, dataset: Labelled) -> Iterator[tuple[Array, Array]]:
        """Yield the labels and the logits of this process's part of a data set, a few pictures at a time."""
        mine = self.processes.part(len(dataset))
        known = self._features("validation", dataset) if dataset is self.preparation.validation else None
        if known is not None:
            yield dataset.labels[mine], self.engine.predict_features(known[mine])
            return
        part = dataset.take(np.arange(len(dataset))[mine]) if self.processes.count > 1 else dataset
        for indices, images in part.chunks():
            yield part.labels[indices], self.engine.predict(images, prepare=self.preparation.normalization.apply)

    def model(self) -> Model | Detector:
        """Return a model of the weights as they are now."""
        preparation = self.preparation
        return preparation.aim.model(
            preparation.network,
            _copies(self.engine.named_parameters),
            _copies(self.engine.buffers),
            preparation.class_names,
            preparation.normalization,
            preparation.resize,
            preparation.train.scale,
        )

    def checkpoint(self) -> Checkpoint:
        """Return a checkpoint of this moment; its arrays are the trainer's own."""
        preparation = self.preparation
        return Checkpoint(
            self.engine.named_parameters,
            self.engine.buffers,
            self.engine.state,
            self.progress,
            preparation.configuration,
            str(preparation.network),
            json.dumps(preparation.class_names, ensure_ascii=False),
            preparation.data_digest,
            preparation.source.record if preparation.source else "",
        )

    def restore(self, checkpoint: Checkpoint, folder: RunFolder) -> None:
        """Go on from a checkpoint.

        Raises:
            ArgumentError: it is of another training.
            ModelError: its files are damaged.
        """
        checkpoint.check(self.checkpoint(), folder.checkpoint)
        if checkpoint.progress.batch >= max(self.steps, 1):
            raise ModelError(f"{folder.checkpoint}: has completed {checkpoint.progress.batch} of {self.steps} batches")
        _copy_into(self.engine.named_parameters, checkpoint.parameters)
        _copy_into(self.engine.buffers, checkpoint.buffers)
        _copy_into(self.engine.state, checkpoint.optimizer_state)
        self.progress = checkpoint.progress
        if self.folder is not None:
            self.folder.keep_metrics(self.progress.epoch)
        self.metrics = folder.read_metrics()[: self.progress.epoch]
        if self.progress.best_epoch:
            self.best = load_trainable(folder.model)

    def compare(self) -> str | None:
        """Return the engine's difference from NumPy on a batch, in words; None for NumPy itself."""
        if not self.processes.is_first:
            return None
        batch = self._batch()
        return self.backend.compare(self.engine, batch.images, batch.labels, self.loss)

    def estimate(self) -> Estimate:
        """Return the estimated time of an epoch, from steps on one batch that change nothing."""
        with closing(self._batches(self.processes.part)) as batches:
            batch = next(batches)
        buffers = _copies(self.engine.buffers)
        seconds = []
        for _ in range(2):  # the first takes longer: arrays are made
            begin = time.perf_counter()
            self.compute(batch)
            seconds.append(time.perf_counter() - begin)
        _copy_into(self.engine.buffers, buffers)
        rate = len(batch.labels) / min(seconds)
        return Estimate(len(self.preparation.train) / rate, rate)

    def _stop_not_finite(self, batch: Batch, loss: float) -> NoReturn:
        if not self.processes.is_first:
            self.processes.any(False)  # until the first has looked
            raise OtherProcessError("the loss is no longer finite")
        preparation, progress = self.preparation, self.progress
        step = progress.epoch * self.steps + progress.batch
        finding = examine(self.engine, self._batch().images)
        files = [preparation.train.names[item] for item in batch.items.tolist()]
        report = Divergence(
            epoch=progress.epoch + 1,
            batch=progress.batch + 1,
            loss=loss,
            finding=finding,
            files=tuple(files),
            lr=preparation.configuration.learning_rate(step, self.steps),
            clipped=preparation.configuration.clip_norm is not None,
            default_lr=preparation.optimizer.default_lr,
        )
        if self.folder is not None:
            self.folder.write_text(self.folder.post_mortem, report.json())
        self.processes.any(False)
        raise TrainingError(report.message(self.folder))


def _copies(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: array.copy() for name, array in arrays.items()}


def _copy_into(arrays: Mapping[str, Array], others: Mapping[str, Array]) -> None:
    for name, array in arrays.items():
        array[...] = others[name]


def _finite(loss: float) -> float | None:
    """Return a loss as a number of JSON, which has no infinity."""
    return loss if math.isfinite(loss) else None
