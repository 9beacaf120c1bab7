"""Finding the objects of picture files, any number of them."""

import os
import threading
from collections.abc import Iterator, Sequence
from typing import Unpack

from cnncli.data import Reading
from cnncli.models.detector import Detector
from cnncli.models.finding.finder import Search, reading_for
from cnncli.models.finding.options import FindingFields, FindingOptions
from cnncli.models.finding.pipeline import Detection, DetectPipeline
from cnncli.models.finding.sliding.harvesting import MOST, Harvest
from cnncli.models.opening import as_model
from cnncli.models.predictor import AnyPath, Predictor


def detect_files(
    model: Predictor | Detector | AnyPath,
    paths: AnyPath | Sequence[AnyPath],
    *,
    jobs: int | None = None,
    reading: Reading | None = None,
    stop: threading.Event | None = None,
    **options: Unpack[FindingFields],
) -> Iterator[Detection]:
    """Find the objects of picture files, as `cnncli detect` does; a file that cannot be read fails by name.

    Args:
        model: a model, or a word that `load_model` takes: one that was trained on boxes, or a classifier, which slides.
        paths: the files, or their URLs; `-` for standard input. Of several frames, the first counts.
        jobs: threads; None for the machine's cores.
        reading: how pictures are read; None for the model's own way, in their own size.
        stop: when set, no further file is begun.
        options: as in `FindingOptions`, such as `threshold=0.3`.

    Yields:
        A detection for each file, in their order, the same for any number of jobs. A detector takes up to eight
        pictures together: the last digits of a score may depend on the others, because rounding does.

    Raises:
        ModelError: the model cannot be read, or finds nothing in pictures.
        ArgumentError: an option outside of its range, or that does not fit the model.

    Example:
        >>> names = ["digits/7/00.png", "missing.png"]
        >>> for detection in detect_files("runs/digits", names, scales=(1, 1), threshold=0):
        ...     print(detection.error or detection.objects()[0]["width"])
        28.0
        missing.png: no such file
    """
    loaded = as_model(model)
    search = Search(loaded, FindingOptions(**options))
    work = DetectPipeline(search, loaded.class_names, reading or reading_for(loaded))
    yield from work.detections(paths, jobs, stop)


def harvest_files(
    model: Predictor | Detector | AnyPath,
    paths: AnyPath | Sequence[AnyPath],
    folder: AnyPath,
    *,
    most: int = MOST,
    jobs: int | None = None,
    reading: Reading | None = None,
    stop: threading.Event | None = None,
    **options: Unpack[FindingFields],
) -> Iterator[Detection]:
    """Write the windows in which a classifier finds objects in pictures without any, as `cnncli detect --harvest` does.

    They are pictures of the size that it takes, in a folder named after the background's class: a classifier that is
    trained again, on these too, finds less where there is nothing.

    Args:
        model: a classifier, or a word that `load_model` takes.
        paths: the files, as in `detect_files`: pictures that show no object of any class.
        folder: the folder in which that of the background stands, or is made.
        most: the most windows of a picture, the best ones.
        jobs: threads; None for the machine's cores.
        reading: as in `detect_files`.
        stop: when set, no further file is begun.
        options: as in `FindingOptions`.

    Yields:
        A detection for each file, in their order; every box is a false one.

    Raises:
        ModelError: the model cannot be read, or slide.
        ArgumentError: a model that was trained on boxes, a folder that is none, or an option outside of its range.

    Example:
        >>> for detection in harvest_files("runs/digits", "digits/7/00.png", "harvest", scales=(1, 1), threshold=0):
        ...     print(os.listdir("harvest/background"))
        ['00-0-0-28x28-7.png']
    """
    loaded, finding = as_model(model), FindingOptions(**options)
    search, names = Search(loaded, finding), loaded.class_names
    harvest = Harvest.into(os.fspath(folder), search.window, names, background=finding.background, most=most)
    work = DetectPipeline(search, names, reading or reading_for(loaded), harvest=harvest)
    yield from work.detections(paths, jobs, stop)
