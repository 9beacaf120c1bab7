"""Accuracy on scikit-learn's 1,797 handwritten digits, by 5-fold cross-validation, beside two of its classifiers.

A small convolutional network on the digits as they are (8x8), LeNet-5 in its form of 1998 on the digits enlarged to
32x32, an RBF support vector classifier and a multilayer perceptron; all on the same folds. Needs scikit-learn.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from cnncli.data import ArrayDataset
from cnncli.training.runs import train

Array = np.ndarray[Any, Any]

SMALL = "conv3-32,same,relu max2 conv3-64,same,relu max2 drop0.3 fc-128,relu fc-10"
PLAIN = {"optimizer": "adam", "schedule": "cosine", "warmup": 0, "label_smoothing": 0}
RECIPES: dict[str, dict[str, Any]] = {
    "small network, 8x8": {
        "network": SMALL,
        "epochs": 40,
        "lr": 0.002,
        "augment": "shift1,rotate:10",
        **PLAIN,
    },
    "LeNet-5 of 1998, 32x32": {
        "network": "lenet5-1998",
        "epochs": 30,
        "lr": 0.002,
        "augment": "shift2,rotate:10",
        **PLAIN,
    },
}
TARGETS = {"small network, 8x8": 0.985, "LeNet-5 of 1998, 32x32": 0.97}


def folds(labels: Array) -> Iterator[tuple[Array, Array]]:
    return StratifiedKFold(5, shuffle=True, random_state=0).split(labels[:, None], labels)


def enlarged(images: Array) -> Array:
    bilinear = Image.Resampling.BILINEAR
    return np.stack([np.asarray(Image.fromarray(image[:, :, 0]).resize((32, 32), bilinear)) for image in images])[
        ..., None
    ]


def dataset(images: Array, labels: Array) -> ArrayDataset:
    return ArrayDataset(images, labels, tuple("0123456789"), "digits")


def network_accuracy(recipe: dict[str, Any], images: Array, labels: Array) -> list[float]:
    found = []
    for learned, held_out in folds(labels):
        run = train(dataset(images[learned], labels[learned]), val=0, seed=0, batch_size=32, **recipe)
        probabilities = run.model.probabilities(images[held_out])
        found.append(float(np.mean(probabilities.argmax(axis=1) == labels[held_out])))
    return found


def classifier_accuracy(make: Callable[[], Any], images: Array, labels: Array) -> list[float]:
    flat = images.reshape(len(images), -1) / 255
    return [make().fit(flat[a], labels[a]).score(flat[b], labels[b]) for a, b in folds(labels)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of a name: measure that alone")
    only = parser.parse_args().only
    digits = load_digits()
    labels = digits.target.astype(np.int64)
    small = np.rint(digits.images[..., None] * (255 / 16)).astype(np.uint8)
    pictures = {"small network, 8x8": small, "LeNet-5 of 1998, 32x32": enlarged(small)}
    peers: dict[str, Callable[[], Any]] = {
        "RBF SVC (scikit-learn)": lambda: SVC(C=10, gamma=0.02),
        "MLP (scikit-learn)": lambda: MLPClassifier(100, max_iter=400, random_state=0),
    }
    for name, recipe in RECIPES.items():
        if only not in name:
            continue
        report(name, lambda recipe=recipe, name=name: network_accuracy(recipe, pictures[name], labels), TARGETS[name])
    for name, make in peers.items():
        if only not in name:
            continue
        report(name, lambda make=make: classifier_accuracy(make, small, labels), None)


def report(name: str, measure: Callable[[], list[float]], target: float | None) -> None:
    begin = time.perf_counter()
    found = measure()
    seconds = (time.perf_counter() - begin) / len(found)
    aim = "" if target is None else f"   target {target:.1%}"
    each = " ".join(f"{accuracy:.2%}" for accuracy in found)
    print(f"{name:26} {np.mean(found):.2%}   folds {each}   {seconds:.1f} s a fold{aim}", flush=True)


if __name__ == "__main__":
    main()
