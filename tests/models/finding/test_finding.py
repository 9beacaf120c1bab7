"""Finding objects: what finds them, options, pictures of every kind."""

import pickle

import numpy as np
import pytest
from finders import COLORS, save_spots, spot_detector, spots
from models import halves_model, random_detector
from PIL import Image

from cnncli.data.boxes.boxes import Boxes
from cnncli.errors import ArgumentError, ImageError
from cnncli.models.finding.detecting import detect_files
from cnncli.models.finding.finder import DetectorFinder, as_finder, find_boxes
from cnncli.models.finding.options import FindingOptions, parse_scales
from cnncli.models.finding.pipeline import Detection
from cnncli.models.finding.sliding.finder import SlidingFinder

SPOTS = [("blue", 255, 8, 16, 20, 24), ("red", 200, 60, 50, 30, 20), ("green", 100, 100, 4, 8, 8)]
FOUND = [[8, 16, 20, 24], [60, 50, 30, 20]]


class TestOptions:
    @pytest.mark.parametrize(
        ("option", "value", "message"),
        [
            ("threshold", 1.5, "threshold must be from 0 to 1, got 1.5"),
            ("threshold", float("nan"), "threshold must be from 0 to 1, got nan"),
            ("nms", -0.1, "nms must be from 0 to 1, got -0.1"),
            ("nms", "0.5", "nms must be from 0 to 1, got '0.5'"),
            ("top", 0, "top must be an integer from 1, got 0"),
            ("top", 2.5, "top must be an integer from 1, got 2.5"),
            ("scales", (2, 1), "scales must be two factors above 0 and up to 16, the smaller one first, got "),
            ("scales", (0, 1), "scales must be two factors above 0"),
            ("scales", (1, 17), "scales must be two factors above 0"),
            ("scales", (1,), "scales must be two factors above 0"),
        ],
    )
    def test_each_is_checked(self, option, value, message):
        with pytest.raises(ArgumentError) as error:
            FindingOptions(**{option: value})
        assert str(error.value).startswith(message)

    @pytest.mark.parametrize("text", ["", "0.5:", ":2", "2:1", "0:1", "a", "1:2:3", "nan", "1:inf", "1:17"])
    def test_scales_that_are_none(self, text):
        with pytest.raises(
            ArgumentError, match=r"--scales must be two factors up to 16, .* such as 0\.5:2, or one, got"
        ):
            parse_scales(text, "--scales")

    def test_scales(self):
        assert parse_scales("0.25:4") == (0.25, 4)
        assert parse_scales("1") == (1, 1)
        assert FindingOptions(scales=[0.5, 2]).scales == (0.5, 2)

    def test_it_goes_to_other_processes(self):
        options = FindingOptions(threshold=0.3, scales=(0.5, 2))
        assert pickle.loads(pickle.dumps(options)) == options


class TestFinder:
    def test_a_detector_is_one(self):
        finder = as_finder(spot_detector())
        assert isinstance(finder, DetectorFinder)
        assert finder.class_names == COLORS
        found = finder.find(spots(*SPOTS), "x")
        assert found.places.tolist() == FOUND

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"scales": (1, 2)}, "scales: for a classifier that slides"),
            ({"exact": True, "background": "none"}, "exact and background: for a classifier"),
        ],
    )
    def test_a_detector_does_not_slide(self, options, words):
        with pytest.raises(ArgumentError, match=words):
            as_finder(spot_detector(), FindingOptions(**options))

    def test_boxes_are_in_pixels_of_the_picture(self):
        """The network sees a picture of half the size."""
        found = find_boxes(spot_detector((48, 64)), spots(*SPOTS))
        assert np.abs(found.places - FOUND).max() <= 3
        assert found.labels.tolist() == [COLORS.index("blue"), COLORS.index("red")]

    @pytest.mark.parametrize(("threshold", "count"), [(0.3, 3), (0.5, 2), (0.9, 1), (1, 1)])
    def test_the_threshold(self, threshold, count):
        found = find_boxes(spot_detector(), spots(*SPOTS), threshold=threshold)
        assert len(found.scores) == count
        assert (found.scores >= threshold).all()

    def test_the_best_come_first(self):
        assert find_boxes(spot_detector(), spots(*SPOTS), threshold=0, top=2).labels.tolist() == [2, 0]


class TestPictures:
    def test_a_path_and_an_array_are_one(self, tmp_path):
        save_spots(tmp_path / "a.png", *SPOTS)
        of_file = find_boxes(spot_detector(), tmp_path / "a.png")
        of_array = find_boxes(spot_detector(), spots(*SPOTS))
        assert all((one == other).all() for one, other in zip(of_file, of_array, strict=True))

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_a_picture_is_upright(self, tmp_path, orientation):
        """Pixels are stored turned, as cameras do; the boxes are those that the viewer sees."""
        turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
        image = Image.fromarray(spots(*SPOTS))
        if orientation > 1:
            image = image.transpose(Image.Transpose(turns[orientation]))
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(tmp_path / "a.png", exif=exif)
        assert find_boxes(spot_detector(), tmp_path / "a.png").places.tolist() == FOUND

    def test_a_dark_picture_of_16_bits_stays_dark(self, tmp_path):
        """Levels below one of 255 pass for fractions if they are scaled twice."""
        Image.fromarray(np.full((96, 128), 200, np.uint16)).save(tmp_path / "dark.png")
        assert len(find_boxes(spot_detector(), tmp_path / "dark.png", threshold=0).scores) == 0
        bright = np.zeros((96, 128), np.uint16)
        bright[16:40, 8:28] = 65535
        Image.fromarray(bright).save(tmp_path / "bright.png")
        assert find_boxes(spot_detector(), tmp_path / "bright.png").places.tolist() == [FOUND[0]] * 3  # in each channel

    def test_transparency_is_white(self, tmp_path):
        pixels = np.zeros((96, 128, 4), np.uint8)
        pixels[..., 3] = 255
        pixels[16:40, 8:28, 3] = 0
        Image.fromarray(pixels).save(tmp_path / "a.png")
        assert find_boxes(spot_detector(), tmp_path / "a.png").places.tolist() == [FOUND[0]] * 3

    def test_colours_for_a_network_of_grey(self):
        found = find_boxes(spot_detector(channels=1), spots(("green", 255, 8, 16, 20, 24)))
        assert found.places.tolist() == [FOUND[0]]

    def test_other_channels_are_refused(self):
        with pytest.raises(ImageError, match="has 5 channels where 3 are asked for"):
            find_boxes(spot_detector(), np.zeros((9, 9, 5)))
        with pytest.raises(ArgumentError, match="has the shape"):
            find_boxes(spot_detector(), np.zeros((1, 9, 9, 3)))


class TestFiles:
    def test_a_detection_for_each_file_in_order(self, tmp_path):
        names = [str(tmp_path / f"{number}.png") for number in range(12)]
        for number, name in enumerate(names):
            save_spots(name, ("red", 255, number, 2, 10, 10))
        expected = [[[number, 2, 10, 10]] for number in range(12)]
        for jobs in (1, 3):
            found = list(detect_files(spot_detector(), names, jobs=jobs))
            assert [one.input for one in found] == names
            assert [one.boxes.places.tolist() for one in found] == expected
            assert {one.size for one in found} == {(96, 128)}

    def test_several_together_are_what_each_is_alone(self, tmp_path):
        model, rng = random_detector("24x32x3 conv3-16,s4,p1,relu conv1-8"), np.random.default_rng(0)
        names = [str(tmp_path / f"{number}.png") for number in range(9)]
        for number, name in enumerate(names):
            pixels = rng.integers(0, 256, (30 + number, 50 - number, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(name)
        alone = [find_boxes(model, name, threshold=0.2) for name in names]
        assert sum(map(len, (boxes.scores for boxes in alone))) > 50
        one, several = (list(detect_files(model, names, jobs=jobs, threshold=0.2)) for jobs in (1, 3))
        for boxes, detection, other in zip(alone, one, several, strict=True):
            np.testing.assert_allclose(detection.boxes.places, boxes.places, rtol=1e-5)
            np.testing.assert_allclose(detection.boxes.scores, boxes.scores, rtol=1e-5)
            assert all(map(np.array_equal, detection.boxes, other.boxes))

    def test_a_bad_file_fails_by_name(self, tmp_path):
        save_spots(tmp_path / "a.png", *SPOTS)
        (tmp_path / "b.png").write_text("junk")
        names = [str(tmp_path / name) for name in ("b.png", "a.png", "none.png")]
        junk, good, missing = detect_files(spot_detector(), names)
        assert good.error is None
        assert good.objects()[0] == dict(
            zip(("class", "score", "x", "y", "width", "height"), ("blue", 1.0, 8.0, 16.0, 20.0, 24.0), strict=True)
        )
        assert junk.boxes is None
        assert junk.error.startswith(names[0])
        assert missing == Detection(names[2], None, f"{names[2]}: no such file", COLORS)
        assert missing.objects() == []


def test_an_empty_detection_has_no_objects():
    assert Detection("a.png", Boxes.of(), class_names=COLORS).objects() == []


def test_a_classifier_slides():
    assert isinstance(as_finder(halves_model()), SlidingFinder)
