import re
import tomllib
from math import prod

import pytest

from cnncli.networks import ZOO, load_network, parse_network, zoo_names

NAMES = zoo_names()

PUBLISHED = {
    # torchvision's published parameters and operations.
    "alexnet-torchvision": (61_100_840, 714_188_480),
    "vgg11": (132_863_336, 7_609_090_048),
    "vgg13": (133_047_848, 11_308_466_176),
    "vgg16": (138_357_544, 15_470_264_320),
    "vgg19": (143_667_240, 19_632_062_464),
    "resnet18": (11_689_512, 1_814_073_344),
    "resnet34": (21_797_672, 3_663_761_408),
    "resnet50": (25_557_032, 4_089_184_256),
    "resnet101": (44_549_160, 7_801_405_440),
    "resnet152": (60_192_808, 11_513_626_624),
    "googlenet-torchvision": (6_624_904, 1_498_376_192),
    "squeezenet1.1": (1_235_496, 349_151_936),
    "mobilenet-v2": (3_504_872, 300_774_272),
    "squeezenet1.0": (1_248_424, 818_924_576),
    "densenet121": (7_978_856, 2_834_161_664),
    "resnext50": (25_028_904, 4_230_479_872),
    "mobilenet-v3-large": (5_483_032, 216_589_760),
    "mobilenet-v3-small": (2_542_856, 56_510_400),
    "efficientnet-b0": (5_288_548, 385_814_752),
    "convnext-t": (28_589_128, 4_455_531_264),
    # Recounted by hand and by other programs.
    "plain18": (11_515_688, 1_794_805_760),
    "plain34": (21_623_848, 3_644_493_824),
    "alexnet-2012": (60_965_224, 724_406_816),
    "alexnet": (62_378_344, 1_135_256_096),
    "googlenet": (6_998_552, 1_582_671_872),
    "nin": (7_595_176, None),
    "lenet5-1998": (60_000, None),
    "lenet5": (61_706, 416_520),
    "lenet-course": (62_006, None),
    "bottleneck": (None, 12_443_648),
    "bottleneck-direct": (None, 120_422_400),
    "resnet20": (269_722, 40_551_040),
    "resnet56": (853_018, None),
    "unet": (31_030_658, 150_428_424_448),
    "yolov1": (271_703_550, 20_285_153_280),
}


def totals(name):
    return load_network(name).summary().totals


def test_the_course_has_its_networks():
    wanted = """lenet5-1998 lenet5 lenet-course course-39 alexnet-2012 alexnet alexnet-torchvision vgg11 vgg13 vgg16
    vgg19 resnet18 resnet34 resnet50 resnet101 resnet152 plain18 plain34 resnet20 resnet56 plain20 plain56 nin googlenet
    googlenet-torchvision squeezenet1.1 mobilenet-v2 bottleneck bottleneck-direct"""
    assert set(wanted.split()) <= set(NAMES)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_numbers_come_out(name):
    params, macs = PUBLISHED[name]
    found = totals(name)
    assert (found.params, found.macs) == (params or found.params, macs or found.macs)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_file_says_is_what_is_counted(name):
    network = load_network(name)
    found = network.summary().totals
    assert {"params", "macs"} <= set(network.published)
    assert {key: getattr(found, key) for key in network.published} == dict(network.published)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_says_where_its_network_comes_from(name):
    network = load_network(name)
    assert network.name == name
    assert network.title
    assert len(network.source) > 20
    assert 1980 < network.year < 2030


@pytest.mark.parametrize("name", NAMES)
def test_a_file_has_no_key_of_its_own(name):
    table = tomllib.loads((ZOO / f"{name}.toml").read_text(encoding="utf-8"))
    assert set(table) <= {"title", "source", "year", "input", "layers", "define", "published", "weights"}


@pytest.mark.parametrize("name", NAMES)
def test_a_network_printed_and_read_again_is_the_same(name):
    network = load_network(name)
    assert parse_network(str(network)) == network


@pytest.mark.parametrize("name", NAMES)
def test_every_macro_is_used(name):
    table = tomllib.loads((ZOO / f"{name}.toml").read_text(encoding="utf-8"))
    define = table.get("define", {})
    for macro in define:
        words = " ".join([table["layers"], *(text for name, text in define.items() if name != macro)])
        assert re.search(rf"(?:^| |x){re.escape(macro)}(?::| |$)", words), macro


@pytest.mark.parametrize("name", NAMES)
def test_columns_add_up(name):
    network = load_network(name)
    summary = network.summary()
    params = sum(prod(shape) for shape in network.param_shapes().values())
    buffers = sum(prod(shape) for shape in network.buffer_shapes().values())
    assert (params, buffers) == (summary.totals.params, summary.totals.buffers)
    for key in ("params", "macs", "activations", "connections", "buffers"):
        assert sum(getattr(row, key) for row in summary.rows if row.depth == 0) == getattr(summary.totals, key)


def test_lenet5_of_1998_layer_by_layer():
    rows = load_network("lenet5-1998").summary().rows
    assert [row.params for row in rows] == [156, 12, 1_516, 32, 48_120, 10_164, 0]
    assert [row.connections for row in rows] == [122_304, 5_880, 151_600, 2_000, 48_120, 10_164, 840]
    assert [row.output_shape for row in rows] == [
        (28, 28, 6), (14, 14, 6), (10, 10, 16), (5, 5, 16), (1, 1, 120), (84,), (10,)
    ]  # fmt: skip
    assert sum(row.connections for row in rows) == 340_908


def test_the_courses_lenet_table():
    summary = load_network("lenet-course").summary()
    assert prod(summary.input_shape) == 3_072
    assert [row.activations for row in summary.rows] == [4_704, 1_176, 1_600, 400, 120, 84, 10]
    assert [row.params for row in summary.rows] == [456, 0, 2_416, 0, 48_120, 10_164, 850]


def test_the_courses_39_pixels_network():
    rows = load_network("course-39").summary().rows
    assert [row.output_shape for row in rows[:3]] == [(37, 37, 10), (17, 17, 20), (7, 7, 40)]
    assert rows[2].activations == 1_960
    assert [row.params for row in rows[:3]] == [280, 5_020, 20_040]


def test_a_bottleneck_saves_nine_tenths_of_the_multiplications():
    direct, bottleneck = totals("bottleneck-direct"), totals("bottleneck")
    assert round(direct.macs / 1e6) == 120
    assert round(bottleneck.macs / 1e6, 1) == 12.4
    assert load_network("bottleneck").output_shape == load_network("bottleneck-direct").output_shape == (28, 28, 32)


@pytest.mark.parametrize(
    ("residual", "plain"), [("resnet20", "plain20"), ("resnet56", "plain56"), ("resnet18", "plain18")]
)
def test_plain_networks_lack_the_shortcuts_alone(residual, plain):
    summary = load_network(residual).summary()
    shortcuts = [row for row in summary.rows if ".shortcut." in row.name]
    assert shortcuts
    assert totals(residual).params - sum(row.params for row in shortcuts) == totals(plain).params
    assert totals(residual).macs - sum(row.macs for row in shortcuts) == totals(plain).macs


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("alexnet", 8),
        ("alexnet-2012", 8),
        *((f"vgg{layers}", layers) for layers in (11, 13, 16, 19)),
        *((f"plain{layers}", layers) for layers in (18, 20, 34, 56)),
        *((f"resnet{layers}", layers) for layers in (18, 20, 34, 50, 56, 101, 152)),
    ],
)
def test_a_name_counts_the_layers(name, layers):
    rows = load_network(name).summary().rows
    assert len([row for row in rows if row.op in ("conv", "fc") and ".shortcut." not in row.name]) == layers


def test_the_stages_of_the_inception_blocks():
    summary = load_network("googlenet").summary()
    blocks = [row.output_shape for row in summary.rows if row.op == "cat"]
    # Table 1 of the paper.
    assert [shape[2] for shape in blocks] == [256, 480, 512, 512, 512, 528, 832, 832, 1024]
    assert [shape[0] for shape in blocks] == [28] * 2 + [14] * 5 + [7] * 2


def test_the_u_net_of_the_paper():
    network = load_network("unet")
    assert network.output_shape == (388, 388, 2)
    joined = [row.output_shape for row in network.summary().rows if row.op == "cat"]
    assert joined == [(392, 392, 128), (200, 200, 256), (104, 104, 512), (56, 56, 1024)]  # figure 1


def test_yolo_puts_out_a_grid_of_cells():
    assert load_network("yolov1").output_shape == (7, 7, 30)


MODELS = {
    "alexnet-torchvision": "alexnet",
    "vgg16": "vgg16",
    "resnet50": "resnet50",
    "googlenet-torchvision": "googlenet",
    "mobilenet-v2": "mobilenet_v2",
    "squeezenet1.0": "squeezenet1_0",
    "squeezenet1.1": "squeezenet1_1",
    "densenet121": "densenet121",
    "resnext50": "resnext50_32x4d",
    "mobilenet-v3-large": "mobilenet_v3_large",
    "mobilenet-v3-small": "mobilenet_v3_small",
    "efficientnet-b0": "efficientnet_b0",
    "convnext-t": "convnext_tiny",
}


@pytest.mark.parametrize("name", MODELS)
def test_torchvision_builds_the_same_arrays(name):
    torch = pytest.importorskip("torch")
    models = pytest.importorskip("torchvision").models
    options = {"aux_logits": False, "init_weights": False} if name.startswith("googlenet") else {}
    with torch.device("meta"):
        module = models.get_model(MODELS[name], **options)
    sizes = sorted(parameter.numel() for parameter in module.parameters())
    assert sorted(map(prod, load_network(name).param_shapes().values())) == sizes


def receptive_field(summary, last):
    row = [row for row in summary.rows if row.depth == 0 and row.op == last][-1]
    assert row.receptive_field is not None
    return row.receptive_field.size, row.receptive_field.stride


def test_the_receptive_field_of_vgg16():
    assert receptive_field(load_network("vgg16").summary(), "max") == ((212, 212), (32, 32))


@pytest.mark.parametrize(("blocks", "field"), [((3, 4, 6), 483), ((3, 4, 23), 1027), ((3, 8, 36), 1507)])
def test_the_receptive_fields_of_residual_networks_with_the_stride_on_the_first_1x1(blocks, field):
    def stage(filters, stride, more):
        first = f"conv1-{filters},s{stride},bn,relu"
        rest = f"conv3-{filters},p1,bn,relu conv1-{4 * filters},bn"
        shortcut = f"conv1-{4 * filters},s{stride},bn"
        return f"res[ {first} {rest} | {shortcut} ] {more}xres[ {first.replace(f's{stride},', '')} {rest} ]"

    sizes = zip((64, 128, 256, 512), (1, 2, 2, 2), (*blocks, 3), strict=True)
    stages = " ".join(stage(filters, stride, count - 1) for filters, stride, count in sizes)
    network = parse_network(f"224x224x3 conv7-64,s2,p3,bn,relu max3,s2,p1 {stages}")
    assert receptive_field(network.summary(), "res") == ((field, field), (32, 32))


def test_the_stride_on_the_3x3_sees_less():
    # torchvision's ResNet-50; what is counted is the same.
    assert receptive_field(load_network("resnet50").summary(), "res") == ((427, 427), (32, 32))


# Szegedy et al. 2015, arXiv:1512.00567, as torchvision builds it, without the auxiliary classifier.
INCEPTION_V3 = {
    "a": "cat[ conv1-64,bn | conv1-48,bn conv5-64,same,bn | conv1-64,bn 2xwide:96 | avg3,s1,same conv1-$1,bn ]",
    "wide": "conv3-$1,same,bn",
    "b": "cat[ conv3-384,s2,bn | conv1-64,bn conv3-96,same,bn conv3-96,s2,bn | max3,s2 ]",
    "cross": "conv1x7-$1,same,bn conv7x1-$2,same,bn",
    "long": "conv7x1-$1,same,bn conv1x7-$1,same,bn conv7x1-$1,same,bn conv1x7-192,same,bn",
    "c": "cat[ conv1-192,bn | conv1-$1,bn cross:$1,192 | conv1-$1,bn long:$1 | avg3,s1,same conv1-192,bn ]",
    "d": "cat[ conv1-192,bn conv3-320,s2,bn | conv1-192,bn cross:192,192 conv3-192,s2,bn | max3,s2 ]",
    "fork": "cat[ conv1x3-384,same,bn | conv3x1-384,same,bn ]",
    "e": "cat[ conv1-320,bn | conv1-384,bn fork | conv1-448,bn conv3-384,same,bn fork | avg3,s1,same conv1-192,bn ]",
}


def test_the_field_and_the_parameters_of_inception_v3():
    stem = "299x299x3 conv3-32,s2,bn conv3-32,bn conv3-64,same,bn max3,s2 conv1-80,bn conv3-192,bn max3,s2"
    text = f"{stem} a:32 a:64 a:64 b c:128 c:160 c:160 c:192 d e e gap fc-1000"
    network = parse_network(text, define=INCEPTION_V3)
    assert receptive_field(network.summary(), "cat") == ((1311, 1311), (32, 32))
    assert network.totals.params == 23_834_568
