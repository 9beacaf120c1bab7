"""Predictions on Dask workers, and of pictures by URL: what is printed is what one machine prints of its files."""

import json
import os
from itertools import islice

import pytest
from clusters import PATIENCE, cnncli, end, loopback_cluster, start

COUNT = 60
SLOWLY = """
import time
import cnncli.models.prediction as prediction
read = getattr(prediction, "unhurried", prediction.read_picture)
prediction.unhurried = read
def slow(*words):
    time.sleep(0.1)
    return read(*words)
prediction.read_picture = slow
"""
MODELS = """
import sys; sys.path.insert(0, sys.argv[1])
from models import halves_model, write_halves
from cnncli.models.model import save_model
save_model("model.safetensors", halves_model()); write_halves("data", 20)
"""
PREDICT = ["predict", "model.safetensors", "-r", "data"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predicted")
    end(start(os.path.dirname(os.path.dirname(__file__)), cwd=folder, program=MODELS), 0)
    return folder


@pytest.fixture(scope="module")
def expected(folder):
    out, _ = cnncli(*PREDICT, cwd=folder)
    assert len(out.splitlines()) == COUNT
    return out


class TestScheduler:
    def test_lines_are_those_of_one_machine(self, folder, cluster, expected):
        out, err = cnncli(*PREDICT, "--scheduler", cluster.address, cwd=folder)
        assert out == expected
        assert err.startswith(f"{COUNT} done in ")

    def test_copies_are_made_by_this_machine(self, folder, cluster, expected):
        words = [*PREDICT, "--copy", "sorted/{class}/{below}/"]
        out, err = cnncli(*words, "--scheduler", cluster.address, cwd=folder)
        assert [line.rpartition("\t")[0] for line in out.splitlines()] == expected.splitlines()
        assert err == f"{COUNT} copied\n"
        copies = [folder / line.rpartition("\t")[2] for line in out.splitlines()]
        originals = [folder / line.partition("\t")[0] for line in out.splitlines()]
        assert [path.read_bytes() for path in copies] == [path.read_bytes() for path in originals]

    def test_a_bad_file_is_named(self, folder, cluster):
        (folder / "junk.png").write_text("junk")
        words = ["predict", "model.safetensors", "data/top/0.png", "junk.png", "none.png", "data/left/0.png", "--json"]
        out, err = cnncli(*words, "--scheduler", cluster.address, cwd=folder, code=1)
        assert out == cnncli(*words, cwd=folder, code=1)[0]
        assert [json.loads(line)["error"] is None for line in out.splitlines()] == [True, False, False, True]
        assert err.startswith("2 done, 2 failed in ")

    def test_the_model_is_another_than_before(self, folder, cluster, expected, tmp_path):
        """A worker that has loaded a model notices that its file holds another now."""
        cnncli(*PREDICT, "--scheduler", cluster.address, cwd=folder)
        content = (folder / "model.safetensors").read_bytes()
        try:
            renamed = content.replace(b"left", b"west")
            (folder / "model.safetensors").write_bytes(renamed)
            out, _ = cnncli(*PREDICT, "--scheduler", cluster.address, cwd=folder)
        finally:
            (folder / "model.safetensors").write_bytes(content)
        assert out == expected.replace("\tleft\t", "\twest\t")

    def test_a_model_that_workers_do_not_see(self, folder, scheduler, tmp_path):
        text = "import cnncli.models.prediction as models\nmodels.file_digest = lambda path: 'another'\n"
        preload = tmp_path / "preload.py"
        preload.write_text(text)
        with scheduler.own_workers("--no-nanny", "--preload", preload):
            out, err = cnncli(*PREDICT, "--scheduler", scheduler.address, cwd=folder, code=1)
        assert out == ""
        assert "a worker lacks something: " in err
        assert err.endswith("put the same file where all machines see it under this name\n")

    @pytest.mark.slow
    def test_a_worker_killed_half_way(self, folder, scheduler, expected, tmp_path):
        preload = tmp_path / "preload.py"
        preload.write_text(SLOWLY)
        with scheduler.own_workers("--no-nanny", "--preload", preload, count=2) as workers:
            process = start(*PREDICT, "--json", "--scheduler", scheduler.address, cwd=folder)
            first = list(islice(process.stdout, COUNT // 3))
            workers[0].kill()
            # Read on from the same buffer, which may hold more than the lines that were taken from it.
            with process.stdout, process.stderr:
                rest, err = process.stdout.read(), process.stderr.read()
            assert process.wait(PATIENCE) == 0
        lines = [json.loads(line) for line in [*first, *rest.splitlines()]]
        wanted = [line.split("\t")[:2] for line in expected.splitlines()]
        assert [[line["input"], line["class"]] for line in lines] == wanted
        assert err.startswith(f"{COUNT} done in ")

    @pytest.mark.slow
    def test_the_scheduler_killed(self, folder, tmp_path):
        pytest.importorskip("distributed")
        preload = tmp_path / "preload.py"
        preload.write_text(SLOWLY)
        with loopback_cluster(tmp_path / "slow", words=("--no-nanny", "--preload", preload)) as slow:
            process = start(*PREDICT, "--json", "--scheduler", slow.address, cwd=folder)
            next(process.stdout)
            slow.scheduler.kill()
            _, err = end(process, 1)
        summary, message = err.splitlines()
        assert " left in " in summary
        assert message.endswith("the scheduler was lost; start it again, and run the same command again")


def test_processes_of_this_machine(folder, expected):
    pytest.importorskip("distributed")
    out, _ = cnncli(*PREDICT, "--scheduler", "local", "-j", "2", cwd=folder)
    assert out == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data/top/0.png", "--features", "0.fc", "--scheduler", "local"], "leave out --scheduler"),
        (["data/top/0.png", "-j", "2", "--scheduler", "tcp://127.0.0.1:1"], "--jobs applies to this machine"),
        (["-", "--scheduler", "local"], "other machines have no standard input"),
        (["memory://in/a.png", "--scheduler", "local"], "exists in the memory of one process only"),
        (["memory://in/a.png", "--features", "0.fc"], "memory://in/a.png: --features reads "),
    ],
)
def test_refusals_are_one_line(folder, words, message):
    pytest.importorskip("fsspec")
    pytest.importorskip("distributed")
    out, err = cnncli("predict", "model.safetensors", *words, cwd=folder, code=2)
    assert message in err
    assert (out, err.count("\n")) == ("", 1)


def test_without_dask(folder):
    code = "import sys; sys.modules['distributed'] = None\n"
    err = cnncli(*PREDICT, "--scheduler", "local", cwd=folder, program=code + RUN, code=2)[1]
    assert "pip install 'cnncli[dask]'" in err


RUN = "import sys; sys.argv[0] = 'cnncli'\nfrom cnncli.__main__ import main; main()"
FILLED = (
    "from pathlib import Path\nfrom fsspec import filesystem\n"
    "for path in Path('data').rglob('*.png'):\n"
    "    filesystem('memory').pipe_file(f'/{path}', path.read_bytes())\n"
    "filesystem('memory').pipe_file('/data/zzz.png', b'junk')\n" + RUN
)


def test_pictures_in_a_store_are_those_of_files(folder, expected):
    pytest.importorskip("fsspec")
    words = ["predict", "model.safetensors", "-r", "memory://data"]
    out, err = cnncli(*words, cwd=folder, program=FILLED, code=1)
    files = {line.removeprefix("data/") for line in expected.splitlines()}
    assert {line.removeprefix("memory://data/") for line in out.splitlines()} == files
    junk, summary = err.splitlines()
    assert junk.startswith("cnncli: memory://data/zzz.png: ")
    assert "tmp" not in junk
    assert summary.startswith(f"{COUNT} done, 1 failed in ")


def test_file_urls(folder):
    words = ["predict", "model.safetensors", f"file://{folder}/data/top/0.png"]
    assert cnncli(*words, cwd=folder)[0].startswith(f"{folder}/data/top/0.png\ttop\t")
