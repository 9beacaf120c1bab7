"""Pictures of a run: curves, confusion matrix, first filters and worst mistakes."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnncli.arrays import Array
from cnncli.data import Dataset
from cnncli.drawing.axes import ChartAxis
from cnncli.drawing.canvas import FAINT, GRID, INK, ORANGE, Box, Canvas, diverging, text_width
from cnncli.drawing.svg.charts import Area, Curve, Mark, line_chart
from cnncli.drawing.svg.document import Point, Svg
from cnncli.drawing.svg.matrices import draw_matrix
from cnncli.models.judging.metrics import Scores, rank_mistakes
from cnncli.models.model import TrainedNetwork
from cnncli.shapes import show_shape
from cnncli.training.rates import RateTest

MOST_MISTAKES = 24
MOST_FILTERS = 96
MOST_MAPS = 1024
_MARGIN, _TITLE = 24, 46
_MOST_POINTS = 1000  # of a curve

Drawn = Canvas | Svg


def save_all(folder: Path, drawn: Mapping[str, Drawn | None]) -> list[Path]:
    """Write pictures by the names of their files, and return their paths; one of None is not there afterwards.

    Raises:
        ImageError: a file cannot be written.
    """
    written = []
    for name, drawing in drawn.items():
        if drawing is None:
            (folder / name).unlink(missing_ok=True)
            continue
        drawing.save(folder / name)
        written.append(folder / name)
    return written


def draw_curves(metrics: Sequence[dict[str, Any]], measure: str, title: str, kept: int) -> Svg:
    """Draw the loss and a measure from 0 to 1 over the epochs, with a mark at the one that was kept; 0 for none."""
    svg = Svg(1000, 420, title=f"Loss and {title} over the epochs")
    line_chart(svg, Area(0, 0, 500, 420), part_curves(metrics, "loss"), title="Loss", mark=kept_mark(kept))
    curves = part_curves(metrics, measure)
    line_chart(svg, Area(500, 0, 1000, 420), curves, title=title, percent=True, mark=kept_mark(kept))
    return svg


def kept_mark(epoch: int) -> Mark | None:
    """Return the mark of the epoch that was kept; 0 for none."""
    return Mark(epoch, f"kept: epoch {epoch}") if epoch else None


def part_curves(metrics: Sequence[dict[str, Any]], measure: str) -> list[Curve]:
    """Return the curves of a measure over the epochs, of training and of validation; of many epochs some."""
    curves = []
    for part, label in (("train", "training"), ("val", "validation")):
        found = [(float(line["epoch"]), line.get(f"{part}_{measure}")) for line in metrics]
        points = [(epoch, value) for epoch, value in found if value is not None and math.isfinite(value)]
        curves += [Curve(label, thinned(points))] if points else []
    return curves


def thinned(points: Sequence[Point]) -> Sequence[Point]:
    """Return points at equal distances where there are too many to be seen, with the last."""
    step = math.ceil(len(points) / _MOST_POINTS)
    return points if step <= 1 else [*points[:-1:step], points[-1]]


def draw_rates(test: RateTest) -> Svg:
    """Draw the losses of a test of learning rates, from 0 to twice the first, and the rate that suits."""
    top = 2 * test.losses[0]
    batches, smoothed = (
        [(rate, loss) for rate, loss in zip(test.rates, losses, strict=True) if loss <= top]
        for losses in (test.batch_losses, test.losses)
    )
    curves = [Curve("of each batch", batches, "line-5"), Curve("smoothed", smoothed, "line-1")]
    mark = None if test.lr is None else Mark(test.lr, f"falls fastest at {test.lr:g}")
    svg = Svg(760, 420, title="Loss over learning rates")
    across = ChartAxis.powers(test.rates[0], test.rates[-1])
    line_chart(svg, Area(0, 0, 760, 420), curves, title="Loss", across=across, below="learning rate", mark=mark)
    return svg


def draw_confusion(scores: Scores, *, titled: bool = True) -> Svg:
    """Draw the confusion matrix, with its title where there is none above it."""
    low, high = scores.accuracy_interval
    note = f"{scores.accuracy:.1%} of {scores.confusion.sum():,} right (95% interval {low:.1%} to {high:.1%})"
    names, counts, title = [one.name for one in scores.per_class], scores.confusion.tolist(), "Confusion matrix"
    return draw_matrix(names, counts, title=title, note=note, across="predicted", down="true", titled=titled)


def draw_filters(model: TrainedNetwork) -> Canvas | None:
    """Draw the filters of the first layer that has filters; None where no layer has."""
    found = first_filters(model)
    if found is None:
        return None
    name, filters = found
    tiles, note = filter_tiles(filters[:MOST_FILTERS])
    first = f"the first {MOST_FILTERS} of " if len(filters) > MOST_FILTERS else ""
    size = show_shape(filters.shape[1:])
    return draw_sheet(tiles, f"First-layer filters: {name}, {first}{len(filters)} of {size}", note)


def filter_tiles(filters: Array) -> tuple[Array, str]:
    """Return filters (number, f_h, f_w, 1 or 3) as tiles of bytes, and what their colours mean."""
    largest = float(np.abs(filters).max())
    if filters.shape[3] == 3:
        tiles = np.rint(127.5 + 127.5 * filters / (largest or 1)).astype(np.uint8)
        return tiles, f"grey is 0, a colour is weighed by its part; full colour is {largest:.3g}"
    return diverging(filters[..., 0], largest), f"white is 0, red above, blue below; full colour is {largest:.3g}"


def first_filters(model: TrainedNetwork) -> tuple[str, Array] | None:
    """Return the name of the first layer with weights on pixels, and its filters (number, f_h, f_w, C).

    The weights of each output of a fully connected layer are a filter of the picture's size. With other than one or
    three channels, each channel of a filter becomes a filter of its own.
    """
    height, width, channels = model.input_shape
    for name, weight in model.parameters.items():
        if not name.endswith(".weight"):
            continue
        if weight.ndim == 4:
            filters = weight.transpose(3, 0, 1, 2)
        elif weight.ndim == 2 and len(weight) == height * width * channels:
            filters = weight.T.reshape(-1, height, width, channels)
        else:
            continue
        if filters.shape[3] not in (1, 3):
            filters = filters.transpose(0, 3, 1, 2).reshape(-1, *filters.shape[1:3], 1)
        return name.removesuffix(".weight"), filters
    return None


def draw_features(maps: Array, title: str) -> Canvas:
    """Draw a layer's output for a picture as a contact sheet: a tile for each channel, on one scale.

    The maps are (H, W, C), or (N,) numbers that each become a tile.
    """
    volume = maps if maps.ndim == 3 else maps[np.newaxis, np.newaxis]
    tiles, meaning = map_tiles(volume)
    first = f"the first {MOST_MAPS} of " if volume.shape[2] > MOST_MAPS else ""
    note = f"{first}{volume.shape[2]} of {volume.shape[0]}x{volume.shape[1]}, {meaning}"
    return draw_sheet(tiles[:MOST_MAPS], title, note, side=24 if max(tiles.shape[1:]) == 1 else None)


def map_tiles(volume: Array) -> tuple[Array, str]:
    """Return maps (H, W, C) as tiles of bytes (C, H, W), and what their greys mean."""
    low, high = float(volume.min()), float(volume.max())
    shares = (volume - low) / ((high - low) or 1)
    tiles = np.rint(255 * shares.transpose(2, 0, 1)).astype(np.uint8)
    return tiles, f"all on one scale: black {low:.4g}, white {high:.4g}"


def draw_sheet(tiles: Array, title: str, note: str, *, side: float | None = None) -> Canvas:
    """Draw numbered tiles (number, h, w) or (number, h, w, 3) of bytes in rows, with a note below the title.

    A tile's longer edge has `side` pixels; None for a whole multiple of its own near 64, or near 32 for many tiles.
    """
    high, wide = tiles.shape[1:3]
    scale = (side or _near(64 if len(tiles) <= 256 else 32, max(high, wide))) / max(high, wide)
    width, height, gap = wide * scale, high * scale, 8
    columns = min(
        len(tiles), max(4, math.ceil(math.sqrt(len(tiles) * height / width))), int(1500 // (width + gap)) or 1
    )
    rows = math.ceil(len(tiles) / columns)
    needed = max(columns * (width + gap), text_width(title, 17), text_width(note, 13)) + 2 * _MARGIN
    canvas = Canvas(needed, _TITLE + 28 + rows * (height + gap + 13) + _MARGIN)
    canvas.text(_MARGIN, 18, title, size=17)
    canvas.text(_MARGIN, _TITLE, note, fill=FAINT)
    for number, tile in enumerate(tiles):
        x = _MARGIN + number % columns * (width + gap)
        y = _TITLE + 28 + number // columns * (height + gap + 13)
        box = Box(x, y, x + width, y + height)
        canvas.picture(box, tile)
        canvas.box(Box(x - 0.5, y - 0.5, x + width + 0.5, y + height + 0.5), outline=GRID)
        canvas.text(x, y + height + 2, str(number), size=10, fill=FAINT)
    return canvas


def _near(wanted: int, pixels: int) -> int:
    """Return the whole multiple of a number of pixels that is near a size, at most 224 where there are more."""
    return pixels * max(1, round(wanted / pixels)) if pixels <= 224 else 224


def draw_mistakes(dataset: Dataset, probabilities: Array, class_names: Sequence[str]) -> Canvas:
    """Draw the misclassified pictures, the most confident mistakes first."""
    ranked = rank_mistakes(dataset.labels, probabilities).tolist()
    worst, wrong = ranked[:MOST_MISTAKES], len(ranked)
    tile, columns, line = 112, 6, 16
    width = 2 * _MARGIN + columns * (tile + 24)
    rows = math.ceil(len(worst) / columns)
    canvas = Canvas(width, _TITLE + 34 + rows * (tile + 3 * line + 20) + _MARGIN)
    canvas.text(_MARGIN, 18, "Most wrongly classified", size=17)
    words = f"{wrong:,} of {len(dataset):,} pictures are wrong" if wrong else f"all {len(dataset):,} pictures are right"
    canvas.text(_MARGIN, _TITLE, words, fill=FAINT)
    for number, item in enumerate(worst):
        x = _MARGIN + number % columns * (tile + 24)
        y = _TITLE + 34 + number // columns * (tile + 3 * line + 20)
        _draw_item(canvas, dataset, item, x, y, tile)
        said = int(probabilities[item].argmax())
        truth, name = class_names[int(dataset.labels[item])], "/".join(Path(dataset.names[item]).parts[-2:])
        captions = [(f"is {truth}", INK), (f"{probabilities[item, said]:.0%} for {class_names[said]}", ORANGE)]
        for place, (text, fill) in enumerate([*captions, (name, FAINT)]):
            canvas.text(x, y + tile + 4 + place * line, text, size=12, fill=fill, room=tile + 16)
    return canvas


def _draw_item(canvas: Canvas, dataset: Dataset, item: int, x: float, y: float, tile: float) -> None:
    pixels = np.clip(np.rint(dataset.images([item])[0]), 0, 255).astype(np.uint8)
    pixels = pixels if pixels.shape[2] == 3 else pixels[:, :, 0]
    high, wide = pixels.shape[:2]
    scale = tile / max(high, wide)
    left, top = x + (tile - wide * scale) / 2, y + (tile - high * scale) / 2
    canvas.picture(Box(left, top, left + wide * scale, top + high * scale), pixels)
    canvas.box(Box(x, y, x + tile, y + tile), outline=GRID)
