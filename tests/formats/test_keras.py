import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_files import archive, conv, functional, layer, sequential, start

from cnncli.errors import ModelError
from cnncli.formats import read_model
from cnncli.formats.keras.layers import CLASSES
from cnncli.networks import parse_network

PICTURE = {"data_format": "channels_last"}


def read(folder, config, **options):
    return read_model(archive(folder, config), **options)


def test_a_sequential_model_has_the_numbers_of_the_notation(tmp_path):
    config = sequential(
        [
            start(32, 32, 3),
            layer("Rescaling", "rescaling", scale=0.00392156862745098, offset=0.0),
            conv("c1", 16, activation="relu"),
            layer("MaxPooling2D", "pool", pool_size=[2, 2], padding="valid", strides=[2, 2], **PICTURE),
            conv("c2", 32, use_bias=False, strides=[2, 2], activation="linear"),
            layer("BatchNormalization", "bn", axis=-1, center=True, scale=True),
            layer("ReLU", "relu", max_value=None, negative_slope=0.0, threshold=0.0),
            layer("DepthwiseConv2D", "dw", kernel_size=[3, 3], padding="same", depth_multiplier=1, activation="relu"),
            layer("GlobalAveragePooling2D", "gap", keepdims=False, **PICTURE),
            layer("Dropout", "drop", rate=0.3),
            layer("Dense", "dense", units=10, use_bias=True, activation="softmax"),
        ]
    )
    summary = read(tmp_path, config)
    text = "32x32x3 conv3-16,same,relu max2 conv3-32,s2,same,nobias bn relu dw3,same,relu gap drop0.3 fc-10,softmax"
    expected = parse_network(text).summary()
    for mine, theirs in zip(summary.rows[1:], expected.rows, strict=True):
        assert (mine.spec, mine.params, mine.buffers, mine.macs) == (
            theirs.spec,
            theirs.params,
            theirs.buffers,
            theirs.macs,
        )
        assert mine.receptive_field == theirs.receptive_field
    assert summary.totals.params == expected.totals.params
    assert summary.rows[-1].output_shape == (10,)


def test_a_functional_model_joins_its_branches(tmp_path):
    layers = [
        start(16, 16, 8),
        conv("a", 8, "input_layer"),
        layer("Add", "add", "input_layer", "a"),
        layer("Activation", "act", "add", activation="relu"),
        conv("b", 4, "act"),
        layer("Concatenate", "cat", "act", "b", axis=-1),
        layer("ZeroPadding2D", "pad", "cat", padding=[[0, 1], [2, 3]], **PICTURE),
        layer("Flatten", "flatten", "pad", **PICTURE),
    ]
    summary = read(tmp_path, functional(layers, "flatten"))
    shapes = {row.name: row.output_shape for row in summary.rows}
    assert shapes["add"] == (16, 16, 8)
    assert shapes["cat"] == (16, 16, 12)
    assert shapes["pad"] == (17, 21, 12)
    assert shapes["flatten"] == (17 * 21 * 12,)


def test_keras_2_says_its_nodes_in_lists(tmp_path):
    layers = [start(8, 8, 3), conv("a", 4, "input_layer"), conv("b", 4, "input_layer"), layer("Add", "add", "a", "b")]
    for each in layers[1:3]:
        each["inbound_nodes"] = [[["input_layer", 0, 0, {}]]]
    layers[3]["inbound_nodes"] = [[["a", 0, 0, {}], ["b", 0, 0, {}]]]
    assert read(tmp_path, functional(layers, "add")).rows[-1].output_shape == (8, 8, 4)


@pytest.mark.parametrize("call", [0, 1])
def test_a_model_in_a_model_is_unfolded(tmp_path, call):
    inner = functional([start(8, 8, 3, name="inside"), conv("c", 4, "inside")], "c", inputs=("inside",), name="inner")
    inner |= {"name": "inner", "inbound_nodes": layer("", "", "input_layer")["inbound_nodes"]}
    layers = [start(8, 8, 3), inner, layer("GlobalMaxPooling2D", "gmp", ("inner", call, 0), **PICTURE)]
    summary = read(tmp_path, functional(layers, "gmp"))
    assert [(row.name, row.output_shape) for row in summary.rows] == [("inner/c", (8, 8, 4)), ("gmp", (4,))]


def test_a_layer_that_is_called_twice_is_counted_once(tmp_path):
    shared = conv("shared", 3, "input_layer")
    shared["inbound_nodes"] += layer("", "", ("shared", 0, 0))["inbound_nodes"]
    summary = read(tmp_path, functional([start(8, 8, 3), shared], ["shared", 1, 0]))
    assert [row.params for row in summary.rows] == [84, 0]
    assert [row.macs for row in summary.rows] == [81 * 64, 81 * 64]


def test_layers_out_of_order_are_put_in_order(tmp_path):
    layers = [conv("b", 2, "a"), conv("a", 4, "input_layer"), start(8, 8, 3)]
    summary = read(tmp_path, functional(layers, "b"))
    assert [row.name for row in summary.rows] == ["a", "b"]


def test_channels_first_is_shown_as_height_width_channels(tmp_path):
    config = sequential([start(3, 8, 10), conv("c", 4, data_format="channels_first", padding="valid")])
    summary = read(tmp_path, config)
    assert (summary.input_shape, summary.rows[0].output_shape) == ((8, 10, 3), (6, 8, 4))


def test_an_open_input_is_settled_or_said(tmp_path):
    config = sequential([start(None, None, 3), conv("c", 4)])
    with pytest.raises(ModelError, match=r"is \?x\?x3: give it with --input HxWx3"):
        read(tmp_path, config)
    assert read(tmp_path, config, input_shape=(20, 30, 3)).rows[0].output_shape == (20, 30, 4)


def test_what_is_not_known_is_said_and_not_an_error(tmp_path):
    config = sequential([start(8, 8, 3), layer("Lambda", "code", function="print('run')"), conv("c", 4)])
    summary = read(tmp_path, config)
    assert [row.output_shape for row in summary.rows] == [None, None]
    assert any("Lambda" in note for note in summary.notes)


# Output shape and parameters as Keras 3 computes them, from (8, 10, 6).
EXPECTED = {
    "SeparableConv2D": ({"filters": 5, "kernel_size": [3, 3], "depth_multiplier": 2}, (6, 8, 5), 9 * 12 + 12 * 5 + 5),
    "Conv2DTranspose": ({"filters": 5, "kernel_size": [2, 2], "strides": [3, 3]}, (24, 30, 5), 2 * 2 * 6 * 5 + 5),
    "DepthwiseConv2D": ({"kernel_size": [3, 3], "depth_multiplier": 2}, (6, 8, 12), 9 * 12 + 12),
    "Dense": ({"units": 4}, (8, 10, 4), 28),
    "BatchNormalization": ({"scale": False}, (8, 10, 6), 6),
    "LayerNormalization": ({"axis": [-1]}, (8, 10, 6), 12),
    "GroupNormalization": ({"groups": 2}, (8, 10, 6), 12),
    "AveragePooling2D": ({"pool_size": [3, 3], "strides": None, "padding": "same"}, (3, 4, 6), 0),
    "GlobalAveragePooling2D": ({"keepdims": True}, (1, 1, 6), 0),
    "Reshape": ({"target_shape": [-1, 3]}, (160, 3), 0),
    "Permute": ({"dims": [3, 1, 2]}, (6, 8, 10), 0),
    "Cropping2D": ({"cropping": [[1, 2], [3, 0]]}, (5, 7, 6), 0),
    "UpSampling2D": ({"size": [2, 3]}, (16, 30, 6), 0),
    "Resizing": ({"height": 4, "width": 5}, (4, 5, 6), 0),
    "PReLU": ({"shared_axes": [1, 2]}, (8, 10, 6), 6),
    "Normalization": ({"axis": [-1]}, (8, 10, 6), 0),
    "LeakyReLU": ({"negative_slope": 0.1}, (8, 10, 6), 0),
    "ELU": ({}, (8, 10, 6), 0),
    "Softmax": ({}, (8, 10, 6), 0),
    "Embedding": ({"input_dim": 7, "output_dim": 2}, (8, 10, 6, 2), 14),
    "Multiply": ({}, (8, 10, 6), 0),
    "SpatialDropout2D": ({"rate": 0.2}, (8, 10, 6), 0),
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_layers_have_the_shapes_and_parameters_that_keras_gives_them(tmp_path, kind):
    config, shape, params = EXPECTED[kind]
    summary = read(tmp_path, sequential([start(8, 10, 6), layer(kind, "it", **config)]))
    assert [(row.output_shape, row.params) for row in summary.rows] == [(shape, params)]


@pytest.mark.parametrize("kind", sorted(CLASSES))
def test_every_layer_without_settings_is_a_row_or_one_clear_error(tmp_path, kind):
    said, rows = f"layer it ({kind})", ()
    try:
        rows = read(tmp_path, sequential([start(8, 10, 6), layer(kind, "it")])).rows
    except ModelError as error:
        said = str(error)
    assert f"layer it ({kind})" in said
    assert "\n" not in said
    assert len(rows) <= 1


@pytest.mark.parametrize(
    ("output_padding", "padding", "expected"),
    [(None, "same", (14, 14)), ([0, 1], "valid", (15, 16)), ([0, 1], "same", (13, 14))],
)
def test_transposed_convolutions_have_keras_sizes(tmp_path, output_padding, padding, expected):
    config = {"filters": 1, "kernel_size": [3, 3], "strides": [2, 2], "padding": padding}
    config["output_padding"] = output_padding
    [row] = read(tmp_path, sequential([start(7, 7, 1), layer("Conv2DTranspose", "up", **config)])).rows
    assert row.output_shape == (*expected, 1)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([start(8, 8, 3), conv("a", 4, "b"), conv("b", 4, "a")], "cyclic"),
        ([start(8, 8, 3), conv("a", 4, "nothing")], "which is not there"),
        ([start(8, 8, 3), conv("a", 4, ("input_layer", 7, 0))], "which is not there"),
        ([start(8, 8, 3), conv("a", -4, "input_layer")], "dimension of -4"),
        ([start(-8, 8, 3), conv("a", 4, "input_layer")], "dimension of -8"),
        ([start(2, 2, 3), conv("a", 4, "input_layer", padding="valid")], r"layer a \(Conv2D\): .* at least 3x3"),
        ([start(8, 8, 3), conv("a", 4, "input_layer", groups=4)], "3 channels"),
        ([start(8, 8, 3), layer("Add", "a", "input_layer"), layer("Add", "a", "input_layer")], "one name"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path, layers, message):
    with pytest.raises(ModelError, match=message):
        read(tmp_path, functional(layers, "a"))


BRANCHED = functional(
    [
        start(8, 8, 4),
        conv("a", 4, "input_layer", activation="relu"),
        layer("BatchNormalization", "n", "a", axis=-1),
        layer("Conv2DTranspose", "t", "n", filters=4, kernel_size=[2, 2], strides=[2, 2], output_padding=None),
        layer("ZeroPadding2D", "z", "t", padding=[[0, 1], [2, 3]]),
        layer("MaxPooling2D", "m", "a", pool_size=[1, 1], strides=None),
        layer("Concatenate", "c", "a", "m", axis=-1),
        layer("Reshape", "r", "c", target_shape=[-1, 8]),
        layer("PReLU", "p", "c", shared_axes=[1, 2]),
        layer("Dense", "d", "r", units=3, activation={"class_name": "function", "config": "relu"}),
    ],
    "d",
)


def places(value, path=()):
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


ANYTHING = [
    None,
    -1,
    0,
    3,
    2**70,
    1.5,
    float("nan"),
    True,
    "x",
    "",
    [],
    {},
    [1, 2, 3],
    ["a", 0, 0],
    [[]],
    {"config": 3},
]


@given(path=st.sampled_from(list(places(BRANCHED))[1:]), value=st.sampled_from(ANYTHING))
@settings(max_examples=400)
def test_any_change_of_a_configuration_gives_a_summary_or_one_clear_error(tmp_path_factory, path, value):
    config = copy.deepcopy(BRANCHED)
    part = config
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    said = ""
    try:
        read(tmp_path_factory.getbasetemp(), config)
    except ModelError as error:
        said = str(error)
    assert "\n" not in said


def built(layer_, *sizes):
    return layer_ | {"build_config": {"input_shape": [None, *sizes]}}


def test_what_follows_a_layer_of_an_unknown_class_has_the_shape_that_the_file_records(tmp_path):
    after = built(conv("c", 4), 8, 8, 3)
    config = sequential([start(8, 8, 3), layer("Mystery", "own"), after, layer("ReLU", "relu")])
    summary = read(tmp_path, config)
    assert [row.output_shape for row in summary.rows] == [None, (8, 8, 4), (8, 8, 4)]
    assert (summary.totals.params, summary.totals.macs) == (112, 64 * 108)
    assert summary.unknown == {"params", "macs", "activations"}
    assert any("params leave out 1 layer" in line and "Mystery" in line for line in map(str, summary.omissions))


def test_a_functional_model_goes_on_with_the_shapes_beside_its_names(tmp_path):
    layers = [start(8, 8, 3), layer("Mystery", "own", "input_layer"), conv("c", 4, "own")]
    layers[2]["inbound_nodes"][0]["args"][0]["config"]["shape"] = [None, 6, 6, 5]
    summary = read(tmp_path, functional(layers, "c"))
    assert (summary.rows[1].output_shape, summary.rows[1].params) == ((6, 6, 4), 4 * 46)


def test_weights_are_counted_where_a_size_stays_open(tmp_path):
    config = sequential([start(None, None, 3), built(conv("c", 4), None, None, 3), layer("ReLU", "relu")])
    summary = read(tmp_path, config, shapes=False)
    assert (summary.totals.params, "params" in summary.unknown) == (112, False)
    assert "macs" in summary.unknown


@pytest.mark.parametrize("outside", [True, False])
def test_frozen_layers_are_kept_but_not_trained(tmp_path, outside):
    inner = sequential([start(8, 8, 3), conv("c", 4, trainable=outside)], name="inner")
    inner["config"]["trainable"] = not outside
    config = sequential([start(8, 8, 3), inner, layer("Dense", "d", units=2, use_bias=True)])
    config["config"]["layers"][1] = inner
    summary = read(tmp_path, config)
    assert (summary.totals.params, summary.totals.buffers) == (10, 112)


SEQUENCES = {
    "LSTM": ({"units": 4, "recurrent_activation": "sigmoid", "return_sequences": True}, (9, 4), 4 * 4 * (6 + 4 + 1)),
    "GRU": ({"units": 4, "recurrent_activation": "sigmoid", "reset_after": True}, (4,), 3 * 4 * (6 + 4 + 2)),
    "SimpleRNN": ({"units": 4}, (4,), 4 * (6 + 4 + 1)),
    "Conv1D": ({"filters": 5, "kernel_size": [3], "strides": [2]}, (4, 5), (3 * 6 + 1) * 5),
    "MultiHeadAttention": ({"num_heads": 2, "key_dim": 3}, (9, 6), 3 * (6 * 6 + 6) + 6 * 6 + 6),
    "MaxPooling1D": ({"pool_size": [2], "strides": [2]}, (4, 6), 0),
    "LayerScale": ({"projection_dim": 6}, (9, 6), 6),
}


@pytest.mark.parametrize("kind", SEQUENCES)
def test_layers_of_sequences_have_the_shapes_and_parameters_that_keras_gives_them(tmp_path, kind):
    config, shape, params = SEQUENCES[kind]
    summary = read(tmp_path, sequential([start(9, 6), layer(kind, "one", **config)]))
    assert (summary.rows[0].output_shape, summary.totals.params) == (shape, params)


def test_both_directions_count_twice(tmp_path):
    inner = {"class_name": "LSTM", "config": {"units": 4, "recurrent_activation": "sigmoid"}}
    summary = read(tmp_path, sequential([start(9, 6), layer("Bidirectional", "both", layer=inner)]))
    assert (summary.rows[0].output_shape, summary.totals.params) == ((8,), 2 * 176)
