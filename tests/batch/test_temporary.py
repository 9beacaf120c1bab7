"""Whole files or none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnncli.batch import STANDARD, remove_leftovers, whole_file
from cnncli.batch.temporary import discard_all


def test_file_appears_when_it_is_whole(tmp_path):
    target = tmp_path / "a.png"
    with whole_file(str(target)) as name:
        assert os.path.dirname(name) == str(tmp_path)
        with open(name, "w") as file:
            file.write("whole")
            assert not target.exists()
    assert target.read_text() == "whole"
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("begun", [False, True])
def test_error_leaves_what_stood_there(tmp_path, kind, begun):
    target = tmp_path / "a.png"
    target.write_text("before")

    def fail():
        with whole_file(str(target)) as name:
            if begun:
                open(name, "w").close()
            raise kind

    with pytest.raises(kind):
        fail()
    assert os.listdir(tmp_path) == ["a.png"]
    assert target.read_text() == "before"


def test_before_sees_the_whole_and_decides(tmp_path):
    seen = []
    for wanted in (False, True):

        def before(name, wanted=wanted):
            seen.append(Path(name).read_text())
            return wanted

        with whole_file(str(tmp_path / "a"), before) as name:
            Path(name).write_text("whole")
        assert os.listdir(tmp_path) == (["a"] if wanted else [])
    assert seen == ["whole", "whole"]


def test_standard_output_is_given_through():
    with whole_file(STANDARD) as name:
        assert name == STANDARD


@pytest.mark.parametrize("name", ["x" * 255, "\u00e9" * 127, "\U0001f600" * 63])
def test_longest_names(tmp_path, name):
    with whole_file(str(tmp_path / name)) as temporary:
        open(temporary, "w").close()
    assert os.listdir(tmp_path) == [name]


def test_temporaries_of_one_output_differ(tmp_path):
    with whole_file(str(tmp_path / "a")) as one, whole_file(str(tmp_path / "a")) as other:
        assert one != other
        for name in (one, other):
            open(name, "w").close()


def leftover(folder):
    """What a killed process leaves behind."""
    code = (
        "import os, sys; from cnncli.batch import whole_file\n"
        "with whole_file(sys.argv[1]) as name: open(name, 'w').close(); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder / "a.png")], check=False)
    (name,) = (name for name in os.listdir(folder) if name.endswith(".cnncli-part"))
    return folder / name


def test_leftovers_of_the_dead_are_removed_and_nothing_else(tmp_path):
    left = leftover(tmp_path)
    host, _, serial = left.name.rpartition(".a.png.")[2].split("-", 2)
    kept = [
        left.with_name(f".a.png.{host}-{os.getppid()}-{serial}"),  # of a process that lives
        left.with_name(left.name.replace(host, "00000000")),  # of another machine
        left.with_name(left.name.lstrip(".")),
        left.with_name("a.png"),
    ]
    for path in kept:
        path.touch()
    with whole_file(str(tmp_path / "b")) as own:
        open(own, "w").close()
        assert remove_leftovers([str(tmp_path), "/nowhere-at-all"]) == 1
        assert os.path.exists(own)
    assert sorted(os.listdir(tmp_path)) == sorted([*(path.name for path in kept), "b"])


def test_discarding_before_leaving_at_once(tmp_path):
    with pytest.raises(FileNotFoundError), whole_file(str(tmp_path / "a")) as name:  # noqa: PT012
        open(name, "w").close()
        discard_all()
        assert os.listdir(tmp_path) == []
