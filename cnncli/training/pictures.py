"""Pictures of a run: curves, confusion matrix, first filters and worst mistakes."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnncli.arrays import Array
from cnncli.data import Dataset
from cnncli.drawing.axes import ChartAxis
from cnncli.drawing.canvas import BLUE, FAINT, GRID, INK, ORANGE, PAPER, Box, Canvas, diverging, text_width
from cnncli.drawing.charts import Curve, draw_chart
from cnncli.models.judging.metrics import Scores, rank_mistakes
from cnncli.models.model import TrainedNetwork
from cnncli.training.rates import RateTest

MOST_MISTAKES = 24
MOST_FILTERS = 96
MOST_MAPS = 1024
_MARGIN, _TITLE = 24, 46
_PALE = (178, 186, 196)
_SERIES = (("train", "training", BLUE), ("val", "validation", ORANGE))


def save_all(folder: Path, drawn: Mapping[str, Canvas | None]) -> list[Path]:
    """Write pictures by the names of their files, and return their paths; one of None is not there afterwards.

    Raises:
        ImageError: a file cannot be written.
    """
    written = []
    for name, canvas in drawn.items():
        if canvas is None:
            (folder / name).unlink(missing_ok=True)
            continue
        canvas.save(folder / name)
        written.append(folder / name)
    return written


def draw_curves(metrics: Sequence[dict[str, Any]], measure: str, title: str) -> Canvas:
    """Draw the loss and a measure from 0 to 1 over the epochs."""
    canvas = Canvas(1000, 420)
    draw_chart(canvas, Box(70, 60, 480, 360), "Loss", _curves(metrics, "loss"))
    draw_chart(canvas, Box(570, 60, 980, 360), title, _curves(metrics, measure), percent=True)
    return canvas


def _curves(metrics: Sequence[dict[str, Any]], measure: str) -> list[Curve]:
    curves = []
    for part, label, colour in _SERIES:
        found = [(line["epoch"], line.get(f"{part}_{measure}")) for line in metrics]
        points = [(epoch, value) for epoch, value in found if value is not None and math.isfinite(value)]
        curves += [Curve(label, colour, points)] if points else []
    return curves


def draw_rates(test: RateTest) -> Canvas:
    """Draw the losses of a test of learning rates, from 0 to twice the first, and the rate that suits."""
    top = 2 * test.losses[0]
    batches, smoothed = (
        [(rate, loss) for rate, loss in zip(test.rates, losses, strict=True) if loss <= top]
        for losses in (test.batch_losses, test.losses)
    )
    curves = [Curve("of each batch", _PALE, batches), Curve("smoothed", BLUE, smoothed)]
    if test.lr is not None:
        curves.append(
            Curve(f"falls fastest at {test.lr:g}", ORANGE, [(test.lr, 0), (test.lr, max(loss for _, loss in batches))])
        )
    canvas = Canvas(760, 420)
    across = ChartAxis.powers(test.rates[0], test.rates[-1])
    draw_chart(canvas, Box(70, 60, 740, 360), "Loss", curves, across=across, below="learning rate")
    return canvas


def draw_confusion(scores: Scores) -> Canvas:
    """Draw the confusion matrix."""
    low, high = scores.accuracy_interval
    words = f"{scores.accuracy:.1%} of {scores.confusion.sum():,} right (95% interval {low:.1%} to {high:.1%})"
    return draw_matrix([one.name for one in scores.per_class], scores.confusion, words, across="predicted", down="true")


def draw_matrix(names: Sequence[str], counts: Array, words: str, *, across: str, down: str) -> Canvas:
    """Draw a confusion matrix with words below its title, and those that say what is in columns and in rows."""
    cell = max(1.0, min(52.0, 640 / len(names)))
    # Of many classes only every second, fifth, ... gets its name.
    named = range(0, len(names), math.ceil(15 / cell))
    label = min(150.0, max(text_width(names[place], 13) for place in named)) + 12
    flat = label <= cell * named.step
    left, top, side = _MARGIN + 26 + label, _TITLE + 48 + (18 if flat else label), cell * len(names)
    canvas = Canvas(max(left + side + 110, 460, text_width(words, 13) + 2 * _MARGIN), top + side + _MARGIN)
    canvas.text(_MARGIN, 18, "Confusion matrix", size=17)
    canvas.text(_MARGIN, _TITLE, words, fill=FAINT)
    canvas.text(left, _TITLE + 24, across, fill=FAINT)
    canvas.upright(_MARGIN + 8, top, down, fill=FAINT)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right = np.eye(len(names), dtype=bool)
    canvas.picture(Box(left, top, left + side, top + side), _shades(shares, right))
    if cell >= 14:
        for row, column in np.argwhere(counts).tolist():
            x, y = left + column * cell, top + row * cell
            _draw_count(canvas, x, y, cell, int(counts[row, column]), float(shares[row, column]))
    canvas.box(Box(left, top, left + side, top + side), outline=FAINT)
    for place in named:
        middle = (place + 0.5) * cell
        canvas.text(left - 8, top + middle, names[place], anchor="rm", room=label)
        if flat:
            canvas.text(left + middle, top - 6, names[place], anchor="ms", room=label)
        else:
            width = min(label, text_width(names[place], 13) + 4)
            canvas.upright(left + middle, top - width - 6, names[place], room=label)
    _draw_scale(canvas, left + side + 24, top, min(side, 160.0))
    return canvas


def _draw_count(canvas: Canvas, x: float, y: float, cell: float, count: int, share: float) -> None:
    size = next((size for size in (14, 12, 10, 8) if text_width(f"{count:,}", size) <= cell - 4), 0)
    if size:
        fill = PAPER if share > 0.55 else INK
        canvas.text(x + cell / 2, y + cell / 2, f"{count:,}", size=size, anchor="mm", fill=fill)


def _draw_scale(canvas: Canvas, x: float, y: float, height: float) -> None:
    shares = np.linspace(1, 0, 40)[:, np.newaxis]
    for place, right in enumerate((True, False)):
        left = x + 16 * place
        canvas.picture(Box(left, y, left + 14, y + height), _shades(shares, np.array(right)))
    canvas.text(x + 36, y, "100%", fill=FAINT)
    canvas.text(x + 36, y + height, "0%", anchor="ls", fill=FAINT)
    canvas.text(x + 36, y + height / 2, "of row", anchor="lm", fill=FAINT)


def _shades(shares: Array, right: Array) -> Array:
    """Return colours from white to blue (right) or orange (wrong), where even small shares show."""
    ends = np.where(right[..., np.newaxis], np.array(BLUE), np.array(ORANGE))
    mixed: Array = np.rint(255 + shares[..., np.newaxis] ** 0.6 * (ends - 255)).astype(np.uint8)
    return mixed


def draw_filters(model: TrainedNetwork) -> Canvas | None:
    """Draw the filters of the first layer that has filters; None where no layer has."""
    found = first_filters(model)
    if found is None:
        return None
    name, filters = found
    shown = filters[:MOST_FILTERS]
    largest = float(np.abs(shown).max())
    coloured = shown.shape[3] == 3
    if coloured:
        tiles = np.rint(127.5 + 127.5 * shown / (largest or 1)).astype(np.uint8)
    else:
        tiles = diverging(shown[..., 0], largest)
    size = f"{filters.shape[1]}x{filters.shape[2]}x{shown.shape[3]}"
    first = f"the first {MOST_FILTERS} of " if len(filters) > MOST_FILTERS else ""
    meaning = "grey is 0, a colour is weighed by its part" if coloured else "white is 0, red above, blue below"
    note = f"{meaning}; full colour is {largest:.3g}"
    return draw_sheet(tiles, f"First-layer filters: {name}, {first}{len(filters)} of {size}", note)


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
    low, high = float(volume.min()), float(volume.max())
    shares = (volume - low) / ((high - low) or 1)
    tiles = np.rint(255 * shares[..., :MOST_MAPS].transpose(2, 0, 1)).astype(np.uint8)
    first = f"the first {MOST_MAPS} of " if volume.shape[2] > MOST_MAPS else ""
    size = f"{first}{volume.shape[2]} of {volume.shape[0]}x{volume.shape[1]}"
    note = f"{size}, all on one scale: black {low:.4g}, white {high:.4g}"
    return draw_sheet(tiles, title, note, side=24 if max(tiles.shape[1:]) == 1 else None)


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
