"""Inputs and outputs by URL: plans, whole objects, what is done; in memory, and through an S3 server on loopback."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from importlib.util import find_spec
from typing import ClassVar

import pytest
from clusters import START, cnncli, end, loopback_cluster, start, wait_for
from folders import OPTIONS, contents, copy, make_photographs
from hypothesis import given
from hypothesis import strategies as st

from cnncli.batch import objects
from cnncli.batch.inputs import Input, find_inputs
from cnncli.batch.manifest import PARTS, Manifests
from cnncli.batch.naming import OutputRule
from cnncli.batch.objects import is_url
from cnncli.batch.plan import Job, plan, refuse_existing
from cnncli.batch.running import run
from cnncli.batch.task import Task
from cnncli.errors import ArgumentError, ImageError, NoInputError
from cnncli.files.text import json_text, printable

fsspec = pytest.importorskip("fsspec", reason="the extra cnncli[remote] is not installed")

COUNT = 12


@pytest.fixture(autouse=True)
def scratch(tmp_path_factory, monkeypatch):
    """A folder for what is on its way, in which nothing may stay."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("scratch")))


@pytest.fixture
def store():
    """An empty store in memory."""
    store = fsspec.filesystem("memory")
    store.store.clear()
    store.pseudo_dirs[:] = [""]
    for number in range(COUNT):
        store.pipe_file(f"/in/{number}.txt", f"content {number}".encode())
    store.pipe_file("/in/deep/er/12.txt", b"content 12")
    store.pipe_file("/in/.hidden/13.txt", b"hidden")
    store.pipe_file("/in/notes.md", b"notes")
    yield store
    store.store.clear()


def jobs_of(*words, output="memory:///out/", **options):
    rule = OutputRule(output, ("copy",), ".txt")
    return plan(find_inputs(words, suffixes=[".txt"], **options), rule)


def statuses(jobs, *, skip=True, options=OPTIONS, work=copy, workers=2):
    reports = list(run(jobs, Task(work, manifests=Manifests(options), skip=skip), workers=workers))
    assert os.listdir(tempfile.gettempdir()) == [], "what is on its way is removed"
    by_input = {report.input: report.status for report in reports}
    return [by_input[job.input.path] for job in jobs]


class TestNames:
    @pytest.mark.parametrize("name", ["s3://a/b", "memory://a", "gs://a", "S3://a", "github://a:b@c/d"])
    def test_urls(self, name):
        assert is_url(name)

    @pytest.mark.parametrize("name", ["", "-", "a", "/a", "./s3://a", "a b://c", "://a", "C:/a", "s3:/a", "x/s3://a"])
    def test_paths(self, name):
        assert not is_url(name)

    @given(st.text(st.characters(codec="utf-8", exclude_characters=":"), max_size=20))
    def test_no_colon_no_url(self, name):
        assert not is_url(name)


class TestInputs:
    def test_globs(self, store):
        found = find_inputs(["memory:///in/1*.txt"])
        assert [(source.path, source.below) for source in found] == [
            ("memory:///in/1.txt", "1.txt"),
            ("memory:///in/10.txt", "10.txt"),
            ("memory:///in/11.txt", "11.txt"),
        ]
        with pytest.raises(NoInputError, match="matches no file"):
            find_inputs(["memory:///in/*.png"])

    def test_folders(self, store):
        found = {source.below for source in find_inputs(["memory:///in"], recursive=True, suffixes=[".txt"])}
        assert found == {f"{number}.txt" for number in range(COUNT)} | {"deep/er/12.txt"}
        with pytest.raises(ArgumentError, match="add -r"):
            find_inputs(["memory:///in/"])
        with pytest.raises(NoInputError, match="holds no files"):
            find_inputs(["memory:///in"], recursive=True, suffixes=[".png"])

    def test_one_that_is_not_there_fails_by_name(self, store):
        jobs = jobs_of("memory:///in/1.txt", "memory:///in/99.txt")
        reports = {report.input: report for report in run(jobs, Task(copy, manifests=Manifests(OPTIONS)), workers=2)}
        assert reports["memory:///in/1.txt"].status == "ok"
        assert reports["memory:///in/99.txt"].error == "memory:///in/99.txt: no such file"

    def test_file_urls_are_paths(self, tmp_path):
        (tmp_path / "a.txt").write_text("a")
        (found,) = find_inputs([f"file://{tmp_path}/a.txt"])
        assert found.path == str(tmp_path / "a.txt")
        assert OutputRule(f"file://{tmp_path}", ("copy",)).is_folder

    def test_the_same_in_a_list(self, store):
        found = find_inputs([], ["memory:///in/1.txt", "memory:///in/deep/"], recursive=True, suffixes=[".txt"])
        assert [source.below for source in found] == ["1.txt", "er/12.txt"]


class TestPlan:
    def test_names(self, store):
        found = find_inputs(["memory:///in"], recursive=True, suffixes=[".txt"])
        deep = next(source for source in found if "deep" in source.path)
        for target, expected in {
            None: "memory:///in/deep/er/12-copy.png",
            "memory:///out/": "memory:///out/deep/er/12-copy.png",
            "out/": "out/deep/er/12-copy.png",
            "memory:///made/{stem}.{ext}": "memory:///made/12.txt",
            "{parent}/{name}-{filter}": "memory:///in/deep/er/12.txt-copy",
        }.items():
            assert OutputRule(target, ("copy",)).outputs(deep) == (expected,)

    def test_inputs_are_never_overwritten(self, store):
        with pytest.raises(ArgumentError, match="is an input"):
            jobs_of("memory:///in/1.txt", output="memory://in/1.txt")

    def test_two_inputs_of_one_output(self, store):
        with pytest.raises(ArgumentError, match="would both become"):
            jobs_of("memory:///in/1.txt", "memory:///in/2.txt", output="memory://out/{filter}.txt")

    @pytest.mark.parametrize("count", [1, COUNT])
    def test_existing_outputs(self, store, count):
        jobs = jobs_of("memory:///in/*.txt")[:count]
        refuse_existing(jobs)
        store.pipe_file("/out/0-copy.txt", b"mine")
        with pytest.raises(ArgumentError, match=r"0-copy\.txt exists already: --force"):
            refuse_existing(jobs)

    def test_an_earlier_output_is_no_input(self, store):
        store.pipe_file("/in/0-copy.txt", b"made before")
        jobs = jobs_of("memory:///in/*.txt", output=None)
        rule = OutputRule(None, ("copy",), ".txt")
        assert all(not job.input.path.endswith("-copy.txt") for job in plan([job.input for job in jobs], rule))

    def test_unknown_kinds(self):
        with pytest.raises(ArgumentError, match="not a kind of URL"):
            find_inputs(["nowhere://a"])


class TestObjects:
    def test_what_is_written_is_whole(self, store):
        assert statuses(jobs_of("memory:///in/*.txt")) == ["ok"] * COUNT
        for number in range(COUNT):
            assert store.cat_file(f"/out/{number}-copy.txt") == f"CONTENT {number}".encode()

    def test_nothing_of_what_failed(self, store):
        def work(job, targets):
            details = copy(job, targets)
            if job.input.below == "3.txt":
                raise ImageError(f"{job.input.path}: is damaged, and {targets[0]} too")
            return details

        jobs = jobs_of("memory:///in/*.txt")
        failed = [report for report in run(jobs, Task(work), workers=2) if report.status == "failed"]
        assert [report.error for report in failed] == [
            "memory:///in/3.txt: is damaged, and memory:///out/3-copy.txt too"
        ]
        assert not store.exists("/out/3-copy.txt")
        assert store.exists("/out/4-copy.txt")

    def test_between_files_and_objects(self, store, tmp_path):
        here = jobs_of("memory:///in/*.txt", output=f"{tmp_path}/")
        assert statuses(here) == ["ok"] * COUNT
        assert statuses(here) == ["skipped"] * COUNT
        away = jobs_of(f"{tmp_path}/*.txt", output="memory:///back/")
        assert statuses(away) == ["ok"] * COUNT
        assert statuses(away) == ["skipped"] * COUNT
        assert store.cat_file("/back/5-copy-copy.txt") == b"CONTENT 5"

    def test_a_store_whose_files_grow_exchanges_names(self, tmp_path):
        """As over SFTP; fsspec's own file system stands in for such a one."""
        from cnncli.batch import objects

        made = tmp_path / "made"
        made.mkdir()
        (tmp_path / "a.txt").write_text("content")
        objects.put(str(tmp_path / "a.txt"), f"local://{made}/b.txt")
        assert [path.name for path in made.iterdir()] == ["b.txt"]
        assert (made / "b.txt").read_text() == "content"


class OnServers(fsspec.get_filesystem_class("memory")):
    """A store whose servers and users are part of the URL, as over FTP and SFTP."""

    protocol = "onservers"
    store: ClassVar = {}
    pseudo_dirs: ClassVar = [""]
    asked: ClassVar = []

    def __init__(self, host, username=None, password=None, **options):
        self.asked.append((host, username, password))
        super().__init__(**options)

    @classmethod
    def _strip_protocol(cls, path):
        return fsspec.utils.infer_storage_options(path)["path"].rstrip("/")

    @staticmethod
    def _get_kwargs_from_urls(path):
        return {
            name: value
            for name, value in fsspec.utils.infer_storage_options(path).items()
            if name not in ("protocol", "path")
        }


class TestServers:
    @pytest.fixture
    def server(self):
        fsspec.register_implementation("onservers", OnServers, clobber=True)
        OnServers.store.clear()
        OnServers.clear_instance_cache()
        server = OnServers("host", "ann", "5ecret")
        for number in range(3):
            server.pipe_file(f"/in/{number}.txt", f"content {number}".encode())
        objects._class.cache_clear()
        yield server
        objects._class.cache_clear()

    @pytest.mark.parametrize("words", [["onservers://ann:5ecret@host/in/*.txt"], ["onservers://ann:5ecret@host/in/"]])
    def test_every_name_keeps_its_server(self, server, words):
        def jobs():
            return jobs_of(*words, output="onservers://ann:5ecret@host/out/", recursive=True)

        assert [job.input.path for job in jobs()] == [f"onservers://ann:5ecret@host/in/{n}.txt" for n in range(3)]
        assert statuses(jobs()) == ["ok"] * 3
        assert statuses(jobs()) == ["skipped"] * 3
        assert server.cat_file("/out/2-copy.txt") == b"CONTENT 2"
        assert set(OnServers.asked) == {("host", "ann", "5ecret")}, "whoever is asked is told who asks"

    def test_one_path_on_two_servers_is_two_places(self, server):
        names = [objects.place(f"onservers://{name}/a.txt") for name in ("ann@host", "bob@host", "other")]
        assert names[0] == names[1] != names[2]

    def test_no_secret_is_told(self, server):
        (job,) = jobs_of("onservers://ann:5ecret@host/in/9.txt", output="memory:///out/")
        (report,) = run([job], Task(copy))
        assert "5ecret" not in printable(report.error)
        assert "5ecret" not in json_text(report._asdict())
        assert "onservers://ann:***@host/in/9.txt" in printable(report.error)


UNLISTED = (
    """
from fsspec.implementations.memory import MemoryFileSystem
put = MemoryFileSystem.pipe_file
def refuse(self, path, value, **kwargs):
    if ".cnncli-done" in path:
        raise RuntimeError("quota exceeded")
    put(self, path, value, **kwargs)
MemoryFileSystem.pipe_file = refuse
MemoryFileSystem._get_kwargs_from_urls = staticmethod(lambda url: {})
"""
    + START
)


@pytest.mark.skipif(os.name == "nt", reason="needs the signals of a system with pipes")
@pytest.mark.parametrize("count", [2, 30])
def test_a_list_that_cannot_be_written_when_the_reader_has_left_is_one_line(tmp_path, count):
    make_photographs(tmp_path / "in", count)
    ours, theirs = os.pipe()
    os.close(ours)
    words = ["edge", "in", "-r", "-o", "memory://ann:5ecret@host/out/", "--json", "--skip-existing"]
    done = subprocess.run(
        [sys.executable, "-c", UNLISTED, *words], cwd=tmp_path, stdout=theirs, stderr=subprocess.PIPE, text=True
    )
    os.close(theirs)
    assert done.returncode == 1
    assert re.fullmatch(r"cnncli: memory://ann:\*\*\*@host/out/.cnncli-done/\S+: quota exceeded\n", done.stderr)


class TestDone:
    @pytest.fixture
    def jobs(self, store):
        jobs = jobs_of("memory:///in/*.txt")
        assert statuses(jobs) == ["ok"] * COUNT
        return jobs

    def again(self, **options):
        return statuses(jobs_of("memory:///in/*.txt"), **options)

    def test_skipped(self, jobs):
        assert self.again() == ["skipped"] * COUNT

    def test_lists_are_few(self, jobs, store):
        assert len(store.find(f"/out/{PARTS}")) == 1

    def test_changed_input(self, jobs, store):
        store.pipe_file("/in/0.txt", b"CONTENT 0")
        assert self.again() == ["ok"] + ["skipped"] * (COUNT - 1)

    def test_missing_output(self, jobs, store):
        store.rm_file("/out/0-copy.txt")
        assert self.again() == ["ok"] + ["skipped"] * (COUNT - 1)

    def test_changed_output_is_somebody_elses(self, jobs, store):
        store.pipe_file("/out/0-copy.txt", b"mine")
        assert self.again() == ["failed"] + ["skipped"] * (COUNT - 1)
        assert store.cat_file("/out/0-copy.txt") == b"mine"
        assert self.again(skip=False) == ["ok"] * COUNT

    def test_changed_options(self, jobs):
        assert self.again(options="others") == ["ok"] * COUNT

    def test_lost_list(self, jobs, store):
        """A process that was killed before it wrote its last lines: what it made is made again, and found equal."""
        store.rm(f"/out/{PARTS}", recursive=True)
        before = store.created("/out/5-copy.txt")
        assert self.again() == ["skipped"] * COUNT
        assert store.created("/out/5-copy.txt") == before, "nothing is put twice"
        assert self.again() == ["skipped"] * COUNT

    def test_damaged_list(self, jobs, store):
        (name,) = store.find(f"/out/{PARTS}")
        content = store.cat_file(name)
        store.pipe_file(name, content[: len(content) // 2] + b'\n{"name": 3}\n\xff\n[]\n')
        assert set(self.again()) == {"skipped"}

    def test_shares_know_what_is_done(self, jobs):
        manifests = Manifests(OPTIONS)
        manifests.look(jobs)
        share = manifests.share(jobs[:3], skip=True)
        assert share._folders.keys() == {"memory:///out"}
        assert len(share._folders["memory:///out"]) == 3
        assert all(share.is_done(job) for job in jobs[:3])


def test_machines_that_share_a_folder_have_lists_of_their_own(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    job = Job(Input(str(tmp_path / "a.txt"), "a.txt"), (str(tmp_path / "b.txt"),))
    share = Manifests(OPTIONS).share([job], skip=False)
    assert [report.status for report in run([job], Task(copy, manifests=share))] == ["ok"]
    assert [path.suffix for path in (tmp_path / PARTS).iterdir()] == [".jsonl"]
    assert statuses([job]) == ["skipped"]


KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The environment that leads to an S3 server on loopback, which holds photographs."""
    missing = [name for name in ("moto", "flask", "s3fs") if find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (pip install 'moto[server]' s3fs)")
    folder = tmp_path_factory.mktemp("s3")
    code = (
        "import sys; from moto.server import ThreadedMotoServer\n"
        "server = ThreadedMotoServer('127.0.0.1', 0); server.start()\n"
        "print('port:', server.get_host_and_port()[1], flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        port = next(line.removeprefix("port:") for line in process.stdout if line.startswith("port:"))
        address = f"http://127.0.0.1:{int(port)}"
        environment = {**KEYS, "AWS_ENDPOINT_URL": address}
        make_photographs(folder / "in", 40)
        put(environment, folder / "in")
        cnncli("edge", "in", "-r", "-o", "local/", "-q", cwd=folder)
        yield environment, contents(folder / "local")
    finally:
        process.kill()
        process.communicate()


def put(environment, folder):
    code = (
        "import sys, s3fs; store = s3fs.S3FileSystem(); store.mkdir('photos')\n"
        "store.put(sys.argv[1] + '/', 'photos/in/', recursive=True)"
    )
    subprocess.run([sys.executable, "-c", code, folder], env=os.environ | environment, check=True)


def fetched(environment, url, folder):
    """Copy all visible objects below a URL, and return their contents."""
    shutil.rmtree(folder, ignore_errors=True)
    code = (
        "import sys, s3fs; store = s3fs.S3FileSystem()\n"
        "store.get([name for name in store.find(sys.argv[1]) if '/.' not in name], sys.argv[2] + '/')"
    )
    folder.mkdir()
    subprocess.run([sys.executable, "-c", code, url, folder], env=os.environ | environment, check=True)
    return contents(folder)


def test_s3_to_s3(server, tmp_path):
    environment, expected = server
    words = ["edge", "s3://photos/in", "-r", "-o", "s3://photos/one/"]
    again = [*words, "--skip-existing"]
    assert cnncli(*again, cwd=tmp_path, env=environment)[1].startswith("40 done in ")
    assert fetched(environment, "s3://photos/one", tmp_path / "got") == expected
    assert "exist already" in cnncli(*words, cwd=tmp_path, env=environment, code=2)[1]
    assert cnncli(*again, cwd=tmp_path, env=environment)[1].startswith("0 done, 40 skipped in ")
    assert cnncli(*again, "--dry-run", cwd=tmp_path, env=environment)[0].count("(skipped)") == 40
    assert [path.name for path in tmp_path.iterdir()] == ["got"]


def test_s3_errors_are_one_line(server, tmp_path):
    environment, _ = server
    for words, code, message in (
        (["s3://photos/in/99.jpg", "-o", "a.png"], 1, "s3://photos/in/99.jpg: no such file"),
        (["s3://photos/in/0001.jpg", "-o", "s3://nobody/"], 2, "s3://nobody: no such bucket; make it first"),
        (["s3://photos/in/0001.jpg", "-o", "s3://photos/in/0001.jpg", "--force"], 2, "is an input"),
        (["s3://photos/in", "-o", "a/"], 2, "s3://photos/in is a folder: add -r"),
        (["s3://photos/in/*.gif", "-o", "a/"], 3, "matches no file"),
    ):
        _, err = cnncli("edge", *words, cwd=tmp_path, env=environment, code=code)
        assert len(err.splitlines()) == 1
        assert message in err


def test_lists_in_s3(server, tmp_path):
    environment, expected = server
    code = "import sys, s3fs; s3fs.S3FileSystem().pipe_file('photos/list.txt', sys.argv[1].encode())"
    names = "\n".join(["s3://photos/in/0003.jpg", "s3://photos/in/0004.jpg"])
    subprocess.run([sys.executable, "-c", code, names], env=os.environ | environment, check=True)
    cnncli("edge", "--files-from", "s3://photos/list.txt", "-o", "out/", cwd=tmp_path, env=environment)
    made = contents(tmp_path / "out")
    assert made == {name: expected[name] for name in ("0003-sobel.png", "0004-sobel.png")}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["memory://a.png", "--explain", "1,1"], "memory://a.png: --explain reads local files only"),
        (["a.png", "-o", "memory://b/c.png", "--show"], "memory://b/c.png: --show works with local files only"),
    ],
)
def test_what_needs_files(tmp_path, words, message):
    _, err = cnncli("edge", *words, cwd=tmp_path, code=2)
    assert message in err


@pytest.mark.slow
def test_s3_on_a_cluster(server, tmp_path):
    pytest.importorskip("distributed", reason="the extra cnncli[dask] is not installed")
    environment, expected = server
    os.environ.update(environment)
    try:
        with loopback_cluster(tmp_path / "cluster") as cluster:
            words = ["edge", "s3://photos/in", "-r", "-o", "s3://photos/two/", "--skip-existing"]
            words += ["--scheduler", cluster.address]
            assert "40 done in " in cnncli(*words, cwd=tmp_path)[1]
            assert "0 done, 40 skipped" in cnncli(*words, cwd=tmp_path)[1]
    finally:
        for name in environment:
            del os.environ[name]
    assert fetched(environment, "s3://photos/two", tmp_path / "got") == expected


@pytest.mark.slow
def test_s3_after_a_kill(server, tmp_path):
    environment, expected = server
    code = (
        "import time, cnncli.batch.objects as objects\n"
        "put = objects.put\n"
        "objects.put = lambda path, url: (time.sleep(0.2), put(path, url))\n" + START
    )
    words = ["edge", "s3://photos/in", "-r", "-o", "s3://photos/three/", "-j", "2", "--skip-existing"]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = environment | {"TMPDIR": str(scratch)}
    process = start(*words, cwd=tmp_path, env=environment, program=code)
    wait_for(lambda: objects_below(environment, "three") >= 10)
    process.kill()
    process.communicate()
    assert os.listdir(scratch)
    _, err = cnncli(*words, cwd=tmp_path, env=environment)
    assert "failed" not in err
    assert fetched(environment, "s3://photos/three", tmp_path / "got") == expected
    assert os.listdir(scratch) == []
    assert end(start(*words, cwd=tmp_path, env=environment), 0)[1].startswith("0 done, 40 skipped")


def objects_below(environment, folder):
    address = f"{environment['AWS_ENDPOINT_URL']}/photos?list-type=2&prefix={folder}/"
    with urllib.request.urlopen(address) as answer:
        return answer.read().count(b"<Key>")
