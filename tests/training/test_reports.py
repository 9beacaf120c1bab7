"""Reports: what they say is what the run and the evaluation say, whatever the names, and they stay small."""

import re
import threading
from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from small_boxes import squares_folder
from small_data import NETWORK, PLAIN, bars, bars_folder

from cnncli import evaluate, evaluate_boxes, load_model, train, write_report
from cnncli.data import ArrayDataset
from cnncli.errors import ImageError
from cnncli.training.reports.thumbnails import mosaic, thumbnail
from cnncli.training.watcher import Watcher

OPTIONS = PLAIN | {"network": NETWORK, "epochs": 3, "jobs": 1}
NAMES = ("<script>alert(1)</script>", "小貓 & قطة", "👨\u200d👩\u200d👧 two\nlines")
HEADINGS = [
    "Epochs",
    "Confusion matrix",
    "Classes",
    "Most wrongly classified",
    "Data",
    "Training",
    "Network",
    "First-layer filters",
    "Features of one image",
    "To repeat it",
    "Environment",
]


class Reader(HTMLParser):
    """A page: its words, and the attributes of its elements."""

    def __init__(self, path):
        super().__init__()
        self.words, self.elements, self.headings, self.inside = [], [], [], ""
        self.html = path.read_text("utf-8")
        self.feed(self.html)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.inside = tag

    def handle_data(self, data):
        self.words.append(" ".join(data.split()))
        if self.inside == "h2" and data.strip():
            self.headings.append(data.strip())

    def pictures(self):
        return [attributes for tag, attributes in self.elements if tag == "img"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "bars"
    data = bars_folder(tmp_path_factory.mktemp("data") / "bars")
    return train(data, output=folder, **OPTIONS), folder, data


def test_a_run_has_all_its_parts(run):
    result, folder, _ = run
    assert result.report == folder / "report.html"
    page = Reader(result.report)
    assert page.headings == HEADINGS
    low, high = result.scores.accuracy_interval
    headline = f"{result.scores.accuracy:.1%} of 6 validation images are right (95% interval {low:.1%} to {high:.1%})."
    assert headline in page.words
    assert f"{result.baselines.nearest_centroid:.1%}" in page.words
    assert page.words.count(f"kept: epoch {result.best_epoch}") == 3
    for line in result.metrics:
        assert {f"{line['train_loss']:.4f}", f"{line['val_loss']:.4f}", f"{line['val_accuracy']:.4f}"} <= set(
            page.words
        )
    assert {str(result.model.network), "36", "4", "adam", "lr 0.001 constant"} & set(page.words) > {"adam"}


def test_its_pictures_are_pictures_with_words(run):
    pictures = Reader(run[0].report).pictures()
    wrong = 6 - int(run[0].scores.confusion.trace())
    assert len(pictures) == wrong + 1 + 1 + 2  # mistakes, filters, an image and two layers' maps
    for picture in pictures:
        assert picture["alt"]
        kind, content = re.fullmatch(r"data:image/(png|jpeg);base64,(.*)", picture["src"]).groups()
        with Image.open(BytesIO(b64decode(content))) as image:
            assert image.format.lower() == kind
            assert np.asarray(image.convert("L")).std() > 0


def test_a_stopped_run_says_what_there_is_and_a_resumed_one_everything(run, tmp_path):
    stop = threading.Event()

    class StopAfterAnEpoch(Watcher):
        def epoch(self, metrics, *, best):
            stop.set()

    folder = tmp_path / "run"
    stopped = train(run[2], output=folder, stop=stop, watcher=StopAfterAnEpoch(), **OPTIONS)
    assert not stopped.done
    page = Reader(stopped.report)
    assert page.headings == [name for name in HEADINGS if name not in HEADINGS[1:4]]
    assert any(words.startswith("Stopped after 1 of 3 epochs") for words in page.words)
    resumed = train(run[2], output=folder, resume=True, jobs=1)
    page = Reader(resumed.report)
    assert page.headings == HEADINGS
    assert f"{resumed.metrics[0]['train_loss']:.4f}" in page.words
    assert (folder / "model.safetensors").read_bytes() == (run[1] / "model.safetensors").read_bytes()


def test_a_run_that_was_stopped_at_once_has_a_report(run, tmp_path):
    stop = threading.Event()
    stop.set()
    stopped = train(run[2], output=tmp_path / "run", stop=stop, **OPTIONS)
    assert "No epoch was completed." in Reader(stopped.report).words


def test_names_of_any_script_are_text(tmp_path):
    pixels, labels = bars()
    data = ArrayDataset(pixels, labels, NAMES, "<b>bold</b>")
    page = Reader(train(data, output=tmp_path / "<i>run", val="0.5", **OPTIONS).report)
    assert not {"script", "b", "i"} & {tag for tag, _ in page.elements}
    for name in NAMES:
        assert page.words.count(" ".join(name.split())) >= 2
    assert "<meta charset" in page.html


def test_without_validation_the_training_images_judge(tmp_path):
    pixels, labels = bars()
    data = ArrayDataset(pixels, labels, ("a", "b", "c"), "bars")
    page = Reader(train(data, output=tmp_path / "run", val="0", **OPTIONS).report)
    assert any("of 60 training images are right" in words for words in page.words)
    assert "validation loss" not in page.words


def test_twenty_epochs_and_a_thousand_validation_pictures_stay_small(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1100, 48, 48, 3), dtype=np.uint8)  # noise: nothing is larger as a file
    data = ArrayDataset(pixels, np.arange(1100) % 100, [f"class {number}" for number in range(100)], "noise")
    run = train(
        data, output=tmp_path / "run", network="conv9-32,s8,relu max2 fc-100", val=str(10 / 11), epochs=20, jobs=2
    )
    assert run.scores.confusion.sum() == 1000
    assert run.report.stat().st_size < 3e6
    page = Reader(run.report)
    assert {"All 100 classes", "The most frequent mistakes"} <= set(page.words)
    assert len(page.pictures()) == 24 + 1 + 3


@pytest.mark.parametrize(("shape", "kind"), [((20, 30, 1), "PNG"), ((300, 400, 3), "JPEG"), ((1, 500, 3), "JPEG")])
def test_thumbnails_are_small_and_keep_their_shape(shape, kind):
    pixels = np.random.default_rng(0).uniform(-5, 260, shape)
    found = thumbnail(pixels, 120)
    with Image.open(BytesIO(found.content)) as image:
        assert image.format == kind
        assert max(image.size) <= 120
        assert found.width == 120
    assert len(found.content) < 30_000


@pytest.mark.parametrize("shape", [(1, 3, 3), (7, 5, 5, 3), (32, 200, 100), (96, 1, 9)])
def test_a_mosaic_holds_every_tile(shape):
    tiles = np.full(shape, 7, np.uint8)
    with Image.open(BytesIO(mosaic(tiles, 40).content)) as image:
        filled = np.asarray(image)[..., 3] > 0
        high, wide = (side * max(1, 40 // max(shape[1:3])) for side in shape[1:3])
        scale = min(1, 40 / max(high, wide))
        assert filled.sum() == shape[0] * round(high * scale) * round(wide * scale)


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    data = squares_folder(tmp_path_factory.mktemp("data") / "squares")
    return data, train(data, output=tmp_path_factory.mktemp("runs") / "squares", epochs=2, jobs=1)


def test_a_detector_has_its_report(boxes):
    _, result = boxes
    page = Reader(result.report)
    assert page.headings == ["Epochs", "Average precision", "Confusion matrix", "Classes",
                             "Images with the most mistakes", *HEADINGS[4:]]  # fmt: skip
    assert f"{result.scores.map:.3f}" in page.words
    assert "boxes of each class" in page.words
    assert any("blue: labelled and missed" in words for words in page.words)


def test_a_detector_without_validation_has_its_report(boxes, tmp_path):
    page = Reader(train(boxes[0], output=tmp_path / "run", val="0", epochs=1, jobs=1).report)
    assert "mAP" not in page.words
    assert any("training images" in words for words in page.words)


def test_an_evaluation_has_its_report(run, tmp_path):
    _, folder, data = run
    found = evaluate(folder, data, part="train")
    write_report(found, tmp_path / "scores.html", model=load_model(folder), title="bars")
    page = Reader(tmp_path / "scores.html")
    assert page.headings == [*HEADINGS[1:4], *HEADINGS[6:9], "Environment"]
    assert any("of 60 images are right" in words for words in page.words)
    assert any("were trained on, and flatter the model" in words for words in page.words)
    with pytest.raises(ImageError, match="exists"):
        write_report(found, tmp_path / "scores.html")
    write_report(found, tmp_path / "scores.html", replace=True)
    assert "First-layer filters" not in Reader(tmp_path / "scores.html").headings


def test_an_evaluation_of_boxes_has_its_report(boxes, tmp_path):
    data, result = boxes
    found = evaluate_boxes(result.report.parent, data)
    write_report(found, tmp_path / "scores.html", model=result.model)
    assert f"{found.scores.map_50:.3f}" in "".join(Reader(tmp_path / "scores.html").words)
