"""A shell completes filter words and names of networks, with nothing heavy loaded."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from shell import PATIENCE
from terminal import START

from cnncli.filters.named import FILTERS
from cnncli.networks.loading import zoo_names

PROGRAM = """
import atexit, sys
from cnncli.__main__ import main
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
sys.argv[0] = "cnncli"
main()
"""


def environment(shell, line):
    """What a shell tells of a line when Tab is pressed at its end."""
    if shell == "bash":
        return {"COMP_WORDS": line, "COMP_CWORD": str(len(shlex.split(line + "'" * (line.count("'") % 2))) - 1)}
    return {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}


def completed(shell, line):
    """The lines that a shell is given for a command line."""
    asked = environment(shell, line) | {"_CNNCLI_COMPLETE": f"complete_{shell}"}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=os.environ | asked, capture_output=True, text=True, timeout=PATIENCE
    )
    assert not {"numpy", "PIL", "scipy"} & set(result.stderr.split())
    return result.stdout.strip().splitlines()


def words(shell, line):
    """The same without what shells write around a word."""
    found = completed(shell, line)
    if shell != "zsh":
        return [part.partition("\t")[0] for part in found]
    assert all('"' in part for part in found)
    return [re.search('"(.*?)"', part)[1].replace(r"\\:", ":") for part in found]


SHELLS = ("bash", "zsh", "fish")


@pytest.mark.parametrize("shell", SHELLS)
class TestCompletion:
    def test_a_filter(self, shell):
        assert words(shell, "cnncli edge photo.jpg -f ga") == [name for name in FILTERS if name.startswith("ga")]

    def test_the_next_word_of_a_chain(self, shell):
        assert words(shell, "cnncli edge -f 'gaussian:1.4 so") == ["gaussian:1.4 sobel"]

    def test_an_argument_is_left_to_the_user(self, shell):
        assert completed(shell, "cnncli edge -f gaussian:1") in ([], ["_files"])

    @pytest.mark.parametrize("line", ["shape vgg", "params lenet5 vgg", "train digits --network vgg"])
    def test_networks(self, shell, line):
        assert words(shell, f"cnncli {line}") == [name for name in zoo_names() if name.startswith("vgg")]

    def test_parts_and_formats(self, shell):
        assert words(shell, "cnncli evaluate runs/digits digits --part t") == ["train", "test"]
        assert words(shell, "cnncli predict runs/digits digits --format j") == ["jsonl"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_filters_are_described(shell):
    assert FILTERS["laplacian"].about in completed(shell, "cnncli edge -f lapl")[0]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["edge", "photo.jpg", "-f", "'gaussian:1.4 so"], ["gaussian:1.4 sobel"]),
        (["params", "vgg1"], ["vgg11", "vgg13", "vgg16", "vgg19"]),
    ],
)
def test_bash_gets_them_through_the_script_that_is_installed(tmp_path, words, expected):
    program = tmp_path / "cnncli"
    program.write_text(f"#!{sys.executable}\n{START}\n")
    program.chmod(0o755)
    script = (
        'eval "$(_CNNCLI_COMPLETE=source_bash cnncli)"; COMP_WORDS=("cnncli" "$@"); COMP_CWORD=$#; '
        "_cnncli_completion cnncli; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    result = subprocess.run(
        ["bash", "-c", script, "bash", *words],
        env=os.environ | path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert result.stdout.splitlines() == expected
