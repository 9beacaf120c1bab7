"""What ONNX graphs count: weights wherever they stand, products of activations, and what is left out."""

import io
import warnings

import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx import AttributeProto, TensorProto, helper
from onnx_files import model, node, tensor, weight

from cnncli.errors import ModelError
from cnncli.formats.onnx.reading import read_onnx

RNG = np.random.default_rng(0)
PICTURE = {"x": (1, 3, 8, 8)}


def ours(proto, **options):
    return read_onnx(proto.SerializeToString(), "sample", **options)


def ints(name, *values):
    return tensor(name, np.array(values, np.int64))


def learned(name, *shape):
    return tensor(name, RNG.normal(size=shape).astype(np.float32))


def graph(nodes, outputs, constants=(), inputs=()):
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inputs]
    return helper.make_graph(nodes, "inner", infos, [helper.make_tensor_value_info(outputs, 1, None)], list(constants))


def conv_branch(filters, prefix=""):
    return graph([node("Conv", ["x", f"{prefix}w"], "out")], "out", [learned(f"{prefix}w", filters, 3, 3, 3)])


def test_both_branches_hold_parameters_and_the_one_that_runs_has_macs():
    both = {"then_branch": conv_branch(4), "else_branch": conv_branch(2)}
    settled = ours(model([node("If", ["c"], **both)], PICTURE, constants=[tensor("c", np.array(False))]))
    assert (settled.totals.params, settled.totals.macs) == (27 * 4 + 27 * 2, 36 * 27 * 2)
    assert not settled.unknown
    unsettled = ours(model([node("If", ["c"], **both)], {**PICTURE, "c": ()}))
    assert (unsettled.totals.params, unsettled.totals.macs) == (27 * 6, 36 * 27 * 4)
    assert unsettled.unknown == {"macs"}
    assert any("macs leave out" in line for line in map(str, unsettled.omissions))


def test_a_loop_multiplies_and_holds_its_weights_once():
    body = graph([], "go", [learned("w", 3, 3, 1, 1)], ("i", "go_on", "v"))
    body.ClearField("output")
    body.node.extend([node("Identity", ["go_on"], "go"), node("Conv", ["v", "w"], "after")])
    body.output.extend([helper.make_tensor_value_info(name, 1, None) for name in ("go", "after")])
    proto = model([node("Loop", ["n", "", "x"], body=body)], PICTURE, constants=[tensor("n", np.array(5, np.int64))])
    found = ours(proto)
    assert (found.totals.params, found.totals.macs) == (9, 5 * 64 * 9)
    assert not found.unknown
    endless = ours(model([node("Loop", ["n", "", "x"], body=body)], {**PICTURE, "n": ()}))
    assert (endless.totals.params, endless.unknown) == (9, {"macs"})


def test_a_scan_does_its_graph_once_for_each_slice():
    body = graph([node("MatMul", ["s", "w"], "out")], "out", [learned("w", 8, 4)], ("s",))
    found = ours(model([node("Scan", ["x"], body=body, num_scan_inputs=1)], {"x": (6, 2, 8)}))
    assert (found.totals.params, found.rows[-1].output_shape) == (32, (2, 4))
    assert found.totals.macs * 6 in (6 * 2 * 8 * 4, 6 * 6 * 2 * 8 * 4)


def test_a_function_of_the_file_is_followed_and_its_settings_with_it():
    conv = node("Conv", ["a", "b"], "c")
    conv.attribute.append(AttributeProto(name="group", ref_attr_name="group", type=AttributeProto.INT))
    function = helper.make_function(
        "local", "Twice", ["a", "b"], ["c"], [conv], [helper.make_opsetid("", 20)], ["group"]
    )
    proto = model([node("Twice", ["x", "w"], domain="local", group=3)], PICTURE, constants=[learned("w", 6, 1, 3, 3)])
    proto.functions.append(function)
    found = ours(proto)
    assert (found.totals.params, found.totals.macs) == (54, 36 * 54)
    assert found.rows[-1].output_shape == (6, 6, 6)


def test_functions_that_call_themselves_are_refused():
    call = node("Again", ["a"], "b", domain="local")
    proto = model([node("Again", ["x"], domain="local")], PICTURE)
    proto.functions.append(helper.make_function("local", "Again", ["a"], ["b"], [call], [helper.make_opsetid("", 20)]))
    with pytest.raises(ModelError, match="more than 16 deep"):
        ours(proto)


def test_graphs_in_graphs_without_end_are_refused():
    inner = graph([node("Relu", ["x"], "out")], "out")
    for _ in range(20):
        inner = graph([node("If", ["c"], "out", then_branch=inner)], "out")
    with pytest.raises(ModelError, match="more than 16 deep"):
        ours(model([node("If", ["c"], then_branch=inner)], {**PICTURE, "c": ()}))


def test_the_padding_that_pytorch_writes_as_a_chain_of_shapes_is_followed():
    """`nn.ZeroPad2d(1)` before a 3x3 convolution with 8 filters."""
    nodes = [
        node("ConstantOfShape", ["four"], "zeros", value=ints("", 0)),
        node("Concat", ["ones", "zeros"], "eight", axis=0),
        node("Reshape", ["eight", "pairs"], "by two"),
        node("Slice", ["by two", "last", "first", "axis", "back"], "turned"),
        node("Transpose", ["turned"], "other", perm=[1, 0]),
        node("Reshape", ["other", "flat"], "row"),
        node("Cast", ["row"], "pads", to=TensorProto.INT64),
        node("Pad", ["x", "pads"], "padded"),
        node("Conv", ["padded", "w"]),
    ]
    constants = [ints("four", 4), ints("ones", 1, 1, 1, 1), ints("pairs", -1, 2), ints("last", -1), ints("axis", 0)]
    constants += [ints("first", -(2**63) + 1), ints("back", -1), ints("flat", -1), learned("w", 8, 3, 3, 3)]
    found = ours(model(nodes, PICTURE, constants=constants))
    assert (found.totals.macs, found.rows[-1].output_shape) == (13_824, (8, 8, 8))


CHAINS = {
    "Mod": ([node("Mod", ["a", "b"], "t")], {"a": [17, 5], "b": [9, 6]}, (8, 5)),
    "Min": ([node("Min", ["a", "b"], "t")], {"a": [8, 7], "b": [20, 5]}, (8, 5)),
    "Max": ([node("Max", ["a", "b"], "t")], {"a": [8, 2], "b": [2, 5]}, (8, 5)),
    "Pow": ([node("Pow", ["a", "b"], "t")], {"a": [2, 5], "b": [3, 1]}, (8, 5)),
    "Range": ([node("Range", ["a", "b", "c"], "t")], {"a": 8, "b": 2, "c": -3}, (8, 5)),
    "Div": ([node("Div", ["a", "b"], "t")], {"a": [-17, 11], "b": [-2, 2]}, (8, 5)),
    "Where": ([node("Less", ["a", "b"], "l"), node("Where", "lba", "t")], {"a": [3, 5], "b": [8, 1]}, (8, 5)),
    "Tile": (
        [node("Tile", ["a", "b"], "s"), node("Gather", ["s", "c"], "t")],
        {"a": [8, 5], "b": [3], "c": [4, 5]},
        (8, 5),
    ),
    "NonZero": (
        [node("NonZero", ["a"], "i"), node("Squeeze", ["i", "c"], "j"), node("Add", ["j", "b"], "t")],
        {"a": [0, 1, 0, 7], "b": [7, 2], "c": [0]},
        (8, 5),
    ),
    "TopK": ([node("TopK", ["a", "b"], ["t", "places"])], {"a": [5, 1, 8], "b": [2]}, (8, 5)),
    "Split": ([node("Split", ["a", "b"], ["s", "t"])], {"a": [1, 8, 5], "b": [1, 2]}, (8, 5)),
    "Expand": ([node("Expand", ["a", "b"], "t")], {"a": [8], "b": [2]}, (8, 8)),
    "ReduceProd": ([node("ReduceProd", ["a", "c"], "t", keepdims=0)], {"a": [[4, 2], [5, 1]], "c": [1]}, (8, 5)),
    "Not": (
        [node("Equal", "ab", "e"), node("Not", "e", "n"), node("Where", "nab", "t")],
        {"a": [8, 5], "b": [1, 5]},
        (8, 5),
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_values_of_small_integer_tensors_are_followed(name):
    nodes, values, expected = CHAINS[name]
    constants = [tensor(each, np.array(value, np.int64)) for each, value in values.items()]
    filled = node("ConstantOfShape", ["t"], "filled")
    found = ours(model([*nodes, filled, node("Add", ["x", "filled"])], {"x": (1, 1)}, constants=constants))
    assert found.rows[-1].output_shape == expected
    assert found.totals.params == 0


def test_what_is_not_trained_is_told_by_its_use_and_its_numbers():
    mask = tensor("mask", np.where(np.eye(8), 0, -100).astype(np.float32))
    grid = tensor("grid", (np.arange(8, dtype=np.float32) + 0.5))
    mean = tensor("pixels.mean", np.array([0.485, 0.456, 0.406], np.float32).reshape(1, 3, 1, 1))
    nodes = [
        node("Sub", ["x", "pixels.mean"], "a"),
        node("Conv", ["a", "w"], "b"),
        node("Mul", ["b", "layer.scale"], "c"),
        node("Add", ["c", "mask"], "d"),
        node("Add", ["d", "grid"], "e"),
        node("PRelu", ["e", "slope"]),
    ]
    constants = [mean, learned("w", 4, 3, 1, 1), learned("layer.scale"), mask, grid, learned("slope", 1)]
    found = ours(model(nodes, PICTURE, constants=constants))
    assert [(row.params, row.buffers) for row in found.rows] == [(0, 3), (12, 0), (1, 0), (0, 64), (0, 8), (1, 0)]


def test_states_of_zeros_are_no_parameters():
    nodes = [
        node("ConstantOfShape", ["size"], "zeros"),
        node("LSTM", ["x", "w", "r", "b", "", "zeros", "zeros"], hidden_size=16, direction="bidirectional"),
    ]
    constants = [ints("size", 2, 1, 16), learned("w", 2, 64, 8), learned("r", 2, 64, 16), learned("b", 2, 128)]
    found = ours(model(nodes, {"x": (5, 1, 8)}, constants=constants))
    assert (found.totals.params, found.totals.macs) == (3_328, 5 * 2 * 64 * 24)


def test_a_table_that_an_exporter_has_spread_is_said_to_be_left_out():
    nodes = [node("MatMul", "xx", "a"), node("Add", ["a", "onnx::Add_77"], "b"), node("Softmax", "b")]
    found = ours(model(nodes, {"x": (1, 4, 4)}, constants=[learned("onnx::Add_77", 1, 4, 4)]))
    assert (found.totals.params, found.totals.macs, found.unknown) == (0, 64, {"params"})
    assert any("16 numbers in 1 constant" in line for line in map(str, found.omissions))


def test_equal_vectors_of_a_fresh_network_stand_for_many():
    nodes = [
        node("Conv", ["x", "v", "zeros"], "a"),
        node("Identity", ["zeros"], "second"),
        node("Conv", ["a", "w", "second"]),
    ]
    constants = [learned("v", 3, 3, 1, 1), learned("w", 3, 3, 1, 1), weight("zeros", 3)]
    assert ours(model(nodes, PICTURE, constants=constants)).totals.params == 24


def filled(name, value, *shape):
    return tensor(name, np.full(shape, value, np.float32))


def gated(names):
    """A gate of ones that two products share, as `g * a + g * b`; the exporter of `names` writes equal arrays once."""
    shared = [node("Identity", ["zeros"], "other")] if names else []
    nodes = [node("Sigmoid", ["x"], "r"), node("Mul", ["r", "gate"], "a"), node("Mul", ["a", "gate"], "b")]
    return model(
        [*shared, *nodes, node("Relu", ["b"])], PICTURE, constants=[filled("gate", 1, 3, 1, 1), filled("zeros", 0, 3)]
    )


def test_a_gate_that_two_products_share_is_counted_once_where_equal_arrays_have_names():
    found = ours(gated(names=True))
    assert (found.totals.params, found.unknown) == (3, frozenset())


def test_a_gate_that_may_be_one_or_several_makes_a_lower_bound():
    found = ours(gated(names=False))
    assert (found.totals.params, found.unknown) == (3, {"params"})
    [omission] = found.omissions
    assert omission.totals == ("params",)
    assert "1 use of arrays that hold one number many times" in omission.text


@pytest.mark.parametrize(("shared", "params", "unknown"), [(False, 2 * 9 + 4 * 3, ()), (True, 9 + 2 * 3, ("params",))])
def test_norms_whose_numbers_are_alike_are_several_unless_kernels_are_shared(shared, params, unknown):
    norm = ["scale", "shift"]
    nodes = [
        node("Conv", ["x", "v"], "a"),
        node("InstanceNormalization", ["a", *norm], "b"),
        node("Conv", ["b", "v" if shared else "w"], "c"),
        node("InstanceNormalization", ["c", *norm]),
    ]
    constants = [learned("v", 3, 3, 1, 1), learned("w", 3, 3, 1, 1), filled("scale", 1, 3), filled("shift", 0, 3)]
    found = ours(model(nodes, PICTURE, constants=constants))
    assert (found.totals.params, found.unknown) == (params, frozenset(unknown))


@pytest.mark.parametrize(("scale", "shift", "params"), [(1, 0, 0), (0, 0, 3), (1, 1, 3), (0.5, 0, 3), (0, 1, 6)])
def test_a_norm_without_weights_has_a_scale_of_1_and_a_shift_of_0(scale, shift, params):
    nodes = [node("InstanceNormalization", ["x", "onnx::Instance_1", "onnx::Instance_2"])]
    constants = [filled("onnx::Instance_1", scale, 3), filled("onnx::Instance_2", shift, 3)]
    assert ours(model(nodes, PICTURE, constants=constants)).totals.params == params


def test_what_an_exporter_combined_is_said_to_be_left_out():
    """A gate and what is left of it, `g * a + (1 - g) * b`, of which `1 - g` was computed by the exporter."""
    nodes = [node("Relu", ["x"], "r"), node("Mul", ["r", "sigmoid"], "a"), node("Mul", ["a", "sub_1"])]
    found = ours(model(nodes, PICTURE, constants=[learned("sigmoid", 3, 1, 1), learned("sub_1", 3, 1, 1)]))
    assert (found.totals.params, found.unknown) == (3, {"params"})


def test_the_first_state_of_a_recurrent_layer_is_no_parameter():
    constants = [learned("w", 1, 20, 8), learned("r", 1, 20, 5), filled("val_7", 0, 1, 3, 5)]
    nodes = [node("LSTM", ["x", "w", "r", "", "", "val_7", "val_7"], hidden_size=5)]
    found = ours(model(nodes, {"x": (4, 3, 8)}, constants=constants))
    assert (found.totals.params, found.unknown) == (20 * 13, frozenset())


def test_anchors_that_are_gathered_are_no_parameters():
    anchors = node("Constant", [], "anchors", value=learned("", 9, 4))
    nodes = [anchors, node("Gather", ["anchors", "x"])]
    proto = model(nodes, {"x": (5,)})
    proto.producer_name = "pytorch"
    assert ours(proto).totals.params == 0


def test_an_input_may_be_a_picture_without_a_batch():
    nodes = [node("Unsqueeze", ["x", "first"], "a"), node("Conv", ["a", "w"])]
    proto = model(nodes, {"x": (3, "h", "w")}, constants=[ints("first", 0), learned("w", 4, 3, 3, 3)])
    found = ours(proto, input_shape=(8, 10, 3))
    assert (found.input_shape, found.rows[-1].output_shape) == ((8, 10, 3), (6, 8, 4))
    assert (found.totals.params, found.totals.macs) == (108, 48 * 108)


def test_filters_that_blur_are_fixed():
    blur = tensor("/aa/Constant_8_output_0", np.tile(np.outer([1, 2, 1], [1, 2, 1]) / 16, (3, 1, 1, 1)).astype("f"))
    found = ours(model([node("Conv", ["x", blur.name], group=3)], PICTURE, constants=[blur]))
    assert (found.totals.params, found.totals.buffers) == (0, 27)


def test_products_of_constants_alone_are_no_macs_and_this_is_said():
    nodes = [node("MatMul", ["table", "w"], "made"), node("Add", ["x", "made"])]
    found = ours(model(nodes, {"x": (1, 6, 4)}, constants=[learned("table", 6, 5), learned("w", 5, 4)]))
    assert (found.totals.params, found.totals.macs) == (50, 0)
    assert any("count no products of constants alone" in note and "1 node" in note for note in found.notes)


def test_sparse_and_quantized_weights_are_counted():
    values, places = tensor("w", np.ones(2, np.float32)), tensor("", np.array([0, 5], np.int64))
    proto = model([node("MatMul", ["x", "w"])], {"x": (1, 3)})
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [3, 4]))
    found = ours(proto)
    assert (found.totals.params, found.totals.macs, found.rows[0].output_shape) == (12, 12, (4,))
    scale, zero = tensor("s", np.float32(0.1)), tensor("z", np.int8(0))
    inputs = ["x", "s", "z", "q", "s", "z", "s", "z", "b"]
    constants = [tensor("q", np.zeros((4, 3, 3, 3), np.int8)), scale, zero, tensor("b", np.zeros(4, np.int32))]
    found = ours(model([node("QLinearConv", inputs)], PICTURE, constants=constants))
    assert (found.totals.params, found.totals.macs) == (112, 36 * 108)


def test_constants_do_not_count_against_the_limit_of_nodes():
    nodes = [helper.make_node("Constant", [], [f"c{number}"], value_int=number) for number in range(10_500)]
    assert len(ours(model([*nodes, node("Relu", "x")], PICTURE)).rows) == 1


@pytest.mark.parametrize("shape", [("n",), ("n", 3, "d", "h", "w"), ("n", "t", 4)])
def test_an_open_input_of_any_rank_is_settled_and_a_sum_of_parameters_needs_none(shape):
    proto = model([node("Mul", ["x", "w"])], {"x": shape}, constants=[learned("w", 1)])
    sizes = {1: (6,), 5: (5, 6, 7, 3), 3: (9, 4)}[len(shape)]
    with pytest.raises(ModelError, match="give them with --input"):
        ours(proto)
    assert ours(proto, input_shape=sizes).rows[0].output_shape == sizes
    open_one = ours(proto, shapes=False)
    assert (open_one.totals.params, open_one.unknown) == (1, {"activations"})


def test_the_scales_of_a_dynamically_quantized_model_are_no_parameters():
    nodes = [
        node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        node("ConvInteger", ["q", "w_quantized", "z", "w_zero_point"], "a"),
        node("Cast", ["a"], "b", to=TensorProto.FLOAT),
        node("Mul", ["s", "w_scale"], "t"),
        node("Mul", "bt"),
    ]
    constants = [tensor("w_quantized", np.zeros((4, 3, 3, 3), np.uint8)), tensor("w_scale", np.float32(0.1))]
    found = ours(model(nodes, PICTURE, constants=[*constants, tensor("w_zero_point", np.uint8(3))]))
    assert (found.totals.params, found.totals.macs) == (108, 36 * 108)


def exported(module, *shape):
    torch = pytest.importorskip("torch")
    target = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, torch.zeros(shape), target, dynamo=False, opset_version=17)
    return read_onnx(target.getvalue(), "sample")


def test_pytorchs_layers_have_their_numbers():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    padded = exported(nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(3, 8, 3)), 1, 3, 8, 8)
    assert (padded.totals.params, padded.totals.macs) == (224, 13_824)
    lstm = exported(nn.LSTM(8, 16, bidirectional=True), 5, 1, 8)
    assert (lstm.totals.params, lstm.totals.macs) == (3_328, 5 * 2 * 64 * 24)
    gru = exported(nn.GRU(8, 16, batch_first=True), 1, 5, 8)
    assert (gru.totals.params, gru.totals.macs) == (1_248, 5 * 48 * 24)
    norms = nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(2, 8), nn.InstanceNorm2d(8), nn.PReLU())
    assert exported(norms, 1, 3, 4, 4).totals.params == 32 + 16 + 1


def test_the_products_of_attention_are_counted():
    torch = pytest.importorskip("torch")

    class Attention(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv, self.out = torch.nn.Linear(16, 48), torch.nn.Linear(16, 16)
            self.position = torch.nn.Parameter(torch.randn(1, 5, 16))
            self.scale = torch.nn.Parameter(torch.randn(1))

        def forward(self, x):
            q, k, v = self.qkv(x + self.position).reshape(1, 5, 3, 2, 8).permute(2, 0, 3, 1, 4)
            weights = (q @ k.transpose(-1, -2) * self.scale).softmax(-1)
            return self.out((weights @ v).transpose(1, 2).reshape(1, 5, 16))

    module = Attention().eval()
    found = exported(module, 1, 5, 16)
    assert found.totals.params == sum(each.numel() for each in module.parameters())
    assert found.totals.macs == 5 * 4 * 256 + 2 * 25 * 16
    assert not found.unknown
