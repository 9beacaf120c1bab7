"""The sheet of a batch shows what the network is fed."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from small_boxes import layers, squares_folder
from small_data import bars_dataset

from cnncli.data import ArrayDataset
from cnncli.data.boxes.boxes import NO_BOX
from cnncli.drawing import boxes
from cnncli.errors import ArgumentError
from cnncli.training import sheets
from cnncli.training.batches import make_batches
from cnncli.training.configuration import Configuration
from cnncli.training.preparing.preparation import prepare
from cnncli.training.sheets import batch_sheet

RNG = np.random.default_rng(0)


def dataset(count=40, shape=(8, 8, 3), dtype=np.uint8, scale="bytes"):
    pixels = RNG.integers(0, 256, (count, *shape)).astype(dtype)
    return ArrayDataset(pixels, np.arange(count) % 2, ("even", "odd"), "patches", scale)


@pytest.fixture
def shown(monkeypatch):
    """The labels and pictures that are put on sheets."""
    found = []
    put = sheets.Sheet.put

    def spy(self, number, pixels, **options):
        found.append((self._labels[number], pixels))
        put(self, number, pixels, **options)

    monkeypatch.setattr(sheets.Sheet, "put", spy)
    return found


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_and_labels_are_those_of_the_data(shown, channels):
    data = dataset(shape=(8, 8, channels))
    batch_sheet(data, batch_size=16, augment="none")
    assert len(shown) == 16
    known = {data.images([item])[0].squeeze().tobytes(): data.class_names[data.labels[item]] for item in range(40)}
    assert [known[pixels.tobytes()] for _, pixels in shown] == [label for label, _ in shown]


def test_augmentations_are_seen(shown):
    data, options = bars_dataset(60), {"augment": "shift:3,brightness:50%", "batch_size": 8, "seed": 5}
    batch_sheet(data, **options)
    preparation = prepare(Configuration(**options), data)
    fed = next(make_batches(preparation, 0)).images
    normalized = preparation.normalization.apply(np.stack([pixels[..., np.newaxis] for _, pixels in shown]))
    assert np.abs(normalized - fed).max() < 0.01
    plain = {data.images([item]).tobytes() for item in range(60)}
    assert not all(np.ascontiguousarray(pixels).tobytes() in plain for _, pixels in shown)


def test_pictures_are_resized(shown, tmp_path):
    for number in range(12):
        folder = tmp_path / f"class{number % 2}"
        folder.mkdir(exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (10 + number, 20, 3), np.uint8)).save(folder / f"{number}.png")
    batch_sheet(tmp_path, size="6x9", val="0")
    assert {pixels.shape for _, pixels in shown} == {(6, 9, 3)}
    assert {label for label, _ in shown} == {"class0", "class1"}


def test_no_more_than_fit(shown):
    assert batch_sheet(dataset(200), batch_size=150).shape[2] == 3
    assert len(shown) == sheets.MOST


def test_numbers_without_a_scale_are_stretched(shown):
    batch_sheet(dataset(dtype=np.float32, scale="raw"), batch_size=64, val="0")
    pixels = np.stack([each for _, each in shown])
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_other_channels_are_refused():
    with pytest.raises(ArgumentError, match="have 4 channels: a sheet shows pictures of 1 or 3"):
        batch_sheet(dataset(shape=(8, 8, 4)))


class TestBoxes:
    OPTIONS: ClassVar = {"network": layers(), "val": "0", "batch_size": 8, "augment": "flip,shift:3"}

    @pytest.fixture
    def drawn(self, shown, monkeypatch, tmp_path):
        """Draw the sheet of a batch; return the names of its boxes beside what is put on it, and its batch."""
        named = []
        add = boxes._Labels.add
        monkeypatch.setattr(
            boxes._Labels, "add", lambda self, name, *rest: (named.append(name), add(self, name, *rest))
        )

        def draw(data, **options):
            options = self.OPTIONS | options
            batch_sheet(data, **options)
            batch = next(make_batches(prepare(Configuration(**options), data), 0))
            return named, batch

        return draw

    @pytest.mark.parametrize("size", [(32, 32), (40, 24), (400, 400)])
    def test_moved_boxes_are_drawn_with_their_names(self, shown, drawn, tmp_path, size):
        data = squares_folder(tmp_path / "squares", 8, size=size)
        named, batch = drawn(data, size=size)
        rows = batch.labels[batch.labels[..., 0] != NO_BOX]
        assert sorted(named) == sorted(("green", "red")[int(row[0])] if row[0] >= 0 else "ignored" for row in rows)
        train = prepare(Configuration(**self.OPTIONS), data).train
        assert [title for title, _ in shown] == [Path(train.names[item]).name for item in batch.items]
        scale = shown[0][1].shape[0] / size[0]
        assert (scale > 1) == (size[0] < 100)
        for (_, pixels), labels in zip(shown, batch.labels, strict=True):
            for label, x, y, width, height in labels[labels[:, 0] >= 0].tolist():
                edges = [
                    pixels[round(scale * (y + height / 2)) - 1, edge_of(scale * at, pixels.shape[1])]
                    for at in (x, x + width)
                ]
                assert any(near(edge, boxes.class_colour(int(label))) for edge in edges), (label, edges)

    def test_crowds_have_no_class(self, drawn, tmp_path):
        data = squares_folder(tmp_path / "squares", 8)
        text = (data / "boxes.csv").read_text().splitlines()
        table = [f"{text[0]},crowd", *(f"{line},{int(line.split(',')[1] == 'red')}" for line in text[1:])]
        (data / "boxes.csv").write_text("\n".join(table))
        named, _ = drawn(data, augment="none")
        assert set(named) == {"green", "ignored"}

    def test_grey_pictures_have_coloured_boxes(self, shown, drawn, tmp_path):
        drawn(squares_folder(tmp_path / "grey", 8, grey=True))
        assert any(np.ptp(pixels, axis=2).max() > 100 for _, pixels in shown)


def edge_of(place, size):
    """The columns near an edge of a box."""
    return slice(max(0, round(place) - 2), min(size, round(place) + 2))


def near(pixels, colour):
    return bool((np.abs(pixels.astype(int) - colour).sum(axis=-1) < 12).any())
