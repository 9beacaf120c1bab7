"""Predicting the classes of picture files, any number of them, a few at a time."""

import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from math import prod
from typing import BinaryIO, NamedTuple

import numpy as np

from cnncli.batch import STANDARD
from cnncli.errors import CnncliError, one_line
from cnncli.training.datasets import Reading, read_picture
from cnncli.training.model import Array, Model

MOST_AT_ONCE = 128
"""Pictures that go through the network together."""

_BATCH_BYTES = 16 << 20


class Prediction(NamedTuple):
    """What a model says of a picture.

    Attributes:
        input: the file.
        probabilities: (classes,), in the order of the model's; None where it failed.
        error: one line where it failed.
    """

    input: str
    probabilities: Array | None
    error: str | None = None

    def top(self, count: int, class_names: Sequence[str]) -> list[tuple[str, float]]:
        """Return the likeliest classes and their probabilities.

        Example:
            >>> Prediction("a.png", np.array([0.25, 0.75])).top(1, ("cat", "dog"))
            [('dog', 0.75)]
        """
        if self.probabilities is None:
            return []
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(class_names[place], float(self.probabilities[place])) for place in order.tolist()]


def predict_files(
    model: Model,
    paths: Sequence[str],
    *,
    jobs: int = 1,
    reading: Reading | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Prediction]:
    """Yield what a model says of picture files, in their order; one that cannot be read fails by name.

    While a batch goes through the network, threads read the next: no more pictures than those of two batches are in
    memory, however many files there are.

    Args:
        model: the model.
        paths: the files; `-` for standard input.
        jobs: threads that read, and that compute.
        reading: how pictures are read; None for the model's own way.
        stop: when set, no further batch is begun.

    Example:
        >>> from cnncli.training.model import load_model
        >>> for prediction in predict_files(load_model("runs/digits"), ["seven.png"]):  # doctest: +SKIP
        ...     print(prediction.top(1, model.class_names))
    """
    reading = reading or model.reading()
    size = max(1, min(MOST_AT_ONCE, _BATCH_BYTES // (4 * prod(model.input_shape))))
    batches = [paths[start : start + size] for start in range(0, len(paths), size)]
    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(_read, path, reading) for path in batches[0]] if batches else []
        try:
            for number, batch in enumerate(batches):
                if stop is not None and stop.is_set():
                    break
                found = [future.result() for future in waiting]
                following = batches[number + 1] if number + 1 < len(batches) else ()
                waiting = [pool.submit(_read, path, reading) for path in following]
                yield from _predict(model, batch, found, jobs)
        finally:  # also where nobody asks for more
            for future in waiting:
                future.cancel()


def _read(path: str, reading: Reading) -> Array | str:
    """Return a file's picture, or what is wrong with it in a line."""
    try:
        return read_picture(_open(path), reading)
    except MemoryError:
        return f"{one_line(path)}: does not fit into memory"
    except (CnncliError, OSError) as error:
        reason = one_line((isinstance(error, OSError) and error.strerror) or str(error))
        named = path == STANDARD or reason.startswith(one_line(path))
        return reason if named else f"{one_line(path)}: {reason}"
    except Exception as error:  # a mistake in this program over one file must not stop thousands of others
        return f"{one_line(path)}: unexpected {type(error).__name__}: {one_line(str(error))}"


def _open(path: str) -> str | BinaryIO:
    if path != STANDARD:
        return path
    stream = BytesIO(sys.stdin.buffer.read() if sys.stdin else b"")
    stream.name = "standard input"
    return stream


def _predict(model: Model, paths: Sequence[str], found: Sequence[Array | str], jobs: int) -> Iterator[Prediction]:
    pictures = [picture for picture in found if not isinstance(picture, str)]
    # Pictures of one file type may be bytes, of another floating point: together they are floating point.
    rows: Iterator[Array] = iter(model.probabilities(np.stack(pictures), jobs) if pictures else ())
    for path, picture in zip(paths, found, strict=True):
        if isinstance(picture, str):
            yield Prediction(path, None, picture)
            continue
        row = next(rows)
        if np.isfinite(row).all():
            yield Prediction(path, row)
        else:
            yield Prediction(path, None, f"{one_line(path)}: the model gives no finite probabilities for it")
