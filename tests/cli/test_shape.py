"""`cnncli shape`: one layer's arithmetic, and the shapes of networks."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shell import cnncli, done, process

FORMULA = """\
floor((n + 2p - f)/s + 1)
= floor((7 + 2*0 - 4)/2 + 1)
= floor(3/2 + 1)
= floor(2.5)
= 2
dropped: 1 pixel at the bottom and right
"""


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        ("-n 39 -f 3", "37"),
        ("-n 37 -f 5 -s 2", "17"),
        ("-n 6 -f 3 -p 1", "6"),
        ("-n 6 -f 3 -p same", "6"),
        ("-n 6 -f 3 -p valid", "4"),
        ("-n 7 -f 3 -d 2", "3"),
        ("-n 112 -f 3 -s 2", "55"),
        ("-n 112 -f 3 -s 2 --ceil", "56"),
        ("-n 640x480 -f 3x5", "638x476"),
        ("-n 640x480 -f 3", "638x478"),
        ("-n 39x39 -f 3", "37x37"),
        ("-n 6x6 -f 3 -p 1x2", "6x8"),
        ("-n 6 -f 3 -p 1,2", "6x8"),
        ("-n 6 -f 4 -p 1,2,1,2", "6"),
        ("-n 6 -f 3 -p 0,1,1,1", "5x6"),
        ("-n 28 -f 2 -s 2 --transposed", "56"),
        ("-n 14 -f 3 -s 2 -p 1 --transposed --output-padding 1", "28"),
        ("-n 39 --kernel-size 3 --padding 1 --stride 2 --dilation 1", "20"),
        ("--inputs-for 7 -f 3 -s 2", "15\n16"),
        ("--inputs-for 7 -f 3", "9"),
        ("--inputs-for 2x3 -f 2 -s 2x1", "4x4\n5x4"),
        ("--inputs-for 56 -f 2 -s 2 --transposed", "28"),
        ("-n 224 -f 7 --want 112", "-p 3       -s 2\n-p 2,3,2,3 -s 2  (uneven)"),
        ("-n 224 -f 7 --want 112 -p 3", "-p 3 -s 2"),
        ("-n 224 -f 7 --want 112 -p same", "-p same -s 2"),
        ("-n 39 -f 3 --want 37 -s 1", "-p 0 -s 1"),
        ("-n 5 -f 5 --want 1 -p 0", "-p 0 -s 1 or more"),
        ("-f 5 --keep", "2"),
        ("-f 4 --keep", "1,2,1,2"),
        ("-f 3x5 --keep", "1,2"),
        ("-n 39 -f 3 --keep", "1"),
        ("-n 39 -f 3 -d 2 --keep", "2"),
        ("-n 7 -f 4 -s 2 --explain", FORMULA.rstrip()),
    ],
)
def test_one_layer(words, printed):
    assert done("shape", *words.split()).stdout == f"{printed}\n"


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            "-n 9 -f 3 -d 2 --explain",
            ["floor((n + 2p - d(f - 1) - 1)/s + 1)", "= floor((9 + 2*0 - 2*(3 - 1) - 1)/1 + 1)"],
        ),
        ("-n 6 -f 4 -p same --explain", ["padding: 1 at the top and left, 2 at the bottom and right"]),
        ("-n 16 -f 4 -s 2 -p 1 --transposed --explain", ["(n - 1)s - 2p + d(f - 1) + op + 1", "= 32"]),
        ("-n 640x480 -f 3x5 --explain", ["height:", "width:", "  = 638", "  = 476"]),
        ("-n 224 -f 7 --want 112 --explain", ["  floor((224 + 2*3 - 7)/2 + 1) = 112"]),
        ("--inputs-for 7 -f 3 -s 2 --explain", ["floor((15 + 2*0 - 3)/2 + 1) = 7", "floor((16 + 2*0 - 3)/2 + 1) = 7"]),
        ("-f 5 --keep --explain", ["2p = f - 1 = 5 - 1 = 4", "p = 2"]),
    ],
)
def test_the_working_is_shown(words, lines):
    assert set(lines) <= set(done("shape", *words.split()).stdout.splitlines())


def test_what_want_prints_are_options_that_give_it():
    for line in done("shape", "-n", "30", "-f", "5", "--want", "10").stdout.splitlines():
        options = line.replace("(uneven)", "").split()
        first = options[: options.index("to")] if "to" in options else options
        assert done("shape", "-n", "30", "-f", "5", *first).stdout == "10\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("-n 39 -f 3", {"input_size": [39, 39], "kernel_size": [3, 3], "output_size": [37, 37], "dropped": [0, 0]}),
        ("-n 7 -f 2 -s 2 -p same", {"padding": [0, 1, 0, 1], "output_size": [4, 4], "stride": [2, 2]}),
        (
            "--inputs-for 7 -f 3 -s 2",
            {"input_size": {"height": {"min": 15, "max": 16}, "width": {"min": 15, "max": 16}}},
        ),
        ("-f 4 --keep", {"padding": [1, 2, 1, 2]}),
    ],
)
def test_json(words, expected):
    found = json.loads(done("shape", *words.split(), "--json").stdout)
    assert expected.items() <= found.items()


def test_format_json_is_json():
    assert (
        done("shape", "-n", "39", "-f", "3", "--format", "json").stdout
        == done("shape", "-n", "39", "-f", "3", "--json").stdout
    )


def test_json_of_settings():
    found = json.loads(done("shape", "-n", "224", "-f", "7", "--want", "112", "--json").stdout)
    assert {"padding": [3, 3], "min_stride": 2, "max_stride": 2} in found["settings"]["height"]
    assert found["settings"]["height"] == found["settings"]["width"]
    assert found["stride"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "nothing to compute: give -n and -f"),
        ("-n 39", "add -f"),
        ("-f 3", "needs an input size: add -n"),
        ("-f 3 --want 7", "--want needs an input size: add -n"),
        ("-f 3 -s 2 --keep", "--keep with a stride needs an input size"),
        ("-n 39 -f 3 vgg16", "leave them out, or the network"),
        ("6x6x3 conv3-10 -p 1", "leave them out, or the network"),
        ("-n 39 -f 3 --want 7 --keep", "--want and --keep are different questions"),
        ("-n 39 -f 3 --inputs-for 7", "leave -n out"),
        ("-n 39 -f 3 -p 1 --keep", "leave -p out"),
        ("-n 39 -f 3 --output-padding 1", "add --transposed"),
        ("-n 39x39x3 -f 3", "the input size must be a whole number from 1, or two such as 3x5"),
        ("-n 39x -f 3", "(vertical x horizontal), got '39x'"),
        ("-n 39 -f 0", "the filter size must be a whole number from 1"),
        ("-n 39 -f 3 --format csv", "as text or JSON"),
        ("-n 39 -f 3 --notation", "--notation applies to networks"),
        ("-n 3 -f 5", "does not fit"),
        (f"-n {'9' * 4000} -f 3", "at most 1,000,000,000"),
        (f"-n {'9' * 5000} -f 3", "a whole number from 1"),
        (f"-n 39 -f 3 -p {'9' * 40}", "padding must be at most"),
        (f"-n 39 -f 3 --output-padding {'9' * 40} --transposed", "output padding must be at most"),
        ("-n 39 -f 3 -p huge", "padding must be same, valid"),
        ("-n 39 -f 3 -p 1,2,3", "padding must be same, valid"),
        ("--inputs-for 7 -f 3 -s 1000000", "1000000 input sizes"),
        ("6x6x3 conv3-10 --format xml", "table, json, csv, markdown, latex"),
        ("6x6x3 conv3-10 --format csv --json", "contradict each other"),
        ("conv3-10 max2 --input 6xx", "height x width x channels"),
    ],
)
def test_wrong_usage_is_one_line(words, said):
    result = cnncli("shape", *words.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("-n 224 -f 7 --want 999", "try another filter"),
        ("-n 224 -f 7 --want 112 -p 0", "leave -p or -s out"),
        ("--inputs-for 3 -f 2 -s 2 --transposed", "no input gives 3"),
    ],
)
def test_a_question_without_an_answer_fails(words, said):
    result = cnncli("shape", *words.split())
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


COURSE = ["39x39x3", "conv3-10", "conv5-20,s2", "conv5-40,s2", "fc-1"]


def test_a_network_is_a_row_a_layer():
    lines = done("shape", *COURSE).stdout.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines[3:7]}
    assert rows["conv3-10"] == ["37x37x10", "13,690", "3", "1", "1", "280", "369,630"]
    assert rows["conv5-20,s2"][:4] == ["17x17x20", "5,780", "7", "2"]
    assert rows["conv5-40,s2"][:4] == ["7x7x40", "1,960", "15", "4"]
    assert rows["fc-1"][0] == "1"


def test_the_last_shape_alone():
    assert done("shape", *COURSE[:-1], "--total").stdout == "7x7x40\n"
    assert done("shape", "vgg16", "lenet5", "--total").stdout == "1000\n10\n"
    assert done("shape", "28x28x8", "cat[ conv1-3 | conv3-4,same ]", "--total").stdout == "28x28x7\n"


def test_an_input_can_be_given_apart():
    assert done("shape", *COURSE[1:], "--input", "39x39x3").stdout == done("shape", *COURSE).stdout
    assert done("shape", "resnet18", "--input", "64x64x3", "--total").stdout == "1000\n"


def test_a_quoted_text_is_the_same():
    assert done("shape", " ".join(COURSE)).stdout == done("shape", *COURSE).stdout


def test_the_sizes_of_a_network_are_explained():
    lines = done("shape", *COURSE, "--explain").stdout.splitlines()
    assert "1.conv conv5-20,s2: floor((37 + 2*0 - 5)/2 + 1) = 17" in lines
    text = done("shape", "8x7x3", "max2,ceil", "conv3-4,same", "tconv3-2,s2", "--explain").stdout
    assert "output size: floor((n + 2p - f)/s + 1)" in lines
    assert "output size: floor((n + 2p - d(f - 1) - 1)/s + 1)" in done("shape", "9x9", "conv3-1,d2", "--explain").stdout
    assert "height floor((8 + 2*0 - 2)/2 + 1) = 4; width ceil((7 + 2*0 - 2)/2 + 1) = 4" in text


def test_dropped_pixels_and_uneven_padding_are_said():
    text = done("shape", "7x7x1", "max2", "conv4-2,same").stdout
    assert "max2 (0.max, on 7x7x1) drops the last row and column" in text
    assert "conv4-2,same (1.conv, on 3x3x1) pads unevenly" in text


@pytest.mark.parametrize(
    ("words", "message", "place"),
    [
        (["6x6x3", "conf3-10"], "did you mean conv", "      ^^^^^^^^"),
        (["10x10x3", "max2", "conv7-8"], "got 5x5 after max2", " " * 13 + "^" * 7),
    ],
)
def test_an_error_in_a_text_is_a_line_and_its_place(words, message, place):
    result = cnncli("shape", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    said, text, carets = result.stderr.splitlines()
    assert message in said
    assert text == " ".join(words)
    assert carets == place


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_any_standard_output_takes_trees(encoding):
    result = process("shape", "resnet18", environment={"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"})
    assert (result.returncode, result.stderr) == (0, b"")
    assert ("└─ shortcut: identity" in result.stdout.decode(encoding)) == (encoding == "utf-8")
    assert "shortcut: identity" in result.stdout.decode(encoding)


WORDS = [
    "-n",
    "39",
    "0",
    "-1",
    "-f",
    "3",
    "3x5",
    "x",
    "-p",
    "same",
    "1,2,3,4",
    "-s",
    "2",
    "-d",
    "--want",
    "37",
    "--keep",
]
WORDS += ["--inputs-for", "7", "--ceil", "--transposed", "--output-padding", "--explain", "--json", "vgg16", "conv3-10"]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=9))
def test_no_words_end_in_a_traceback(words):
    result = cnncli("shape", *words)
    assert result.exit_code in (0, 1, 2)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    if result.exit_code:
        assert 1 <= result.stderr.count("\n") <= 3
    if result.exit_code == 0 and "--json" in words and "--total" not in words and "--help" not in words:
        json.loads(result.stdout)


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("width", [40, 70, 100, 200])
def test_a_terminal_gets_lines_that_fit(width):
    written = _on_a_terminal(width, "params", "resnet18")
    lines = written.split("\r\n")
    table = lines[1 : next(number for number, line in enumerate(lines) if line.startswith("memory"))]
    assert len(table) > 30
    assert all(len(line) <= width for line in table)
    assert "\x1b" not in written


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("width", "numbers"), [(80, 2), (100, 2), (120, 4), (200, 4)])
def test_networks_side_by_side_fit_a_terminal(width, numbers):
    lines = _on_a_terminal(width, "params", "resnet18", "plain18", "--compare").split("\r\n")
    assert all(len(line) <= width for line in lines)
    assert sum(word in ("params", "macs") for word in lines[0].split()) == numbers
    assert lines[-2].split()[1] == "11,689,512"


def _on_a_terminal(width, *words):
    """What a command writes to a terminal of so many columns."""
    import pty

    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": str(width), "TERM": "xterm", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "cnncli", *words]
    with subprocess.Popen(command, stdout=theirs, env=environment) as running:
        os.close(theirs)
        written = bytearray()
        while chunk := _read(ours):
            written += chunk
    os.close(ours)
    assert running.returncode == 0
    return written.decode()


def _read(stream):
    try:
        return os.read(stream, 65536)
    except OSError:  # the other end is closed
        return b""
