from math import prod

import pytest
from hypothesis import given, settings
from network_strategies import networks

from cnncli.networks import ReceptiveField, parse_network

VGG = (
    "224x224x3 2xconv3-64,p1,relu max2 2xconv3-128,p1,relu max2 3xconv3-256,p1,relu max2 2x[ 3xconv3-512,p1,relu max2 ]"
)

# ResNet v1 as TF-Slim builds it: the stride is on the last unit of each stage, in its 3x3.
SLIM = {
    "unit": "res[ conv1-$1,bn,relu conv3-$1,same,bn,relu conv1-$2,bn ]",
    "first": "res[ conv1-$1,bn,relu conv3-$1,same,bn,relu conv1-$2,bn | conv1-$2,bn ]",
    "last": "res[ conv1-$1,bn,relu conv3-$1,s2,same,bn,relu conv1-$2,bn | max1,s2 ]",
}


def slim(second, third):
    return parse_network(
        "224x224x3 conv7-64,s2,p3,bn,relu max3,s2,same first:64,256 unit:64,256 last:64,256 "
        f"first:128,512 {second - 2}xunit:128,512 last:128,512 "
        f"first:256,1024 {third - 2}xunit:256,1024 last:256,1024 first:512,2048 2xunit:512,2048",
        define=SLIM,
    )


@pytest.mark.parametrize(
    ("network", "size", "stride"),
    [
        (parse_network(VGG), 212, 32),
        (slim(4, 6), 483, 32),
        (slim(4, 23), 1027, 32),
        (slim(8, 36), 1507, 32),
    ],
    ids=["vgg16", "resnet50", "resnet101", "resnet152"],
)
def test_receptive_fields_are_the_published_ones(network, size, stride):
    """Those of google-research's receptive_field."""
    field = [row for row in network.summary().rows if row.depth == 0][-1].receptive_field
    assert (field.size, field.stride) == ((size, size), (stride, stride))


def test_receptive_fields_of_a_small_network_by_hand():
    rows = parse_network("32x32x3 conv5-6,p2 max2 conv1x3-6,d1x2 cat[ | conv3-1,same ] gap").summary().rows
    fields = [row.receptive_field for row in rows if row.depth == 0]
    assert fields == [
        ReceptiveField((5, 5), (1, 1), (0.0, 0.0)),
        ReceptiveField((6, 6), (2, 2), (0.5, 0.5)),
        ReceptiveField((6, 14), (2, 2), (0.5, 4.5)),
        ReceptiveField((10, 18), (2, 2), (0.5, 4.5)),
        ReceptiveField((40, 40), (2, 2), (15.5, 15.5)),
    ]


def test_a_transposed_convolution_ends_what_is_known_of_receptive_fields():
    rows = parse_network("8x8x3 conv3-8 tconv2-4,s2 conv3-8").summary().rows
    assert [row.receptive_field is None for row in rows] == [False, True, True]


COLUMNS = ("params", "buffers", "macs", "activations", "connections")


@settings(max_examples=60)
@given(networks())
def test_columns_add_up(network):
    summary = network.summary()
    for column in COLUMNS:
        assert sum(getattr(row, column) for row in summary.rows if row.depth == 0) == getattr(summary.totals, column)
    for place, row in enumerate(summary.rows):
        inner = []
        for other in summary.rows[place + 1 :]:
            if other.depth <= row.depth:
                break
            inner.append(other)
        direct = [other for other in inner if other.depth == row.depth + 1]
        for column in COLUMNS:
            assert not inner or sum(getattr(other, column) for other in direct) == getattr(row, column)
    assert summary.totals.params == sum(map(prod, network.param_shapes().values()))
    assert summary.totals.buffers == sum(map(prod, network.buffer_shapes().values()))
    assert summary.totals.macs == network.layers.macs(network.input_shape)
    assert summary.rows[0].input_shape == network.input_shape
    assert len({row.name for row in summary.rows}) == len(summary.rows)


def test_rows_of_blocks_and_their_branches():
    rows = parse_network("8x8x4 relu 2xres[ conv3-4,same,bn relu ] cat[ | 2xconv1-4 ]").summary().rows
    assert [(row.name, row.depth, row.branch, row.spec) for row in rows] == [
        ("0.relu", 0, "", "relu"),
        ("1.res", 0, "", "res"),
        ("1.res.main.0.conv", 1, "main", "conv3-4,same,bn"),
        ("1.res.main.1.relu", 1, "", "relu"),
        ("1.res.shortcut", 1, "shortcut", "identity"),
        ("2.res", 0, "", "res"),
        ("2.res.main.0.conv", 1, "main", "conv3-4,same,bn"),
        ("2.res.main.1.relu", 1, "", "relu"),
        ("2.res.shortcut", 1, "shortcut", "identity"),
        ("3.cat", 0, "", "cat"),
        ("3.cat.1", 1, "branch 1", "identity"),
        ("3.cat.2.0.conv", 1, "branch 2", "conv1-4"),
        ("3.cat.2.1.conv", 1, "", "conv1-4"),
    ]


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("7x7 max2", ("drops the last row and column",)),
        ("8x7 max2", ("drops the last column",)),
        ("9x7 max5", ("drops the last 4 rows and the last 2 columns",)),
        ("8x8 conv2-1,same", ("pads unevenly: 0 above, 1 below, 0 left, 1 right",)),
        ("7x7 max2,ceil", ()),
        ("224x224 conv7-1,s2,p3", ()),
        ("7x7 gap", ()),
        ("7x7 fc-1", ()),
    ],
)
def test_warnings(text, warnings):
    assert parse_network(text).summary().rows[0].warnings == warnings


@pytest.mark.parametrize(
    ("text", "peak"),
    [
        ("4x4x1 conv1-2", 16 + 32),
        ("4x4x1 conv1-2,relu relu", 16 + 32),
        ("4x4x1 conv1-4 conv1-1", 64 + 16),
        ("4x4x1 res[ conv1-3 conv1-1 ]", 16 + 48 + 16),  # the input is needed until the sum
        ("4x4x1 add[ conv1-1 | conv1-1 ]", 3 * 16),
        ("4x4x1 cat[ conv1-2 | conv1-3 ]", 5 * 16 + 5 * 16),  # the branches and what they are joined into
        ("4x4x2 cat[ | conv1-8 conv1-1 ]", 32 + 128 + 32),
    ],
)
def test_the_peak_of_live_activations(text, peak):
    assert parse_network(text).summary().peak == peak


def test_memory_by_hand():
    summary = parse_network("4x4x1 conv1-2,bn,relu max2 fc-3").summary()
    params, buffers = 2 + 4 + 27, 4
    kept = 16 + 2 * 32 + 8 + 3
    weights = params + buffers
    assert summary.memory() == (4 * weights, 4 * (weights + 48), 4 * (weights + 2 * params + kept))
    assert summary.memory(10) == (4 * weights, 4 * (weights + 480), 4 * (weights + 2 * params + 10 * kept))


@settings(max_examples=40)
@given(networks())
def test_memory_is_at_least_what_must_be_there(network):
    summary = network.summary()
    largest = max(prod(row.output_shape) for row in summary.rows)
    assert summary.peak >= max(largest, prod(network.input_shape))
    one, two = summary.memory(1), summary.memory(2)
    assert two.weights == one.weights
    assert two.inference - one.inference == 4 * summary.peak
    assert two.training - one.training == 4 * summary.kept


def test_a_notebook_shows_a_table_with_a_row_for_each_layer_and_the_totals():
    network = parse_network("6x6x3 res[ conv3-3,same ] fc-2", name="tiny")
    html = network._repr_html_()
    assert html == network.summary()._repr_html_()
    assert html.startswith("<table><caption>tiny, input 6x6x3</caption>")
    assert html.count("<tr>") == 1 + len(network.summary().rows) + 1
    assert f"{network.totals.params:,}</td>" in html
    assert '<td style="text-align:left">\N{EM SPACE}0.res.main.0.conv</td>' in html


def test_a_notebook_s_table_escapes_what_files_say():
    html = parse_network("6x6x3 fc-2", title="<script>&")._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;&amp;" in html
