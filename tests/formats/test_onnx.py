import io
import warnings
from importlib.util import find_spec
from math import prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncli.errors import ModelError
from cnncli.formats import read_model
from cnncli.formats.onnx.operations import OPERATIONS
from cnncli.formats.onnx.reading import read_onnx
from cnncli.networks import parse_network

pytest.importorskip("onnx")

from onnx import TensorProto, helper, shape_inference
from onnx_files import model, node, save, tensor, weight

PICTURE = {"x": (1, 8, 12, 10)}


def inferred(proto):
    """The shape of y as onnx's own inference has it."""
    found = shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
    return tuple(each.dim_value for each in found.graph.output[0].type.tensor_type.shape.dim)


def row_shape(shape):
    """(H, W, C) of (1, C, H, W), as rows have it."""
    rest = shape[1:] if len(shape) > 1 and shape[0] == 1 else shape
    return (*rest[1:], rest[0]) if len(shape) > 1 and shape[0] == 1 and len(rest) in (3, 4) else rest or (1,)


def ours(proto, **options):
    return read_onnx(proto.SerializeToString(), "sample", **options)


def ints(name, *values):
    return tensor(name, np.array(values, np.int64))


ONE_INPUT = {
    "Conv": ({"strides": [2, 1], "pads": [1, 0, 2, 1], "dilations": [1, 2]}, [weight("w", 6, 8, 3, 2)]),
    "ConvTranspose": (
        {"strides": [2, 2], "pads": [1, 0, 0, 1], "output_padding": [1, 0], "group": 2},
        [weight("w", 8, 3, 3, 3)],
    ),
    "MaxPool": ({"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1}, []),
    "AveragePool": ({"kernel_shape": [3, 3], "strides": [2, 3], "pads": [1, 1, 0, 0], "dilations": [2, 1]}, []),
    "LpPool": ({"kernel_shape": [3, 3], "auto_pad": "SAME_LOWER", "strides": [2, 2]}, []),
    "Gemm": ({"transA": 0}, [weight("w", 8, 3), weight("b", 3)]),
    "MatMul": ({}, [weight("w", 10, 4)]),
    "Concat": ({"axis": -1}, [weight("w", 1, 8, 12, 3)]),
    "Split": ({"axis": 1}, [ints("w", 8)]),
    "Flatten": ({"axis": 2}, []),
    "Reshape": ({}, [ints("w", 0, -1, 5)]),
    "Transpose": ({"perm": [0, 1, 3, 2]}, []),
    "Squeeze": ({}, [ints("w", 0)]),
    "Unsqueeze": ({}, [ints("w", 1, -1)]),
    "Gather": ({"axis": 2}, [tensor("w", np.array([[1, 2, 3]], np.int64))]),
    "Slice": ({}, [ints("w", 1, -1), ints("e", 100, -9), ints("a", 2, 3), ints("s", 2, -3)]),
    "Pad": ({}, [ints("w", 0, 0, 1, 2, 0, 0, -3, 4)]),
    "Expand": ({}, [ints("w", 1, 1, 12, 1)]),
    "Tile": ({}, [ints("w", 1, 2, 1, 3)]),
    "Resize": ({}, ["", tensor("w", np.array([1, 1, 2, 1.5], np.float32))]),
    "DepthToSpace": ({"blocksize": 2}, []),
    "SpaceToDepth": ({"blocksize": 2}, []),
    "ArgMax": ({"axis": 1, "keepdims": 0}, []),
    "ArgMin": ({"axis": -1}, []),
    "LRN": ({"size": 3}, []),
    "BatchNormalization": ({}, [weight(name, 8) for name in "abcd"]),
    "InstanceNormalization": ({}, [weight(name, 8) for name in "ab"]),
    "LayerNormalization": ({"axis": -1}, [weight("a", 10)]),
    "Cast": ({"to": TensorProto.INT64}, []),
    "PRelu": ({}, [weight("w", 8, 1, 1)]),
    "ThresholdedRelu": ({}, []),
    "Bernoulli": ({}, []),
    "CumSum": ({}, [tensor("w", np.array(2, np.int64))]),
    "IsInf": ({}, []),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd"), ({}, [ints("w", 2, -1)])),
    **dict.fromkeys(("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp"), ({"keepdims": 0}, [ints("w", 2)])),
    "ReduceSumSquare": ({}, []),
    "Einsum": ({"equation": "nchw,wk->nkch"}, [weight("w", 10, 5)]),
    "OneHot": ({"axis": 1}, [ints("w", 7), weight("v", 2)]),
    "GatherElements": ({"axis": 1}, [tensor("w", np.zeros((1, 3, 12, 10), np.int64))]),
    "GatherND": ({}, [tensor("w", np.zeros((4, 3), np.int64))]),
    "ScatterND": ({}, [tensor("w", np.zeros((4, 3), np.int64)), weight("u", 4, 10)]),
    "GridSample": ({}, [weight("w", 1, 5, 6, 2)]),
    "ReverseSequence": ({"batch_axis": 0, "time_axis": 1}, [ints("w", 8)]),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum"), ({}, [weight("w", 8, 1, 1)])),
    **dict.fromkeys(("Mean", "Mod", "Equal", "Greater", "GreaterOrEqual"), ({}, [weight("w", 12, 1)])),
    "Col2Im": ({}, [ints("w", 5, 6), ints("b", 2, 5)]),
    **{
        op: (
            {"hidden_size": 4, "direction": "bidirectional"},
            [weight("w", 2, gates * 4, 8), weight("r", 2, gates * 4, 4)],
        )
        for op, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1))
    },
    **dict.fromkeys(("Less", "LessOrEqual"), ({}, [weight("w", 3, 1, 1, 10)])),
}
"""Settings and further inputs of operations on a picture; what is not here takes the picture alone."""

OTHER_INPUTS = {
    *(
        "And",
        "Or",
        "Xor",
        "Not",
        "BitShift",
        "BitwiseAnd",
        "BitwiseOr",
        "BitwiseXor",
        "BitwiseNot",
        "Where",
    ),  # no floats
    *("Shape", "Size", "Constant", "ConstantOfShape", "Range"),  # constants, see the chains of shapes
    *("QLinearConv", "ConvInteger", "QLinearMatMul", "MatMulInteger", "QuantizeLinear", "DequantizeLinear"),
    *("GroupNormalization", "MeanVarianceNormalization"),  # functions, which onnx does not follow
    *("Upsample", "CastLike", "Swish", "RMSNormalization", "SimplifiedLayerNormalization"),  # of other versions
    *("Attention", "RotaryEmbedding", "RandomNormal", "RandomUniform", "NonZero", "NonMaxSuppression", "Unique"),
    *("TopK", "Compress", "CenterCropPad", "DeformConv", "RoiAlign", "MaxRoiPool", "DynamicQuantizeLinear"),
}


def single(op):
    attributes, more = ONE_INPUT.get(op, ({}, []))
    constants = [each for each in more if each]
    inputs = {"x": OTHER_SHAPES[op]} if op in OTHER_SHAPES else PICTURE
    names = [each.name if each else "" for each in more]
    return model([node(op, ["x", *names], **attributes)], inputs, constants=constants)


OTHER_SHAPES = {
    "Gemm": (1, 8),
    "EyeLike": (1, 4),
    "Col2Im": (1, 30, 8),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), (5, 1, 8)),
}


@pytest.mark.parametrize("op", sorted({each for each in OPERATIONS if "." not in each} - OTHER_INPUTS))
def test_every_operation_gives_the_shape_that_onnx_infers(op):
    proto = single(op)
    [row] = ours(proto).rows
    assert row.output_shape == row_shape(inferred(proto))
    assert row.activations == prod(inferred(proto))


axes = st.tuples(st.integers(1, 4), st.integers(1, 4))


@given(
    op=st.sampled_from(["Conv", "MaxPool", "AveragePool", "ConvTranspose"]),
    size=st.tuples(st.integers(7, 17), st.integers(7, 17)),
    kernel=axes,
    strides=axes,
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    pads=st.one_of(st.tuples(*[st.integers(0, 3)] * 4), st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"])),
    ceil_mode=st.booleans(),
    group=st.sampled_from([1, 2, 4]),
)
@settings(max_examples=150)
def test_windows_go_where_onnx_says(op, size, kernel, strides, dilations, pads, ceil_mode, group):
    attributes = {"strides": strides, "dilations": dilations}
    attributes |= {"auto_pad": pads} if isinstance(pads, str) else {"pads": pads}
    constants = []
    if op == "ConvTranspose" and isinstance(pads, str) and pads != "VALID":
        attributes["dilations"] = (1, 1)
    if op in ("Conv", "ConvTranspose"):
        constants = [weight("w", 4, 4 // group, *kernel)]
        attributes["group"] = group
    else:
        attributes |= {"kernel_shape": kernel} | ({"ceil_mode": 1} if ceil_mode and not isinstance(pads, str) else {})
    proto = model(
        [node(op, ["x", *[each.name for each in constants]], **attributes)], {"x": (1, 4, *size)}, constants=constants
    )
    try:
        summary = ours(proto)
    except ModelError:
        assert op == "ConvTranspose"  # the padding cuts everything off
        return
    expected = inferred(proto)
    [row] = summary.rows
    if op == "ConvTranspose" and str(pads).startswith("SAME"):  # onnx forgets it where the stride is the larger
        assert row.output_shape == (size[0] * strides[0], size[1] * strides[1], 4 // group * group)
        return
    if attributes.get("ceil_mode"):  # onnx drops a window that begins in the padding since version 22 only
        assert all(0 <= theirs - mine <= 1 for mine, theirs in zip(row.output_shape, row_shape(expected), strict=True))
        return
    assert row.output_shape == row_shape(expected)
    if op == "Conv":
        assert row.macs == prod(expected) * 4 // group * prod(kernel)


def test_a_network_has_the_numbers_of_the_same_network_in_the_notation():
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["c", "w2"], ["d"], strides=[2, 2], group=8),
        helper.make_node("BatchNormalization", ["d", "s", "t", "m", "v"], ["e"]),
        helper.make_node("Flatten", ["e"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["g"], transB=1),
        helper.make_node("Softmax", ["g"], ["y"]),
    ]
    constants = [weight("w1", 8, 3, 3, 3), weight("b1", 8), weight("w2", 8, 1, 3, 3), weight("w3", 10, 392)]
    constants += [weight("b3", 10), *(weight(name, 8) for name in "stmv")]
    summary = ours(model(nodes, {"x": ("n", 3, 32, 32)}, constants=constants))
    text = "32x32x3 conv3-8,same relu max2 dw3,s2,nobias bn flatten fc-10 softmax"
    expected = parse_network(text.replace("same", "p1")).summary()
    assert summary.totals == expected.totals
    assert (summary.input_shape, summary.peak) == ((32, 32, 3), expected.peak)
    for mine, theirs in zip(summary.rows, expected.rows, strict=True):
        assert mine._replace(name="") == theirs._replace(name="")


def test_pytorch_and_its_exporter_agree():
    torch = pytest.importorskip("torch")

    class Sample(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Conv2d(3, 8, 3, 2, 1, bias=False)
            self.norm = torch.nn.BatchNorm2d(8)
            self.second = torch.nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4)
            self.up = torch.nn.ConvTranspose2d(16, 4, 3, 2, output_padding=1)
            self.last = torch.nn.Linear(4 * 18 * 18, 10)

        def forward(self, x):
            x = torch.relu(self.norm(self.first(x)))
            y = torch.nn.functional.silu(self.second(x))
            x = torch.cat([x + y, y], 1)
            x = self.up(torch.nn.functional.max_pool2d(x, 3, 2, ceil_mode=True))
            return self.last(x.view(x.shape[0], -1))

    module = Sample().eval()
    for parameter in module.parameters():  # equal arrays are written once
        torch.nn.init.normal_(parameter)
    module.norm.running_mean.normal_()
    target = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            torch.zeros(1, 3, 32, 32),
            target,
            dynamo=False,
            input_names=["x"],
            dynamic_axes={"x": {0: "n", 2: "h", 3: "w"}},
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
    summary = read_onnx(target.getvalue(), "sample", (32, 32, 3))
    assert summary.totals.params == sum(parameter.numel() for parameter in module.parameters())
    assert summary.totals.buffers == 16
    assert summary.rows[-1].output_shape == (10,)
    assert not any(row.output_shape is None for row in summary.rows)


def test_a_channel_mismatch_names_the_node_and_both_counts(tmp_path):
    proto = model([node("Conv", ["x", "w"])], {"x": (1, 4, 8, 8)}, constants=[weight("w", 8, 3, 3, 3)])
    path = save(tmp_path, proto)
    with pytest.raises(ModelError, match=r"model.onnx: node the_Conv \(Conv\): got 4 channels .*, needs 3"):
        read_model(path)


@pytest.mark.parametrize(
    ("nodes", "constants", "message"),
    [
        ([node("Gemm", "xw")], [weight("w", 7, 3)], "got 8 features .* needs 7"),
        ([node("Add", "xw")], [weight("w", 7)], "1x8 and 7 do not fit"),
        ([node("Reshape", "xw")], [ints("w", 3, 3)], "8 elements"),
        ([node("BatchNormalization", "xwwww")], [weight("w", 7)], "got 8 channels .* needs 7"),
        ([node("Concat", "xw", axis=1)], [weight("w", 2, 3)], "cannot be joined"),
        ([node("Relu", "w", "z"), node("Add", "xq")], [weight("w", 2)], "which nothing in the graph makes"),
        ([node("Add", "xq", "z"), node("Relu", "z", "q")], [], "the graph is cyclic"),
        ([node("Relu", "x"), node("Relu", "x")], [], "there already"),
        ([node("Transpose", "x", perm=[0, 0])], [], "cannot reorder"),
        ([node("Softmax", "")], [], "needs at least 1 inputs"),
    ],
)
def test_what_does_not_fit_is_said(nodes, constants, message):
    with pytest.raises(ModelError, match=message):
        ours(model(nodes, {"x": (1, 8)}, constants=constants))


def test_an_open_input_is_settled_or_said():
    proto = model([node("Relu", "x")], {"x": ("batch", 3, "height", "width")})
    with pytest.raises(ModelError, match=r"batchx3xheightxwidth, which leaves dimensions open.*--input HxWx3"):
        ours(proto)
    assert ours(proto, input_shape=(20, 30, 3)).rows[0].output_shape == (20, 30, 3)
    with pytest.raises(ModelError, match="--input gives 20x30"):
        ours(proto, input_shape=(20, 30))


def test_another_input_than_the_files_is_said():
    proto = model([node("Relu", "x")], {"x": (1, 3, 8, 8)})
    summary = ours(proto, input_shape=(16, 16, 3))
    assert summary.rows[0].output_shape == (16, 16, 3)
    assert any("1x3x8x8" in note for note in summary.notes)


def test_a_batch_is_not_counted():
    proto = model([node("Conv", "xw")], {"x": (16, 3, 8, 8)}, constants=[weight("w", 4, 3, 3, 3)])
    [row] = ours(proto).rows
    assert (row.output_shape, row.activations, row.macs) == ((6, 6, 4), 144, 144 * 27)


def test_channels_last_files_are_shown_as_height_width_channels():
    nodes = [
        node("Transpose", "x", "a", perm=[0, 3, 1, 2]),
        node("Conv", "aw", "b"),
        node("Transpose", "b", "c", perm=[0, 2, 3, 1]),
        node("Relu", "c"),
    ]
    summary = ours(model(nodes, {"x": ("n", 9, 8, 3)}, constants=[weight("w", 4, 3, 3, 3)]))
    assert summary.input_shape == (9, 8, 3)
    assert [row.output_shape for row in summary.rows] == [(9, 8, 3), (7, 6, 4), (7, 6, 4), (7, 6, 4)]


def test_chains_of_shapes_are_settled():
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "sz", "n", axis=0),
        node("Constant", "", "m", value=ints("", -1)),
        node("Unsqueeze", "na", "u"),
        node("Concat", "um", "t", axis=0),
        node("Reshape", "xt"),
    ]
    constants = [tensor("z", np.array(0, np.int64)), ints("a", 0)]
    [row] = ours(model(nodes, {"x": (2, 3, 4, 5)}, constants=constants)).rows
    assert row.output_shape == (60,)


def test_what_is_not_known_is_said_and_not_an_error():
    nodes = [
        helper.make_node("Mystery", ["x", "w"], ["a"], domain="org.example"),
        helper.make_node("Relu", ["a"], ["y"]),
    ]
    summary = ours(model(nodes, {"x": (1, 3, 8, 8)}, constants=[weight("w", 5, 5)]))
    assert [(row.output_shape, row.params) for row in summary.rows] == [(None, 25), (None, 0)]
    assert any("org.example.Mystery" in note for note in summary.notes)
    assert summary.memory().inference is None


TWICE = tensor("twice", np.array([1, 1, 2, 2], np.float32))


@pytest.mark.parametrize(
    ("op", "more", "attributes", "word"),
    [
        ("HardSwish", [], {}, "hswish"),
        ("HardSigmoid", [], {"alpha": 1 / 6}, "hsigmoid"),
        ("HardSigmoid", [], {}, None),
        ("Mish", [], {}, "mish"),
        ("PRelu", [weight("w", 8, 1, 1)], {}, "prelu"),
        ("PRelu", [weight("w", 1)], {}, "prelu,shared"),
        ("GroupNormalization", [weight("w", 8), weight("b", 8)], {"num_groups": 4}, "gn4"),
        ("InstanceNormalization", [weight("w", 8), weight("b", 8)], {}, "in,affine"),
        ("DepthToSpace", [], {"blocksize": 2, "mode": "CRD"}, "d2s"),
        ("DepthToSpace", [], {"blocksize": 2}, None),
        ("Resize", [tensor("", np.float32(0)), TWICE], {"mode": "nearest"}, "up2"),
        ("Resize", [tensor("", np.float32(0)), TWICE], {"mode": "linear"}, "up2,bilinear"),
        ("Resize", [tensor("", np.float32(0)), TWICE], {"mode": "cubic"}, None),
    ],
)
def test_what_the_notation_has_a_word_for_is_shown_as_it(op, more, attributes, word):
    inputs = ["x", *(each.name for each in more)]
    proto = model([node(op, inputs, **attributes)], {"x": (1, 8, 6, 4)}, constants=more, opset=22)
    [row] = ours(proto).rows
    assert row.spec == (word or op)
    if word:
        theirs = parse_network(f"6x4x8 {word}").summary()
        assert (row.output_shape, row.params) == (theirs.rows[0].output_shape, theirs.totals.params)


def test_a_layer_norm_of_the_last_axis_has_its_word_where_that_is_the_channels():
    constants = [weight("w", 10), weight("b", 10)]
    proto = model([node("LayerNormalization", ["x", "w", "b"], axis=-1)], {"x": (1, 7, 10)}, constants=constants)
    assert ours(proto).rows[0].spec == "ln"
    rows = ours(model([node("LayerNormalization", ["x", "w", "b"])], PICTURE, constants=constants)).rows
    assert rows[0].spec == "LayerNormalization"


def test_shared_weights_are_counted_once():
    nodes = [node("Conv", "xw", "a"), node("Conv", "aw")]
    summary = ours(model(nodes, {"x": (1, 3, 8, 8)}, constants=[weight("w", 3, 3, 3, 3)]))
    assert [row.params for row in summary.rows] == [81, 0]
    assert any("share" in note for note in summary.notes)


def test_quantized_weights_are_weights():
    scale, zero = tensor("s", np.float32(0.1)), tensor("z", np.int8(0))
    constants = [tensor("q", np.zeros((4, 3, 3, 3), np.int8)), scale, zero]
    nodes = [node("DequantizeLinear", "qsz", "w"), node("Conv", "xw")]
    summary = ours(model(nodes, {"x": (1, 3, 8, 8)}, constants=constants))
    assert [(row.spec, row.params) for row in summary.rows] == [("conv3-4,nobias", 108)]


def test_weights_in_other_files_need_not_be_there():
    outside = weight("w", 4, 3, 3, 3)
    outside.ClearField("raw_data")
    outside.data_location = TensorProto.EXTERNAL
    entry = outside.external_data.add()
    entry.key, entry.value = "location", "weights.bin"
    [row] = ours(model([node("Conv", "xw")], {"x": (1, 3, 8, 8)}, constants=[outside])).rows
    assert row.params == 108


# Published numbers (torchvision; the GoogLeNet of the paper), in graphs that onnx's package holds without weights.
PUBLISHED = {
    "light_resnet50": (25_557_032, 4_089_184_256),
    "light_vgg19": (143_667_240, 19_632_062_464),
    "light_squeezenet": (1_235_496, 349_151_936),
    "light_inception_v1": (6_998_552, None),
    "light_bvlc_alexnet": (60_965_224, None),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_networks_in_onnx_files_have_their_published_numbers(name):
    spec = find_spec("onnx")
    path = Path(spec.submodule_search_locations[0]) / "backend/test/data/light" / f"{name}.onnx"
    if not path.exists():
        pytest.skip("this release of onnx holds no such graph")
    summary = read_model(path)
    params, macs = PUBLISHED[name]
    assert summary.totals.params == params
    assert summary.totals.macs == (macs or summary.totals.macs)
    assert summary.rows[-1].output_shape in ((1000,), (1, 1, 1000))
    assert not any(row.output_shape is None for row in summary.rows)


VARIED = model(
    [
        node("Conv", "xw", "a", strides=[2, 2], pads=[1, 1, 1, 1], group=1),
        node("MaxPool", "a", "b", kernel_shape=[2, 2], ceil_mode=1),
        node("Shape", "b", "s"),
        node("Slice", "suv", "t"),
        node("Concat", "tm", "r", axis=0),
        node("Reshape", "br", "c"),
        node("Gather", "cu", "d", axis=1),
        node("Pad", "ap", "e"),
        node("Resize", ["e", "", "f"], "g"),
        node("Transpose", "g", "h", perm=[0, 2, 3, 1]),
        node("ReduceMean", "h", "i", keepdims=0),
        node("Split", "a", ["j", "k"], axis=1, num_outputs=2),
        node("ConvTranspose", "aq", "y", output_padding=[0, 1], strides=[2, 2]),
    ],
    {"x": ("n", 3, 9, 8)},
    constants=[
        *(weight("w", 4, 3, 3, 3), weight("q", 4, 2, 3, 3), ints("u", 0), ints("v", 1), ints("m", -1)),
        *(ints("p", 0, 0, 1, 1, 0, 0, 1, 1), tensor("f", np.array([1, 1, 2, 2], np.float32))),
    ],
).SerializeToString()


@given(at=st.integers(0, len(VARIED) - 1), more=st.binary(max_size=6), cut=st.integers(0, 6))
@settings(max_examples=500)
def test_any_damage_gives_a_summary_or_one_clear_error(at, more, cut):
    said = ""
    try:
        read_onnx(VARIED[:at] + more + VARIED[at + cut :], "sample", (9, 8, 3))
    except ModelError as error:
        said = str(error)
    assert "\n" not in said


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_with_ceil_mode_the_only_window_may_hang_over(op):
    proto = model([node(op, ["x"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)], {"x": (1, 4, 2, 2)})
    assert ours(proto).rows[-1].output_shape == (1, 1, 4)
