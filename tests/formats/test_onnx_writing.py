"""ONNX files that are written: onnx's checker accepts them, and its reference evaluator computes what we compute."""

import warnings

import numpy as np
import onnx
import pytest
from onnx import TensorProto, checker, helper
from onnx.reference import ReferenceEvaluator
from word_grid import WORDS, texts

from cnncli.engines.initialization import initialize
from cnncli.engines.numpy_engine import NumpyEngine
from cnncli.errors import ModelError
from cnncli.formats.onnx.writing import OPSET, OnnxGraph
from cnncli.networks import load_network, parse_network
from cnncli.networks.layers.base import Layer


def as_picture(text):
    """A network of numbers as one of a picture, which is what a file takes."""
    count, words = text.split(" ", 1)
    return f"1x1x{count} flatten {words}" if count.isdigit() else text


NETWORKS = {
    "conv": [
        "9x8x3 conv3-4",
        "9x8x3 conv3-4,same",
        "9x8x3 conv3-4,s2,same",
        "10x9x2 conv2-4,s2x1,p0x1x2x0,nobias",
        "10x9x4 conv3-8,g2,d2",
        "10x9x4 conv1x3-8,g4,p1",
        "14x14x6 conv5-16,table,tanh",
    ],
    "dw": ["8x8x3 dw3,same,relu6", "8x8x3 dw3-6,s2,nobias"],
    "tconv": [
        "4x5x3 tconv2-6,s2",
        "4x5x4 tconv3-6,s2,p1,o1,g2",
        "4x5x3 tconv3-4,s3,same",
        "4x5x3 tconv2-4,s3,same",
        "4x5x3 tconv3x2-4,d2,p1x0x0x1,nobias",
    ],
    "max": [
        "9x8x3 max2",
        "9x8x3 max3,s2,same",
        "9x8x3 max2,s1,same",
        "9x8x3 max2x3,s1,p1x0x0x2",
        "9x8x3 max3,s2,p1",
        "10x9x2 max2,s3,ceil",
        "10x7x2 max3,s2,p1,ceil",
        "10x9x2 max3x2,s1,d2",
        "10x9x2 max2,s2,d3,p1,ceil",
        "10x9x2 max2,s1,d4,p2",
        "2x2x4 max3,s2,ceil",
        "2x4x4 max4,s4,d2,ceil,p1",
    ],
    "avg": [
        "9x8x3 avg2",
        "9x8x3 avg3,s1,same",
        "9x8x3 avg2,s1,same",
        "9x8x3 avg2x3,s1,p1x0x0x2",
        "9x8x3 avg3,s2,p1,count_include_pad",
        "10x9x2 avg3,s2,ceil",
        "10x9x2 avg3,s2,p1,ceil",
        "10x7x2 avg3,s2,p1,ceil,count_include_pad",
        "2x3x2 avg3,s2,ceil",
        "2x1x2 avg4,s4,p1,ceil,count_include_pad",
        "10x9x2 avg4x2,s3,p1x0,ceil,count_include_pad",
    ],
    "sub": ["8x8x3 sub tanh", "9x9x2 sub3,s2"],
    "fc": ["4x3x2 fc-5", "4x3x2 fc-5,relu fc-3,nobias", "1x1x6 fc-2", "4x3x1 fc-2", "4x3x2 fc-5,bn"],
    "rbf": ["4x3x2 fc-7,tanh rbf-3", "4x3x2 rbf-3"],
    "bn": ["5x4x3 bn", "5x4x3 conv3-4,bn,relu", "4x3x2 fc-5 bn"],
    "lrn": ["5x4x9 lrn", "5x4x9 lrn3,k1", "5x4x9 lrn4,alpha2,beta0.5", "3x3x2 fc-9 lrn", "3x3x2 fc-9 lrn4,alpha3"],
    "drop": ["5x4x3 drop conv3-2", "5x4x3 fc-4 drop0.3"],
    "flatten": ["5x4x3 flatten", "5x4x3 flatten fc-2", "1x1x3 flatten", "5x4x1 flatten", "5x4x3 flatten flatten"],
    "zeropad": ["5x4x3 zeropad-8", "5x4x3 avg1,s2 zeropad-6", "5x4x3 zeropad-3"],
    "relu": ["5x4x3 conv3-4,relu"],
    "relu6": ["5x4x3 conv3-4,relu6"],
    "leaky": ["5x4x3 conv3-4 leaky", "5x4x3 conv3-4 leaky0.3"],
    "elu": ["5x4x3 conv3-4,elu"],
    "silu": ["5x4x3 conv3-4,silu"],
    "gelu": ["5x4x3 conv3-4,gelu"],
    "tanh": ["5x4x3 conv3-4,tanh"],
    "sigmoid": ["5x4x3 conv3-4,sigmoid"],
    "softmax": ["5x4x3 conv3-4,softmax", "5x4x3 fc-4,softmax"],
    "linear": ["5x4x3 conv3-4,linear"],
    **{op: [as_picture(text) for text in grid] for op, grid in WORDS.items()},
    "mish": ["5x4x3 conv3-4,mish"],
    "hswish": ["5x4x3 conv3-4,hswish"],
    "hsigmoid": ["5x4x3 conv3-4,hsigmoid"],
    "res": [
        "6x6x4 res[ conv3-4,same,bn,relu conv3-4,same,bn ]",
        "6x6x3 res[ conv3-4,s2,p1 | conv1-4,s2,bn ]",
        "6x6x4 2xres[ conv1-4 ]",
    ],
    "add": ["6x6x4 add[ dw3,same conv1-4 ]", "6x6x4 fc-5 add[ fc-5,relu fc-5 ]"],
    "cat": [
        "6x6x3 cat[ conv1-2 | conv1-2 conv3-3,same | max3,s1,same conv1-2 ]",
        "6x6x3 2xcat[ | bn relu conv3-2,same ]",
        "6x6x3 flatten cat[ fc-2 | ]",
        "6x6x3 cat[ res[ conv3-3,same ] | cat[ conv1-1 | avg3,s1,same ] ]",
    ],
}
CASES = texts(NETWORKS)


def random_arrays(network, seed):
    """Parameters and buffers that leave nothing at its beginning: biases, running statistics, coefficients."""
    rng = np.random.default_rng(seed)
    parameters, buffers = initialize(network, seed=seed)
    parameters = {
        name: array + rng.normal(0, 0.1, array.shape).astype(np.float32) for name, array in parameters.items()
    }
    buffers = {name: rng.uniform(0.5, 2, array.shape).astype(np.float32) for name, array in buffers.items()}
    return parameters, buffers


def written(network, arrays):
    """The network as a checked ONNX model."""
    shape = network.input_shape
    graph = OnnxGraph(arrays, taken=("x",))
    output = graph.layer(network.layers, "", "x", shape)
    graph.node("Identity", "y", output)
    nodes, constants = graph.protos()
    found = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *_channels_first(shape)])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", *_channels_first(network.output_shape)])],
        constants,
    )
    proto = helper.make_model(found, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    checker.check_model(proto, full_check=True)
    return proto


def _channels_first(shape):
    return [*shape[-1:], *shape[:-1]]


def both(text, seed=0):
    """What our engine and onnx's evaluator make of random images."""
    network = parse_network(text) if isinstance(text, str) else text
    parameters, buffers = random_arrays(network, seed)
    images = np.random.default_rng(seed).normal(size=(2, *network.input_shape)).astype(np.float32)
    with NumpyEngine(network, parameters, buffers, jobs=1) as engine:
        ours = engine.predict(images)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = ReferenceEvaluator(written(network, {**parameters, **buffers}))
        (theirs,) = evaluator.run(None, {"x": images.transpose(0, 3, 1, 2)})
    return ours, theirs.transpose(0, 2, 3, 1) if theirs.ndim == 4 else theirs


@pytest.mark.parametrize("text", CASES)
def test_the_evaluator_computes_the_same(text):
    ours, theirs = both(text)
    assert theirs.shape == ours.shape
    np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("text", CASES)
def test_onnx_runtime_computes_the_same(text):
    runtime = pytest.importorskip("onnxruntime")
    network = parse_network(text)
    parameters, buffers = random_arrays(network, 0)
    images = np.random.default_rng(0).normal(size=(2, *network.input_shape)).astype(np.float32)
    content = written(network, {**parameters, **buffers}).SerializeToString()
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (theirs,) = session.run(None, {"x": images.transpose(0, 3, 1, 2)})
    with NumpyEngine(network, parameters, buffers, jobs=1) as engine:
        ours = engine.predict(images)
    theirs = theirs.transpose(0, 2, 3, 1) if theirs.ndim == 4 else theirs
    np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["lenet5-1998", "lenet5", "lenet-course", "resnet20"])
def test_networks_of_the_zoo(name):
    network = load_network(name)
    ours, theirs = both(network)
    np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("seed", range(20))
def test_random_networks(seed):
    rng = np.random.default_rng(seed)
    words = [
        "conv3-6,same,bn,relu",
        "conv2-4,s2",
        "dw3,p1,leaky",
        "max2,s1,same",
        "avg3,s2,p1,ceil",
        "avg3,s2,p1,count_include_pad",
        "tconv2-3,s2",
        "res[ conv3-5,same | conv1-5 ]",
        "cat[ conv1-2 | max3,s1,same | ]",
        "add[ dw3,same,nobias ]",
        "lrn3",
        "sub",
        "drop",
        "zeropad-40",
        "2xconv1-4,gelu",
    ]
    text = " ".join(
        ["20x18x3", *rng.choice(words, 5), str(rng.choice(["fc-4,softmax", "flatten fc-3", "gap fc-2", "gmp"]))]
    )
    ours, theirs = both(text, seed)
    np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-4 * max(1, abs(ours).max()))


def test_names_are_those_of_the_arrays():
    network = parse_network("6x6x3 conv3-4,bn,relu res[ conv3-4,same ] fc-2")
    parameters, buffers = random_arrays(network, 0)
    proto = written(network, {**parameters, **buffers})
    names = {constant.name for constant in proto.graph.initializer}
    assert names == {*parameters, *buffers}
    weight = next(one for one in proto.graph.initializer if one.name == "0.conv.weight")
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(weight), parameters["0.conv.weight"].transpose(3, 2, 0, 1))


def test_a_layer_without_a_writer_is_said():
    class Odd(Layer):
        op = "odd"

    with pytest.raises(ModelError, match="odd"):
        OnnxGraph({}).layer(Odd(), "", "x", (3, 3, 1))
