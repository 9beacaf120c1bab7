"""Inputs from the web, without any package for it: plans, files, what is done, and errors of one line."""

import os
import re
import subprocess
import sys
import tempfile

import pytest
from clusters import cnncli
from folders import OPTIONS, contents, copy, make_photographs
from web_server import serving

import cnncli as library
from cnncli.batch import objects
from cnncli.batch.inputs import find_inputs
from cnncli.batch.manifest import Manifests
from cnncli.batch.naming import OutputRule
from cnncli.batch.plan import plan
from cnncli.batch.running import run
from cnncli.batch.task import Task
from cnncli.errors import ArgumentError, ImageError

COUNT = 12


@pytest.fixture(autouse=True)
def scratch(tmp_path_factory, monkeypatch):
    """A folder for what is on its way, in which nothing may stay."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("scratch")))


@pytest.fixture
def site():
    with serving() as (site, address):
        site.pages = {f"/in/{number}.txt": f"content {number}".encode() for number in range(COUNT)}
        site.headers = {"ETag": '"1"'}
        site.urls = [f"{address}{path}" for path in site.pages]
        site.address = address
        yield site


def jobs_of(words, folder):
    return plan(find_inputs(words), OutputRule(f"{folder}/", ("copy",), ".txt"))


def reports_of(jobs, *, skip=True):
    reports = list(run(jobs, Task(copy, manifests=Manifests(OPTIONS), skip=skip), workers=2))
    assert os.listdir(tempfile.gettempdir()) == [], "what is on its way is removed"
    return {report.input: report for report in reports}


def statuses(jobs, **options):
    reports = reports_of(jobs, **options)
    return [reports[job.input.path].status for job in jobs]


class TestNames:
    @pytest.mark.parametrize(
        ("url", "output"),
        [
            ("https://host/photos/a.jpg?X-Amz-Signature=12ab", "a-sobel.png"),
            ("https://host/photos/a.jpg#top", "a-sobel.png"),
            ("HTTP://host/photos/[*]?.jpg", "[*]-sobel.png"),
            ("https://host/photos/", "photos-sobel.png"),
            ("https://host", "host-sobel.png"),
            ("https://host/../..", "..-sobel.png"),
        ],
    )
    def test_outputs_are_written_here(self, url, output):
        (source,) = find_inputs([url], recursive=True)
        assert (source.path, source.found) == (url, False)
        assert OutputRule(None, ("sobel",)).outputs(source) == (output,)
        assert OutputRule("out", ("sobel",)).outputs(source) == ("out",)
        assert OutputRule("out/", ("sobel",)).outputs(source) == (f"out/{output}",)

    def test_nothing_is_asked_before_a_file_is_needed(self, site):
        assert len(plan(find_inputs(site.urls, site.urls, recursive=True), OutputRule("out/", ("copy",)))) == COUNT
        assert site.asked == []

    @pytest.mark.parametrize("target", ["https://host/a.png", "http://host/", "https://host/{stem}.png", "{parent}/a"])
    def test_nothing_is_written_to_the_web(self, target):
        with pytest.raises(ArgumentError, match=r"^http\S+: web addresses are read, not written: name a file or"):
            plan(find_inputs(["https://host/a.jpg"]), OutputRule(target, ("sobel",)))

    @pytest.mark.parametrize("target", [None, "out/"])
    def test_two_of_one_name_are_told_apart_by_the_template_that_is_suggested(self, target):
        inputs = find_inputs(["https://one/in/a.txt", "https://two/a.txt"])
        message = r"https://one/in/a\.txt and https://two/a\.txt would both become \S+: tell them .* '?([^ ']+)'?$"
        with pytest.raises(ArgumentError, match=message) as caught:
            plan(inputs, OutputRule(target, ("copy",)))
        template = re.search(message, str(caught.value))[1]
        outputs = [job.outputs[0] for job in plan(inputs, OutputRule(template, ("copy",)))]
        assert [os.path.dirname(output) for output in outputs] == [f"{target or './'}{at}" for at in ("one/in", "two")]


class TestBatches:
    def test_files_are_fetched_and_removed(self, site, tmp_path):
        jobs = jobs_of(site.urls, tmp_path)
        assert statuses(jobs, skip=False) == ["ok"] * COUNT
        assert contents(tmp_path)["7-copy.txt"] == b"CONTENT 7"

    def test_what_is_done_is_skipped_by_its_tag(self, site, tmp_path):
        jobs = jobs_of(site.urls, tmp_path)
        assert statuses(jobs) == ["ok"] * COUNT
        assert statuses(jobs) == ["skipped"] * COUNT
        site.headers["ETag"] = '"2"'
        assert statuses(jobs) == ["ok"] * COUNT

    def test_without_a_tag_the_time_of_the_last_change_decides_and_without_that_nothing_is_skipped(
        self, site, tmp_path
    ):
        jobs = jobs_of(site.urls[:2], tmp_path)
        site.headers = {"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        assert statuses(jobs) == ["ok"] * 2
        assert statuses(jobs) == ["skipped"] * 2
        site.headers = {}
        assert statuses(jobs) == ["ok"] * 2

    def test_each_failure_is_one_line_that_names_the_address(self, site, tmp_path):
        site.status("/refused.txt", 403)
        site.stated("/short.txt", 99, b"12")
        names = ("none.txt", "refused.txt", "short.txt")
        urls = [f"{site.address}/{name}?token=5ecret" for name in names]
        for skip in (True, False):
            errors = [report.error for report in reports_of(jobs_of([*site.urls, *urls], tmp_path), skip=skip).values()]
            shown = [f"{site.address}/{name}?token=***" for name in names]
            assert {error for error in errors if error} == {
                f"{shown[0]}: no such file",
                f"{shown[1]}: permission denied: 403 Forbidden",
                f"{shown[2]}: the connection closed after 2 of 99 bytes",
            }

    def test_silence(self, site, tmp_path, monkeypatch):
        monkeypatch.setattr("cnncli.files.web.SILENCE", 0.05)
        site.silent("/a.txt")
        (report,) = reports_of(jobs_of([f"{site.address}/a.txt"], tmp_path)).values()
        assert report.error == f"{site.address}/a.txt: the server was silent for {objects.SILENCE} s"


class TestCommands:
    @pytest.fixture
    def pictures(self, site, tmp_path):
        for path in make_photographs(tmp_path / "in", 2):
            site.pages[f"/{path.name}"] = path.read_bytes()
        cnncli("edge", "in", "-r", "-o", "expected/", "-q", cwd=tmp_path)
        return contents(tmp_path / "expected")

    def test_edge(self, site, tmp_path, pictures):
        here = tmp_path / "here"
        here.mkdir()
        cnncli("edge", f"{site.address}/0000.jpg", cwd=here)
        assert contents(here) == {"0000-sobel.png": pictures["0000-sobel.png"]}
        site.pages["/list.txt"] = "\n".join(f"{site.address}/{name}.jpg" for name in ("0000", "0001")).encode()
        cnncli("edge", "--files-from", f"{site.address}/list.txt", "-o", "out/", cwd=here)
        assert contents(here / "out") == pictures

    def test_explain(self, site, tmp_path, pictures):
        out, _ = cnncli("edge", f"{site.address}/0000.jpg", "--explain", "3,4", "-o", "a.png", cwd=tmp_path)
        assert "as written to a.png" in out

    def test_pool(self, site, tmp_path, pictures):
        cnncli("pool", f"{site.address}/0000.jpg", "-f", "2", cwd=tmp_path)
        cnncli("pool", "in/0000.jpg", "-f", "2", "-o", "pooled.png", cwd=tmp_path)
        assert (tmp_path / "0000-max.png").read_bytes() == (tmp_path / "pooled.png").read_bytes()

    def test_an_output_on_the_web_is_wrong_usage(self, site, tmp_path):
        _, err = cnncli("edge", "a.png", "-o", "https://ann:5ecret@host/b.png", cwd=tmp_path, code=2)
        assert err == (
            "cnncli: https://ann:***@host/b.png: web addresses are read, not written: name a file or a folder with -o\n"
        )

    def test_no_package_for_stores_is_loaded(self, site, tmp_path, pictures):
        code = (
            "import sys; sys.modules['fsspec'] = sys.modules['aiohttp'] = None\n"
            "from cnncli.__main__ import main; main()"
        )
        words = ["edge", f"{site.address}/0001.jpg", "-o", "b.png"]
        subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, check=True, capture_output=True)
        assert (tmp_path / "b.png").read_bytes() == pictures["0001-sobel.png"]


class TestPython:
    def test_read_image(self, site, tmp_path):
        (path,) = make_photographs(tmp_path, 1)
        site.pages["/a.jpg"] = path.read_bytes()
        assert (library.read_image(f"{site.address}/a.jpg") == library.read_image(path)).all()

    def test_errors_show_no_secrets(self, site):
        with pytest.raises(ImageError) as caught:
            library.read_image(f"{site.address}/none.jpg?token=5ecret")
        assert str(caught.value) == f"{site.address}/none.jpg?token=***: cannot be read: 404 Not Found"
        site.pages["/empty.jpg"] = b""
        with pytest.raises(ImageError, match=r"/empty\.jpg: is empty"):
            library.read_image(f"{site.address}/empty.jpg")

    def test_predict_files(self, site, tmp_path):
        from models import halves_model

        (path,) = make_photographs(tmp_path, 1)
        site.pages["/a.jpg"] = path.read_bytes()
        model = halves_model()
        (there,), (here,) = (
            list(library.predict_files(model, [name])) for name in (f"{site.address}/a.jpg", str(path))
        )
        assert there.error is None
        assert there.top() == here.top()
