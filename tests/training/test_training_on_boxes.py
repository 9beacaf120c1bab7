"""Training on boxes: it learns, whatever the data are like, and says what it does."""

import json

import numpy as np
import pytest
from drawings import drawn_size
from PIL import Image
from small_boxes import PLAIN, layers, save, squares, squares_folder
from small_data import bars_dataset

from cnncli.data.boxes.opening import open_boxes
from cnncli.engines.detection.grid import RARE
from cnncli.errors import ArgumentError, DataError
from cnncli.models.detector import Detector
from cnncli.models.model import save_model
from cnncli.models.opening import load_model
from cnncli.models.safetensors import read_tensors
from cnncli.training.batches import make_batches
from cnncli.training.configuration import Configuration, read_configuration
from cnncli.training.preparing.preparation import prepare
from cnncli.training.rates import find_learning_rate
from cnncli.training.run_folder import PICTURES
from cnncli.training.runs import train
from cnncli.training.trainer import Trainer
from cnncli.training.watcher import Watcher

OPTIONS = PLAIN | {"network": layers(), "val": "0.2", "jobs": 1}
FIELDS = ["epoch", "train_loss", "val_loss", "val_map", "val_map_50", "lr", "seconds", "images_per_second"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pictures of red and of green squares."""
    return squares_folder(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A training until its end, and its folder."""
    folder = tmp_path_factory.mktemp("runs") / "squares"
    return train(data, output=folder, epochs=20, **OPTIONS), folder


def prepared(data, **options):
    options = OPTIONS | options
    return prepare(Configuration(**{name: value for name, value in options.items() if name != "jobs"}), data)


class TestRun:
    def test_it_learns(self, run):
        result, _ = run
        assert result.done
        assert isinstance(result.model, Detector)
        assert result.scores.map_50 > 0.8
        assert result.metrics[-1]["train_loss"] < result.metrics[0]["train_loss"] / 4
        assert (result.chosen_by, result.judged_by, result.baselines) == ("mAP", "validation", None)

    def test_its_model_is_that_of_the_best_epoch(self, run, data):
        result, folder = run
        measures = [line["val_map"] for line in result.metrics]
        assert measures[result.best_epoch - 1] == max(measures)
        assert result.scores.map == pytest.approx(max(measures), abs=1e-3)
        assert load_model(folder).find_all(open_boxes(data).train)[0].labels.size > 0

    def test_its_metrics_are_those_of_boxes(self, run):
        result, folder = run
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        assert [list(line) for line in lines] == [FIELDS] * 20
        assert lines == list(result.metrics)

    def test_its_file_says_what_it_finds(self, run):
        _, metadata = read_tensors(run[1] / "model.safetensors")
        assert metadata["cnncli.finds"] == "boxes"
        assert json.loads(metadata["cnncli.classes"]) == ["green", "red"]
        model = load_model(run[1])
        assert model.class_names == ("green", "red")
        assert model.grid.cells == (8, 8)

    def test_its_pictures_are_drawn_and_removed_with_it(self, run, data, tmp_path):
        result, folder = run
        names = [path.name for path in result.pictures]
        assert {"curves.svg", "precision.svg", "confusion.svg", "filters.png"} <= set(names) <= set(PICTURES)
        assert all((folder / name).stat().st_size > 1000 for name in names)
        other = tmp_path / "run"
        other.mkdir()
        for name in PICTURES:
            (other / name).write_bytes(b"of another run")
        drawn = train(data, output=other, epochs=1, **OPTIONS).pictures
        assert [path.name for path in drawn] == [
            "curves.svg",
            "precision.svg",
            "confusion.svg",
            "worst.png",
            "filters.png",
        ]
        assert not (other / "mistakes.png").exists()
        assert all(min(drawn_size(path)) > 99 for path in drawn)

    def test_its_configuration_trains_the_same_again(self, run, data):
        recorded = read_configuration(run[1] / "config.toml")
        assert (recorded.pop("data"), recorded["network"], recorded["size"]) == (str(data), layers(), "32x32")
        again = train(data, jobs=1, **recorded)
        for name, array in run[0].model.parameters.items():
            assert np.array_equal(again.model.parameters[name], array)


def test_the_first_outputs_say_that_objects_are_rare(data):
    preparation = prepared(data)
    with Trainer(preparation, jobs=1) as trainer:
        images = preparation.normalization.apply(preparation.train.images(range(4)))
        outputs = trainer.engine.predict(images)
    assert np.allclose(1 / (1 + np.exp(-outputs[..., 0])), RARE, rtol=0.3)
    assert np.abs(outputs[..., 1:3]).max() < 0.3
    sides = np.exp(outputs[..., 3:5]) * 4
    assert 8 < sides.min() < sides.max() < 16


@pytest.mark.parametrize("jobs", [2, 3])
def test_any_number_of_jobs_gives_the_same_bits(data, run, jobs):
    other = train(data, **OPTIONS | {"jobs": jobs}, epochs=2)
    alone = train(data, **OPTIONS, epochs=2)
    assert [line["val_map_50"] for line in other.metrics] == [line["val_map_50"] for line in alone.metrics]
    for name, array in alone.model.parameters.items():
        assert np.array_equal(other.model.parameters[name], array)


class TestOptions:
    def test_early_stop_waits_for_a_better_map(self, data):
        run = train(data, **OPTIONS, epochs=60, early_stop=3)
        assert run.done
        assert len(run.metrics) == run.best_epoch + 3 < 60

    @pytest.mark.parametrize("val", ["0.25", "0", None])
    def test_a_share_to_validate_by(self, data, val):
        preparation = prepared(data, val=val)
        held_out = {"0.25": 10, "0": 0, None: 4}[val]
        assert len(preparation.train) == 40 - held_out
        assert (0 if preparation.validation is None else len(preparation.validation)) == held_out
        if val == "0":
            run = train(data, **OPTIONS | {"val": "0"}, epochs=2)
            assert (run.judged_by, run.best_epoch) == ("train", 2)
            assert run.metrics[0]["val_map_50"] is run.metrics[0]["val_loss"] is None

    def test_other_data_to_validate_by(self, data, tmp_path):
        pixels, boxes = squares(12, size=(20, 36), seed=5)
        boxes[0] = [("yellow", 1, 1, 9, 9)]
        save(tmp_path / "val", np.repeat(pixels[..., :1], 3, axis=3), boxes)
        preparation = prepared(data, val=str(tmp_path / "val"))
        assert (len(preparation.train), len(preparation.validation)) == (40, 12)
        assert preparation.validation.shape == (32, 32, 3)
        assert preparation.validation.class_names == ("green", "red")
        [finding] = [finding for finding in preparation.findings if finding.kind == "unknown class"]
        assert "yellow" in finding.message

    def test_other_data_may_not_be_a_test_part_or_the_training_pictures(self, data, tmp_path):
        for part in ("train", "test"):
            squares_folder(tmp_path / "parts" / part, 6, seed=9 + (part == "test"))
        with pytest.raises(DataError, match="has a training and a test part, but none to validate by"):
            prepared(data, val=str(tmp_path / "parts"))
        [finding] = prepared(data, val=str(data)).findings
        assert finding.kind == "duplicate"

    def test_parts_of_the_data(self, tmp_path):
        for seed, part in enumerate(("train", "val", "test")):
            squares_folder(tmp_path / "parts" / part, 15, seed=seed)
        run = train(tmp_path / "parts", **OPTIONS | {"val": None}, epochs=20)
        assert len(run.scores.pictures) == len(run.test_scores.pictures) == 15
        assert run.test_scores.map_50 > 0.5

    def test_balanced_classes(self, tmp_path):
        pixels, boxes = squares(40)
        kept = [[row for row in rows if row[0] == "red"] if number % 8 else rows for number, rows in enumerate(boxes)]
        data = save(tmp_path / "rare", pixels, kept)
        plain, balanced = (prepared(data, class_weight=word) for word in ("none", "balanced"))
        assert plain.loss.class_weights is None
        green, red = balanced.loss.class_weights
        assert green > 2 * red
        counts = balanced.train.counts()
        assert np.allclose(np.array([green, red]) * counts, counts.sum() / 2)

    def test_smoothed_labels(self, data):
        assert prepared(data).loss.label_smoothing == 0
        assert prepared(data, label_smoothing=0.2).loss.label_smoothing == 0.2

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"loss": "squared_error"}, "loss squared_error: the labels are boxes, whose loss has terms of its own"),
            ({"augment": "flip,rotate:5"}, "augmentation rotate turns boxes, which fit no object then: leave it out"),
            ({"network": "conv3-8,s2,p1,relu conv1-8"}, "puts out 16x16x8: boxes of 2 classes need conv1-7"),
            ({"network": "conv3-8,s2,p1,relu fc-7"}, "puts out 7: boxes of 2 classes need conv1-7"),
            ({"network": "conv3-8,relu conv1-7"}, "30x30 cells does not divide an input of 32x32 pixels evenly"),
            ({"network": "conv3-8,s2,p1 conv1-7,relu"}, "the network ends in relu, but boxes need numbers of any size"),
            ({"network": "lenet5"}, "boxes of 2 classes need conv1-7"),
            ({"val": "nowhere"}, "nowhere"),
            ({"val": "1.5"}, "val must be a share"),
        ],
    )  # fmt: skip
    def test_what_does_not_fit_is_one_line(self, data, options, message):
        with pytest.raises((ArgumentError, DataError), match=message) as raised:
            prepared(data, **options)
        assert "\n" not in str(raised.value)

    def test_a_learning_rate_is_found(self, data):
        options = {name: value for name, value in OPTIONS.items() if name != "lr"}
        test = find_learning_rate(data, steps=40, **options)
        assert 1e-4 < test.lr < 1
        assert min(test.losses) < 0.9 * test.losses[0]

    @pytest.mark.parametrize(
        "network",
        [
            "conv3-8,s4,p1,bn,relu conv1-7,bn",
            "conv3-8,s4,p1,relu cat[ conv1-5 | conv1-2 ]",
            "conv3-8,s4,p1,relu conv1-7,nobias",
        ],
    )
    def test_other_last_words(self, data, network):
        run = train(data, **OPTIONS | {"network": network}, epochs=2)
        assert all(np.isfinite(array).all() for array in run.model.parameters.values())


class TestData:
    def test_one_class(self, tmp_path):
        run = train(squares_folder(tmp_path / "red", classes=1), **OPTIONS | {"network": layers(1)}, epochs=12)
        assert run.model.class_names == ("red",)
        assert run.scores.map_50 > 0.8

    def test_grey_pictures(self, tmp_path):
        run = train(squares_folder(tmp_path / "grey", grey=True), **OPTIONS, epochs=1)
        assert run.model.input_shape == (32, 32, 1)
        colour = prepared(squares_folder(tmp_path / "colour"), channels=1)
        assert colour.train.shape == (32, 32, 1)

    def test_pictures_of_several_proportions_are_padded(self, tmp_path):
        for number, size in enumerate([(32, 32), (32, 48), (64, 40)]):
            pixels, boxes = squares(8, size=size, seed=number)
            data = save(tmp_path / "mixed", pixels, boxes, first=8 * number)
        for size in (None, (48, 48), (64, 64)):
            preparation = prepared(data, size=size, val="0")
            assert preparation.resize == preparation.configuration.resize == "pad"
            assert preparation.adapted.startswith("images padded from several sizes to ")
            images, labels = preparation.train.images(range(24)), preparation.train.labels
            assert_boxes_fit(images, labels)
        run = train(data, **OPTIONS, size=(48, 48), epochs=25)
        assert run.scores.map_50 > 0.7  # boxes go back to where they are in pictures of their own size
        assert run.model.resize == "pad"

    def test_pictures_of_one_shape_are_stretched_to_another(self, tmp_path):
        data = squares_folder(tmp_path / "wide", 10, size=(40, 64))
        preparation = prepared(data, size=(32, 32), val="0")
        assert preparation.resize == "stretch"
        assert preparation.adapted == "images resized from 40x64 to 32x32: --size takes another"
        assert_boxes_fit(preparation.train.images(range(10)), preparation.train.labels)

    def test_large_pictures_are_made_smaller(self, tmp_path):
        data = squares_folder(tmp_path / "large", 4, size=(600, 800))
        preparation = prepared(data, network="", val="0")
        assert preparation.train.shape == (240, 320, 3)
        assert preparation.network.output_shape[:2] == (60, 80)  # the squares are small

    def test_augmented_pictures_keep_their_boxes(self, data):
        preparation = prepared(data, augment="flip,brightness:10%", val="0")
        assert preparation.configuration.augment == "flip,brightness:0.1"
        for batch in make_batches(preparation, 3):
            pixels = batch.images * np.array(preparation.normalization.std) + preparation.normalization.mean
            assert_boxes_fit(pixels, batch.labels)

    @pytest.mark.parametrize(("left", "right"), [(250, 10), (10, 250)])
    def test_augmentations_are_chosen_by_the_objects(self, tmp_path, left, right):
        """Arrows to the left and to the right are not flipped; those of one direction, or light from one side, are."""
        pixels, boxes = squares(80)
        for picture, rows in zip(pixels, boxes, strict=True):
            for name, x, y, width, height in rows:
                ends = (250, 10) if name == "red" else (left, right)
                picture[y : y + height, x : x + width] = np.linspace(*ends, width)[:, np.newaxis]
        chosen = prepared(save(tmp_path / "squares", pixels, boxes), augment=None).configuration.augment
        assert chosen == "flip," * (left > right) + "zoom:1.33,brightness:0.2,contrast:0.2"

    def test_pictures_without_boxes_are_learnt_from(self, data):
        train = prepared(data, val="0").train
        empty = [item for item, boxes in enumerate(train.boxes) if not len(boxes.places)]
        assert len(empty) == 8
        assert (train.labels[empty, :, 0] == -1).all()

    def test_a_part_without_boxes_has_no_precision(self, data, tmp_path):
        pixels, _ = squares(4)
        empty = save(tmp_path / "empty", pixels, [[("red", 0, 0, 0, 0)]] + [[]] * 3)
        run = train(data, **OPTIONS | {"val": str(empty)}, epochs=1)
        assert run.metrics[0]["val_map_50"] == 0
        assert run.scores.map_50 == -1

    def test_boxes_of_no_picture_and_broken_pictures_are_told(self, tmp_path):
        data = squares_folder(tmp_path / "squares", 20)
        with open(data / "boxes.csv", "a") as file:
            file.write("gone.png,red,1,1,5,5\nbroken.png,red,1,1,5,5\n000.png,red,40,40,5,5\n")
        (data / "broken.png").write_bytes(b"no picture")
        kinds = {finding.kind for finding in prepared(data).findings}
        assert kinds == {"missing picture", "corrupt", "outside"}
        assert train(data, **OPTIONS, epochs=1).done

    @pytest.mark.parametrize("row", ["{:03d}.png,red,1,1,9,9,1", "{:03d}.png,,,,,,"])
    def test_nothing_to_train_on_is_one_line(self, tmp_path, row):
        data = save(tmp_path / "none", squares(6)[0], [[]] * 6)
        (data / "boxes.csv").write_text("\n".join(["file,class,x,y,width,height,crowd", *map(row.format, range(6))]))
        with pytest.raises(
            DataError, match="none: no boxes to train on: crowds and difficult ones do not count"
        ) as raised:
            prepared(data, network="")
        assert "\n" not in str(raised.value)

    def test_boxes_smaller_than_a_pixel(self, tmp_path):
        pixels, boxes = squares(10)
        tiny = [[("red", 3.2, 4.1, 0.3, 0.3)] for _ in boxes]
        preparation = prepared(save(tmp_path / "tiny", pixels, tiny), network="", augment=None)
        assert preparation.network.output_shape == (8, 8, 6)
        assert next(make_batches(preparation, 0)).labels.shape[1:] == (1, 5)

    def test_data_that_were_opened(self, data):
        opened = open_boxes(data).train
        one, other = (train(given, **OPTIONS, epochs=1).model.parameters for given in (data, opened))
        assert all(np.array_equal(one[name], other[name]) for name in one)


def assert_boxes_fit(images, labels):
    """The pixels in the middle of a box are coloured, and those around it are not, but for other boxes."""
    for image, rows in zip(images, labels, strict=True):
        coloured = np.ptp(image, axis=2) > 80
        expected = np.zeros(coloured.shape)
        for label, x, y, width, height in rows[rows[:, 0] != -1].tolist():
            top, left, bottom, right = (round(edge) for edge in (y, x, y + height, x + width))
            expected[top:bottom, left:right] = 1
            if label >= 0:
                assert coloured[top + 1 : bottom - 1, left + 1 : right - 1].mean() > 0.9
        inside = np.pad(expected, 1).astype(bool)
        near = inside[:-2, 1:-1] | inside[2:, 1:-1] | inside[1:-1, :-2] | inside[1:-1, 2:] | inside[1:-1, 1:-1]
        assert not (coloured & ~near).any()


class TestSource:
    def test_the_same_classes_keep_the_head(self, run, data, tmp_path):
        preparation = prepared(data, network="", source=str(run[1]))
        assert not preparation.new_head
        assert preparation.network.layers == run[0].model.network.layers
        with Trainer(preparation, jobs=1) as trainer:
            judged = trainer.evaluate(preparation.validation)
        assert judged.measures["map"] == max(line["val_map"] for line in run[0].metrics)

    def test_classes_in_another_order_are_those_of_the_model(self, run, tmp_path):
        pixels, boxes = squares(10)
        (tmp_path / "yolo").mkdir()
        names = ["red", "green"]
        for number, (picture, rows) in enumerate(zip(pixels, boxes, strict=True)):
            Image.fromarray(picture).save(tmp_path / "yolo" / f"{number}.png")
            lines = [
                f"{names.index(name)} {(x + w / 2) / 32} {(y + h / 2) / 32} {w / 32} {h / 32}"
                for name, x, y, w, h in rows
            ]
            (tmp_path / "yolo" / f"{number}.txt").write_text("\n".join(lines))
        (tmp_path / "yolo" / "classes.txt").write_text("red\ngreen\n")
        assert open_boxes(tmp_path / "yolo").train.class_names == ("red", "green")
        preparation = prepared(tmp_path / "yolo", network="", source=str(run[1]), val="0")
        assert (preparation.class_names, preparation.new_head) == (("green", "red"), False)
        with Trainer(preparation, jobs=1) as trainer:
            assert trainer.evaluate(preparation.train).measures["map_50"] > 0.8

    def test_other_classes_get_a_new_head(self, run, tmp_path):
        data = squares_folder(tmp_path / "three", classes=3)
        preparation = prepared(data, network="", source=str(run[1]))
        assert preparation.new_head
        assert preparation.network.output_shape == (8, 8, 8)
        result = train(data, **OPTIONS | {"network": ""}, source=str(run[1]), epochs=20)
        assert result.scores.map_50 > 0.6
        assert not np.array_equal(result.model.parameters["0.conv.weight"], run[0].model.parameters["0.conv.weight"])

    @pytest.mark.parametrize("augment", ["none", "shift:1"])
    def test_frozen_words_stay(self, run, tmp_path, augment):
        data = squares_folder(tmp_path / "three", classes=3)
        options = OPTIONS | {"network": "", "augment": augment, "source": str(run[1])}
        result = train(data, **options, freeze="all", epochs=2)
        before = run[0].model
        for name, array in result.model.parameters.items():
            assert np.array_equal(array, before.parameters.get(name)) == (not name.startswith("3.")), name
        assert prepared(data, **options, freeze="all").remembers == (augment == "none")

    def test_a_run_that_went_on_from_another_is_resumed(self, run, tmp_path):
        data = squares_folder(tmp_path / "three", classes=3)
        options = OPTIONS | {"network": "", "source": str(run[1])}
        train(data, output=tmp_path / "run", **options, epochs=1)
        again = train(data, output=tmp_path / "run", resume=True, epochs=2, jobs=1)
        whole = train(data, **options, epochs=2)
        for name, array in whole.model.parameters.items():
            assert np.array_equal(again.model.parameters[name], array)

    def test_models_of_the_other_kind_are_refused(self, run, data, tmp_path):
        save_model(tmp_path / "classes.safetensors", train(bars_dataset(), network="fc-3", epochs=1).model)
        for given, source, message in (
            (
                data,
                tmp_path / "classes.safetensors",
                "names classes of whole pictures, the labels are boxes: leave out --from",
            ),
            (bars_dataset(), run[1], "finds boxes, and the data has a class for each picture: leave out --from"),
        ):
            with pytest.raises(ArgumentError, match=message) as raised:
                prepare(Configuration(source=str(source)), given)
            assert str(raised.value).startswith(str(source))


class Recorder(Watcher):
    def __init__(self):
        self.reports = []

    def batch(self, report):
        self.reports.append(report)


def test_progress_tells_the_loss_alone(data):
    watcher = Recorder()
    train(data, **OPTIONS, epochs=1, watcher=watcher)
    assert [report.batch for report in watcher.reports] == [1, 2, 3, 4]
    assert all(report.measures == {} and np.isfinite(report.loss) for report in watcher.reports)
