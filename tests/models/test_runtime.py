"""Graphs that the notation cannot say: ONNX Runtime computes them, and they predict as our own models do."""

import signal
import sys
import threading

import numpy as np
import pytest
from models import CLASSES, half, write_halves
from PIL import Image

from cnncli.data.normalization import Normalization
from cnncli.errors import ArgumentError, ModelError
from cnncli.models import runtime
from cnncli.models.judging.evaluation import evaluate
from cnncli.models.opening import as_trainable
from cnncli.models.prediction import ModelFile, predict_files
from cnncli.models.runtime import RuntimeModel
from cnncli.models.told import Told

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper  # noqa: E402

TOLD = Told(classes=CLASSES)
OBSTACLE = "the node 'split' (Split) stands in the way"


def constant(name, value, dtype=np.float32):
    return onnx.numpy_helper.from_array(np.asarray(value, dtype), name)


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def write(path, nodes, constants=(), *, shape=("N", 3, 4, 4), dtype="FLOAT", outputs=None, inputs=None, metadata=None):
    """Write a graph from `x` to `y`."""
    kind = getattr(TensorProto, dtype)
    inputs = inputs or {"x": shape}
    outputs = outputs or {"y": ("N", 3)}
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, kind, sizes) for name, sizes in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes) for name, sizes in outputs.items()],
        list(constants),
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(proto, metadata or {})
    path.write_bytes(proto.SerializeToString())
    return path


MEANS = node("ReduceMean", "x", "y", axes=[2, 3], keepdims=0)
"""Mean brightness of each channel."""


def means(path, end="", **changes):
    """Write a graph of a mean of each channel, which may end in another operation."""
    nodes = [node("ReduceMean", "x", "m", axes=[2, 3], keepdims=0), *end] if end else [MEANS]
    return write(path, nodes, **changes)


def opened(path, told=TOLD):
    return RuntimeModel(path, told, OBSTACLE)


def pictures(count=5, shape=(4, 4, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def channel_means(images):
    return images.astype(np.float64).mean(axis=(1, 2)) / 255


def test_pixels_are_from_0_to_1_and_scores_go_through_a_softmax(tmp_path):
    model = opened(means(tmp_path / "m.onnx"))
    np.testing.assert_allclose(model.probabilities(pictures()), softmax(channel_means(pictures())), atol=1e-6)
    assert model.input_shape == (4, 4, 3)
    assert repr(model) == f"<RuntimeModel {tmp_path}/m.onnx: 4x4x3, 3 classes>"
    assert model.preprocessing == "images 4x4x3 (stretch), pixels from 0 to 1"


def test_what_is_told_about_pixels_counts(tmp_path):
    told = Told(CLASSES, Normalization((10.0, 20.0, 30.0), (1.0, 2.0, 3.0)))
    model = opened(means(tmp_path / "m.onnx"), told)
    scores = (pictures().astype(np.float64) - (10, 20, 30)) / (1, 2, 3)
    np.testing.assert_allclose(model.probabilities(pictures()), softmax(scores.mean(axis=(1, 2))), atol=1e-4)


def test_one_mean_stands_for_all_channels(tmp_path):
    model = opened(means(tmp_path / "m.onnx"), Told(CLASSES, Normalization.called("signed")))
    scores = 2 * channel_means(pictures()) - 1
    np.testing.assert_allclose(model.probabilities(pictures()), softmax(scores), atol=1e-5)


SOFTMAX = [node("Softmax", "m", "y", axis=1)]
DECOMPOSED = [
    node("Exp", "m", "e"),
    node("ReduceSum", "e ones", "s", keepdims=1),
    node("Div", "e s", "y"),
]
ENDS = {
    "softmax": (SOFTMAX, ()),
    "softmax, then other names": (
        [node("Softmax", "m", "p", axis=1), node("Identity", "p", "q"), node("Reshape", "q shape", "y")],
        [constant("shape", [-1, 3], np.int64)],
    ),
    "softmax in pieces": (DECOMPOSED, [constant("ones", [1], np.int64)]),
    "logarithms": ([node("LogSoftmax", "m", "y", axis=1)], ()),
    "scores": ([node("Add", "m zero", "y")], [constant("zero", np.zeros(3))]),
    "convolution": (
        [node("Unsqueeze", "m axes", "u"), node("Conv", "u one", "y")],
        [constant("axes", [2, 3], np.int64), constant("one", np.eye(3)[..., None, None])],
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_probabilities_go_through_no_second_softmax(tmp_path, end):
    nodes, constants = ENDS[end]
    outputs = {"y": ("N", 3, 1, 1)} if end == "convolution" else None
    model = opened(means(tmp_path / "m.onnx", nodes, constants=constants, outputs=outputs))
    np.testing.assert_allclose(model.probabilities(pictures()), softmax(channel_means(pictures())), atol=1e-6)


@pytest.mark.parametrize("end", ["Sigmoid", "Identity", "HardSigmoid"])
def test_one_output_is_the_second_of_two_classes(tmp_path, end):
    first = [node("Slice", "m start stop axis", "s"), node("Mul", "s large", "t"), node(end, "t", "y")]
    bounds = [constant(name, [place], np.int64) for name, place in (("start", 0), ("stop", 1), ("axis", 1))]
    path = means(
        tmp_path / "m.onnx",
        first,
        constants=[*bounds, constant("large", 9)],
        outputs={"y": ("N", 1)},
    )
    z = 9 * channel_means(pictures())[:, 0]
    second = np.clip(z / 5 + 0.5, 0, 1) if end == "HardSigmoid" else 1 / (1 + np.exp(-z))
    found = opened(path, Told(("no", "yes"))).probabilities(pictures())
    np.testing.assert_allclose(found, np.stack([1 - second, second], axis=1), atol=1e-5)


def test_channels_may_come_last(tmp_path):
    last = node("ReduceMean", "x", "y", axes=[1, 2], keepdims=0)
    path = write(tmp_path / "m.onnx", [last], shape=("N", 4, 4, 3))
    np.testing.assert_allclose(opened(path).probabilities(pictures()), softmax(channel_means(pictures())), atol=1e-6)


def test_turned_channels_are_told_by_the_first_node(tmp_path):
    nodes = [
        node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
        node("ReduceMean", "t", "y", axes=[2, 3], keepdims=0),
    ]
    path = write(tmp_path / "m.onnx", nodes, shape=("N", 3, 3, 3))
    images = pictures(shape=(3, 3, 3))
    np.testing.assert_allclose(opened(path).probabilities(images), softmax(channel_means(images)), atol=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [("FLOAT16", 2e-3), ("DOUBLE", 1e-6)])
def test_other_kinds_of_numbers_are_given(tmp_path, dtype, tolerance):
    to_float = node("Cast", "x", "f", to=TensorProto.FLOAT)
    nodes = [to_float, node("ReduceMean", "f", "y", axes=[2, 3], keepdims=0)]
    model = opened(write(tmp_path / "m.onnx", nodes, dtype=dtype))
    np.testing.assert_allclose(model.probabilities(pictures()), softmax(channel_means(pictures())), atol=tolerance)


def bytes_graph(path):
    nodes = [
        node("Cast", "x", "f", to=TensorProto.FLOAT),
        node("ReduceMean", "f", "m", axes=[1, 2], keepdims=0),
        node("Mul", "m scale", "y"),
    ]
    return write(path, nodes, [constant("scale", 1 / 255)], shape=("N", 4, 4, 3), dtype="UINT8")


def test_bytes_are_given_as_they_are(tmp_path):
    model = opened(bytes_graph(tmp_path / "m.onnx"))
    expected = softmax(channel_means(pictures()))
    np.testing.assert_allclose(model.probabilities(pictures()), expected, atol=1e-6)
    finer = pictures().astype(np.float32) + 0.2  # 16 bits
    np.testing.assert_allclose(model.probabilities(finer), expected, atol=1e-6)
    assert "pixels from 0 to 255" in model.preprocessing
    assert opened(model._path, Told(CLASSES, Normalization.called("none"))).class_names == CLASSES
    with pytest.raises(ModelError, match=r"m\.onnx: takes bytes.*leave out --normalize"):
        opened(model._path, Told(CLASSES, Normalization.called("imagenet")))


@pytest.mark.parametrize("batch", [1, 4])
def test_a_fixed_batch_is_filled(tmp_path, batch):
    path = means(tmp_path / "m.onnx", shape=(batch, 3, 4, 4), outputs={"y": (batch, 3)})
    for count in (1, batch, 2 * batch, 2 * batch + 1):
        found = opened(path).probabilities(pictures(count))
        np.testing.assert_allclose(found, softmax(channel_means(pictures(count))), atol=1e-6)


def test_an_open_size_has_to_be_told(tmp_path):
    path = means(tmp_path / "m.onnx", shape=("N", 3, "H", "W"))
    with pytest.raises(ModelError, match=r"input x is Nx3xHxW.* open: give it with --size"):
        opened(path)
    model = opened(path, Told(CLASSES, size=(6, 5)))
    assert model.input_shape == (6, 5, 3)
    images = pictures(shape=(6, 5, 3))
    np.testing.assert_allclose(model.probabilities(images), softmax(channel_means(images)), atol=1e-6)


def test_a_fixed_size_stays(tmp_path):
    path = means(tmp_path / "m.onnx")
    assert opened(path, Told(CLASSES, size=(4, 4))).input_shape == (4, 4, 3)
    with pytest.raises(ModelError, match=r"Nx3x4x4, and takes no pictures of 8x8: leave out --size"):
        opened(path, Told(CLASSES, size=(8, 8)))
    half_open = means(tmp_path / "half.onnx", shape=("N", 3, 4, "W"))
    assert opened(half_open, Told(CLASSES, size=(4, 9))).input_shape == (4, 9, 3)
    with pytest.raises(ModelError, match="takes no pictures of 5x9"):
        opened(half_open, Told(CLASSES, size=(5, 9)))


def test_grey_pictures(tmp_path):
    nodes = [node("Expand", "x three", "t"), node("ReduceMean", "t", "y", axes=[2, 3], keepdims=0)]
    path = write(tmp_path / "m.onnx", nodes, [constant("three", [1, 3, 1, 1], np.int64)], shape=("N", 1, 4, 4))
    assert opened(path).input_shape == (4, 4, 1)
    assert opened(path).probabilities(pictures(shape=(4, 4, 1))).shape == (5, 3)


PROBLEMS = {
    "inputs": ({"inputs": {"x": ("N", 3, 4, 4), "z": ("N", 2)}}, r"has 2 inputs \(x, z\)"),
    "outputs": ({"outputs": {"y": ("N", 3), "x": ("N", 3, 4, 4)}}, r"has 2 outputs \(y, x\)"),
    "rank": ({"shape": ("N", 48)}, r"input x is Nx48: pictures are NxCxHxW"),
    "channels": ({"shape": ("N", 4, 8, 8)}, r"input x is Nx4x8x8: pictures have 1 or 3 channels"),
    "numbers": ({"dtype": "INT64"}, r"input x is Nx3x4x4 of tensor\(int64\)"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_graphs_that_take_something_else_are_refused(tmp_path, name):
    changes, message = PROBLEMS[name]
    nodes = [node("Cast", "x", "c", to=TensorProto.FLOAT), node("Flatten", "c", "f"), node("Gemm", "f w", "y")]
    count = int(np.prod([size for size in changes.get("shape", (3, 4, 4)) if size != "N"]))
    path = write(tmp_path / "m.onnx", nodes, [constant("w", np.zeros((count, 3)))], **changes)
    with pytest.raises(ModelError, match=message) as raised:
        opened(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_outputs_that_are_no_classes_are_refused(tmp_path):
    path = write(tmp_path / "m.onnx", [node("Relu", "x", "y")], outputs={"y": ("N", 3, 4, 4)})
    with pytest.raises(ModelError, match=r"output y is Nx3x4x4: not a number for each class"):
        opened(path)
    hidden = [node("Mul", "x zero", "z"), node("ReduceSum", "z", "s", keepdims=0), node("Cast", "s", "i", to=7)]
    hidden += [node("Add", "i sizes", "shape"), node("Reshape", "x shape", "y")]
    numbers = [constant("zero", 0), constant("sizes", [0, 3, 4, 4], np.int64)]
    path = write(tmp_path / "m.onnx", hidden, numbers, outputs={"y": ("N", "C", "H", "W")})
    with pytest.raises(ModelError, match=r"puts out 1x3x4x4 for a batch of 1: not a number"):
        opened(path)


@pytest.mark.parametrize("shape", [("N", 3), ("N", "C"), ("?", "?")])
def test_the_classes_have_to_be_as_many_as_the_outputs(tmp_path, shape):
    path = means(tmp_path / "m.onnx", outputs={"y": shape})
    assert opened(path).class_names == CLASSES
    with pytest.raises(ModelError, match="tells 3 classes apart, but 2 are named in --classes"):
        opened(path, Told(("a", "b")))
    with pytest.raises(ModelError, match=r"does not name its 3 classes.*--classes FILE"):
        opened(path, Told())


def test_an_export_s_own_classes_and_pixels_count(tmp_path):
    """A later version may export a graph that this one cannot read."""
    path = means(tmp_path / "m.onnx", metadata={"cnncli.classes": '["a", "b", "c"]'})
    model = opened(path, Told())
    assert model.class_names == ("a", "b", "c")
    assert "pixels from 0 to 255" in model.preprocessing
    assert opened(path, Told(("x", "y", "z"))).class_names == ("x", "y", "z")


def test_files_and_data_sets_are_predicted(tmp_path):
    """A network that compares halves, with a Split that the notation does not have."""
    nodes = [
        node("Split", "x", "left right", axis=3),
        node("ReduceMean", "left", "l", axes=[1, 2, 3], keepdims=0),
        node("ReduceMean", "right", "r", axes=[1, 2, 3], keepdims=0),
        node("Slice", "x zero six two", "t"),
        node("ReduceMean", "t", "u", axes=[1, 2, 3], keepdims=0),
        *(node("Unsqueeze", f"{name} one", f"{name}1") for name in "lru"),
        node("Concat", "l1 r1 u1", "y", axis=1),
    ]
    numbers = {"zero": 0, "six": 6, "two": 2, "one": 1}
    constants = [constant(name, [number], np.int64) for name, number in numbers.items()]
    path = write(tmp_path / "halves.onnx", nodes, constants, shape=("N", 1, 12, 12))
    data = write_halves(tmp_path / "data", 6)
    model = opened(path)
    assert evaluate(model, data).scores.accuracy == 1
    files = sorted(map(str, data.rglob("*.png")))
    for jobs in (1, 2):
        found = list(predict_files(model, files, jobs=jobs))
        assert [one.input for one in found] == files
        assert all(one.top()[0][0] in one.input for one in found)


def test_jobs_change_no_class(tmp_path):
    model = opened(means(tmp_path / "m.onnx"))
    one, two = (model.probabilities(pictures(40), jobs) for jobs in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_a_model_file_loads_it_on_other_machines(tmp_path):
    path = means(tmp_path / "m.onnx", SOFTMAX)
    file = ModelFile.of(path, told=TOLD)
    np.testing.assert_allclose(file.probabilities(pictures()), opened(path).probabilities(pictures()), atol=1e-6)


def test_what_needs_a_network_says_what_stood_in_the_way(tmp_path):
    model = opened(means(tmp_path / "m.onnx"))
    with pytest.raises(ModelError) as raised:
        as_trainable(model)
    assert str(raised.value) == OBSTACLE
    assert model.on("numpy") is model
    with pytest.raises(ArgumentError, match="computed by ONNX Runtime, not with torch: leave out --engine"):
        model.on("torch")


def test_without_the_package_one_line_names_the_extra(tmp_path, monkeypatch):
    path = means(tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    runtime._runtime.cache_clear()
    with pytest.raises(ModelError, match=r"\(Split\).*; ONNX Runtime predicts.*: pip install 'cnncli\[onnx\]'"):
        opened(path)


def outside(path, location):
    """Write a graph whose weight lies in another file."""
    means(path, [node("Add", "m w", "y")], constants=[constant("w", np.float32([0, 1, 2]))])
    proto = onnx.load(path)
    weight = proto.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("length", "12")):
        entry = weight.external_data.add()
        entry.key, entry.value = key, value
    path.write_bytes(proto.SerializeToString())
    return path


def test_arrays_in_a_file_beside_it_are_read(tmp_path):
    (tmp_path / "weights").write_bytes(np.float32([0, 1, 2]).tobytes())
    found = opened(outside(tmp_path / "m.onnx", "weights")).probabilities(pictures())
    np.testing.assert_allclose(found, softmax(channel_means(pictures()) + np.arange(3)), atol=1e-6)


@pytest.mark.parametrize("place", ["../secret", "absolute", "link", "a/../../secret"])
def test_arrays_elsewhere_are_refused(tmp_path, place):
    secret, folder = tmp_path / "secret", tmp_path / "model"
    secret.write_bytes(np.float32([0, 1, 2]).tobytes())
    (folder / "a").mkdir(parents=True)
    (folder / "link").symlink_to("../secret")
    path = outside(folder / "m.onnx", str(secret) if place == "absolute" else place)
    with pytest.raises(ModelError, match=r"lies in .*: only files in the model's own folder are read"):
        opened(path)


def test_arrays_in_what_is_no_file_are_refused(tmp_path):
    for place in ("missing", "folder"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        with pytest.raises(ModelError, match=f"m.onnx: {place}: (no such file|a folder, not a model file)"):
            opened(outside(tmp_path / "m.onnx", place))


def test_weights_that_are_no_numbers_are_named(tmp_path):
    path = means(tmp_path / "m.onnx", [node("Add", "m w", "y")], constants=[constant("w", [0, np.nan, 2])])
    with pytest.raises(ModelError, match="the array w has numbers that are not finite"):
        opened(path)
    masked = means(tmp_path / "m.onnx", [node("Max", "m w", "y")], constants=[constant("w", [0, -np.inf, 0])])
    assert opened(masked).probabilities(pictures()).shape == (5, 3)


def test_what_the_runtime_refuses_is_one_line(tmp_path, capfd):
    path = write(tmp_path / "m.onnx", [node("Nonsense", "x", "y")])
    with pytest.raises(ModelError, match=r"m\.onnx: ONNX Runtime refuses it: .*Nonsense") as raised:
        opened(path)
    assert "\n" not in str(raised.value)
    assert "[ONNXRuntimeError]" not in str(raised.value)
    path = write(tmp_path / "m.onnx", [node("Reshape", "x shape", "y")], [constant("shape", [2, 5], np.int64)])
    with pytest.raises(ModelError, match=r"m\.onnx: ONNX Runtime refuses it: "):
        opened(path)
    assert capfd.readouterr() == ("", "")


def test_ctrl_c_is_heeded_while_a_graph_is_computed():
    started, given_up = threading.Event(), threading.Event()

    def ask():
        started.set()
        assert given_up.wait(60)

    def interrupt():
        started.wait()
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        runtime._asked(ask, given_up.set)
    assert given_up.is_set()


def test_pictures_larger_than_any_that_is_read_are_refused(tmp_path):
    for shape in (("N", 3, 2**20, 2**20), ("N", 2**31, 2**31, 1)):
        path = means(tmp_path / "m.onnx", shape=shape)
        with pytest.raises(ModelError, match=r"takes pictures of .*: at most 89478485 pixels are read"):
            opened(path)


def test_more_memory_than_there_is_leave_for_is_refused(tmp_path):
    nodes = [
        node("ConstantOfShape", "size", "c", value=constant("v", [1.0])),
        node("ReduceMean", "c", "one", keepdims=0),
        node("Mul", "m one", "y"),
    ]
    path = means(tmp_path / "m.onnx", nodes, constants=[constant("size", [2**34], np.int64)])
    with pytest.raises(ModelError, match=r"ONNX Runtime refuses it: .*[Mm]emory"):
        opened(path).probabilities(pictures())


# Networks as PyTorch writes them


def exported(module, path, size=32):
    torch = pytest.importorskip("torch")
    module.eval()
    names = {"input_names": ["x"], "output_names": ["y"], "dynamic_axes": {"x": {0: "n"}, "y": {0: "n"}}}
    torch.onnx.export(module, torch.zeros(1, 3, size, size), path, dynamo=False, **names)
    images = pictures(4, (size, size, 3))
    with torch.no_grad():
        taken = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32) / 255)
        return images, module(taken).softmax(1).numpy()


def two_branches():
    torch = pytest.importorskip("torch")

    class Branches(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(3, 8, 5, padding=1)
            self.end = torch.nn.Linear(8, 3)

        def forward(self, x):
            gate = torch.sigmoid(self.b(x)) * torch.tanh(self.a(x))
            first, second = gate.chunk(2, dim=1)
            mixed = torch.cat([second[:, :, ::2], first[:, :, ::2]], dim=1)
            return self.end(mixed.amax(dim=(2, 3)))

    return Branches()


def attention():
    torch = pytest.importorskip("torch")

    class Transformer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.patches = torch.nn.Conv2d(3, 16, 8, 8)
            self.block = torch.nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=True)
            self.token = torch.nn.Parameter(torch.randn(1, 1, 16))
            self.end = torch.nn.Linear(16, 3)

        def forward(self, x):
            patches = self.patches(x).flatten(2).transpose(1, 2)
            tokens = torch.cat([self.token.expand(len(x), -1, -1), patches], dim=1)
            return self.end(self.block(tokens)[:, 0])

    return Transformer()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("network", [two_branches, attention])
def test_exported_networks_compute_what_they_did(tmp_path, network):
    pytest.importorskip("torch").manual_seed(0)
    images, expected = exported(network(), tmp_path / "m.onnx")
    np.testing.assert_allclose(opened(tmp_path / "m.onnx").probabilities(images), expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 1e-4


def test_one_picture_may_have_any_size(tmp_path):
    Image.fromarray(half("left", np.random.default_rng(0), 40)).save(tmp_path / "x.png")
    assert opened(means(tmp_path / "m.onnx")).probabilities(tmp_path / "x.png").shape == (3,)
