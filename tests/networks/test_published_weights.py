"""How published weights name their arrays: the notation of names, and the tables of the zoo."""

import pytest

from cnncli.errors import ArgumentError
from cnncli.networks import load_network, zoo_names
from cnncli.networks.weights import MAX_MODULES, expand, published_weights


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("conv1 bn1", "conv1 bn1"),
        ("a{1,2}b", "a1b a2b"),
        ("a{0..2}", "a0 a1 a2"),
        ("{a,b}.{0..1}", "a.0 a.1 b.0 b.1"),
        ("l.{0.{c,d{1,2}},1.c}.w", "l.0.c.w l.0.d1.w l.0.d2.w l.1.c.w"),
        ("x{,y}", "x xy"),
        ("m.fc{1,2}:2 g=", "m.fc1:2 m.fc2:2 g="),
    ],
)
def test_braces_stand_for_the_words_that_a_shell_makes_of_them(text, words):
    assert expand(text) == words.split()


@pytest.mark.parametrize("text", ["a{", "a{1,2", "{a}", "{1..}", "{1..x}", "{a..c}", "{0..99999}{0..99999}"])
def test_braces_that_mean_nothing_are_refused(text):
    with pytest.raises(ArgumentError, match=rf"{MAX_MODULES:,}|brace"):
        expand(text)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("names = 3", "names must be a text"),
        ("resize = 'crop'", "needs names"),
        ("name = 'conv1'", "did you mean names"),
        ("names = 'a'\nnormalization = 'imagenette'", "one of imagenet, unit"),
        ("names = 'a'\nresize = 'cut'", "one of stretch, crop"),
        ("names = 'a:x'", "number of axes"),
        ("names = 'a{'", "not closed"),
        ("names = 'a'\nrenamed = { a = 1 }", "table of texts"),
        ("names = 'a'\neps = 'small'", "eps must be a number"),
        ("names = 'a'\npadding = 'full'", "padding must be one of same, got 'full'"),
        ("names = 'a'\nchannels = 'bgra'", "channels must be one of rgb, bgr, got 'bgra'"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(tmp_path, table, message):
    path = tmp_path / "net.toml"
    path.write_text(f"layers = 'conv3-4'\ninput = '8x8x3'\n[weights.torchvision]\n{table}\n")
    with pytest.raises(ArgumentError, match=rf"net\.toml: \[weights\.torchvision\]: .*{message}"):
        published_weights(path)


def test_a_table_may_have_the_names_of_another(tmp_path):
    path = tmp_path / "net.toml"
    path.write_text(
        "layers = 'conv3-4'\ninput = '8x8x3'\n[weights.a]\nnames = ['x{1,2}', 'y']\nresize = 'pad'\n"
        "[weights.b]\nnames = 'a'\nnormalization = 'signed'\n"
    )
    a, b = published_weights(path).values()
    assert (b.modules, b.resize, b.normalization) == (a.modules, "pad", "signed")
    assert [module.name for module in a.modules] == ["x1", "x2", "y"]


@pytest.mark.parametrize("name", zoo_names())
def test_the_zoo_names_a_module_for_every_layer_with_arrays(name):
    layers = {array.rpartition(".")[0] for array in load_network(name).param_shapes()}
    for weights in published_weights(name).values():
        assert len(weights.modules) == len(set(weights.modules)) == len(layers)
