"""Measure what going on from a model gains over beginning with random weights, on few pictures.

Run `python benchmarks/finetuning.py DATA`, with data that has a test part: a folder with train/ and test/, an .npz, or
MNIST's or CIFAR-10's files. A network is trained on the first half of the classes, and goes on with a few pictures of
each of the others, in several ways, for the same number of epochs. Accuracies are those of the last epoch on the test
part's pictures of these classes, with 95 % intervals of the mean over seeds (Student's t); a seed chooses the pictures,
too.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `cnncli` does

import argparse
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from cnncli.data import Dataset, Subset, open_dataset
from cnncli.training.runs import train

NETWORK = "conv3-32,same,bn,relu max2 conv3-64,same,bn,relu max2 conv3-128,same,bn,relu gap fc-{},softmax"

WAYS: dict[str, dict[str, Any]] = {
    "from nothing": {},
    "from nothing, ten times the rate": {"lr": 0.01},
    "--from": {"source": ""},
    "--from --freeze 3": {"source": "", "freeze": 3},
    "--from --freeze all": {"source": "", "freeze": "all"},
}
RATES: dict[str, dict[str, Any]] = {
    f"--from --lr {lr} --head-lr {head_lr}": {"source": "", "lr": lr, "head_lr": head_lr}
    for lr in (0.001, 0.0003, 0.0001)
    for head_lr in (0.001, 0.01)
}


def of_classes(dataset: Dataset, names: Sequence[str], count: int | None = None, seed: int = 0) -> Dataset:
    """Return the items of some classes, or so many of each, chosen at random."""
    rng, chosen = np.random.default_rng(seed), []
    for name in names:
        items = np.flatnonzero(dataset.labels == dataset.class_names.index(name))
        chosen.append(items if count is None else np.sort(rng.choice(items, count, replace=False)))
    return Subset(dataset, np.concatenate(chosen)).with_classes(names)


def accuracy(train_part: Dataset, test_part: Dataset, **options: Any) -> float:
    """Train without validation, and return the accuracy of the last epoch on the test part."""
    model = train(train_part, val="0", **options).model
    return float((model.classify(test_part).argmax(axis=1) == test_part.labels).mean())


def interval(values: Sequence[float]) -> str:
    """Return a mean and its 95 % interval, in percent."""
    mean, spread = np.mean(values), stats.sem(values) * stats.t.ppf(0.975, len(values) - 1)
    return f"{100 * mean:5.1f} +- {100 * spread:4.1f}"


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--network", default=NETWORK, help="a name, or a text with {} for the number of classes")
    parser.add_argument("--images", type=int, default=40, help="of each class")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--source-epochs", type=int, default=20)
    parser.add_argument("--augment", default="")
    parser.add_argument("--size", type=int)
    parser.add_argument("--rates", action="store_true", help="compare rates of the body instead of ways")
    words = parser.parse_args()
    parts = open_dataset(words.data, size=words.size and (words.size, words.size))
    names = parts.train.class_names
    known, new = names[: len(names) // 2], names[len(names) // 2 :]
    assert parts.test is not None
    test = of_classes(parts.test, new)
    common: dict[str, Any] = {"augment": words.augment, "schedule": "cosine", "optimizer": "adam"}
    common |= {"warmup": 0, "label_smoothing": 0}
    ways = RATES if words.rates else WAYS
    found: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        begin = of_classes(parts.train, known)
        print(
            f"{words.network}: {words.source_epochs} epochs on {len(begin):,} pictures of {', '.join(known)}",
            flush=True,
        )
        train(
            begin,
            output=folder,
            network=words.network.format(len(known)),
            epochs=words.source_epochs,
            val="0",
            force=True,
            **common,
        )
        for seed in range(words.seeds):
            few = of_classes(parts.train, new, words.images, seed)
            for name, way in ways.items():
                start = {"source": folder} if "source" in way else {"network": words.network.format(len(new))}
                found[name].append(accuracy(few, test, epochs=words.epochs, seed=seed, **{**common, **way, **start}))
                print(f"  seed {seed}, {name}: {found[name][-1]:.1%}", flush=True)
    first = next(iter(found.values()))
    print(f"{words.epochs} epochs on {words.images} pictures of each of {', '.join(new)}; {words.seeds} seeds")
    for name, values in found.items():
        gain = np.subtract(values, first)
        print(f"{name:42} {interval(values)} %" + (f"   gain {interval(gain)}" if gain.any() else ""))


if __name__ == "__main__":
    main()
