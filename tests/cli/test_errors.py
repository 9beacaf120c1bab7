"""Whatever a user gets wrong is one line on stderr with the right exit code, and leaves nothing behind."""

import ctypes
import json
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from oracles import photograph
from shell import PICTURE_COMMANDS, cnncli, listing, process, save

from cnncli.filters.named import FILTERS

FAILED, USAGE, NOTHING = 1, 2, 3

# (command line, exit code, words of the message)
COMMAND_LINES = [
    ("edge", USAGE, "no inputs"),
    ("pool", USAGE, "no inputs"),
    ("edge nowhere.png", FAILED, "nowhere.png: no such file"),
    ("pool nowhere.png", FAILED, "nowhere.png: no such file"),
    ("edge folder", USAGE, "add -r"),
    ("edge -r empty", NOTHING, "holds no files"),
    ("edge *.nothing", NOTHING, "matches no file"),
    ("edge --files-from empty.list", NOTHING, "list of inputs is empty"),
    ("edge --files-from nowhere.list", USAGE, "nowhere.list"),
    ("edge text.png", FAILED, "holds text, not a picture"),
    ("edge noise.png", FAILED, "of no known kind"),
    ("edge truncated.jpg", FAILED, "truncated.jpg"),
    ("edge truncated.png", FAILED, "truncated.png"),
    ("pool truncated.jpg", FAILED, "truncated.jpg"),
    ("edge zero.png", FAILED, "empty (0 bytes)"),
    ("edge huge.png", FAILED, "--max-pixels 1600000000"),
    ("pool huge.png", FAILED, "--max-pixels 1600000000"),
    ("edge photo.png --max-pixels 100", FAILED, "over the limit of 100"),
    ("edge tiny.png -p valid", FAILED, "does not fit"),
    ("pool tiny.png", FAILED, "does not fit"),
    ("edge photo.png -f sobol", USAGE, "did you mean sobel"),
    ("edge photo.png -f gaussian:2 sobel", USAGE, "sobel: no such file; for the filter, write -f 'gaussian:2 sobel'"),
    ("edge photo.png canny:2,5%,9%", USAGE, "canny:2,5%,9%: no such file; for the filter, write -f canny:2,5%,9%"),
    (
        "edge photo.png -f 'gaussian 2'",
        USAGE,
        "unknown filter '2': numbers follow a filter and a colon",
    ),
    ("edge photo.png -f canny -s 2", USAGE, "canny, the last word of the filter, does not take stride, got 2"),
    ("edge photo.png -f canny --bias 3", USAGE, "canny, the last word of the filter, does not take bias, got 3"),
    ("edge photo.png -f canny --on red", USAGE, "on 'red' sums over the channels with a kernel, and canny has none"),
    ("edge photo.png -f threshold:120%", USAGE, "a percentage of a full step from 0% to 100%"),
    ("edge photo.png -o nowhere/a.png", USAGE, "nowhere: no such folder; make it first, or write -o nowhere/"),
    ("edge photo.png -o a.heic", USAGE, "a.heic: HEIC is read but not written; written are .png"),
    ("edge photo.png -f box -f median -o a.npy", FAILED, "write .npz, or --color gray"),
    ("edge nowhere/photo.png", FAILED, "nowhere/photo.png: no such file"),
    ("edge photo.png -f nothing-like-it", USAGE, ", ".join(FILTERS)),
    ("edge photo.png -f box -d vertical", USAGE, "direction"),
    ("edge photo.png -d diagonal", USAGE, "'diagonal'"),
    ("edge photo.png -f sobel -f sobel", USAGE, "named twice"),
    ("edge photo.png -k '1 0 x'", USAGE, "row 1, column 3: 'x' is not a number"),
    ("edge photo.png -k '1 0 -1; 1 0'", USAGE, "row 2 has 2 numbers where row 1 has 3"),
    ("edge photo.png -k '1 nan'", USAGE, "finite"),
    ("edge photo.png -k '99999999999999999999 1'", USAGE, "64 bits"),
    ("edge photo.png -k ''", USAGE, "kernel holds no numbers"),
    ("edge photo.png -k nowhere.txt", USAGE, "nowhere.txt"),
    ("edge photo.png -k nowhere.npy", USAGE, "nowhere.npy"),
    ("edge photo.png -k broken.json", USAGE, "broken.json"),
    ("edge photo.png -k text.npy", USAGE, "text.npy"),
    ("edge photo.png -k zero.npy", USAGE, "zero.npy"),
    ("edge photo.png -k line.npy", USAGE, "(f_h, f_w)"),
    ("edge photo.png -k complex.npy", USAGE, "complex128"),
    ("edge photo.png -k '1 0 -1' -d vertical", USAGE, "direction"),
    ("edge photo.png -k volume.npy", FAILED, "covers 2 channels"),
    ("edge photo.png -s 0", USAGE, "stride"),
    ("edge photo.png -s -1", USAGE, "stride"),
    ("edge photo.png -s 1,2,3", USAGE, "stride"),
    ("edge photo.png -s two", USAGE, "stride"),
    ("edge photo.png --dilation 0", USAGE, "dilation"),
    ("edge photo.png -p 1,2,3", USAGE, "padding"),
    ("edge photo.png -p -1", USAGE, "padding"),
    ("edge photo.png -p some", USAGE, "padding"),
    ("edge photo.png --padding-mode mirror", USAGE, "'mirror'"),
    ("edge photo.png --color rgb", USAGE, "'rgb'"),
    ("edge photo.png --on alpha", USAGE, "'alpha'"),
    ("edge photo.png --on red --color each", USAGE, "volume"),
    ("edge photo.png --on red --color gray", USAGE, "volume"),
    ("edge gray.png --on blue", FAILED, "colour image"),
    ("edge photo.png --bias much", USAGE, "'much'"),
    ("edge photo.png --bias nan", USAGE, "bias"),
    ("edge photo.png --activation softmax", USAGE, "'softmax'"),
    ("edge photo.png --scale big", USAGE, "scale"),
    ("edge photo.png --scale nan", USAGE, "scale"),
    ("edge photo.png --scale 1,2", USAGE, "scale"),
    ("edge photo.png --signed twice", USAGE, "'twice'"),
    ("edge photo.png --signed diverging --color each -o out.png", FAILED, "diverging"),
    ("edge photo.png --threshold -5", USAGE, "threshold"),
    ("edge photo.png --threshold half", USAGE, "threshold"),
    ("edge photo.png --threshold 101%", USAGE, "threshold"),
    ("edge photo.png --explain 5", USAGE, "X,Y"),
    ("edge photo.png --explain a,b", USAGE, "explain"),
    ("edge photo.png --explain 32,0", USAGE, "x goes from 0 to 31"),
    ("edge photo.png --explain=-1,0", USAGE, "outside"),
    ("edge photo.png gray.png --explain 1,1", USAGE, "one input"),
    ("edge photo.png -f box -f sobel --explain 1,1", USAGE, "one filter"),
    ("edge photo.png --signed split --explain 1,1", USAGE, "split"),
    ("edge photo.png -o exists.png --skip-existing", FAILED, "--force overwrites it"),
    ("edge photo.png -o exists.png --skip-existing --explain 1,1", FAILED, "--force overwrites it"),
    ("edge - -o out.png --explain 1,1", USAGE, "give a file"),
    ("edge nowhere.png --explain 1,1", FAILED, "no such file"),
    ("edge photo.png --format xyz", USAGE, "xyz"),
    ("edge photo.png -o out.xyz", USAGE, ".xyz"),
    ("edge photo.png gray.png -o out.xyz", USAGE, "end it in / for a folder"),
    ("edge photo.png -o taken", USAGE, "'taken'"),
    ("edge photo.png gray.png -o taken --format png", USAGE, "2 inputs do not fit into one output 'taken'"),
    ("edge photo.png -o ''", USAGE, "--output is empty"),
    ("edge photo.png -o taken/deep", USAGE, "taken is not a folder"),
    ("edge photo.png gray.png -o png", USAGE, "2 inputs do not fit into one output 'png'"),
    ("edge photo.png photo.jpg", USAGE, "'{parent}/{name}-{filter}.png'"),
    ("edge photo.png ./photo.png -o out/", USAGE, "are one file: name it once"),
    (
        "edge --files-from0 lines.list",
        USAGE,
        "holds lines, and no NUL as find -print0 writes: read it with --files-from",
    ),
    ("edge --files-from0 nowhere.list", USAGE, "--files-from0 nowhere.list"),
    ("edge --files-from - --files-from0 -", USAGE, "--files-from - and --files-from0 - both read standard input"),
    ("edge - --files-from0 - -o out", USAGE, "--files-from0 - and the input - both read standard input"),
    ("edge photo.png -o out.png --quality 80", USAGE, "png has no quality setting"),
    ("edge photo.png -o out.jpg --quality 0", USAGE, "quality"),
    ("edge photo.png -o photo.png", USAGE, "never overwritten"),
    ("edge photo.png -o ./photo.png --force", USAGE, "never overwritten"),
    ("edge photo.png -o alias.png --force", USAGE, "never overwritten"),
    ("edge alias.png -o photo.png --force", USAGE, "never overwritten"),
    ("edge photo.png -o exists.png", USAGE, "--force"),
    ("edge photo.png -o nowhere/out.png", USAGE, "no such folder"),
    ("edge photo.png -o text.png/out/", USAGE, "text.png"),
    ("edge photo.png -o {what}.png", USAGE, "{what}"),
    ("edge photo.png -o {stem", USAGE, "brace"),
    ("edge photo.png -o {stem.nothing}.png", USAGE, "{stem.nothing}"),
    ("edge photo.png -o {}.png", USAGE, "{}"),
    ("edge photo.png -f box -f sobel -o out.png", USAGE, "{filter}"),
    ("edge photo.png gray.png -o out.png", USAGE, "2 inputs"),
    ("edge photo.png gray.png -o -", USAGE, "2 inputs"),
    ("edge photo.png -f box -f sobel -o -", USAGE, "add --format with one of tiff, npy, npz"),
    ("edge photo.png -o - --quality 80", USAGE, "png has no quality setting"),
    ("edge photo.png -o - --format png --json", USAGE, "--json"),
    ("edge -", USAGE, "-o"),
    ("edge photo.png -j 0", USAGE, "jobs"),
    ("edge photo.png -j many", USAGE, "Invalid value for '--jobs' / '-j': 'many' is not an integer"),
    ("train folder --momentum x", USAGE, "Invalid value for '--momentum': 'x' is not a number"),
    ("edge photo.png --max-pixels -1", USAGE, "max-pixels"),
    ("edge photo.png --color each -o out.txt", FAILED, "txt cannot hold"),
    ("edge clear.png -o out.jpg", FAILED, "transparency"),
    ("edge complex.npy -o out.png", FAILED, "complex128"),
    ("edge photo.png --nonsense", USAGE, "--nonsense"),
    ("edge photo.png --filter", USAGE, "--filter"),
    ("pool photo.png -f 0", USAGE, "--kernel-size must be"),
    ("pool photo.png -s 0", USAGE, "stride"),
    ("pool photo.png -f 2 -p 2", FAILED, "padding"),
    ("pool photo.png -f 1000000000 -p 499999999", FAILED, "--max-pixels"),
    ("pool photo.png -f 100000 -p 49999", FAILED, "adds 10,0"),
    ("edge photo.png --dilation 1000000000", FAILED, "--max-pixels"),
    ("edge photo.png --dilation 1000000000 --explain 1,1", FAILED, "--max-pixels"),
    ("edge photo.png -k large.npy", USAGE, "a kernel of 2500 x 2500 takes as much as 100,000,000 pixels"),
    ("edge photo.png -k claims.npy", USAGE, "800,000,000,000 bytes of numbers according to its header"),
    ("edge photo.png -k token.npy", USAGE, "token.npy"),
    ("edge photo.png -k zip.npy", USAGE, "zip.npy"),
    ("edge photo.png -k objects.npy", USAGE, "Python objects"),
    ("pool photo.png --mode median", USAGE, "'median'"),
    ("pool photo.png --global -f 2", USAGE, "--global"),
    ("pool photo.png --global -p 1", USAGE, "--global"),
    ("pool photo.png -o out.txt", FAILED, "txt cannot hold"),
    ("polish photo.png", USAGE, "polish"),
    ("egde photo.png", USAGE, "did you mean edge?"),
    ("edge photo.png --forse", USAGE, "did you mean --force?"),
    ("train --epoch 3 folder", USAGE, "did you mean --epochs?"),
    ("predict nowhere photo.png", FAILED, "a model is the folder of a run, a file"),
    ("export nowhere out.onnx", FAILED, "a model is the folder of a run, a file"),
    ("evaluate nowhere folder", FAILED, "a model is the folder of a run, a file"),
    ("--nonsense", USAGE, "--nonsense"),
]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with good files and bad ones, to work in."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path, photograph("astronaut")[100:132, 200:232], "photo.png")
    save(tmp_path, photograph("astronaut")[:64, :64], "photo.jpg")
    save(tmp_path, photograph("camera")[:32, :32], "gray.png")
    save(tmp_path, photograph("camera")[:1, :1], "tiny.png")
    save(tmp_path, np.dstack([photograph("astronaut")[:8, :8], np.full((8, 8), 9, np.uint8)]), "clear.png")
    save(tmp_path, np.zeros((2, 2), np.uint8), "exists.png")
    for folder in ("folder", "empty"):
        (tmp_path / folder).mkdir()
    save(tmp_path / "folder", np.zeros((4, 4), np.uint8))
    (tmp_path / "text.png").write_text("a shopping list")
    (tmp_path / "text.npy").write_text("a shopping list")
    (tmp_path / "noise.png").write_bytes(bytes(range(256)))
    (tmp_path / "truncated.jpg").write_bytes((tmp_path / "photo.jpg").read_bytes()[:900])
    (tmp_path / "truncated.png").write_bytes((tmp_path / "photo.png").read_bytes()[:900])
    (tmp_path / "zero.png").touch()
    (tmp_path / "zero.npy").touch()
    (tmp_path / "empty.list").touch()
    (tmp_path / "lines.list").write_text("photo.png\ngray.png\n")
    (tmp_path / "taken").touch()
    (tmp_path / "broken.json").write_text("[[1, 0], [")
    (tmp_path / "alias.png").symlink_to("photo.png")
    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    (tmp_path / "huge.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(9))) + _chunk(b"IEND", b"")
    )
    np.save("line.npy", np.arange(3))
    np.save("complex.npy", np.ones((3, 3), complex))
    np.save("volume.npy", np.ones((3, 3, 2)))
    np.save("large.npy", np.ones((2500, 2500), np.int8))
    np.save("objects.npy", np.array([[None]]), allow_pickle=True)
    (tmp_path / "zip.npy").write_bytes(b"PK\3\4" + bytes(99))
    (tmp_path / "claims.npy").write_bytes(_npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 100000)}"))
    (tmp_path / "token.npy").write_bytes(_npy(b"{'descr': (((((("))
    return tmp_path


def _npy(header):
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header


def _chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@pytest.mark.parametrize(("line", "code", "words"), COMMAND_LINES, ids=[line for line, _, _ in COMMAND_LINES])
def test_a_mistake_is_one_line_with_its_exit_code_and_leaves_nothing(files, line, code, words):
    before = listing(files)
    # As a shell with noglob: only quotes are taken off.
    result = cnncli(*[word.strip("'") for word in _split(line)])
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert result.stderr.startswith("cnncli: ")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr
    assert listing(files) == before


def _split(line):
    return re.findall(r"'[^']*'|\S+", line)


def test_there_are_many_of_them():
    assert len(COMMAND_LINES) >= 40
    assert len({line for line, _, _ in COMMAND_LINES}) == len(COMMAND_LINES)


@pytest.mark.parametrize("line", ["edge truncated.jpg", "edge folder", "edge *.nothing", "edge photo.png -s 0"])
def test_a_real_process_says_and_returns_the_same(files, line):
    expected = cnncli(*line.split())
    result = process(*line.split())
    assert (result.returncode, result.stdout) == (expected.exit_code, b"")
    assert result.stderr.decode() == expected.stderr


@pytest.mark.parametrize("command", PICTURE_COMMANDS)
def test_the_good_inputs_are_done_all_the_same(files, command):
    result = cnncli(command, "nowhere.png", "photo.png", "text.png", "gray.png", "-o", "done/")
    assert result.exit_code == 1
    assert [name for name in listing(files / "done") if name.endswith(".png")] == sorted(
        f"{stem}-{'sobel' if command == 'edge' else 'max'}.png" for stem in ("photo", "gray")
    )
    assert "nowhere.png: no such file" in result.stderr.lower()
    assert "text.png: holds text" in result.stderr


@pytest.mark.parametrize("command", PICTURE_COMMANDS)
def test_a_path_is_said_once_however_it_is_spelled(files, command):
    assert cnncli(command, "./text.png").stderr.startswith("cnncli: ./text.png: holds text")


@pytest.mark.parametrize("command", PICTURE_COMMANDS)
def test_a_failed_input_is_a_json_line_too(files, command):
    result = cnncli(command, "nowhere.png", "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    line = json.loads(result.stdout)
    assert line["status"] == "failed"
    assert line["error"] == "nowhere.png: no such file"


def test_a_limit_says_how_it_is_raised(files):
    assert cnncli("edge", "photo.png", "--max-pixels", 1023).exit_code == 1
    assert cnncli("edge", "photo.png", "--max-pixels", 1024).exit_code == 0
    assert cnncli("edge", "photo.png", "--max-pixels", 0, "-o", "any.png").exit_code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="takes root's power over permissions away in Linux's way")
@pytest.mark.parametrize(("output", "code"), [("locked/out.png", FAILED), ("locked/made/", USAGE)])
def test_a_folder_that_may_not_be_written_is_one_line(files, output, code):
    (files / "locked").mkdir(mode=0o555)
    result = process("edge", "photo.png", "-o", output, preexec_fn=_obey_permissions)
    assert result.returncode == code, result.stderr
    assert result.stderr.count(b"\n") == 1
    assert b"ermission denied" in result.stderr
    assert listing(files / "locked") == []


def _obey_permissions():
    drop_capability, overriding_permissions = 24, 1  # prctl's PR_CAPBSET_DROP and CAP_DAC_OVERRIDE
    ctypes.CDLL(None).prctl(drop_capability, overriding_permissions, 0, 0, 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("words", ["-o - --format png", "-o - --format txt -s 16", "--json"])
def test_a_full_disk_behind_standard_output_is_one_line(files, words):
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "cnncli", "edge", "gray.png", *words.split()]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert result.returncode == FAILED, result.stderr
    assert result.stderr.count(b"\n") == 1
    assert b"No space left on device" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell that closes streams")
def test_a_closed_standard_input_is_one_line(files):
    command = [sys.executable, "-m", "cnncli", "edge", "-", "-o", "out.png"]
    result = subprocess.run(["sh", "-c", '"$@" <&-', "sh", *command], capture_output=True, check=False)
    assert (result.returncode, result.stdout) == (FAILED, b"")
    assert result.stderr == b"cnncli: -: standard input is closed\n"


def test_a_message_names_the_file_that_the_user_knows(files):
    result = cnncli("edge", "photo.png", "-f", "box", "--color", "each", "-o", "out.pgm")
    assert result.exit_code == FAILED
    assert "cnncli-part" not in result.stderr
    assert (
        process("edge", "photo.png", "-o", "out.npy", preexec_fn=_limit_files)
        .stderr.decode()
        .endswith("photo.png: out.npy: cannot be written: File too large\n")
    )
    assert "out.npy" not in listing(files)


def _limit_files():
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
