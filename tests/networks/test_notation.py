import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_strategies import networks

from cnncli.errors import CnncliError
from cnncli.networks import BLOCKS, LAYERS, NotationError, ShapeError, load_network, parse_network, zoo_names
from cnncli.networks.layers import Add, Concat, Conv, FullyConnected, MaxPool, Repeat, Residual, Sequential


@given(networks())
def test_parsing_what_is_printed_gives_the_network_back(network):
    text = str(network)
    again = parse_network(text)
    assert again == network
    assert str(again) == text
    assert hash(again) == hash(network)


@pytest.mark.parametrize("name", zoo_names())
def test_the_zoo_is_printed_without_macros_and_read_back(name):
    network = load_network(name)
    assert parse_network(str(network)) == network


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("39X39X3 CONV3-10", "39x39x3 conv3-10"),
        ("3@28x28 conv3-10", "28x28x3 conv3-10"),
        ("28x28 conv3-10", "28x28x1 conv3-10"),
        ("28\N{MULTIPLICATION SIGN}28 conv3\N{MULTIPLICATION SIGN}3-10", "28x28x1 conv3-10"),
        ("8x8 conv3x3-10,s1,valid", "8x8x1 conv3-10"),
        ("8x8 conv3-10,p1x1", "8x8x1 conv3-10,p1"),
        ("8x8 conv3-10,p1x2x1x2", "8x8x1 conv3-10,p1x2x1x2"),
        ("8x8 conv3-10,p1x1x2x2", "8x8x1 conv3-10,p1x2"),
        ("8x8 conv3-10,g1,bias,d1", "8x8x1 conv3-10"),
        ("8x8 conv3-10,relu,same,s2", "8x8x1 conv3-10,s2,same,relu"),
        ("8x8 conv3-10,bn,nobias", "8x8x1 conv3-10,bn"),
        ("8x8 conv3-10,bias,bn,relu", "8x8x1 conv3-10,bias,bn,relu"),
        ("8x8 fc-10,bn", "8x8x1 fc-10,bn"),
        ("18x18 max2,s2 max3,s2 max2x3", "18x18x1 max2 max3,s2 max2x3"),
        ("8x8 avg2,ceil,count_include_pad", "8x8x1 avg2,ceil,count_include_pad"),
        ("8x8 sub2 drop0.5 drop-0.25 lrn5 leaky0.01", "8x8x1 sub drop drop0.25 lrn leaky"),
        ("8x8 lrn5,k1,alpha1e-4,beta0.5", "8x8x1 lrn,k1,alpha0.0001,beta0.5"),
        ("8x8 fc-9,relu,drop0.3", "8x8x1 fc-9,relu,drop0.3"),
        ("8x8 2x[conv1-4]", "8x8x1 2xconv1-4"),
        ("8x8 2x[ conv1-4 2xconv1-3 ]", "8x8x1 2x[ conv1-4 2xconv1-3 ]"),
        ("8x8 2x [ 3x[ conv1-4 ] ]", "8x8x1 2x[ 3xconv1-4 ]"),
        ("8x8 2xres[conv1-1|]", "8x8x1 2xres[ conv1-1 ]"),
        ("8x8 res[|conv1-1]", "8x8x1 res[ | conv1-1 ]"),
        ("8x8 cat[|conv1-4||relu]", "8x8x1 cat[ | conv1-4 | | relu ]"),
        ("8x8\tconv1-4\n\nrelu ", "8x8x1 conv1-4 relu"),
        ("784 fc-10", "784 fc-10"),
        ("8x8x4 tconv2-3,s2,o1,g1", "8x8x4 tconv2-3,s2,o1"),
        ("8x8x4 dw3-8,s2 dw3-8", "8x8x4 dw3-8,s2 dw3-8"),
        ("8x8x4 up up2x2 up3x1,nearest up2,bilinear", "8x8x4 up2 up2 up3x1 up2,bilinear"),
        ("8x8x4 s2d2 s2d4 d2s4 d2s2", "8x8x4 s2d s2d4 d2s4 d2s"),
        ("18x18x4 crop1x2 crop1x1x2x2 crop0x1x0x0", "18x18x4 crop1x2 crop1x2 crop0x1x0x0"),
        ("8x8x4 split1/2 reshape128 reshape8x8x2", "8x8x4 split1/2 reshape128 reshape8x8x2"),
        ("8x8x64 conv1-64,gn gn32 gn8,eps1e-3", "8x8x64 conv1-64,gn gn gn8,eps0.001"),
        ("8x8 conv3-8,bn,eps1e-3,relu,p1 bn,relu,eps1", "8x8x1 conv3-8,p1,bn,eps0.001,relu bn,eps1,relu"),
        ("8x8x4 in,noaffine in,affine ln,affine ln,noaffine", "8x8x4 in in,affine ln ln,noaffine"),
        ("8x8x4 scale1 scale1e-6 prelu prelu,shared", "8x8x4 scale scale1e-06 prelu prelu,shared"),
        ("8x8x4 gap1 gmp1", "8x8x4 gap gmp"),
        ("8x8x4 gap7 gmp3x2", "8x8x4 gap7 gmp3x2"),
        ("8x8x4 mul[|gap conv1-4,hsigmoid]", "8x8x4 mul[ | gap conv1-4,hsigmoid ]"),
    ],
)
def test_every_network_has_one_canonical_text(written, canonical):
    network = parse_network(written)
    assert str(network) == canonical
    assert parse_network(canonical) == network


def test_blocks_are_layers_that_hold_layers():
    network = parse_network("8x8x4 2xres[ conv3-4,same cat[ | max3,s1,same ] | conv1-8 ] add[ relu | ] fc-2")
    conv, pool = Conv((3, 3), 4, padding="same"), MaxPool((3, 3), (1, 1), "same")
    inner = Concat((Sequential(), Sequential((pool,))))
    block = Residual(Sequential((conv, inner)), Sequential((Conv((1, 1), 8),)))
    assert network.layers == Sequential((Repeat(2, (block,)), Add(Sequential((LAYERS["relu"](),))), FullyConnected(2)))
    assert len(network.layers.unrolled) == 4


def test_macros_take_arguments_and_use_macros():
    define = {"unit": "conv$1-$2,relu", "pair": "2xunit:3,$1 max2", "skip": "res[ conv3-$1,same ]"}
    network = parse_network("64x64x3 pair:8 2xpair:16 2xskip:16", define=define)
    assert str(network) == "64x64x3 2xconv3-8,relu max2 2x[ 2xconv3-16,relu max2 ] 2xres[ conv3-16,same ]"


WRONG = [
    ("6x6x3 conf3-10", "conf3-10", "did you mean conv?"),
    ("6x6x3 conv3-10,rellu", "rellu", "did you mean relu?"),
    ("6x6x3 rez[ conv3-8 ]", "rez", "res"),
    ("6x6x3 conv3", "conv3", "conv3-64"),
    ("6x6x3 conv-10", "conv-10", "conv3-64"),
    ("6x6x3 fc10", "fc10", "fc-10"),
    ("6x6x3 max", "max", "max3"),
    ("6x6x3 relu3", "relu3", "relu"),
    ("6x6x3 conv3-10,q2", "q2", "it takes s2, p1"),
    ("6x6x3 max2,g2", "g2", "it takes s2, p1"),
    ("6x6x3 conv3-10,s0", "s0", "from 1"),
    ("6x6x3 conv3-10,s2,s3", "s3", "twice"),
    ("6x6x3 conv3-10,same,p1", "p1", "twice"),
    ("6x6x3 conv3-10,", "", "comma"),
    ("6x6x3 conv3-10,max2", "max2", "space"),
    ("6x6x3 conv3-10,relu,relu", "conv3-10,relu,relu", "twice"),
    ("6x6x3 conv3-64,g3", "conv3-64,g3", "64 filters"),
    ("6x6x3 drop1.5", "drop1.5", "below 1"),
    ("6x6x3 conv5-9,table", "conv5-9,table", "16"),
    ("6x6x3 swish", "swish", "silu"),
    ("6x6x3 mux2", "mux2", "did you mean max?"),
    ("6x6x3 sd2", "sd2", "did you mean s2d?"),
    ("6x6x3 split", "split", "split1/2"),
    ("6x6x3 split3/2", "split3/2", "1/2"),
    ("6x6x3 split0/2", "split0/2", "1/2"),
    ("6x6x3 crop", "crop", "crop4"),
    ("6x6x3 reshape6x6", "reshape6x6", "reshape7x7x30"),
    ("6x6x3 up2,align_corners", "up2,align_corners", "bilinear"),
    ("6x6x3 up0", "up0", "up2"),
    ("6x6x3 conv3-8,s2d", "s2d", "space"),
    ("6x6x3 conv3-8,relu,eps1", "eps1", "conv does not take the option"),
    ("6x6x3 conv3-8,gn8,eps1,relu,eps1", "eps1", "conv does not take the option"),
    ("6x6x3 conv3-8,bn,eps1,eps2", "eps2", "eps is set twice"),
    ("6x6x3 mul relu", "mul", "is a block"),
    ("6x6x3 0xconv3-8", "0xconv3-8", "from 1"),
    ("6x6x3 9999999999xconv3-8", "9999999999xconv3-8", "9 digits"),
    ("6x6x3 999999999xrelu", "999999999xrelu", "10,000"),
    ("6x6x3 2x conv3-8", "2x", "has nothing to repeat"),
    ("6x6x3 2x[ relu | relu ]", "2x[ relu | relu ]", "one sequence"),
    ("6x6x3 res[ relu", "res", "closing"),
    ("6x6x3 relu ]", "]", "block"),
    ("6x6x3 relu | relu", "|", "block"),
    ("6x6x3 [ relu ]", "[", "does not begin a block"),
    ("6x6x3 res[ relu | relu | relu ]", "res[ relu | relu | relu ]", "at most one shortcut"),
    ("6x6x3 res[ ]", "res[ ]", "main branch"),
    ("6x6x3 res relu", "res", "is a block"),
    ("6x6x3 relu 6x6x3", "6x6x3", "give one input"),
    ("6x6x3 conv3-8 ... fc-10", "...", "left out"),
    ("0x6x3 relu", "0x6x3", "HxWxC"),
    ("6x6x3x4 relu", "6x6x3x4", "HxWxC"),
    ("3@6 relu", "3@6", "HxWxC"),
    ("1234567890x6x3 relu", "1234567890x6x3", "HxWxC"),
    ("relu fc-10", "relu", "begins with its input"),
    ("6x6x3", "6x6x3", "no layer"),
    ("6x6x3 conv\N{ARABIC-INDIC DIGIT THREE}-8", "conv\N{ARABIC-INDIC DIGIT THREE}-8", "conv3-64"),
    ("6x6x3 conv3-\N{SUPERSCRIPT TWO}", "conv3-\N{SUPERSCRIPT TWO}", "conv3-64"),
]


@pytest.mark.parametrize(("text", "place", "message"), WRONG)
def test_an_error_points_at_its_place_and_says_what_is_right(text, place, message):
    with pytest.raises(NotationError) as caught:
        parse_network(text)
    error = caught.value
    assert error.text == text
    assert text[error.start : error.end] == place
    assert message in str(error)
    assert "\n" not in str(error)
    line, carets = error.pointed.split("\n")
    assert line == text
    assert carets == " " * error.start + "^" * max(1, len(place))


def test_the_place_is_shown_on_its_line_and_long_lines_are_cut():
    with pytest.raises(NotationError) as caught:
        parse_network("6x6x3\nrelu relux tanh\nrelu")
    assert caught.value.pointed == "relu relux tanh\n     ^^^^^"
    with pytest.raises(NotationError) as caught:
        parse_network("6x6x3 " + 500 * "relu " + "relux " + 500 * "relu ")
    line, carets = caught.value.pointed.split("\n")
    assert len(line) <= 100
    assert line[carets.index("^") :].startswith("relux")


@pytest.mark.parametrize(
    ("define", "word", "message"),
    [
        ({"a": "a"}, "a", "uses itself"),
        ({"a": "b", "b": "relu a"}, "a", "uses itself"),
        ({"a": "conv3-$1"}, "a", "takes 1 argument, such as a:64"),
        ({"a": "conv3-$2,g$1"}, "a:1", "takes 2 arguments, such as a:64,64"),
        ({"a": "relu"}, "a:1", "takes 0 arguments, such as a"),
        ({"a": "conv3-$x"}, "a:1", "$1 to $9"),
        ({"a": "relux"}, "a", "in a: unknown layer 'relux'"),
        ({"conv": "relu"}, "relu", "name of its own"),
        ({"res": "relu"}, "relu", "name of its own"),
        ({"3a": "relu"}, "relu", "name of its own"),
        ({"a b": "relu"}, "relu", "letters"),
        ({"a": 3}, "relu", "text of layers"),
        ({"a": "]"}, "res[ a", "without a block"),
        ({chr(97 + i): f"{chr(98 + i)} {chr(98 + i)}" for i in range(25)}, "a", "at most"),
        ({"a" * i: "a" * (i + 1) for i in range(1, 60)}, "a", "at most"),
        ({"a": "res[ " * 20 + "b" + " ]" * 20, "b": "res[ " * 20 + "relu" + " ]" * 20}, "a", "at most"),
        ({"a": " " * 900_000}, "9xa " * 3, "at most"),
    ],
)
def test_wrong_macros_are_one_clear_error(define, word, message):
    start = time.process_time()
    with pytest.raises(NotationError) as caught:
        parse_network(f"6x6x3 {word}", define=define)
    assert message in str(caught.value)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "text",
    [
        "6x6x3 " + "res[ " * 1_000_000,
        "6x6x3 " + "res[" * 240_000,
        "6x6x3 " + "]" * 900_000,
        "6x6x3 cat[" + "|" * 900_000 + "]",
        "6x6x3 " + "2x[ " * 20 + "relu" + " ]" * 20,
        "6x6x3 " + "9" * 900_000 + "xrelu",
        "9" * 900_000,
        "6x6x3 conv3-" + "9" * 900_000,
        "6x6x3 conv3-8," + "s" * 900_000,
        "6x6x3 conv3-8" + ",p1" * 300_000,
        "6x6x3 drop0." + "1" * 900_000,
        "6x6x3 conv3-8 " + "conv3-8,same " * 70_000,
        "6x6x3 " + "x" * 1_000_001,
        "999999999x999999999x999999999 conv1-999999999",
        "6x6x3 " + "tconv9-9,s999999999 " * 9,
        "6x6x999999998 conv3-999999999,g999999999",
        "1x1 max999999999,p999999998 conv999999999-1",
    ],
    ids=lambda text: text[:24],
)
def test_texts_without_measure_are_one_error_soon(text):
    start = time.process_time()
    with pytest.raises(CnncliError) as caught:
        parse_network(text)
    assert len(str(caught.value)) < 400
    assert time.process_time() - start < 5


pieces = st.sampled_from(
    [
        *LAYERS,
        *BLOCKS,
        *"[]|,x-:.@$ \t\n0123456789",
        "8x8x3 ",
        "conv3-8",
        "max2",
        "2x[ ",
        " ] ",
        " | ",
        "res[ ",
        "cat[ ",
        ",same",
        ",s2",
        ",p1",
        ",g2",
        ",bn",
        "\N{MULTIPLICATION SIGN}",
        "\N{ARABIC-INDIC DIGIT THREE}",
        "\N{SUPERSCRIPT TWO}",
        "\0",
        "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}",
        "macro:8",
        "999999999",
    ]
)


def network_or_error(text):
    try:
        return parse_network(text, define={"macro": "conv3-$1,relu"}), None
    except CnncliError as error:
        return None, error


@settings(max_examples=500)
@given(st.text() | st.lists(pieces, max_size=30).map("".join) | st.lists(pieces, max_size=30).map("8x8x3 ".join))
def test_any_text_gives_a_network_or_one_error(text):
    network, error = network_or_error(text)
    if network:
        assert parse_network(str(network)) == network
        assert network.summary().rows
    else:
        assert "\n" not in str(error)
        assert len(str(error)) < 1000
        assert isinstance(error, (NotationError, ShapeError))
        assert 0 <= error.start <= error.end <= len(text)
        assert not error.pointed or error.pointed.count("\n") == 1


def test_the_documentation_names_every_word():
    page = (Path(__file__).parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")
    table = page.partition("### The notation")[2].partition("Options follow")[0]
    words = set(re.findall(r"s2d|d2s|relu6|[a-z]+", table))
    missing = {*LAYERS, *BLOCKS} - words
    assert missing == set(), f"give {missing} a row in the table of words in docs/networks.md, under The notation"
