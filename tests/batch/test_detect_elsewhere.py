"""Objects found on Dask workers: lines, pictures and crops are those of one machine."""

import os

import pytest
from clusters import cnncli, end, start

MODEL = """
import sys; sys.path.insert(0, sys.argv[1])
import numpy as np
from PIL import Image
from models import halves_model, random_detector
from cnncli.models.model import save_model
save_model("model.safetensors", halves_model())
save_model("detector.safetensors", random_detector("24x32x1 conv3-16,s4,p1,relu conv1-8"))
rng = np.random.default_rng(0)
for number in range(20):
    Image.fromarray(rng.integers(0, 256, (40, 50), dtype=np.uint8)).save(f"{number:02}.png")
"""
DETECT = ["detect", "model.safetensors", "*.png", "--threshold", "0.6", "--scales", "1", "-q"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("detected")
    end(start(os.path.dirname(os.path.dirname(__file__)), cwd=folder, program=MODEL), 0)
    return folder


@pytest.fixture(scope="module")
def expected(folder):
    out, _ = cnncli(*DETECT, "-o", "here/", "--crops", "crops", "-j", "1", cwd=folder)
    assert len(out.splitlines()) > 20
    return out


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_several_threads_find_what_one_finds(folder, expected):
    assert cnncli(*DETECT, "-j", "3", cwd=folder)[0] == expected


def test_workers_find_and_write_what_one_machine_does(folder, cluster, expected):
    words = ["-o", "there/", "--crops", "crops2", "--scheduler", cluster.address]
    out, _ = cnncli(*DETECT, *words, cwd=folder)
    assert out == expected
    assert contents(folder / "there") == contents(folder / "here")
    assert contents(folder / "crops2") == contents(folder / "crops")


def test_a_detector_takes_the_same_pictures_together_on_workers(folder, cluster):
    words = ["detect", "detector.safetensors", "*.png", "--threshold", "0.2", "-q"]
    here, _ = cnncli(*words, cwd=folder)
    assert len(here.splitlines()) > 20
    assert cnncli(*words, "--scheduler", cluster.address, cwd=folder)[0] == here


def test_a_bad_file_is_named(folder, cluster):
    words = ["detect", "model.safetensors", "00.png", "none.png", "--json"]
    out, err = cnncli(*words, "--scheduler", cluster.address, cwd=folder, code=1)
    assert len(out.splitlines()) == 2
    assert '"error": "none.png: no such file"' in out
    assert "1 done, 1 failed in " in err
