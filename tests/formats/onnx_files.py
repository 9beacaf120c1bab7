"""ONNX files for tests: a node, a chain of nodes, or a graph as it is given."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper


def tensor(name, value):
    return numpy_helper.from_array(np.asarray(value), name)


def weight(name, *shape):
    return numpy_helper.from_array(np.zeros(shape, np.float32), name)


def model(nodes, inputs, outputs=("y",), constants=(), opset=20):
    """Return a model; inputs map names to shapes, whose dimensions are integers or names."""
    graph = helper.make_graph(
        nodes,
        "sample",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [ValueInfoProto(name=name) for name in outputs],
        list(constants),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="tests")


def save(folder: Path, proto, name="model.onnx"):
    path = folder / name
    path.write_bytes(proto.SerializeToString())
    return path


def node(op, inputs, output="y", **attributes):
    outputs = [output] if isinstance(output, str) else list(output)
    return helper.make_node(op, list(inputs), outputs, name=f"the_{op}", **attributes)
