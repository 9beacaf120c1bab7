"""Inputs that lead nowhere, round in circles or to what is not a file: each fails or is left out alone."""

import os
import socket
import subprocess

import numpy as np
import pytest
from shell import cnncli, json_lines, process, save

from cnncli.cli.files.lists import parse_list
from cnncli.errors import ArgumentError

FAILED, USAGE, NOTHING = 1, 2, 3

ODD = {
    "loop": "Too many levels of symbolic links",
    "nowhere": "no such file",
    "through": "Not a directory",
    "long": "File name too long",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a good picture, and links that lead nowhere."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("in")
    save(tmp_path / "in", np.eye(9, dtype=np.uint8) * 200, "good.png")
    os.symlink("loop.png", "in/loop.png")
    os.symlink("nothing.png", "in/nowhere.png")
    os.symlink("good.png/x", "in/through.png")
    os.symlink("x" * 300, "in/long.png")
    return tmp_path


def specials():
    """Put what is no file among the pictures."""
    os.mkfifo("in/pipe.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("in/socket.png")
    os.symlink("/dev/zero", "in/device.png")


WAYS = {
    "folder": ["in", "-r"],
    "glob": ["in/*.png"],
    "list": ["--files-from", "list"],
    "words": [f"in/{name}.png" for name in ("good", *ODD)],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("command", ["edge", "pool"])
def test_what_leads_nowhere_fails_alone(folder, command, way):
    (folder / "list").write_text("".join(f"{name}\n" for name in WAYS["words"]))
    result = cnncli(command, *WAYS[way], "-o", "out/", "--json")
    lines = json_lines(result)
    assert result.exit_code == FAILED
    assert {os.path.basename(line["input"]): line["status"] for line in lines} == {
        "good.png": "ok",
        **{f"{name}.png": "failed" for name in ODD},
    }
    for line in lines:
        words = ODD.get(os.path.basename(line["input"]).removesuffix(".png"))
        assert words is None or words.lower() in line["error"].lower()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize("way", ["folder", "glob", "list"])
def test_special_files_that_are_found_are_left_out_and_named(folder, way):
    specials()
    (folder / "list").write_text("in/pipe.png\nin/device.png\nin/good.png\nin/socket.png\n")
    result = cnncli("edge", *WAYS[way], "-o", "out/", "--json")
    assert [line["input"] for line in json_lines(result) if line["status"] == "ok"] == ["in/good.png"]
    assert {name for name in ("pipe", "socket", "device") if f"in/{name}.png: skipped" in result.stderr} == {
        "pipe",
        "socket",
        "device",
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_that_is_named_is_read(folder):
    read, write = os.pipe()
    os.write(write, (folder / "in/good.png").read_bytes())
    os.close(write)
    result = process("edge", f"/dev/fd/{read}", "-o", "out.png", pass_fds=[read])
    assert (result.returncode, result.stderr) == (0, f"/dev/fd/{read} -> out.png\n".encode())


@pytest.mark.slow
def test_folders_may_be_nested_deeper_than_python_recurses(folder, monkeypatch):
    for _ in range(1200):
        os.mkdir("d")
        os.chdir("d")
    save(".", np.eye(9, dtype=np.uint8), "a.png")
    monkeypatch.chdir(folder)
    result = cnncli("edge", "d", "-r", "-o", "out/")
    assert result.exit_code == 0, result.output
    assert os.path.isdir("out/d/d")
    assert cnncli("edge", "**/a.png").exit_code == USAGE
    subprocess.run(["rm", "-r", "d", "out"], check=True)  # Python's own removal goes too deep, too


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "device"])
@pytest.mark.parametrize("options", [[], ["--force"], ["--dry-run"]])
def test_the_list_of_what_is_done_is_a_file_or_refused(folder, kind, options):
    save(folder / "in", np.eye(9, dtype=np.uint8), "other.png")
    os.mkdir("out")
    (folder / "target").write_text("precious\n")
    make = {"pipe": os.mkfifo, "folder": os.mkdir, "link": lambda path: os.symlink("../target", path)}
    make.get(kind, lambda path: os.symlink("/dev/null", path))("out/.cnncli-done.jsonl")
    result = cnncli("edge", "in/good.png", "in/other.png", "-o", "out/", "--skip-existing", *options)
    assert (result.exit_code, result.stderr.count("\n")) == (USAGE, 1)
    assert "out/.cnncli-done.jsonl: should be a file" in result.stderr
    assert (folder / "target").read_text() == "precious\n"
    assert os.listdir("out") == [".cnncli-done.jsonl"]


@pytest.mark.parametrize(
    ("content", "paths"),
    [
        (b"", []),
        (b"\n\r\n  \n", []),
        (b"a.png\r\nb b.png\r\n", ["a.png", "b b.png"]),
        (b"\xef\xbb\xbfa.png", ["a.png"]),
        ("\ufeffgröße.png\r\nb.png".encode("utf-16-le"), ["größe.png", "b.png"]),
        ("\ufeffa.png\n".encode("utf-16-be"), ["a.png"]),
        (b"a\nb.png\0c.png\0", ["a\nb.png", "c.png"]),
        (b"a.png\nb\0c.png\n", ["a.png", "b\u2400c.png"]),
        (b"\xff.png\n", [os.fsdecode(b"\xff.png")]),
        (b" leading.png\ntrailing.png \n", [" leading.png", "trailing.png "]),
    ],
)
def test_a_list_in_any_encoding(content, paths):
    assert parse_list(content) == paths


def test_broken_utf_16_is_said():
    with pytest.raises(ArgumentError, match="starts with a UTF-16 mark"):
        parse_list(b"\xff\xfea\0b")


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("in", USAGE, "--files-from in: Is a directory"),
        ("in/loop.png", USAGE, "Too many levels"),
        ("/dev/zero", USAGE, "is larger than 1 MB"),
        ("/dev/null", NOTHING, "empty"),
    ],
)
def test_a_list_that_is_none(folder, name, code, words, monkeypatch):
    monkeypatch.setattr("cnncli.cli.files.lists.LONGEST_LIST", 1 << 20)
    result = cnncli("edge", "--files-from", name)
    assert (result.exit_code, result.stderr.count("\n"), result.stdout) == (code, 1, "")
    assert words in result.stderr


@pytest.mark.parametrize(
    ("content", "paths"),
    [
        (b"", []),
        (b"a.png\0b.png\0", ["a.png", "b.png"]),
        (b"a.png\0b.png", ["a.png", "b.png"]),
        (b"a.png", ["a.png"]),
        (b"\0\0a.png\0\0", ["a.png"]),
        (b" \0\n\0a\nb.png\0", [" ", "\n", "a\nb.png"]),
        (b"\xef\xbb\xbfa\0\xff\xfe\0", [os.fsdecode(b"\xef\xbb\xbfa"), os.fsdecode(b"\xff\xfe")]),
    ],
)
def test_names_between_nuls_are_taken_as_they_are(content, paths):
    assert parse_list(content, nul=True) == paths


def test_lines_where_nuls_are_expected():
    with pytest.raises(ArgumentError, match="list: holds lines, and no NUL as find -print0 writes: read it with"):
        parse_list(b"a.png\nb.png\n", nul=True)


@pytest.mark.parametrize("way", ["file", "-"])
def test_a_list_of_find(folder, way):
    names = ["new\nline.png", " lead and trail ", "-", "[ab].png", "in/good.png"]
    for name in names[:-1]:
        save(folder, np.eye(9, dtype=np.uint8), "one.png").rename(folder / name)
    content = b"".join(os.fsencode(name) + b"\0" for name in names)
    (folder / "file").write_bytes(content)
    result = cnncli("edge", "--files-from0", way, "-o", "out/", "--json", stdin=content if way == "-" else None)
    assert result.exit_code == 0, result.output
    assert {line["input"] for line in json_lines(result)} == {*names} - {"-"} | {"./-"}


def test_both_kinds_of_lists_together(folder):
    for name in ("b.png", "c.png"):
        save(folder, np.eye(9, dtype=np.uint8), name)
    (folder / "lines").write_text("in/good.png\nb.png\n")
    (folder / "nuls").write_bytes(b"b.png\0c.png\0")
    result = cnncli("edge", "--files-from", "lines", "--files-from0", "nuls", "-o", "out", "--dry-run")
    assert result.stdout.splitlines() == [
        f"{path} -> out/{stem}-sobel.png" for path, stem in (("in/good.png", "good"), ("b.png", "b"), ("c.png", "c"))
    ]


def test_a_line_with_a_nul_fails_alone(folder):
    (folder / "list").write_bytes(b"in/good.png\nin/go\0od.png\n")
    result = cnncli("edge", "--files-from", "list", "-o", "out/", "--json")
    assert result.exit_code == FAILED
    assert {line["input"]: line["status"] for line in json_lines(result)} == {
        "in/good.png": "ok",
        "in/go\u2400od.png": "failed",
    }
