"""Opening a model for a command that uses it, and saying what becomes of images."""

import sys
from typing import TYPE_CHECKING

from cnncli.files.text import printable

if TYPE_CHECKING:
    from cnncli.models.detector import Detector
    from cnncli.models.predictor import PictureModel, Predictor
    from cnncli.models.told import Told


def open_model(
    word: str, told: "Told", *, engine: str = "numpy", device: str = "auto", quiet: bool = False
) -> "Predictor | Detector":
    """Return a model; say on standard error how it takes images, as `say_preprocessing` does."""
    from cnncli.models.opening import load_model

    model = load_model(word, engine, device, told)
    if not quiet:
        say_preprocessing(model, word, told)
    return model


def say_preprocessing(model: "PictureModel", word: str, told: "Told") -> None:
    """Say on standard error how a model takes images, unless they are those that it was trained on here."""
    if model.origin or told.normalization or told.size:
        print(printable(f"cnncli: {model.origin or word}: {model.preprocessing}"), file=sys.stderr)
