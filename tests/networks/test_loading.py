import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnncli.errors import ArgumentError, CnncliError
from cnncli.networks import NotationError, ShapeError, load_network, parse_network, read_network_file, zoo_names

GOOD = """
title = "A network"
source = "Somebody 2020"
year = 2020
input = "3@32x32"
layers = ["2xunit:8 max2", "fc-10"]
[define]
unit = "conv3-$1,relu"
[published]
params = 11970
"""


@pytest.fixture
def file(tmp_path):
    def write(content, name="small.toml"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_file_holds_a_network_and_what_is_known_of_it(file):
    network = load_network(file(GOOD))
    assert str(network) == "32x32x3 2xconv3-8,relu max2 fc-10"
    assert (network.name, network.title, network.year) == ("small", "A network", 2020)
    assert network.totals.params == 224 + 584 + 15690
    assert load_network(str(file(GOOD))) == network == load_network([str(file(GOOD))])


@pytest.mark.parametrize("words", ["6x6x3 conv3-10 relu", ["6x6x3", "conv3-10", "relu"], "  6x6x3\nconv3-10 relu\n"])
def test_a_text_is_one_word_or_many(words):
    assert load_network(words) == parse_network("6x6x3 conv3-10 relu")


@pytest.mark.parametrize("name", zoo_names())
def test_names_of_the_zoo(name):
    assert load_network(name).name == name
    assert load_network([name.upper()]) == load_network(name)


def test_another_input():
    assert load_network("resnet18", input_shape=(64, 64, 3)).summary().rows[-1].input_shape == (1, 1, 512)
    assert load_network("conv3-10", input_shape=(6, 6, 3)).output_shape == (4, 4, 10)


@pytest.mark.parametrize(("name", "message"), [("vgg61", "did you mean vgg1"), ("zzz", "give one of the zoo")])
def test_an_unknown_name_tells_the_nearest(name, message):
    with pytest.raises(ArgumentError, match=message):
        load_network(name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("layers = 3", "layers must be a text or a list of texts, got 'int'"),
        ("layers = [3]", "layers must be a text or a list of texts, got 'int'"),
        ("title = 'x'", "needs layers"),
        ("layers = 'relu'\nlayer = 'relu'", "'layer' is not a key of a network file: did you mean layers?"),
        ("layers = 'relu'\nyear = 'x'", "year must be a whole number, got 'x'"),
        (f"year = {'1' * 5000}", "TOML"),
        ("layers = 'relu'\ninput = 'x'", "input must be"),
        ("layers = 'relu'\ninput = '6x6'\ndefine = 3", "define must be a table"),
        ("layers = 'relu'\ninput = '6x6'\n[define]\na = 3", "text of layers"),
        ("layers = ", "TOML"),
        (b"\xff\xfe", "TOML"),
        (b"\0" * 2_000_000, "at most"),
        ("layers = " + "[" * 100_000, "TOML"),
        ("layers = 'relu'", "input"),
    ],
)
def test_files_that_are_no_network_are_one_clear_error(file, content, message):
    path = file(content)
    with pytest.raises(ArgumentError) as caught:
        load_network(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["missing.toml", Path("missing.toml"), "folder.toml", "folder\0.toml"])
def test_files_that_are_not_there(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ArgumentError, match=r"(missing|folder\0?).toml: cannot be read: "):
        load_network(path)


def test_errors_in_a_file_know_the_file_and_the_line(file):
    path = file('input = "6x6"\nlayers = ["relu", "relux tanh"]')
    with pytest.raises(NotationError) as caught:
        read_network_file(path)
    assert str(caught.value).startswith(f"{path}: unknown layer 'relux'")
    assert caught.value.pointed == "relux tanh\n^^^^^"
    with pytest.raises(ShapeError) as caught:
        read_network_file(file('input = "6x6"\nlayers = "relu max7"'))
    assert str(caught.value).startswith(f"{path}: layer 2")
    assert caught.value.pointed == "relu max7\n     ^^^^"


@settings(
    max_examples=100,
    suppress_health_check=[*settings.default.suppress_health_check, HealthCheck.function_scoped_fixture],
)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_file_gives_a_network_or_one_error(file, content):
    try:
        load_network(file(content))
    except CnncliError as error:
        message = str(error)
        assert len(message) < 1000


@pytest.mark.parametrize("input_shape", [None, (64, 64, 3)])
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("lenet", "lenet5"),
        ("resnet-18", "resnet18"),
        ("ResNet_50", "resnet50"),
        ("VGG-16", "vgg16"),
        ("mobilenetv2", "mobilenet-v2"),
        ("alexnett", "alexnet"),
    ],
)
def test_a_name_that_is_nearly_one_of_the_zoo_says_which(written, meant, input_shape):
    with pytest.raises(ArgumentError, match=f"no network is called '{written}': did you mean {meant}\\?"):
        load_network(written, input_shape=input_shape)


@pytest.mark.parametrize(("word", "hint"), [("relux", "did you mean relu?"), ("conv3", "conv3-64"), ("fc-0", "fc-10")])
def test_a_word_that_is_nearly_a_layer_says_so(word, hint):
    with pytest.raises(NotationError, match=re.escape(hint)):
        load_network(word, input_shape=(8, 8, 3))
