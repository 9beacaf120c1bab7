"""Names that are hard on a shell or on a file system, and outputs that are no files."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from cnncli.files.text import printable

SAMPLES = Path(__file__).parent.parent.parent / "samples"


def cnncli(*words, cwd, **options):
    command = [sys.executable, "-m", "cnncli", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, **options)


@pytest.fixture
def folder(tmp_path):
    shutil.copy(SAMPLES / "step.png", tmp_path / "step.png")
    return tmp_path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize("options", [(), ("--force",)])
def test_a_pipe_is_written_to_and_never_replaced(folder, options):
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        done = cnncli("edge", "step.png", "-o", "pipe", "--format", "png", *options, cwd=folder)
        picture = reader.stdout.read()
    assert done.returncode == 0
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_UNCHANGED).shape == (6, 6)


def test_a_file_that_is_overwritten_keeps_its_mode(folder):
    assert cnncli("edge", "step.png", "-o", "out.png", cwd=folder).returncode == 0
    (folder / "out.png").chmod(0o600)
    assert cnncli("edge", "step.png", "-f", "laplacian", "-o", "out.png", "--force", cwd=folder).returncode == 0
    assert stat.S_IMODE((folder / "out.png").stat().st_mode) == 0o600


def test_a_link_is_replaced_and_its_target_kept(folder):
    target, link = folder / "target.png", folder / "link.png"
    target.write_bytes(b"kept")
    target.chmod(0o600)
    link.symlink_to("target.png")
    assert cnncli("edge", "step.png", "-o", "link.png", cwd=folder).returncode == 2
    assert link.is_symlink()
    assert cnncli("edge", "step.png", "-o", "link.png", "--force", cwd=folder).returncode == 0
    assert not link.is_symlink()
    assert cv2.imread(str(link), cv2.IMREAD_UNCHANGED).shape == (6, 6)
    assert target.read_bytes() == b"kept"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "name", ["a  b.png", "a\nb.png", "-dash.png", "{stem}.png", "100%.png", "größe.png", "\x1b]0;a\x07\u202e.png"]
)
def test_a_missing_file_is_one_line_that_names_it(folder, name):
    done = cnncli("edge", "--", name, cwd=folder)
    assert done.returncode == 1
    assert done.stderr == f"cnncli: {printable(name)}: no such file\n"


@pytest.mark.parametrize("target", ["{stem!r}.png", "{stem:>30}.png", "{stem:d}.png"])
def test_fields_stand_alone(folder, target):
    done = cnncli("edge", "step.png", "-o", target, cwd=folder)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("text", ["# größe\n1 2\n3 4\n", "\ufeff1;2\n3;4\n", "[[1, 2], [3, 4]]"])
def test_matrices_are_text_of_any_alphabet(folder, text):
    name = "m.csv" if ";" in text else "m.json" if "[" in text else "m.txt"
    (folder / name).write_text(text, encoding="utf-8")
    assert cnncli("pool", name, "-f", "2", "-o", "-", cwd=folder).stdout == "4\n"
    if name != "m.csv":  # a stream has no name to say what separates numbers
        assert cnncli("pool", "-", "-f", "2", "-o", "-", cwd=folder, input=text).stdout == "4\n"


@pytest.mark.parametrize("header", ["P5\n2 2\n65535\n", "P2\n2 2\n65535\n0 256 512 768\n"])
def test_16_bit_pnm_is_filtered(folder, header):
    (folder / "deep.pgm").write_bytes(header.encode() + (b"\0\0\1\0\2\0\3\0" if header.startswith("P5") else b""))
    done = cnncli("edge", "deep.pgm", "-k", "1", "-o", "deep.npy", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert np.load(folder / "deep.npy").tolist() == [[0, 256], [512, 768]]


def test_the_report_of_split_speaks_of_both_pictures(folder):
    import json

    done = cnncli("edge", "step.png", "-f", "vertical", "--signed", "split", "--scale", "100", "--json", cwd=folder)
    positive, negative = (json.loads(line) for line in done.stdout.splitlines())
    assert positive["max"] == negative["max"] == 30
    assert negative["clipped_fraction"] == positive["clipped_fraction"]
