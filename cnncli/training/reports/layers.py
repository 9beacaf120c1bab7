"""The part of a report on the network: its layers, its first filters, its maps of one picture."""

import numpy as np

from cnncli.arrays import Array
from cnncli.data.datasets import Pictures
from cnncli.drawing.pages import Page
from cnncli.models.model import TrainedNetwork
from cnncli.networks import Network
from cnncli.shapes import show_shape
from cnncli.training.pictures import MOST_FILTERS, filter_tiles, first_filters, map_tiles
from cnncli.training.reports.classes import short_name
from cnncli.training.reports.thumbnails import mosaic, thumbnail

_FILTER, _MAP, _PICTURE = 44, 56, 168  # pixels of a tile
_MOST_MAPS = 32
_MOST_ROWS = 400


def add_layers(page: Page, network: Network) -> None:
    """Add the table of the layers."""
    summary = network.summary()
    rows = [
        ("\u2003" * row.depth + row.name, row.spec, show_shape(row.output_shape or ()), f"{row.params:,}")
        for row in summary.rows[:_MOST_ROWS]
    ]
    page.heading("Network")
    page.code(str(network))
    with page.block("details"):
        page.element("summary", f"Its layers: {summary.totals.params:,} parameters, {summary.totals.macs:,} MACs")
        page.table(("layer", "word", "output", "parameters"), rows)


def add_filters(page: Page, model: TrainedNetwork) -> None:
    """Add the filters of the first layer that has filters, if there is one."""
    found = first_filters(model)
    if found is None:
        return
    name, filters = found
    tiles, meaning = filter_tiles(filters[:MOST_FILTERS])
    first = f"the first {MOST_FILTERS} of " if len(filters) > MOST_FILTERS else ""
    words = f"{name}: {first}{len(filters)} filters of {show_shape(filters.shape[1:])}"
    page.heading("First-layer filters")
    mosaic(tiles, _FILTER).put(page, words, words, meaning)


def add_features(page: Page, model: TrainedNetwork, pictures: Pictures) -> None:
    """Add what the first layer and the last one with maps make of the first of some pictures."""
    pixels = pictures.images([0])
    maps = _maps(model, pixels)
    if not maps:
        return
    page.heading("Features of one image")
    with page.block("div", class_="features"):
        thumbnail(pixels[0], _PICTURE).put(page, "the image", "the image", short_name(pictures.names[0]))
        for word, volume in maps.items():
            tiles, meaning = map_tiles(volume[..., :_MOST_MAPS])
            first = f"the first {_MOST_MAPS} of " if volume.shape[2] > _MOST_MAPS else ""
            words = f"after {word}: {first}{volume.shape[2]} maps of {show_shape(volume.shape[:2])}"
            mosaic(tiles, _MAP).put(page, words, words, meaning)


def _maps(model: TrainedNetwork, pixels: Array) -> dict[str, Array]:
    """Return the maps (H, W, C) of the first word of a network, and of the last one that has maps."""
    found = {}
    words = model.network.layers.unrolled
    for name, output in model.engine().activations(model.normalization.apply(pixels)):
        place = int(name.split(".")[0])
        if output.ndim == 4 and min(output.shape[1:3]) > 1 and place < len(words):
            found[place] = output[0]  # the last output of a word is that of the whole word
    ends = sorted({min(found), max(found)}) if found else []
    return {f"{words[place].label}": np.asarray(found[place]) for place in ends}
