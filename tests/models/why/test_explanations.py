"""What spoke for a class: maps in the picture's size, the numbers of a cell, odd pictures and models."""

import numpy as np
import pytest
from models import CLASSES, half, halves_model, random_detector, random_model
from PIL import Image

from cnncli.data.resizing import put_back, resized
from cnncli.errors import ArgumentError, ImageError, ModelError
from cnncli.models.runtime import RuntimeModel
from cnncli.models.told import Told
from cnncli.models.why.explanations import Explainer, cell_of, explain_class
from cnncli.models.why.occlusion import Patches
from cnncli.models.why.options import METHODS, WhyOptions
from cnncli.networks import parse_network

CONVOLUTIONS = "12x12x3 conv3-4,relu max2 conv3-5,relu gap fc-3,softmax"


def mean_graph(path):
    """Write an ONNX graph of the mean of each channel."""
    onnx = pytest.importorskip("onnx")
    node = onnx.helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)
    sizes = {"x": ("N", 3, 8, 8), "y": ("N", 3)}
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, size) for name, size in sizes.items()]
    graph = onnx.helper.make_graph([node], "graph", values[:1], values[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def bright(kind="left", size=12):
    return half(kind, np.random.default_rng(0), size)


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"methods": ("cam",)}, "method must be one of occlusion, gradient, smooth, gradcam, got 'cam'"),
            ({"patch": 0}, "patch must be a positive integer or two of them, got 0"),
            ({"stride": (1, 2, 3)}, "stride must be a positive integer or two of them"),
            ({"samples": 0}, "samples must be an integer from 1, got 0"),
            ({"seed": -1}, "seed must be an integer from 0, got -1"),
            ({"noise": float("nan")}, "noise must be a number from 0, got nan"),
        ],
    )
    def test_each_is_checked(self, options, message):
        with pytest.raises(ArgumentError) as error:
            WhyOptions(**options)
        assert str(error.value).startswith(message)

    def test_a_method_counts_once(self):
        assert WhyOptions(methods=("smooth", "smooth")).methods == ("smooth",)


class TestPatches:
    @pytest.mark.parametrize("picture", [(1, 1), (5, 9), (28, 28), (224, 160)])
    def test_every_pixel_is_covered(self, picture):
        patches = Patches.of(picture)
        covered = np.zeros(picture, bool)
        for row in range(len(patches.rows)):
            for column in range(len(patches.columns)):
                covered[patches.region(row, column)] = True
        assert covered.all()

    def test_those_that_do_not_fit_are_told(self):
        with pytest.raises(ArgumentError, match="a patch of 9x2 covers more than the 8x8 of the input"):
            Patches.of((8, 8), (9, 2))
        with pytest.raises(ArgumentError, match="stride 3x1 leaves gaps between patches of 2x2"):
            Patches.of((8, 8), (2, 2), (3, 1))


class TestKnownAnswers:
    def test_what_is_covered_takes_away_what_it_held(self):
        picture = np.full((12, 12), 120, np.uint8)  # the mean picture, with which patches are filled
        picture[:, :6] = 130
        found = explain_class(halves_model(), picture, methods=("occlusion",), patch=2)
        assert found.class_name == "left"
        assert found.of("occlusion").fill == (120.0,)
        numbers = found.map("occlusion")
        assert numbers.shape == (12, 12)
        assert numbers[:, :6].min() > 0
        assert (numbers[:, 7:] == 0).all()

    def test_the_gradient_of_a_linear_network_is_its_weights(self):
        model = halves_model()
        found = explain_class(model, bright("top"), "top", methods=("gradient", "smooth"))
        weights = model.parameters["0.fc.weight"].reshape(12, 12, 1, 3)[..., 2] / 80
        np.testing.assert_allclose(found.of("gradient").slopes, weights, rtol=1e-6)
        np.testing.assert_allclose(found.of("smooth").slopes, weights, rtol=1e-5)
        image = model.normalization.apply(bright("top")[np.newaxis, ..., np.newaxis])
        assert found.score == pytest.approx(float((image[0] * weights * 80).sum()), rel=1e-5)

    def test_two_classes_of_one_output_are_opposites(self):
        model = random_model("8x8x1 conv3-4,relu gap fc-1,sigmoid", ("no", "yes"))
        picture = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
        no, yes = (explain_class(model, picture, name, methods=("gradient",)) for name in ("no", "yes"))
        assert no.score == -yes.score
        assert no.probability == pytest.approx(1 - yes.probability)
        assert (no.of("gradient").slopes == -yes.of("gradient").slopes).all()

    def test_the_score_is_that_before_softmax(self):
        with_softmax = random_model(CONVOLUTIONS)
        without = with_softmax.replace(network=parse_network(CONVOLUTIONS.removesuffix(",softmax")))
        picture = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
        found, expected = (explain_class(model, picture, methods=("gradient",)) for model in (with_softmax, without))
        assert found.score == expected.score
        assert (found.of("gradient").slopes == expected.of("gradient").slopes).all()


class TestCells:
    def test_the_arithmetic_is_that_of_the_map(self):
        model = random_model(CONVOLUTIONS)
        found = explain_class(model, np.random.default_rng(1).integers(0, 256, (12, 12, 3), np.uint8))
        assert [one.method for one in found.found] == list(METHODS)
        for one in found.found:
            row, column = cell_of(one)
            value = one.cells[row, column]
            assert abs(value) == np.abs(one.cells).max()
            assert one.lines(row, column)[-1].endswith(f"= {value:.6g}")
            facts = one.facts(row, column)
            if one.method == "occlusion":
                assert facts["before"] - facts["after"] == value
            elif one.method == "gradcam":
                assert facts["sum"] == pytest.approx(np.dot(facts["weights"], facts["activations"]))
                assert value == pytest.approx(max(0, facts["sum"]))
            else:
                assert value == max(map(abs, facts["slopes"]))

    def test_one_beside_the_map(self):
        found = explain_class(halves_model(), bright(), methods=("gradient",))
        assert cell_of(found.of("gradient"), (11, 0)) == (11, 0)
        with pytest.raises(ArgumentError, match="cell 12,0 is not on the map of gradient, which has 12x12 cells"):
            cell_of(found.of("gradient"), (12, 0))


class TestPictures:
    @pytest.mark.parametrize("size", [(1, 1), (5, 30), (40, 24)])
    @pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
    def test_maps_have_the_size_of_the_picture(self, size, resize):
        model = random_model(CONVOLUTIONS, resize=resize)
        found = explain_class(model, np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8))
        for method in METHODS:
            assert found.map(method).shape == size
            assert np.isfinite(found.map(method)).all()
        assert found.sheet().shape[2] == 3

    @pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16", "P", "1"])
    def test_files_of_every_kind(self, tmp_path, mode):
        levels = bright(size=16)
        image = Image.fromarray(levels.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(levels)
        image = image if mode == "I;16" else image.convert("L" if mode == "L" else mode)
        image.save(tmp_path / "a.png")
        found = explain_class(halves_model(), tmp_path / "a.png")
        assert found.class_name == "left"
        assert found.size == (16, 16)

    def test_the_probability_is_that_of_a_prediction(self, tmp_path):
        model = random_model(CONVOLUTIONS)
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 20, 3), np.uint8)).save(tmp_path / "a.jpg")
        found = explain_class(model, tmp_path / "a.jpg", methods=("gradient",))
        assert found.probability == model.probabilities(tmp_path / "a.jpg").max()

    def test_what_is_no_picture_is_told(self, tmp_path):
        (tmp_path / "a.png").write_text("junk")
        with pytest.raises(ImageError, match=r"a\.png"):
            explain_class(halves_model(), tmp_path / "a.png")
        with pytest.raises(ArgumentError, match="shape"):
            explain_class(halves_model(), np.zeros((2, 12, 12, 1)))

    @pytest.mark.parametrize("how", ["stretch", "crop", "pad"])
    def test_a_place_is_found_again(self, how):
        picture = np.zeros((40, 60, 1), np.float32)
        picture[16:20, 28:32] = 1
        found = put_back(resized(picture, (20, 20), how)[..., 0], (40, 60), how)
        assert found.shape == (40, 60)
        row, column = np.unravel_index(found.argmax(), found.shape)
        assert (15 <= row <= 20, 26 <= column <= 33) == (True, True)


class TestModels:
    def test_an_unknown_class(self):
        with pytest.raises(ArgumentError, match=r"the model has no class 'lefd': did you mean left\?"):
            explain_class(halves_model(), bright(), "lefd")

    def test_an_unknown_layer_is_told_with_the_known_ones(self):
        model = random_model(CONVOLUTIONS)
        with pytest.raises(ArgumentError, match=r"no layer '9': there are 0\.conv, "):
            Explainer(model, options=WhyOptions(layer="9"))
        with pytest.raises(ArgumentError, match=r"layer 3 puts out .*, not maps: choose from 0\.conv"):
            Explainer(model, options=WhyOptions(layer="3"))

    def test_without_maps_there_is_no_grad_cam(self):
        explainer = Explainer(halves_model())
        assert explainer.methods == ("occlusion", "gradient", "smooth")
        [note] = explainer.notes
        assert note.startswith("without gradcam: ")
        with pytest.raises(ArgumentError, match="needs a layer with maps"):
            Explainer(halves_model(), options=WhyOptions(methods=("gradcam",)))

    def test_a_detector_is_refused(self):
        with pytest.raises(ModelError, match="finds boxes in pictures"):
            explain_class(random_detector("16x16x3 conv3-7,s8,p1"), np.zeros((16, 16, 3), np.uint8))

    def test_numbers_that_are_not_finite(self):
        model = halves_model()
        broken = model.replace(parameters={**model.parameters, "0.fc.bias": np.full(3, np.nan, np.float32)})
        with pytest.raises(ModelError, match="the picture: the model gives no finite probabilities for it"):
            explain_class(broken, bright())

    def test_a_graph_in_another_runtime_is_occluded(self, tmp_path):
        pytest.importorskip("onnxruntime")
        model = RuntimeModel(mean_graph(tmp_path / "m.onnx"), Told(classes=CLASSES), "the node 's' (Split)")
        picture = np.random.default_rng(0).integers(0, 100, model.input_shape, np.uint8)
        picture[2:4, 2:4, 1] = 255
        explainer = Explainer(model)
        assert explainer.methods == ("occlusion",)
        assert explainer.notes == [
            "without gradient, smooth, gradcam: the node 's' (Split): gradients need a network of ours, --method "
            "occlusion does not"
        ]
        found = explain_class(model, picture, "right", methods=("occlusion",), patch=2)
        assert found.score is None
        assert cell_of(found.of("occlusion")) == (2, 2)
        with pytest.raises(ModelError, match=r"Split.*gradients need a network of ours"):
            explain_class(model, picture, methods=("gradient",))

    def test_threads_give_the_same(self):
        from concurrent.futures import ThreadPoolExecutor

        explainer = Explainer(random_model(CONVOLUTIONS))
        pictures = list(np.random.default_rng(0).integers(0, 256, (6, 12, 12, 3), np.uint8))
        alone = [explainer.explain(picture) for picture in pictures]
        with ThreadPoolExecutor(3) as pool:
            for found, expected in zip(pool.map(explainer.explain, pictures), alone, strict=True):
                for method in METHODS:
                    assert (found.map(method) == expected.map(method)).all()
