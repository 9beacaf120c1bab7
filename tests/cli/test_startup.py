"""Commands start light: what a command does not need, it does not load."""

import os
import subprocess
import sys

import numpy as np
import pytest
from oracles import gray_photograph
from shell import PATIENCE, PICTURE_COMMANDS, cnncli, process, save
from typer.main import get_command

from cnncli.cli.app import COMMANDS, app

GROUPS = {name: getattr(get_command(app).get_command(None, name), "commands", {}) for name in COMMANDS}
WAYS = [way for name, parts in GROUPS.items() for way in ([f"{name} {part}" for part in parts] or [name])]
"""Every command, those of groups one by one."""
HEAVY = {"numpy", "PIL", "scipy", "tifffile"}


def loaded(program, *words, cwd=None):
    """The heavy packages that a program has loaded when it ends."""
    ending = "import atexit, sys; atexit.register(lambda: print('\\n' + ' '.join(sys.modules), file=sys.stderr)); "
    result = subprocess.run(
        [sys.executable, "-c", ending + program, *map(str, words)],
        capture_output=True,
        cwd=cwd,
        timeout=PATIENCE,
        check=False,
    )
    assert b"Traceback" not in result.stderr
    return HEAVY & set(result.stderr.decode().splitlines()[-1].split())


RUN = "from cnncli.__main__ import main; main()"


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["--nonsense"], *([*way.split(), "--help"] for way in WAYS), ["edge", "--nonsense"]],
)
def test_questions_load_nothing_heavy(words):
    assert loaded(RUN, *words) == set()


@pytest.mark.parametrize(
    "program",
    ["import cnncli", "import cnncli; dir(cnncli)", "from cnncli import FILTERS, CnncliError", "import cnncli.shapes"],
)
def test_the_package_itself_is_light(program):
    assert loaded(program) == set()


@pytest.mark.parametrize("command", PICTURE_COMMANDS)
def test_a_small_picture_needs_no_scipy(tmp_path, command):
    save(tmp_path, gray_photograph("camera")[:32, :32])
    assert loaded(RUN, command, "image.png", cwd=tmp_path) == {"numpy", "PIL"}
    assert len(os.listdir(tmp_path)) == 2


ABOUT_NETWORKS = [
    ["shape", "-n", "39", "-f", "3"],
    ["shape", "-n", "39", "-f", "3", "--want", "19", "--explain"],
    ["shape", "39x39x3", "conv3-10", "conv5-20,s2"],
    ["shape", "resnet50", "--json"],
    ["params", "vgg16"],
    ["params", "resnet152"],
    ["params", "vgg16", "alexnet", "--compare"],
    ["params", "lenet5", "--sharing", "--notation", "--explain", "--convention", "torchinfo"],
    ["params", "--list"],
    ["params", "6x6x3", "conf3-10"],
    ["draw", "vgg16", "-o", "-"],
    ["draw", "resnet18", "-o", "-", "--style", "boxes", "--highlight", "1.max"],
    ["draw", "lenet5", "-o", "-", "--style", "table", "--receptive-field", "2.conv:0,0"],
]


@pytest.mark.parametrize("words", ABOUT_NETWORKS, ids=" ".join)
def test_networks_are_counted_without_numpy(words):
    assert loaded(RUN, *words) == set()


def test_sizes_are_animated_without_numpy(tmp_path):
    assert loaded(RUN, "animate", "shape", "-n", "5", "-f", "3", "-o", "sizes.svg", cwd=tmp_path) == set()


@pytest.mark.parametrize("words", [[], ["--json"], ["--format", "markdown"]])
def test_filters_are_listed_without_numpy(words):
    assert loaded(RUN, "filters", *words) == set()


def test_numbers_need_no_pillow(tmp_path):
    np.save(tmp_path / "numbers.npy", np.eye(9))
    assert loaded(RUN, "edge", "numbers.npy", "-o", "out.npy", cwd=tmp_path) == {"numpy"}
    assert loaded(RUN, "edge", "numbers.npy", "-o", "out.png", cwd=tmp_path) == {"numpy"}


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_the_commands_are_listed(words):
    result = process(*words)
    text = result.stdout.decode()
    assert (result.returncode, result.stderr) == (0 if words else 2, b"")
    assert "Usage: python -m cnncli " in text
    assert all(f" {command} " in text for command in COMMANDS)


@pytest.mark.parametrize("words", [["--version"], ["--version", "edge"]])
def test_the_version(words):
    from importlib.metadata import version

    result = process(*words)
    assert (result.returncode, result.stdout.decode(), result.stderr) == (0, f"cnncli {version('cnncli')}\n", b"")


@pytest.mark.parametrize("command", WAYS)
@pytest.mark.parametrize("width", ["40", "80", "200"])
def test_every_help_has_examples_and_every_option(command, width):
    from typer.core import TyperOption

    text = process(*command.split(), "--help", environment={"COLUMNS": width, "TERMINAL_WIDTH": width}).stdout.decode()
    assert f"cnncli {command} " in " ".join(text.partition("Examples:")[2].split())
    name, *parts = command.split()
    parameters = (GROUPS[name][parts[0]] if parts else get_command(app).get_command(None, name)).params
    options = [parameter for parameter in parameters if isinstance(parameter, TyperOption) and not parameter.hidden]
    assert options
    if width == "200":
        assert [name for option in options for name in option.opts if name not in text] == []


@pytest.mark.parametrize(("group", "parts"), [(name, parts) for name, parts in GROUPS.items() if parts])
def test_a_group_lists_its_commands(group, parts):
    for words, code in (([group], 2), ([group, "--help"], 0)):
        result = cnncli(*words)
        assert (result.exit_code, result.stderr) == (code, "")
        assert "Examples:" in result.stdout
        assert all(f" {part} " in result.stdout for part in parts)


def test_an_unknown_command_of_a_group_is_one_line():
    result = cnncli("boxes", "iuo")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "cnncli: No such command 'iuo'. Did you mean 'iou'?\n"


def test_an_unknown_command_is_one_line():
    result = cnncli("egde", "photo.jpg")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "'egde'" in result.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs a shell's pipes")
@pytest.mark.parametrize(
    "words",
    [["--help"], ["edge", "--help"], ["edge", "numbers.txt", "-o", "-"], ["pool", "numbers.txt", "-f", "1", "-o", "-"]],
)
def test_a_reader_who_leaves_is_no_error(tmp_path, words):
    np.savetxt(tmp_path / "numbers.txt", np.zeros((2000, 100)), fmt="%d")
    with subprocess.Popen(
        [sys.executable, "-m", "cnncli", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as writer:
        writer.stdout.close()  # before anything is written
        error = writer.stderr.read()
    assert b"Traceback" not in error
    assert b"Exception ignored" not in error
    assert error.count(b"\n") <= 1
    assert os.listdir(tmp_path) == ["numbers.txt"]


@pytest.mark.skipif(os.name == "nt", reason="needs a shell's redirections")
@pytest.mark.parametrize("words", ["params vgg16", "shape -n 39 -f 3", "params vgg16 --json", "--help"])
def test_a_closed_standard_output_is_no_error(words):
    line = f"{sys.executable} -m cnncli {words} >&-"
    result = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.parametrize("command", WAYS)
def test_a_shell_completes_options(command):
    words = f"cnncli {command} --"
    asked = {"_CNNCLI_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    program = f"import sys; sys.argv[0] = 'cnncli'; {RUN}"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, env=os.environ | asked, check=True)
    assert {"--json", "--force"} & set(result.stdout.decode().split())
