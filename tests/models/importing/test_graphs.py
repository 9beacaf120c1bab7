"""Graphs of other programs become networks of ours that compute the same, or are refused by the node in the way."""

import time
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from cnncli.engines.numpy_engine import NumpyEngine
from cnncli.errors import ModelError
from cnncli.models.importing.imported import NotANetworkError
from cnncli.models.importing.onnx import import_onnx
from cnncli.networks import parse_network

runtime = pytest.importorskip("onnxruntime")

rng = np.random.default_rng(8)


def numbers(*shape):
    return rng.normal(0, 0.5, shape).astype(np.float32)


def near_one(*shape):
    return rng.uniform(0.5, 1.5, shape).astype(np.float32)


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs.split(), output.split(), name=f"the_{op}_{output}", **attributes)


def conv(x, output, weight, *more, **attributes):
    return node("Conv", " ".join([x, weight, *more]), output, **attributes)


def graph(path, nodes, shape, output_shape=None, opset=17, infos=(), outputs=("y",), inputs=("x",), **constants):
    """Write a graph from x to y; constants are arrays, by name, of which it has those that nodes need."""
    needed = {name for each in nodes for name in each.input} - {name for each in nodes for name in each.output}
    found = helper.make_graph(
        nodes,
        "sample",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape]) for name in inputs],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, output_shape and ["n", *output_shape])
            for name in outputs
        ],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items() if name in needed],
        value_info=list(infos),
    )
    proto = helper.make_model(found, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path.write_bytes(proto.SerializeToString())
    return path


def run(path, x):
    """Return what the runtime makes of a batch."""
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: x})
    return found


def predicted(imported, x):
    """Return what our network makes of the pictures of a batch (N, H, W, C)."""
    if imported.normalization is not None:
        scale = np.float32(255 if max(imported.normalization.std) > 2 and x.max() <= 1 else 1)
        x = imported.normalization.apply(x * scale)
    with NumpyEngine(imported.network, imported.parameters, imported.buffers, jobs=1) as engine:
        return engine.predict(np.ascontiguousarray(x, np.float32))


def check(path, shape, text=None, *, channels_last=False):
    """Compare the network of a graph with the runtime on three pictures; return the network's words."""
    imported = import_onnx(path)
    x = np.random.default_rng(1).random((3, *shape), np.float32)
    theirs, ours = run(path, x), predicted(imported, x if channels_last else x.transpose(0, 2, 3, 1))
    if ours.ndim == 4 and not (channels_last and theirs.ndim == 4):
        ours = ours.transpose(0, 3, 1, 2)
    np.testing.assert_allclose(ours.reshape(theirs.shape), theirs, rtol=1e-4, atol=1e-5)
    assert parse_network(str(imported.network)) == imported.network
    words = str(imported.network).split(" ", 1)[1]
    assert text is None or words == text
    return words


SHAPE = (3, 9, 8)
W3, B3 = numbers(4, 3, 3, 3), numbers(4)


@pytest.mark.parametrize(
    ("settings", "weight", "text"),
    [
        ({"pads": [0, 1, 2, 0], "strides": [2, 1]}, W3, "conv3-4,s2x1,p0x2x1x0"),
        ({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, W3, "conv3-4,s2,p1x1x0x1"),
        ({"auto_pad": "SAME_LOWER", "strides": [2, 2]}, W3, "conv3-4,s2,p1x1x1x0"),
        ({"dilations": [2, 1]}, W3, "conv3-4,d2x1"),
        ({"group": 3}, numbers(6, 1, 3, 3), "dw3-6"),
        ({"group": 3, "pads": [1, 1, 1, 1]}, numbers(3, 1, 3, 3), "dw3,p1"),
    ],
)
def test_convolutions(tmp_path, settings, weight, text):
    path = graph(tmp_path / "m.onnx", [conv("x", "y", "w", "b", **settings)], SHAPE, w=weight, b=numbers(len(weight)))
    check(path, SHAPE, text)


def test_transposed_convolutions_have_groups(tmp_path):
    settings = {"group": 2, "strides": [2, 2], "pads": [1, 0, 1, 0], "output_padding": [1, 1]}
    nodes = [node("ConvTranspose", "x w b", "y", **settings)]
    path = graph(tmp_path / "m.onnx", nodes, (4, 5, 6), w=numbers(4, 3, 3, 3), b=numbers(6))
    check(path, (4, 5, 6), "tconv3-6,s2,p1x0,o1,g2")


POOLS = {
    "max3,s2,p1": ("MaxPool", {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    "max3,s2,ceil": ("MaxPool", {"strides": [2, 2], "ceil_mode": 1}),
    "max3,s1,d2": ("MaxPool", {"dilations": [2, 2]}),
    "avg3,s1,p1": ("AveragePool", {"pads": [1, 1, 1, 1]}),
    "avg3,s1,p1,count_include_pad": ("AveragePool", {"pads": [1, 1, 1, 1], "count_include_pad": 1}),
    "avg3,s2,ceil": ("AveragePool", {"strides": [2, 2], "ceil_mode": 1}),
}


@pytest.mark.parametrize("text", POOLS)
def test_pools(tmp_path, text):
    op, settings = POOLS[text]
    path = graph(tmp_path / "m.onnx", [node(op, "x", "y", kernel_shape=[3, 3], **settings)], SHAPE, opset=19)
    check(path, SHAPE, text)


def of_all(*axes, op="ReduceMean"):
    return node(op, "x", "y", axes=list(axes), keepdims=0)


CONSTANTS = {"three": 3.0, "six": 6.0, "zero": 0.0, "one": 1.0, "half": 0.5, "sixth": 1 / 6, "root": 2**0.5}
CONSTANTS = {name: np.array(value, np.float32) for name, value in CONSTANTS.items()}

ROWS = {
    "relu": [node("Relu", "x", "y")],
    "relu6": [node("Clip", "x zero six", "y")],
    "leaky0.3": [node("LeakyRelu", "x", "y", alpha=0.3)],
    "leaky": [node("LeakyRelu", "x", "y")],
    "elu": [node("Elu", "x", "y")],
    "silu": [node("Sigmoid", "x", "s"), node("Mul", "s x", "y")],
    "hswish": [node("HardSwish", "x", "y")],
    "hsigmoid": [node("HardSigmoid", "x", "y", alpha=1 / 6)],
    "mish": [node("Softplus", "x", "a"), node("Tanh", "a", "b"), node("Mul", "x b", "y")],
    "gelu": [
        *(node("Div", "x root", "a"), node("Erf", "a", "b"), node("Add", "b one", "c")),
        *(node("Mul", "x c", "d"), node("Mul", "d half", "y")),
    ],
    "gelu ": [
        *(node("Mul", "x half", "h"), node("Div", "x root", "a"), node("Erf", "a", "b"), node("Add", "one b", "c")),
        node("Mul", "h c", "y"),
    ],
    "hswish ": [
        *(node("Add", "x three", "a"), node("Clip", "a zero six", "b"), node("Mul", "x b", "c")),
        node("Div", "c six", "y"),
    ],
    "hswish  ": [
        *(node("Add", "x three", "a"), node("Clip", "a zero six", "b"), node("Mul", "b sixth", "c")),
        node("Mul", "x c", "y"),
    ],
    "hsigmoid ": [node("Add", "x three", "a"), node("Clip", "a zero six", "b"), node("Div", "b six", "y")],
    "softmax": [node("Softmax", "x", "y", axis=1)],
    "mul[ | ]": [node("Mul", "x x", "y")],
    "ln,eps0.5": [
        *(node("ReduceMean", "x", "m", axes=[1]), node("Sub", "x m", "c"), node("Pow", "c two", "s")),
        *(node("ReduceMean", "s", "v", axes=[1]), node("Add", "v half", "e"), node("Sqrt", "e", "d")),
        *(node("Div", "c d", "n"), node("Mul", "n gain", "g"), node("Add", "g gain", "y")),
    ],
    "lrn3,k0.5,alpha18,beta2": [
        *(node("Mul", "x x", "s"), conv("s", "n", "band"), node("Mul", "n six", "a"), node("Add", "a half", "k")),
        *(node("Pow", "k two", "p"), node("Div", "x p", "y")),
    ],
    "gap": [node("GlobalAveragePool", "x", "y")],
    "gap ": [node("ReduceMean", "x", "y", axes=[-1, 2])],
    "gap  ": [of_all(2, 3)],
    "gmp": [of_all(2, 3, op="ReduceMax")],
    "up2": [node("Upsample", "x scales", "y", mode="nearest")],
    "lrn3,k1.5,alpha0.3,beta0.6": [node("LRN", "x", "y", size=3, alpha=0.3, beta=0.6, bias=1.5)],
    "d2s": [conv("x", "a", "twelve"), node("DepthToSpace", "a", "y", blocksize=2, mode="CRD")],
    "drop0.3": [node("Dropout", "x rate", "y")],
    "crop1x2x0x3": [node("Slice", "x from to axes", "y")],
    "zeropad-5": [node("Pad", "x channels", "y")],
}
MORE = {
    "scales": np.array([1, 1, 2, 2], np.float32),
    "two": np.float32(2),
    "gain": numbers(3, 1, 1),
    "band": np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]], np.float32)[..., np.newaxis, np.newaxis],
    "twelve": numbers(12, 3, 1, 1),
    "rate": np.array(0.3, np.float32),
    "from": np.array([1, 0]),
    "to": np.array([-2, -3]),
    "axes": np.array([2, 3]),
    "channels": np.array([0, 0, 0, 0, 0, 2, 0, 0]),
}


@pytest.mark.parametrize("text", ROWS)
def test_operations_that_are_a_layer(tmp_path, text):
    opset = 9 if "up2" in text else 17
    path = graph(tmp_path / "m.onnx", ROWS[text], SHAPE, opset=opset, **CONSTANTS, **MORE)
    check(path, SHAPE, text.strip() if text != "d2s" else "conv1-12,nobias d2s")


def test_old_files_have_settings_that_are_inputs_now(tmp_path):
    nodes = [
        *(node("Clip", "x", "a", min=0.0, max=6.0), node("Flatten", "a", "b"), node("Gemm", "b w c", "d")),
        node("Softmax", "d", "y"),
    ]
    path = graph(tmp_path / "m.onnx", nodes, SHAPE, opset=7, w=numbers(216, 5), c=numbers(5))
    check(path, SHAPE, "relu6 fc-5,softmax")


def test_fully_connected_weights_are_put_into_our_order(tmp_path):
    nodes = [
        node("Flatten", "x", "a"),
        node("Gemm", "a w b", "c", transB=1, alpha=0.5, beta=2.0),
        node("MatMul", "c v", "d"),
        node("Add", "d b", "y"),
    ]
    path = graph(tmp_path / "m.onnx", nodes, SHAPE, w=numbers(5, 216), b=numbers(5), v=numbers(5, 5))
    check(path, SHAPE, "fc-5 fc-5")


def test_shapes_that_a_graph_computes(tmp_path):
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s first", "n", axis=0),
        node("Unsqueeze", "n axis", "u"),
        node("Constant", "", "rest", value_ints=[-1]),
        node("Concat", "u rest", "shape", axis=0),
        node("Reshape", "x shape", "flat"),
        node("Transpose", "w", "turned", perm=[1, 0]),
        node("Gemm", "flat turned", "y"),
    ]
    path = graph(tmp_path / "m.onnx", nodes, SHAPE, w=numbers(5, 216), first=np.array(0), axis=np.array([0]))
    check(path, SHAPE, "fc-5,nobias")


def batch_norm(x, output, prefix="", **settings):
    names = " ".join(prefix + name for name in ("gamma", "beta", "mean", "var"))
    return node("BatchNormalization", f"{x} {names}", output, **settings)


def norm_arrays(count, prefix=""):
    arrays = {"gamma": near_one(count), "beta": numbers(count), "mean": numbers(count), "var": near_one(count)}
    return {prefix + name: array for name, array in arrays.items()}


def test_batch_norms_keep_their_epsilon(tmp_path):
    nodes = [conv("x", "a", "w"), batch_norm("a", "b", epsilon=0.01), node("Relu", "b", "y")]
    path = graph(tmp_path / "m.onnx", nodes, SHAPE, w=W3, **norm_arrays(4))
    check(path, SHAPE, "conv3-4,bn,eps0.01,relu")


def test_products_and_sums_are_folded(tmp_path):
    nodes = [
        conv("x", "a", "w", pads=[1, 1, 1, 1]),
        *(node("Mul", "a s", "b"), node("Add", "b t", "c"), node("Relu", "c", "d")),
        *(
            node("Mul", "d s", "e"),
            conv("e", "f", "v", pads=[1, 1, 1, 1]),
            batch_norm("f", "g"),
            node("Sub", "g t", "h"),
        ),
        *(node("Neg", "h", "y"),),
    ]
    arrays = {"w": W3, "v": numbers(4, 4, 3, 3), "s": numbers(4, 1, 1), "t": numbers(1, 4, 1, 1)}
    path = graph(tmp_path / "m.onnx", nodes, SHAPE, **arrays, **norm_arrays(4))
    check(path, SHAPE, "conv3-4,p1,relu conv3-4,p1,bn")


def test_what_cannot_be_folded_is_a_layer(tmp_path):
    nodes = [
        node("Relu", "x", "a"),
        node("Mul", "a s", "b"),
        node("Relu", "b", "c"),
        node("Add", "c t", "d"),
        node("Relu", "d", "y"),
    ]
    path = graph(tmp_path / "m.onnx", nodes, SHAPE, s=numbers(3, 1, 1), t=numbers(3, 1, 1))
    check(path, SHAPE, "relu scale relu dw1,relu")


def test_padding_by_itself_is_that_of_the_window_after_it(tmp_path):
    nodes = [
        *(node("Pad", "x pads", "a"), conv("a", "b", "w"), node("Relu", "b", "c")),
        *(node("Pad", "c pads", "d"), node("MaxPool", "d", "e", kernel_shape=[3, 3], strides=[2, 2])),
        *(node("Pad", "e pads", "f"), node("AveragePool", "f", "y", kernel_shape=[2, 2])),
    ]
    path = graph(tmp_path / "m.onnx", nodes, SHAPE, w=W3, pads=np.array([0, 0, 1, 0, 0, 0, 0, 1]))
    check(path, SHAPE, "conv3-4,p1x0x0x1,nobias,relu max3,s2,p1x0x0x1 avg2,s1,p1x0x0x1,count_include_pad")


BLOCKS = {
    "relu res[ conv1-3 ]": [
        *(node("Relu", "x", "r"), conv("r", "a", "one", "b"), node("Add", "r a", "c"), node("Relu", "c", "y")),
    ],
    "relu add[ conv1-3,relu conv1-3 | conv1-3,nobias ]": [
        *(node("Relu", "x", "r"), conv("r", "s", "one"), conv("r", "a", "one", "b"), node("Relu", "a", "c")),
        *(conv("c", "d", "one", "b"), node("Add", "s d", "y")),
    ],
    "relu cat[ conv1-3 | | max3,s1,p1 ]": [
        *(node("Relu", "x", "r"), conv("r", "a", "one", "b")),
        node("MaxPool", "r", "p", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Concat", "a r p", "y", axis=1),
    ],
    "relu cat[ conv1-3 | conv1-3,relu cat[ conv1-3 | tanh ] ]": [
        *(node("Relu", "x", "r"), conv("r", "a", "one", "b"), conv("r", "c", "one", "b"), node("Relu", "c", "d")),
        *(conv("d", "e", "one", "b"), node("Tanh", "d", "f"), node("Concat", "a e f", "y", axis=1)),
    ],
    "relu cat[ | conv1-3 ] cat[ | relu split1/2 ]": [
        *(node("Relu", "x", "r"), conv("r", "a", "one", "b"), node("Concat", "r a", "c", axis=1)),
        *(node("Relu", "c", "d"), node("Split", "d", "e f", axis=1), node("Concat", "r a e", "y", axis=1)),
    ],
    "relu mul[ | gap conv1-3,sigmoid ]": [
        *(node("Relu", "x", "r"), node("GlobalAveragePool", "r", "g"), conv("g", "a", "one", "b")),
        *(node("Sigmoid", "a", "s"), node("Mul", "s r", "y")),
    ],
    "relu mul[ | gap fc-3,sigmoid ]": [
        *(node("Relu", "x", "r"), node("GlobalAveragePool", "r", "g"), node("Flatten", "g", "f")),
        *(
            node("Gemm", "f m b", "a"),
            node("Sigmoid", "a", "s"),
            node("Unsqueeze", "s ends", "u"),
            node("Mul", "r u", "y"),
        ),
    ],
    "relu conv1-6 cat[ split1/2 | split2/2 relu ] shuffle2": [
        *(
            node("Relu", "x", "r"),
            conv("r", "a", "six6", "b6"),
            node("Split", "a", "p q", axis=1),
            node("Relu", "q", "s"),
        ),
        *(node("Concat", "p s", "c", axis=1), node("Reshape", "c groups", "g")),
        *(node("Transpose", "g", "t", perm=[0, 2, 1, 3, 4]), node("Reshape", "t back", "y")),
    ],
    "relu gn3,noaffine": [
        *(
            node("Relu", "x", "r"),
            node("Reshape", "r three_rows", "g"),
            node("InstanceNormalization", "g ones zeros", "i"),
        ),
        node("Reshape", "i as_x", "y"),
    ],
    "relu gn3": [
        *(
            node("Relu", "x", "r"),
            node("Reshape", "r three_rows", "g"),
            node("InstanceNormalization", "g ones zeros", "i"),
        ),
        *(node("Reshape", "i as_x", "j"), node("Mul", "j s", "k"), node("Add", "k t", "y")),
    ],
    "relu in,affine": [node("Relu", "x", "r"), node("InstanceNormalization", "r b b", "y")],
    "relu ln,eps1e-06": [
        *(node("Relu", "x", "r"), node("Transpose", "r", "t", perm=[0, 2, 3, 1])),
        node("LayerNormalization", "t b b", "l", axis=-1, epsilon=1e-6),
        node("Transpose", "l", "y", perm=[0, 3, 1, 2]),
    ],
    "relu conv1-3,prelu": [node("Relu", "x", "r"), conv("r", "a", "one", "b"), node("PRelu", "a s", "y")],
}
BLOCK_ARRAYS = {
    "one": numbers(3, 3, 1, 1),
    "b": numbers(3),
    "six6": numbers(6, 3, 1, 1),
    "b6": numbers(6),
    "m": numbers(3, 3),
    "s": numbers(3, 1, 1),
    "t": numbers(3, 1, 1),
    "ones": np.ones(3, np.float32),
    "zeros": np.zeros(3, np.float32),
    "groups": np.array([0, 2, 3, 9, 8]),
    "back": np.array([0, 6, 9, 8]),
    "as_x": np.array([0, 3, 9, 8]),
    "three_rows": np.array([0, 3, -1]),
    "ends": np.array([2, 3]),
}


@pytest.mark.parametrize("text", BLOCKS)
def test_blocks(tmp_path, text):
    check(graph(tmp_path / "m.onnx", BLOCKS[text], SHAPE, **BLOCK_ARRAYS), SHAPE, text)


def test_graphs_with_channels_last(tmp_path):
    nodes = [
        *(
            node("Transpose", "x", "a", perm=[0, 3, 1, 2]),
            conv("a", "b", "w"),
            node("Transpose", "b", "c", perm=[0, 2, 3, 1]),
        ),
        *(
            node("Add", "c t", "d"),
            node("Relu", "d", "e"),
            node("MatMul", "e m", "f"),
            node("ReduceMean", "f", "g", axes=[1, 2], keepdims=1),
        ),
        *(
            node("Sigmoid", "g", "h"),
            node("Mul", "f h", "i"),
            node("Concat", "i f", "j", axis=3),
            node("Reshape", "j flat", "k"),
        ),
        *(node("MatMul", "k v", "l"), node("Softmax", "l", "y")),
    ]
    arrays = {
        "w": numbers(4, 3, 3, 3),
        "t": numbers(4),
        "m": numbers(4, 4),
        "v": numbers(336, 5),
        "flat": np.array([-1, 336]),
    }
    path = graph(tmp_path / "m.onnx", nodes, (9, 8, 3), **arrays)
    check(
        path,
        (9, 8, 3),
        "conv3-4,relu conv1-4,nobias cat[ mul[ | gap sigmoid ] | ] fc-5,nobias,softmax",
        channels_last=True,
    )


def test_parts_of_pictures_with_channels_last(tmp_path):
    nodes = [
        *(node("Slice", "x from to rows", "a"), node("MatMul", "a six", "b"), node("Split", "b", "c d", axis=3)),
        *(
            node("Relu", "d", "e"),
            node("Concat", "c e", "f", axis=3),
            node("ReduceMax", "f", "y", axes=[1, 2], keepdims=0),
        ),
    ]
    arrays = {"six": numbers(3, 6), "from": np.array([1, 0]), "to": np.array([-2, -3]), "rows": np.array([1, 2])}
    path = graph(tmp_path / "m.onnx", nodes, (9, 8, 3), **arrays)
    text = "crop1x2x0x3 conv1-6,nobias cat[ split1/2 | split2/2 relu ] gmp"
    check(path, (9, 8, 3), text, channels_last=True)


def check_normalization(path, mean, std):
    found = import_onnx(path)
    np.testing.assert_allclose(found.normalization.mean, mean, rtol=1e-5)
    np.testing.assert_allclose(found.normalization.std, std, rtol=1e-5)
    assert str(found.network) == "9x8x3 conv3-4"


MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


def test_the_normalisation_at_the_start_is_found(tmp_path):
    arrays = {"w": W3, "b": B3, "mean": MEAN[:, None, None], "std": STD[:, None, None], "most": np.float32(255)}
    plain = [node("Sub", "x mean", "c"), node("Div", "c std", "d"), conv("d", "y", "w", "b")]
    bytes_first = [node("Div", "x most", "a"), node("Sub", "a mean", "c"), *plain[1:]]
    check_normalization(graph(tmp_path / "m.onnx", plain, SHAPE, **arrays), 255 * MEAN, 255 * STD)
    check_normalization(graph(tmp_path / "m.onnx", bytes_first, SHAPE, **arrays), 255 * MEAN, 255 * STD)
    means = [node("Sub", "x mean", "d"), conv("d", "y", "w", "b")]
    check_normalization(
        graph(tmp_path / "m.onnx", means, SHAPE, **arrays | {"mean": 255 * MEAN[:, None, None]}), 255 * MEAN, (1, 1, 1)
    )
    signed = [node("Div", "x most", "a"), node("Sub", "a half", "d"), conv("d", "y", "w", "b")]
    check_normalization(graph(tmp_path / "m.onnx", signed, SHAPE, **arrays, **CONSTANTS), (127.5,) * 3, (255,) * 3)


def test_what_is_flattened_behind_a_softmax_ends_in_the_softmax(tmp_path):
    nodes = [node("GlobalAveragePool", "x", "a"), node("Softmax", "a", "b", axis=1), node("Flatten", "b", "y")]
    check(graph(tmp_path / "m.onnx", nodes, SHAPE), SHAPE, "gap softmax")


def test_a_log_softmax_at_the_end_gives_scores(tmp_path):
    nodes = [node("Flatten", "x", "a"), node("Gemm", "a w", "b"), node("LogSoftmax", "b", "y", axis=1)]
    path = graph(tmp_path / "m.onnx", nodes, SHAPE, w=numbers(216, 5))
    x = rng.random((3, *SHAPE), np.float32)
    scores = predicted(import_onnx(path), x.transpose(0, 2, 3, 1)).astype(np.float64)
    np.testing.assert_allclose(scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)), run(path, x), atol=1e-5)


@pytest.mark.parametrize("store", ["typed", "half", "double", "outside"])
def test_the_forms_of_numbers(tmp_path, store):
    path = graph(tmp_path / "m.onnx", [conv("x", "y", "w")], SHAPE, w=W3)
    expected = import_onnx(path).parameters["0.conv.weight"]
    weight = {
        "typed": helper.make_tensor("w", TensorProto.FLOAT, W3.shape, W3.ravel()),
        "half": helper.make_tensor("w", TensorProto.FLOAT16, W3.shape, W3.astype(np.float16).ravel()),
        "double": numpy_helper.from_array(W3.astype(np.float64), "w"),
        "outside": outside(tmp_path, "m.onnx.data"),
    }[store]
    import onnx

    proto = onnx.load(path)
    proto.graph.initializer[0].CopyFrom(weight)
    path.write_bytes(proto.SerializeToString())
    tolerance = 1e-3 if store == "half" else 0
    np.testing.assert_allclose(import_onnx(path).parameters["0.conv.weight"], expected, rtol=tolerance)


def outside(folder, location, offset=8, data=None):
    (folder / "m.onnx.data").write_bytes(b"12345678" + W3.tobytes() if data is None else data)
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=W3.shape, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", offset), ("length", W3.nbytes)):
        weight.external_data.add(key=key, value=str(value))
    return weight


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ({"location": "../secret"}, "own folder"),
        ({"location": "/etc/passwd"}, "own folder"),
        ({"location": "none"}, "no such file"),
        ({"location": "m.onnx.data", "offset": 99}, "too few"),
        ({"location": "m.onnx.data", "offset": -8}, "not a place"),
        ({"location": "m.onnx.data", "data": b""}, "empty"),
        ({"location": "."}, "folder"),
    ],
)
def test_numbers_outside_of_the_file_are_those_of_its_folder(tmp_path, weight, message):
    import onnx

    path = graph(tmp_path / "m.onnx", [conv("x", "y", "w")], SHAPE, w=W3)
    proto = onnx.load(path)
    proto.graph.initializer[0].CopyFrom(outside(tmp_path, **weight))
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(ModelError, match=message):
        import_onnx(path)


REFUSED = {
    "the_Gemm_y.*depends on the picture": [node("Flatten", "x", "a"), node("Gemm", "a a", "y", transB=1)],
    "the_Selu_y": [node("Selu", "x", "y")],
    "the_Add_y.*for each pixel": [node("Add", "x every", "y")],
    "the_Concat_y.*constant": [node("Concat", "x every", "y", axis=1)],
    "the_Pad_a.*pad is no layer": [node("Pad", "x pads", "a"), node("Relu", "a", "y")],
    "the_Pad_y.*pixels of the picture": [node("Pad", "x pads", "y", mode="reflect")],
    "the_Clip_y": [node("Clip", "x half six", "y")],
    "the_HardSigmoid_y": [node("HardSigmoid", "x", "y")],
    "the_Softmax_y.*channels": [node("Softmax", "x", "y", axis=3)],
    "the_ReduceMean_y.*height and width": [node("ReduceMean", "x", "y", axes=[2])],
    "the_ReduceMean_y.*mean over channels": [node("ReduceMean", "x", "y", axes=[1])],
    "the_Sqrt_y.*power": [node("Sqrt", "x", "y")],
    "the_ReduceMean_y.*batch": [node("ReduceMean", "x", "y", axes=[0, 2, 3])],
    "the_Transpose_y.*batch": [node("Transpose", "x", "y", perm=[1, 0, 2, 3])],
    "the_Resize_y": [node("Resize", "x  scales", "y", mode="cubic")],
    "the_LRN_y.*even": [node("LRN", "x", "y", size=4)],
    "the_Mul_y.*depends|the_Div_y": [node("Relu", "x", "a"), node("Div", "x a", "y")],
    "the_Erf_y": [node("Erf", "x", "y")],
    "two ways": [
        *(node("Relu", "x", "a"), node("Tanh", "a", "b"), node("Sigmoid", "a", "c"), node("Add", "b c", "d")),
        *(node("Elu", "c", "e"), node("Add", "d e", "y")),
    ],
    "order of ours": [node("Flatten", "x", "y")],
    "the_GroupNorm|the_InstanceNormalization_b": [
        *(
            node("Reshape", "x mixed", "a"),
            node("InstanceNormalization", "a pair pair0", "b"),
            node("Reshape", "b as_x", "y"),
        ),
    ],
}
REFUSED_ARRAYS = {
    "every": numbers(1, 3, 9, 8),
    "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    "as_x": np.array([0, 3, 9, 8]),
    "scales": np.array([1, 1, 2, 2], np.float32),
    "mixed": np.array([0, 2, 108]),
    "pair": np.ones(2, np.float32),
    "pair0": np.zeros(2, np.float32),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_the_notation_cannot_say_is_refused_by_its_node(tmp_path, message):
    path = graph(tmp_path / "m.onnx", REFUSED[message], SHAPE, **REFUSED_ARRAYS, **CONSTANTS)
    with pytest.raises(NotANetworkError, match=message) as error:
        import_onnx(path)
    assert "\n" not in str(error.value)


def test_graphs_with_several_ends_are_refused(tmp_path):
    nodes = [node("Relu", "x", "y"), node("Tanh", "x", "z")]
    with pytest.raises(NotANetworkError, match="2 outputs"):
        import_onnx(graph(tmp_path / "m.onnx", nodes, SHAPE, outputs=("y", "z")))
    with pytest.raises(NotANetworkError, match="2 inputs"):
        import_onnx(graph(tmp_path / "m.onnx", [node("Add", "x z", "y")], SHAPE, inputs=("x", "z")))
    with pytest.raises(NotANetworkError, match="opset 6"):
        import_onnx(graph(tmp_path / "m.onnx", nodes[:1], SHAPE, opset=6))


def test_loops_are_refused(tmp_path):
    body = helper.make_graph(
        [node("Identity", "go", "still"), node("Relu", "v", "w")],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, None),
        ],
    )
    nodes = [node("Loop", "times  x", "y", body=body)]
    with pytest.raises(NotANetworkError, match="Loop"):
        import_onnx(graph(tmp_path / "m.onnx", nodes, SHAPE, times=np.array(2)))


def test_a_shape_that_the_file_says_must_be_that_of_the_layer(tmp_path):
    nodes = [conv("x", "a", "w"), node("Relu", "a", "y")]
    right = helper.make_tensor_value_info("a", TensorProto.FLOAT, ["n", 4, 7, 6])
    wrong = helper.make_tensor_value_info("a", TensorProto.FLOAT, ["n", 4, 7, 5])
    check(graph(tmp_path / "m.onnx", nodes, SHAPE, infos=[right], w=W3), SHAPE, "conv3-4,nobias,relu")
    with pytest.raises(NotANetworkError, match="4x7x5"):
        import_onnx(graph(tmp_path / "m.onnx", nodes, SHAPE, infos=[wrong], w=W3))


def test_a_size_that_the_file_leaves_open_is_told(tmp_path):
    nodes = [conv("x", "a", "w"), node("GlobalAveragePool", "a", "y")]
    path = graph(tmp_path / "m.onnx", nodes, (3, "h", "w"), w=W3)
    with pytest.raises(NotANetworkError, match="open"):
        import_onnx(path)
    assert str(import_onnx(path, (9, 8)).network) == "9x8x3 conv3-4,nobias gap"


def test_any_damage_is_one_line(tmp_path):
    path = graph(tmp_path / "m.onnx", [*BLOCKS["relu mul[ | gap fc-3,sigmoid ]"]], SHAPE, **BLOCK_ARRAYS)
    content = path.read_bytes()
    damages = np.random.default_rng(0)
    refused = []
    for number in range(400):
        damaged = bytearray(content[: damages.integers(1, len(content))] if number % 2 else content)
        for place in damages.integers(0, len(damaged), number % 5):
            damaged[place] = damages.integers(0, 256)
        path.write_bytes(damaged)
        try:
            import_onnx(path)
        except ModelError as error:
            refused.append(str(error))
    assert len(refused) > 200
    assert [message for message in refused if "\n" in message] == []


def in_a_row(count, make):
    """Return nodes one after the other; `make` gives those from one name to the next."""
    names = ["x", *(f"t{number}" for number in range(count))]
    return [
        *(each for pair in pairwise(names) for each in make(*pair)),
        node("Relu", names[-1], "y"),
    ]


HUGE = {
    "a large picture": ((3, 10**6, 10**6), [node("Transpose", "x", "y", perm=[0, 2, 3, 1])]),
    "an expanded constant": ((3, 8, 8), [node("Expand", "v many", "c"), conv("x", "y", "c")]),
    "a filled constant": ((3, 8, 8), [node("ConstantOfShape", "many", "c"), conv("x", "y", "c")]),
    "repeated pixels": ((3, 8, 8), [node("Tile", "x times", "y")]),
    "channels": (
        (3, 8, 8),
        in_a_row(50, lambda x, y: [node("Pad", f"{x} more", y + "p"), node("Mul", f"{y}p half", y)]),
    ),
    "transposes": ((64, 224, 224), in_a_row(500, lambda x, y: [node("Transpose", x, y, perm=[0, 3, 1, 2])])),
    "ways": ((3, 8, 8), in_a_row(500, lambda x, y: [node("Add", f"{x} {x}", y)])),
    "nested blocks": (
        (3, 8, 8),
        [
            *(node("Relu", f"r{number}" if number else "x", f"r{number + 1}") for number in range(300)),
            *(node("Add", f"r{number} s{number + 1}", f"s{number}") for number in range(299, 0, -1)),
            node("Identity", "s1", "y"),
        ],
    ),
}
HUGE_ARRAYS = {
    "many": np.array([10**8, 3, 1, 1]),
    "times": np.array([1, 1, 10**5, 10**5]),
    "v": np.ones((1, 1, 1, 1), np.float32),
    "more": np.array([0, 0, 0, 0, 0, 2**19, 0, 0]),
    "s300": np.float32(1),
}


@pytest.mark.parametrize("what", HUGE)
def test_claims_take_neither_memory_nor_time(tmp_path, what):
    shape, nodes = HUGE[what]
    path = graph(tmp_path / "m.onnx", nodes, shape, **HUGE_ARRAYS, **CONSTANTS)
    began = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match=r"m\.onnx: ") as error:
            import_onnx(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "\n" not in str(error.value)
    assert peak < 400 * 2**20
    assert time.process_time() - began < 20
