"""A classifier that slides: its windows, one pass against a loop, boxes, notes."""

import itertools

import numpy as np
import pytest
from finders import bright_model, canvas
from models import random_model

from cnncli.data.boxes.boxes import Boxes
from cnncli.data.resizing import resized
from cnncli.errors import ArgumentError, ModelError
from cnncli.models.exporting import export_onnx
from cnncli.models.finding.finder import as_finder, find_boxes
from cnncli.models.finding.options import FindingOptions
from cnncli.models.finding.sliding import pyramids
from cnncli.models.finding.sliding.finder import SlidingFinder, suppressed
from cnncli.models.finding.sliding.pyramids import Rows, pyramid
from cnncli.models.finding.sliding.sliders import OneByOne, slider_of
from cnncli.models.finding.sliding.tiles import level_scores, tiles
from cnncli.models.opening import load_model
from cnncli.models.runtime import RuntimeModel
from cnncli.networks.sliding import Windows
from cnncli.ops.boxes import nms

UNPADDED = "12x10x1 conv3-4,relu max2 conv2-6,relu fc-3"
PADDED = "12x12x3 conv3-4,same,relu max2 conv3-6,same,bn,relu gap fc-3,softmax"
FIXED = "12x12x1 conv3-8,relu mul[ | gap fc-8,sigmoid ] gap fc-3"


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def all_scores(picture, level, slider):
    """The probabilities of every window of a picture in one size, (rows, columns, classes)."""
    size, stride = slider.windows[:2]
    shape = [(n - f) // s + 1 for n, f, s in zip(level, size, stride, strict=True)]
    whole, seen = None, np.zeros(shape, int)
    for row, column, scores in level_scores(picture, level, slider):
        whole = np.full((*shape, scores.shape[-1]), np.nan) if whole is None else whole
        place = np.s_[row : row + scores.shape[0], column : column + scores.shape[1]]
        whole[place] = scores
        seen[place] += 1
    assert (seen == 1).all()
    return whole


class TestOnePass:
    @pytest.mark.parametrize("text", [UNPADDED, "9x9x3 conv3-4,s2,relu fc-1,sigmoid", "8x8x1 conv3-4 lrn max2,s1 fc-3"])
    @pytest.mark.parametrize("size", [(12, 10), (31, 47), (40, 23)])
    def test_it_gives_what_predict_gives_for_every_window(self, text, size):
        model = random_model(text, ("a", "b", "c") if "fc-3" in text else ("no", "yes"))
        height, width, channels = model.input_shape
        picture, slider = noise((*size, channels)), slider_of(model)
        down, across = slider.windows.stride
        got = all_scores(picture, size, slider)
        for row, column in np.ndindex(got.shape[:2]):
            crop = picture[row * down : row * down + height, column * across : column * across + width]
            np.testing.assert_allclose(got[row, column], model.probabilities(crop), rtol=0, atol=1e-5)

    @pytest.mark.parametrize("text", [UNPADDED, PADDED])
    @pytest.mark.parametrize("most", [1, 3, 5])
    def test_tiles_change_nothing(self, text, most):
        model = random_model(text)
        picture = noise((70, 83, model.input_shape[2]))
        whole, tiled = slider_of(model), slider_of(model)
        tiled.most = most
        assert whole.most > 20
        for level in ((70, 83), (50, 61)):
            got, want = all_scores(picture, level, tiled), all_scores(picture, level, whole)
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)

    def test_a_predictor_is_kept_for_each_shape_within_some_memory(self, monkeypatch):
        slider = slider_of(random_model(UNPADDED))
        for side in (12, 20, 12):
            slider.scores(noise((1, side, side, 1)))
        assert len(slider._kept) == 2
        monkeypatch.setattr("cnncli.models.finding.sliding.sliders._KEPT_NUMBERS", 0)
        slider.scores(noise((1, 24, 24, 1)))
        assert list(slider._kept) == [(24, 24, 1)]

    def test_with_padding_the_probabilities_differ_and_a_note_says_so_but_not_with_exact(self):
        model = random_model(PADDED)
        picture = noise((40, 40, 3))
        near, exact = (slider_of(model, exact=exact) for exact in (False, True))
        scores = [all_scores(picture, (40, 40), slider) for slider in (near, exact)]
        assert scores[0].shape == scores[1].shape
        assert np.abs(scores[0] - scores[1]).max() > 1e-3
        options = FindingOptions(background="top")
        (note,) = SlidingFinder(model, options).notes
        assert note.startswith("conv3-4,p1 pads its input: ")
        assert "--exact" in note
        assert SlidingFinder(model, options.replace(exact=True)).notes == []


class TestOneByOne:
    @pytest.mark.parametrize("text", [UNPADDED, PADDED, FIXED])
    def test_it_is_predict_on_crops(self, text):
        model = random_model(text)
        height, width, channels = model.input_shape
        picture, slider = noise((31, 29, channels)), OneByOne(model)
        down, across = slider.windows.stride
        got = all_scores(picture, (31, 29), slider)
        for row, column in np.ndindex(got.shape[:2]):
            crop = picture[row * down : row * down + height, column * across : column * across + width]
            np.testing.assert_allclose(got[row, column], model.probabilities(crop), rtol=0, atol=1e-5)

    def test_batches_change_nothing(self, monkeypatch):
        model, picture = random_model(UNPADDED), noise((31, 29, 1))
        want = all_scores(picture, (31, 29), OneByOne(model))
        monkeypatch.setattr("cnncli.models.finding.sliding.sliders._GATHERED_BYTES", 1)
        np.testing.assert_allclose(all_scores(picture, (31, 29), OneByOne(model)), want, rtol=0, atol=1e-6)

    def test_a_network_that_cannot_slide_needs_it(self):
        model = random_model(FIXED)
        with pytest.raises(ModelError, match=r"^mul sees more .*--exact"):
            as_finder(model)
        assert OneByOne(model).windows.stride == (1, 1)
        assert find_boxes(model, noise((20, 20)), exact=True, threshold=0, scales=(1, 1)).places.shape[1] == 4

    def test_a_graph_in_another_runtime_needs_it(self, tmp_path):
        pytest.importorskip("onnxruntime")
        onnx = pytest.importorskip("onnx")
        path = tmp_path / "graph.onnx"
        export_onnx(random_model(UNPADDED), path)
        graph = onnx.load(path)
        graph.graph.node[-1].CopyFrom(
            onnx.helper.make_node("Abs", graph.graph.node[-1].input, graph.graph.node[-1].output)
        )
        onnx.save(graph, path)
        model = load_model(path)
        assert isinstance(model, RuntimeModel)
        with pytest.raises(ModelError, match="so that it cannot slide in one pass: --exact"):
            as_finder(model)
        picture = noise((30, 30, 1))
        want = all_scores(picture, (30, 30), OneByOne(random_model(UNPADDED)))
        exact = OneByOne(model)
        assert exact.windows.stride == (1, 1)
        got = all_scores(picture, (30, 30), exact)
        np.testing.assert_allclose(got[::2, ::2], want, rtol=0, atol=1e-5)


@pytest.mark.parametrize("text", [UNPADDED, PADDED, "12x12x1 conv5-6,relu max2 fc-5,tanh rbf-3"])
def test_pytorch_slides_as_numpy_does(text):
    pytest.importorskip("torch")
    model = random_model(text)
    picture = noise((40, 37, model.input_shape[2]))
    got, want = (all_scores(picture, (40, 37), slider_of(each)) for each in (model.on("torch", "cpu"), model))
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)


class TestPyramid:
    WINDOWS = Windows((32, 32), (4, 4), (0, 0, 0, 0), "")

    def test_it_spans_the_scales_in_even_steps(self):
        sizes = pyramid((480, 640), self.WINDOWS, (0.5, 2))
        assert (sizes[0], sizes[-1]) == ((240, 320), (960, 1280))
        growth = [after[0] / before[0] for before, after in itertools.pairwise(sizes)]
        assert max(growth) / min(growth) < 1.01
        assert max(growth) <= 1 + 2 * 4 / 32 + 0.01

    def test_one_scale(self):
        assert pyramid((48, 64), self.WINDOWS, (1, 1)) == [(48, 64)]

    def test_what_is_smaller_than_a_window_is_left_out(self):
        assert pyramid((40, 64), self.WINDOWS, (0.5, 1))[0][0] >= 32

    @pytest.mark.parametrize(("given", "size"), [((16, 24), (32, 48)), ((1, 1), (32, 32)), ((20, 7), (91, 32))])
    def test_a_picture_that_is_always_smaller_is_enlarged_to_a_window(self, given, size):
        assert pyramid(given, self.WINDOWS, (0.5, 1)) == [size]

    @pytest.mark.parametrize("size", [(70, 91), (33, 40), (150, 170)])
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32])
    def test_rows_are_those_of_the_resized_picture(self, size, dtype, monkeypatch):
        picture = noise((70, 91, 3)).astype(dtype)
        want = resized(picture, size).astype(float)
        for numbers in (1 << 25, 7 * size[1] * 3):
            monkeypatch.setattr(pyramids, "_BAND_NUMBERS", numbers)
            rows = Rows(picture, size)
            for start, stop in ((0, 5), (3, 20), (20, 33), (0, size[0])):
                # Coordinates of bands are rounded: a grey value may be one off.
                assert np.abs(rows(start, stop) - want[start:stop]).max() <= (1 if dtype == np.uint8 else 1e-3)

    def test_rows_do_not_depend_on_what_is_asked_for(self, monkeypatch):
        monkeypatch.setattr(pyramids, "_BAND_NUMBERS", 7 * 61 * 3)
        picture = noise((70, 91, 3))
        rows, other = Rows(picture, (47, 61)), Rows(picture, (47, 61))
        whole = rows(0, 47)
        for start in range(0, 40, 3):
            assert (other(start, start + 6) == whole[start : start + 6]).all()


@pytest.mark.parametrize("count", [1, 2, 7, 31, 32, 33, 100])
@pytest.mark.parametrize("most", [1, 5, 32])
@pytest.mark.parametrize("margins", [(0, 0), (3, 2)])
def test_tiles_of_one_size_share_the_windows_with_their_surroundings(count, most, margins):
    found = tiles(count, most, *margins)
    assert [number for tile in found for number in range(tile.start, tile.stop)] == list(range(count))
    assert len({tile.last - tile.first for tile in found}) == 1
    for tile in found:
        assert tile.stop - tile.start <= most
        assert 0 <= tile.first <= max(0, tile.start - margins[0])
        assert min(count, tile.stop + margins[1]) <= tile.last <= count


class TestFinding:
    def test_the_window_is_the_box(self):
        found = find_boxes(bright_model(), canvas((20, 30, 4)), scales=(1, 1))
        assert found.places.tolist() == [[18, 28, 8, 8]]
        assert found.labels.tolist() == [1]
        assert found.scores[0] > 0.99

    @pytest.mark.parametrize(("side", "scale"), [(8, 0.5), (2, 2)])
    def test_boxes_are_in_pixels_of_the_picture_whatever_the_scale(self, side, scale):
        found = find_boxes(bright_model(), canvas((20, 30, side)), scales=(scale, scale))
        assert found.places[0].tolist() == [20 - side / 2, 30 - side / 2, 2 * side, 2 * side]

    def test_objects_of_several_sizes_the_best_first(self):
        spots = [(10, 10, 4), (40, 30, 8), (70, 50, 2)]
        found = find_boxes(bright_model(), canvas(*spots), nms=0.1)
        middles = found.places[:, :2] + found.places[:, 2:] / 2
        assert (np.diff(found.scores) <= 0).all()
        for x, y, side in spots:
            distances = np.abs(middles - (x + side / 2, y + side / 2)).max(axis=1)
            nearest = distances.argmin()
            assert distances[nearest] <= 1
            assert 0.7 < found.places[nearest, 2] / (2 * side) < 1.4

    def test_only_the_best_are_given(self):
        picture = canvas((10, 10, 4), (40, 30, 4))
        assert len(find_boxes(bright_model(), picture, scales=(1, 1)).places) == 2
        assert len(find_boxes(bright_model(), picture, scales=(1, 1), top=1).places) == 1
        assert len(find_boxes(bright_model(), picture, scales=(1, 1), threshold=1).places) == 0

    def test_the_background_makes_no_boxes(self):
        dark = canvas()
        assert len(find_boxes(bright_model(), dark).places) == 0
        assert len(find_boxes(bright_model(("dark", "bright")), dark, background="dark").places) == 0
        assert set(find_boxes(bright_model(("dark", "bright")), dark).labels.tolist()) == {0}
        notes = [as_finder(bright_model((name, "bright"))).notes for name in ("dark", "background")]
        assert notes == [["no class is called background: every window is taken for an object of some class"], []]

    def test_a_background_that_the_model_does_not_have(self):
        with pytest.raises(ArgumentError, match="the model has no class 'brigth': did you mean bright"):
            as_finder(bright_model(), FindingOptions(background="brigth"))

    def test_exact_finds_the_same_without_padding(self):
        model, picture = random_model(UNPADDED), noise((50, 60))
        options = {"threshold": 0.4, "scales": (0.5, 1)}
        found, exact = (find_boxes(model, picture, exact=exact, **options) for exact in (False, True))
        assert len(found.places) > 3
        np.testing.assert_allclose(found.scores, exact.scores, rtol=0, atol=1e-5)
        assert found.places.tolist() == exact.places.tolist()

    def test_colours_and_small_pictures_are_taken(self):
        model = bright_model()
        colours = np.repeat(canvas((20, 30, 4))[..., np.newaxis], 3, axis=2)
        assert find_boxes(model, colours, scales=(1, 1)).places.tolist() == [[18, 28, 8, 8]]
        small = find_boxes(model, canvas((1, 1, 2), size=(4, 4)), scales=(0.5, 1))
        assert small.places.tolist() == [[0, 0, 4, 4]]

    def test_threads_find_the_same(self):
        model, picture = random_model(UNPADDED), noise((50, 60, 1))
        options = FindingOptions(threshold=0.4)
        one, several = (SlidingFinder(model, options, jobs).find(picture, "") for jobs in (1, 3))
        assert one.places.tolist() == several.places.tolist()


@pytest.mark.parametrize("top", [1, 5, 300])
def test_suppression_of_the_best_is_that_of_all(top, monkeypatch):
    rng = np.random.default_rng(0)
    places = np.concatenate([rng.uniform(0, 50, (300, 2)), rng.uniform(5, 20, (300, 2))], axis=1)
    boxes = Boxes.of(places, rng.integers(0, 3, 300), rng.uniform(0, 1, 300))
    want = nms(boxes.places, boxes.scores, 0.3, boxes.labels)[:top]
    monkeypatch.setattr("cnncli.models.finding.sliding.finder._FIRST_SUPPRESSED", 4)
    assert suppressed(boxes, 0.3, top).tolist() == want.tolist()
