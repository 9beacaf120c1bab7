"""Commands given models that are none: one line, exit code 1, and nothing is written."""

import os
import struct

import numpy as np
import pytest
from models import write_halves
from PIL import Image
from shell import cnncli

FILES = {
    "claims.safetensors": struct.pack("<Q", 2**40) + b"{}",
    "no.safetensors": struct.pack("<Q", 2) + b"{}",
    "cut.onnx": b"\x08\x08\x3a\xff\xff\xff\x7f",
    "text.onnx": b"This is a text.\n",
    "cut.pth": b"PK\x03\x04" + bytes(100),
    "called.pth": b"\x80\x02cposix\nsystem\nX\x05\x00\x00\x00false\x85R.",
    "cut.h5": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "cut.keras": b"PK\x03\x04" + bytes(100),
    "empty.safetensors": b"",
    "photo.png": None,
}

COMMANDS = {
    "predict": "predict {} photo.png",
    "features": "predict {} photo.png --features 0 -o maps.png",
    "evaluate": "evaluate {} data",
    "export": "export {} out.onnx",
    "train": "train data --from {} -o out",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_halves(tmp_path / "data", 4)
    Image.fromarray(np.zeros((12, 12), np.uint8)).save("photo.png")
    for name, content in FILES.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    os.mkfifo("pipe.onnx")
    return tmp_path


@pytest.mark.skipif(os.name == "nt", reason="makes a pipe")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("form", ["{}", "lenet5={}"])
def test_one_line_and_nothing_written(folder, command, form):
    before = sorted(os.listdir(folder))
    for file in [*FILES, "folder", "pipe.onnx", "missing.onnx"]:
        word = form.format(file)
        result = cnncli(*COMMANDS[command].format(word).split())
        assert (result.exit_code, result.stdout) == (1, ""), (word, result.output)
        assert result.stderr.count("\n") == 1, (word, result.stderr)
        assert result.stderr.startswith("cnncli: "), (word, result.stderr)
        assert file in result.stderr, (word, result.stderr)
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_a_name_of_no_network_is_one_line(folder, command):
    result = cnncli(*COMMANDS[command].format("resnet-18=no.safetensors").split())
    assert result.exit_code == 1
    assert result.stderr == (
        "cnncli: resnet-18=no.safetensors: no such file, and no network is called 'resnet-18': did you mean resnet18?\n"
    )
