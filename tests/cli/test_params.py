"""`cnncli params`: what is counted adds up in every format, and can be read back."""

import csv
import io
import itertools
import json
import math
import re
import shutil
import subprocess

import pytest
from shell import cnncli, done

from cnncli.cli.networks.pages import split_networks
from cnncli.networks import load_network, zoo_names

TEXTS = [
    "39x39x3 conv3-10 conv5-20,s2 conv5-40,s2 fc-1",
    "56x56x64 res[ conv1-64,bn,relu conv3-64,same,bn,relu conv1-256,bn | conv1-256,bn ]",
    "28x28x192 cat[ conv1-64 | conv1-96 res[ conv3-96,same bn ] conv3-128,same | max3,s1,same conv1-32 ] gap fc-10",
    "16x16x3 2x[ conv3-8,same cat[ | bn relu conv3-4,p1 ] ] tconv2-3,s2 softmax",
]
NETWORKS = [*zoo_names(), *TEXTS]
FORMATS = ("table", "csv", "markdown", "latex")
COUNTS = ("activations", "params", "macs")


def read_table(text):
    """The rows of a table for a terminal, as cells by heading; columns are where the headings end."""
    lines = text.splitlines()
    rules = [number for number, line in enumerate(lines) if set(line) == {"─"}]
    heading = lines[rules[0] - 1]
    ends = {name: re.search(rf"{name}\b", heading).end() for name in COUNTS if name in heading}
    rows = [*lines[rules[0] + 1 : rules[1]], lines[rules[1] + 1]]
    return [{name: line.ljust(end)[:end].rpartition(" ")[2] for name, end in ends.items()} for line in rows]


def read_markdown(text):
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    return [dict(zip([cell.strip() for cell in rows[0]], map(str.strip, row), strict=True)) for row in rows[2:]]


def read_latex(text):
    lines = text.split(r"\begin{longtable}")[1].split(r"\end{longtable}")[0].splitlines()
    rows = [re.split(r"(?<!\\)&", line.removesuffix(r" \\")) for line in lines if line.endswith(r"\\")]
    return [dict(zip([cell.strip() for cell in rows[0]], map(str.strip, row), strict=True)) for row in rows[1:]]


def read_csv(text):
    return list(csv.DictReader(io.StringIO(text)))


READERS = {"table": read_table, "csv": read_csv, "markdown": read_markdown, "latex": read_latex}


def number(cell):
    return int(cell.replace(",", "")) if cell else 0


@pytest.mark.parametrize("command", ["params", "shape"])
@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("network", NETWORKS)
def test_columns_add_up_to_the_printed_totals(network, format_name, command):
    *rows, total = READERS[format_name](done(command, network, "--format", format_name).stdout)
    known = load_network(network).totals
    for name in COUNTS:
        assert sum(number(row[name]) for row in rows) == number(total[name]) == getattr(known, name)


@pytest.mark.parametrize("network", NETWORKS)
def test_json_adds_up_at_every_level(network):
    found = json.loads(done("params", network, "--json").stdout)

    def check(layers, total):
        for name in COUNTS:
            assert sum(layer[name] for layer in layers) == total[name]
        for layer in layers:
            if layer.get("layers"):
                check(layer["layers"], layer)

    check(found["layers"], found["totals"])
    assert found["input"] == list(load_network(network).input_shape)
    assert found["layers"][-1]["output_shape"] == list(load_network(network).output_shape)


def test_the_json_that_is_promised():
    found = json.loads(done("params", "6x6x3", "conv3-10", "--json").stdout)
    assert found["name"] == "6x6x3 conv3-10"
    assert found["input"] == [6, 6, 3]
    assert found["layers"] == [
        {
            "name": "0.conv",
            "spec": "conv3-10",
            "input_shape": [6, 6, 3],
            "output_shape": [4, 4, 10],
            "activations": 160,
            "params": 280,
            "buffers": 0,
            "macs": 4320,
            "connections": 4480,
            "receptive_field": {"size": [3, 3], "stride": [1, 1], "offset": [1.0, 1.0]},
        }
    ]
    assert {"params": 280, "macs": 4320, "activations": 160}.items() <= found["totals"].items()
    assert found["memory"]["weights"] == 1120


def test_several_networks_are_a_list():
    found = json.loads(done("params", "vgg16", "6x6x3", "conv3-10", "relu", "lenet5", "--format", "json").stdout)
    assert [one["name"] for one in found] == ["vgg16", "6x6x3 conv3-10 relu", "lenet5"]
    assert json.loads(done("shape", "vgg16", "--json").stdout) == found[0]


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        ("6x6x3 conv3-10", "280\n"),
        ("vgg16", "138357544\n"),
        ("lenet5-1998 resnet18", "60000\n11689512\n"),
        ("resnet18 --convention keras", "11699112\n"),
    ],
)
def test_the_total_alone(words, printed):
    assert done("params", *words.split(), "--total").stdout == printed


@pytest.mark.parametrize("network", ["vgg16", "resnet50", "googlenet", *TEXTS])
def test_latex_compiles_as_it_stands(tmp_path, network):
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    options = ["--sharing", "--notation", "--explain"] if network in TEXTS else []
    (tmp_path / "it.tex").write_text(done("params", network, "--format", "latex", *options).stdout)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "it.tex"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=120)
    assert result.returncode == 0, result.stdout.decode(errors="replace")[-2000:]


def test_latex_of_everything_else_compiles(tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    for words in (["--list"], ["vgg16", "resnet50", "lenet5", "--compare"], ["resnet18", "--convention", "keras"]):
        (tmp_path / "it.tex").write_text(done("params", *words, "--format", "latex").stdout)
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "it.tex"]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=120)
        assert result.returncode == 0, result.stdout.decode(errors="replace")[-2000:]


def test_blocks_are_trees_with_their_branches():
    words = ["8x8x4", "res[", "conv3-4,same", "cat[", "|", "conv1-2", "max3,s1,same", "]", "conv1-4", "]", "relu"]
    lines = done("params", *words).stdout.splitlines()[3:11]
    assert [line.split("  8x8")[0].rstrip() for line in lines] == [
        "res",
        "├─ main: conv3-4,same",
        "│        cat",
        "│        ├─ branch 1: identity",
        "│        └─ branch 2: conv1-2",
        "│                     max3,s1,same",
        "│        conv1-4",
        "└─ shortcut: identity",
    ]


def test_the_course_notation_cell_by_cell():
    text = done("params", "lenet-course", "--notation", "--format", "csv").stdout
    rows = [
        (row["f"], row["s"], row["activations"], row["size"], row["weights"], row["bias"]) for row in read_csv(text)
    ]
    assert rows[:6] == [
        ("", "", "32x32x3", "3072", "", ""),
        ("5", "1", "28x28x6", "4704", "5x5x3x6", "6"),
        ("2", "2", "14x14x6", "1176", "", ""),
        ("5", "1", "10x10x16", "1600", "5x5x6x16", "16"),
        ("2", "2", "5x5x16", "400", "", ""),
        ("", "", "120", "120", "400x120", "120"),
    ]


def test_the_notation_in_json():
    (conv, pool) = json.loads(done("params", "32x32x3 conv5-6 max2", "--notation", "--json").stdout)["notation"]
    assert (conv["kernel_size"], conv["weight"], conv["bias"]) == ([5, 5], [5, 5, 3, 6], 6)
    assert (pool["name"], pool["stride"], pool["weight"]) == ("1.max", [2, 2], None)


def test_sharing_is_the_courses_456_against_14_million():
    (row,) = read_csv(done("params", "32x32x3", "conv5-6", "--sharing", "--format", "csv").stdout)
    assert (row["convolution"], row["sees"]) == ("456", "75 of 3,072")
    assert 14_450_688 <= int(row["fully connected"]) <= 14_455_392
    found = json.loads(done("params", "32x32x3", "conv5-6", "--sharing", "--json").stdout)["sharing"]
    assert found[0]["fully_connected"]["weights"] == 3072 * 4704


def test_networks_side_by_side():
    lines = done("params", "resnet18", "plain18", "--compare").stdout.splitlines()
    assert lines[0].split() == ["map", "resnet18", "params", "macs", "plain18", "params", "macs"]
    assert lines[-1].split() == ["total", "11,689,512", "1,814,073,344", "11,515,688", "1,794,805,760"]
    found = json.loads(done("params", "resnet18", "plain18", "vgg11", "--compare", "--json").stdout)
    assert found["networks"] == ["resnet18", "plain18", "vgg11"]
    for place, total in enumerate(found["totals"]):
        cells = [stage["cells"][place] for stage in found["stages"]]
        assert sum(cell["params"] for cell in cells if cell) == total["params"]


@pytest.mark.parametrize("convention", ["torchvision", "torchinfo", "keras"])
def test_a_convention_says_why_it_differs(convention):
    text = done("params", "resnet18", "--convention", convention).stdout
    assert f"counted as {convention} does: " in text
    *rows, total = read_csv(done("params", "resnet18", "--convention", convention, "--format", "csv").stdout)
    for name in ("params", "macs"):
        assert sum(number(row[name]) for row in rows) == number(total[name])
    assert ("macs" in text.splitlines()[1]) == (convention != "keras")


def test_the_help_offers_the_conventions_that_there_are():
    from cnncli.cli.networks.options import Convention, TableFormat
    from cnncli.cli.networks.tables import FORMATS as NAMES
    from cnncli.networks.conventions import CONVENTIONS

    assert Convention.__metadata__[0].metavar == "|".join(CONVENTIONS)
    assert TableFormat.__metadata__[0].metavar == "|".join(NAMES)


def test_the_zoo_is_listed():
    rows = read_csv(done("params", "--list", "--format", "csv").stdout)
    assert [row["name"] for row in rows] == zoo_names()
    assert all(row["title"] and row["year"] and row["input"] and int(row["params"]) for row in rows)
    assert [one["name"] for one in json.loads(done("params", "--list", "--json").stdout)] == zoo_names()


def test_memory_and_what_is_counted_are_said():
    one, eight = (done("params", "resnet18", *words).stdout for words in ([], ["--batch-size", "8"]))
    assert "batch size 1: weights 46.8 MB" in one
    assert "batch size 8: weights 46.8 MB" in eight
    assert one.splitlines()[-1] == (
        "params counts trainable numbers (9,600 buffers of batch norm apart); "
        "macs counts multiply-adds of convolutions and fully connected layers only"
    )


def test_parameters_are_explained():
    lines = done("params", "32x32x3", "conv5-6,bn", "max2", "fc-10", "--explain").stdout.splitlines()
    assert "0.conv conv5-6,bn: params 5*5*3*6 + 12 of batch norm = 462; macs 28x28 positions * 450 = 352,800" in lines
    assert "2.fc fc-10: params 1176*10 + 10 biases = 11,770; macs 1176*10 = 11,760" in lines


def test_what_is_not_a_multiply_add_is_not_explained_as_one():
    lines = done("params", "lenet5-1998", "--explain").stdout.splitlines()
    assert "1.sub sub,tanh: params 6 + 6 biases = 12" in lines


def test_what_options_add_is_named_after_them():
    lines = done("params", "8x8x3 conv3-8,ln,prelu conv1-8,bn,scale0.5,relu", "--explain").stdout.splitlines()
    assert any("params 3*3*3*8 + 8 biases + 24 of ln and prelu = 248" in line for line in lines)
    assert any("params 1*1*8*8 + 24 of batch norm and scale = 88" in line for line in lines)


def test_biases_beside_a_batch_norm_are_told_apart():
    text = done("params", "5x5x1", "fc-3,bn", "fc-3,bias,bn", "--notation", "--explain").stdout
    assert "1.fc fc-3,bias,bn: params 3*3 + 3 biases + 6 of batch norm = 18; macs 3*3 = 9" in text
    without, with_bias = read_csv(
        done("params", "5x5x1", "fc-3,bn", "fc-3,bias,bn", "--notation", "--format", "csv").stdout
    )[1:3]
    assert (without["bias"], with_bias["bias"]) == ("", "3")


@pytest.mark.parametrize("most", range(10, 60, 7))
@pytest.mark.parametrize("name", ["resnet50", "googlenet", "mobilenet-v2"])
def test_folded_layers_are_the_same_layers(name, most):
    from cnncli.cli.networks.overview_tables import fold
    from cnncli.networks.comparison import describe

    for word in describe(load_network(name).summary().rows):
        lines = fold(word, most)
        again = "".join(line.strip() if line.endswith(",") else f"{line.strip()} " for line in lines)
        assert again.strip() == word
        assert most < 20 or all(len(line.expandtabs(2)) <= most + len(" ] ]") for line in lines)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "no network: give a name"),
        ("vgg17", "did you mean vgg19?"),
        ("vgg16 resnet81", "did you mean resnet18?"),
        ("conv3-10 max2", "begins with its input"),
        ("vgg16 --compare", "at least two networks"),
        ("vgg16 --list", "leave out 'vgg16'"),
        ("vgg16 --convention pytorch", "torchvision, torchinfo, keras"),
        ("vgg16 --format html", "table, json, csv, markdown, latex"),
        ("vgg16 lenet5 --compare --sharing", "--compare and --sharing cannot be combined"),
        ("vgg16 lenet5 --compare --explain", "--compare and --explain cannot be combined"),
        ("vgg16 --notation --sharing --format csv", "CSV holds one table"),
        ("lenet5 --input 3x3x1", "cnncli: lenet5: layer 1 (conv5-6,relu after 3x3x1)"),
        ("nowhere.toml", "nowhere.toml"),
        ("vgg16 --batch-size 0", "batch-size"),
    ],
)
def test_wrong_usage_is_one_clear_error(words, said):
    result = cnncli("params", *words.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr.splitlines()[0]


@pytest.mark.parametrize("name", ["nowhere.onnx", "nowhere.safetensors", "nowhere.keras", "nowhere.pt"])
def test_a_model_file_that_is_not_there_is_a_failed_input(name):
    result = cnncli("params", name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert name in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_file_of_weights_is_counted(tmp_path):
    header = b'{"conv.weight":{"dtype":"F32","shape":[8,3,3,3],"data_offsets":[0,864]}}'
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(864))
    assert done("params", path, "--total").stdout == "216\n"
    text = done("params", path).stdout
    assert "conv.weight" in text
    *rows, total = read_csv(done("params", path, "--format", "csv").stdout)
    assert sum(number(row["params"]) for row in rows) == number(total["params"]) == 216
    assert json.loads(done("params", path, "--json").stdout)["layers"][0]["output_shape"] is None


@pytest.mark.parametrize("format_name", [*FORMATS, "json"])
@pytest.mark.parametrize("options", [[], ["--explain", "--notation"], ["--sharing"], ["--convention", "keras"]])
def test_a_file_without_arrays_is_an_empty_table(tmp_path, format_name, options):
    path = tmp_path / "empty.safetensors"
    path.write_bytes((2).to_bytes(8, "little") + b"{}")
    assert done("params", path, "--format", format_name, *options).stdout
    assert done("params", path, "--total").stdout == "0\n"


def test_an_onnx_file_is_counted(tmp_path):
    onnx = pytest.importorskip("onnx")
    numpy = pytest.importorskip("numpy")
    weight = onnx.numpy_helper.from_array(numpy.zeros((10, 3, 3, 3), numpy.float32), "w")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w"], ["y"], name="first")],
        "sample",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, "h", "w_"])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [weight],
    )
    onnx.save(onnx.helper.make_model(graph), tmp_path / "model.onnx")
    assert "--input" in cnncli("params", tmp_path / "model.onnx").stderr
    assert done("params", tmp_path / "model.onnx", "--input", "6x6x3", "--total").stdout == "270\n"
    assert done("shape", tmp_path / "model.onnx", "--input", "6x6x3", "--total").stdout == "4x4x10\n"
    assert " first " in done("shape", tmp_path / "model.onnx", "--input", "6x6x3").stdout


def test_a_network_of_ones_own(tmp_path):
    path = tmp_path / "small net.toml"
    path.write_text('title = "Small"\ninput = "6x6x3"\nlayers = "conv3-10"\n')
    assert done("params", path, "--total").stdout == "280\n"
    assert done("params", path).stdout.startswith("Small (small net), input 6x6x3\n")


@pytest.mark.parametrize(
    ("words", "networks"),
    [
        (["vgg16"], [["vgg16"]]),
        (["vgg16", "vgg17"], [["vgg16"], ["vgg17"]]),
        (["6x6x3", "conv3-10", "3@28x28", "max2"], [["6x6x3", "conv3-10"], ["3@28x28", "max2"]]),
        (["6x6x3 conv3-10", "28x28 max2"], [["6x6x3 conv3-10"], ["28x28 max2"]]),
        (
            ["conv3-10", "lrn", "a.toml", "b.onnx", "6x6", "gap"],
            [["conv3-10", "lrn"], ["a.toml"], ["b.onnx"], ["6x6", "gap"]],
        ),
        (["6x6x3", "drop0.5", "fc-3"], [["6x6x3", "drop0.5", "fc-3"]]),
    ],
)
def test_words_are_split_into_networks(words, networks):
    assert split_networks(words) == networks


def onnx_file(folder, *nodes, constants=(), shape=(1, 3, 8, 8)):
    pytest.importorskip("onnx")
    from onnx import TensorProto, ValueInfoProto, helper

    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    graph = helper.make_graph(list(nodes), "sample", inputs, [ValueInfoProto(name="y")], list(constants))
    path = folder / "model.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return str(path)


def spread_table(folder):
    """A graph whose exporter has spread a table of biases: how many were trained, it does not tell."""
    pytest.importorskip("onnx")
    from onnx import helper

    values = [0.1 * number for number in range(1, 65)]
    table = helper.make_tensor("onnx::Add_77", 1, [8, 8], values)
    return onnx_file(folder, helper.make_node("Add", ["x", "onnx::Add_77"], ["y"]), constants=[table])


def test_an_incomplete_total_says_so(tmp_path):
    path = spread_table(tmp_path)
    total = cnncli("params", path, "--total")
    assert (total.stdout, total.exit_code) == ("at least 0\n", 1)
    assert "params leave out 64 numbers" in total.stderr
    as_json = cnncli("params", path, "--total", "--json")
    assert (as_json.stdout, as_json.exit_code) == ("null\n", 1)
    found = cnncli("params", path, "--json")
    facts = json.loads(found.stdout)
    assert (found.exit_code, facts["totals"]["params"], facts["layers"][0]["params"]) == (0, None, None)
    assert any("64 numbers" in note for note in facts["notes"])
    assert "params leave out" in found.stderr
    assert "at least 0" in cnncli("params", path).stdout
    rows = list(csv.DictReader(io.StringIO(cnncli("params", path, "--format", "csv").stdout)))
    assert rows[-1]["params"] == ""
    assert "at least" in cnncli("params", path, "lenet5", "--compare").stdout


def test_a_total_needs_no_shapes(tmp_path):
    pytest.importorskip("onnx")
    from onnx import helper

    weight = helper.make_tensor("w", 1, [4, 3, 1, 1], [0.5] * 12)
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    path = onnx_file(tmp_path, node, constants=[weight], shape=(1, 3, "h", "w"))
    assert cnncli("params", path, "--total").stdout == "12\n"
    refused = cnncli("params", path)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "--input HxWx3" in refused.stderr
    assert cnncli("params", path, "--input", "5x5x3").exit_code == 0


def test_an_output_that_is_not_known_is_no_success(tmp_path):
    pytest.importorskip("onnx")
    from onnx import helper

    path = onnx_file(tmp_path, helper.make_node("Mystery", ["x"], ["y"], domain="org.example"))
    found = cnncli("shape", path, "--total")
    assert (found.stdout, found.exit_code) == ("?\n", 1)
    assert "does not give" in found.stderr


def test_the_folder_of_a_run_is_its_network(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    shapes = load_network("8x8x1 conv3-4 gap fc-2").param_shapes()
    ends = list(itertools.accumulate(4 * math.prod(shape) for shape in shapes.values()))
    header = {
        name: {"dtype": "F32", "shape": shape, "data_offsets": [end - 4 * math.prod(shape), end]}
        for (name, shape), end in zip(shapes.items(), ends, strict=True)
    }
    header["__metadata__"] = {"cnncli.network": "conv3-4 gap fc-2", "cnncli.input": "8x8x1"}
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(ends[-1]))
    assert done("params", folder, "--total").stdout == "50\n"
    assert done("shape", folder, "--total").stdout == "2\n"
    assert json.loads(done("params", folder, "--json").stdout)["name"] == "run"
    empty = cnncli("params", tmp_path)
    assert "a folder without model.safetensors" in empty.stderr
