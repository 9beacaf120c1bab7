"""Batches on Dask: real schedulers and workers on loopback, killed and lost; and what needs none of them."""

import glob
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import ExitStack, suppress

import pytest
from clusters import PATIENCE, START, LoopbackCluster, cnncli, end, loopback_cluster, start, wait_for
from folders import contents, copy, make_jobs, make_photographs, temporaries
from hypothesis import given
from hypothesis import strategies as st

from cnncli.batch.cluster import Cluster, GroupSize
from cnncli.batch.inputs import Input
from cnncli.batch.manifest import PARTS, Manifests
from cnncli.batch.plan import Job
from cnncli.batch.task import Task
from cnncli.batch.worker import Needs
from cnncli.errors import ArgumentError

COUNT = 300


def outputs(folder):
    """The visible files of a folder, without the lists of what is done."""
    found = contents(folder) if folder.is_dir() else {}
    return {name: content for name, content in found.items() if not name.startswith(".")}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    make_photographs(folder / "in", COUNT)
    cnncli("edge", "in", "-r", "-o", "local/", "-q", cwd=folder)
    return folder


@pytest.fixture
def expected(photographs):
    return outputs(photographs / "local")


@pytest.fixture
def here(photographs, tmp_path):
    (tmp_path / "in").symlink_to(photographs / "in")
    return tmp_path


def pids_of_children(pid):
    """The children of a process, whichever of its threads began them."""
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with suppress(OSError), open(path) as listing:
            found += [int(word) for word in listing.read().split()]
    return found
    return []


# Dask loads what it shall load beforehand twice.
SLOWLY = """
import time
import cnncli.pipelines.edging as edging
work = getattr(edging, "work", edging.EdgePipeline.__call__)
edging.work = work
def slow(self, job, targets):
    time.sleep({seconds})
    return work(self, job, targets)
edging.EdgePipeline.__call__ = slow
"""
KILLING = """
import os, signal
import cnncli.pipelines.edging as edging
work = getattr(edging, "work", edging.EdgePipeline.__call__)
edging.work = work
def kill(self, job, targets):
    if job.input.path.endswith("0137.jpg"):
        with open("killed", "a") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGKILL)
    return work(self, job, targets)
edging.EdgePipeline.__call__ = kill
"""


def preload(folder, text):
    folder.mkdir(exist_ok=True)
    path = folder / "preload.py"
    path.write_text(text)
    return "--preload", path


class TestScheduler:
    def test_outputs_and_reports_are_those_of_a_local_run(self, here, cluster, expected):
        words = ["edge", "in", "-r", "-o", "out/", "--skip-existing"]
        out, err = cnncli(*words, "--json", "--scheduler", cluster.address, cwd=here)
        assert outputs(here / "out") == expected
        assert temporaries(here) == []
        lines = [json.loads(line) for line in out.splitlines()]
        assert {line["input"] for line in lines} == {f"in/{number:04d}.jpg" for number in range(COUNT)}
        assert all(line["status"] == "ok" and line["output"].startswith("out/") for line in lines)
        assert lines[0]["input_shape"] == [96, 96]
        assert err.startswith(f"{COUNT} done in ")
        # What a cluster did is known to a local run, and the other way round.
        assert cnncli(*words, cwd=here)[1].startswith(f"0 done, {COUNT} skipped")
        (here / "out/0007-sobel.png").unlink()
        (here / "out/0008-sobel.png").write_bytes(expected["0008-sobel.png"][:100])
        _, err = cnncli(*words, "--scheduler", cluster.address, cwd=here)
        assert err.startswith(f"2 done, {COUNT - 2} skipped")
        assert outputs(here / "out") == expected
        assert cnncli(*words, cwd=here)[1].startswith(f"0 done, {COUNT} skipped")

    def test_failures_are_those_of_a_local_run(self, here, cluster):
        bad = here / "bad"
        bad.mkdir()
        for number, content in enumerate((b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0")):
            (bad / f"{number}.png").write_bytes(content)
        words = ["pool", "bad", "nothing.png", "in/0000.jpg", "-r", "-o", "out/", "--json"]
        out, _ = cnncli(*words, "--scheduler", cluster.address, cwd=here, code=1)
        local, _ = cnncli(*words, "--force", cwd=here, code=1)

        def without_times(text):
            return sorted(json.dumps(json.loads(line) | {"seconds": 0}) for line in text.splitlines())

        assert without_times(out) == without_times(local)
        assert out.count('"failed"') == 5

    def test_existing_outputs_are_refused_before_anybody_is_asked(self, here):
        (here / "out").mkdir()
        (here / "out/0003-sobel.png").write_text("mine")
        words = ["edge", "in", "-r", "-o", "out/", "--scheduler", "tcp://127.0.0.1:1"]
        assert "exists already: --force" in cnncli(*words, cwd=here, code=2)[1]

    def test_nobody_answers(self, here):
        _, err = cnncli("edge", "in/0000.jpg", "--scheduler", "tcp://127.0.0.1:1", "-o", "a.png", cwd=here, code=1)
        assert err == (
            "cnncli: --scheduler tcp://127.0.0.1:1: no scheduler answers there; start one with: dask scheduler\n"
        )

    def test_interrupt_finishes_what_is_under_way(self, here, tmp_path, scheduler, expected):
        with scheduler.own_workers("--no-nanny", *preload(tmp_path / "slow", SLOWLY.format(seconds=0.1)), count=2):
            words = ["edge", "in", "-r", "-o", "out/", "--skip-existing", "--scheduler", scheduler.address]
            process = start(*words, cwd=here)
            wait_for(lambda: len(outputs(here / "out")) >= 10)
            process.send_signal(signal.SIGINT)
            _, err = end(process, 130)
            made = len(outputs(here / "out"))
            assert "finishing what is under way" in err
            assert f"{made} done, {COUNT - made} left" in err.splitlines()[-1]
            assert 10 <= made < COUNT
            assert temporaries(here) == []
            assert outputs(here / "out").items() <= expected.items()


@pytest.mark.slow
class TestLosses:
    def test_a_worker_killed_half_way(self, here, tmp_path, scheduler, expected):
        words = ("--no-nanny", *preload(tmp_path / "slow", SLOWLY.format(seconds=0.02)))
        with scheduler.own_workers(*words, count=2) as workers:
            process = start("edge", "in", "-r", "-o", "out/", "--scheduler", scheduler.address, cwd=here)
            wait_for(lambda: len(outputs(here / "out")) >= COUNT // 2)
            workers[0].kill()
            _, err = end(process, 0)
        assert err.startswith(f"{COUNT} done in ")
        assert outputs(here / "out") == expected
        cnncli("edge", "in", "-r", "-o", "out/", "--skip-existing", cwd=here)
        assert temporaries(here) == [], "what the killed one left behind"

    def test_the_scheduler_killed(self, here, tmp_path, cluster, expected):
        words = ("--no-nanny", *preload(tmp_path / "slow", SLOWLY.format(seconds=0.02)))
        command = ["edge", "in", "-r", "-o", "out/", "--skip-existing", "--scheduler"]
        with loopback_cluster(tmp_path / "slow", words=words) as lost:
            process = start(*command, lost.address, cwd=here)
            wait_for(lambda: len(outputs(here / "out")) >= COUNT // 3)
            lost.scheduler.kill()
            _, err = end(process, 1)
            summary, message = err.splitlines()
            assert " left in " in summary
            assert message == (
                f"cnncli: --scheduler {lost.address}: the scheduler was lost; start it again, and do the rest with "
                "the same command and --skip-existing"
            )
            assert outputs(here / "out").items() <= expected.items()
            wait_for(lambda: all(worker.poll() is not None for worker in lost.workers))
        done = len(outputs(here / "out"))
        assert COUNT // 3 <= done < COUNT
        _, err = cnncli(*command, cluster.address, cwd=here)
        assert err.startswith(f"{COUNT - done} done, {done} skipped")
        assert outputs(here / "out") == expected

    def test_a_file_that_kills_its_workers(self, here, tmp_path, expected):
        folder = tmp_path / "killing"
        with loopback_cluster(folder, words=preload(folder, KILLING), failures=2) as cluster:
            _, err = cnncli("edge", "in", "-r", "-o", "out/", "--scheduler", cluster.address, cwd=here, code=1)
        *messages, summary = err.splitlines()
        assert len(messages) == 1
        assert messages[0].startswith("cnncli: in/0137.jpg: given up, for 3 workers were killed over it")
        assert summary.startswith(f"{COUNT - 1} done, 1 failed")
        del expected["0137-sobel.png"]
        assert outputs(here / "out") == expected

    @staticmethod
    def refusal(here, scheduler, folder, text):
        """Return what is said of a worker that runs some lines first."""
        with scheduler.own_workers("--no-nanny", *preload(folder, text)):
            words = ["edge", "in", "-r", "-o", "out/", "--scheduler", scheduler.address]
            return cnncli(*words, cwd=here, code=1)[1].splitlines()[-1]

    def test_workers_of_another_version(self, here, scheduler, tmp_path):
        text = "import cnncli.batch.worker as worker\nworker.version = lambda name: '0.0.1'\n"
        message = self.refusal(here, scheduler, tmp_path / "old", text)
        assert "has cnncli 0.0.1 where this is" in message
        assert message.endswith("install the same version on both")

    def test_workers_without_cnncli(self, here, scheduler, tmp_path):
        message = self.refusal(here, scheduler, tmp_path / "bare", "import sys\nsys.modules['cnncli'] = None\n")
        assert "cannot load cnncli" in message
        assert message.endswith(f"pip install cnncli=={installed()} there")

    def test_no_workers(self, here, scheduler):
        code = "import cnncli.batch.cluster as cluster; cluster._PATIENCE = 1\n"
        words = ["edge", "in", "-r", "-o", "out/", "--scheduler", scheduler.address]
        err = cnncli(*words, cwd=here, program=code + START, code=1)[1]
        assert f"there was no worker for 1 s; start some with: dask worker {scheduler.address}" in err


class TestAgain:
    """A job that a lost worker had finished is done again elsewhere: what stands there is its own."""

    @pytest.mark.parametrize("lists", ["kept", "lost", "none"])
    def test_what_a_lost_worker_made_is_no_obstacle(self, tmp_path, lists):
        jobs = make_jobs(tmp_path, 2)
        task = Task(copy, None if lists == "none" else Manifests("options"), replace=False)
        assert [report.status for job in jobs for report in task.share([job])(job)] == ["ok", "ok"]
        if lists == "lost":
            shutil.rmtree(tmp_path / PARTS)
        assert (tmp_path / PARTS).exists() == (lists == "kept")
        assert [report.status for job in jobs for report in task.share([job])(job)] == ["ok", "ok"]
        (tmp_path / "1.out").write_text("mine")
        assert [report.status for job in jobs for report in task.share([job])(job)] == ["ok", "failed"]
        assert (tmp_path / "1.out").read_text() == "mine"


class TestLocal:
    def test_processes_of_this_machine(self, here, expected):
        words = ["edge", "in/00[0-2]*.jpg", "-o", "out/", "--scheduler", "local", "-j", "2"]
        assert cnncli(*words, cwd=here)[1].startswith("30 done in ")
        assert outputs(here / "out").items() <= expected.items()
        assert len(outputs(here / "out")) == 30

    @pytest.mark.slow
    def test_interrupt_of_a_terminal_reaches_no_worker(self, here, expected):
        # A terminal sends Ctrl-C to the whole group of processes.
        code = "import os; os.setsid()\n" + SLOWLY.format(seconds=0)
        words = ["edge", "in", "-r", "-o", "out/", "--scheduler", "local", "-j", "2"]
        process = start(*words, cwd=here, program=code + START)
        wait_for(lambda: len(outputs(here / "out")) >= 5)
        os.killpg(process.pid, signal.SIGINT)
        _, err = end(process, 130)
        assert " left in " in err
        assert temporaries(here) == []

    @pytest.mark.slow
    def test_second_interrupt_leaves_no_process(self, here):
        process = start("edge", "in", "-r", "-o", "out/", "--scheduler", "local", "-j", "2", cwd=here)
        wait_for(lambda: len(outputs(here / "out")) >= 5)
        children = pids_of_children(process.pid)
        assert children
        process.send_signal(signal.SIGINT)
        wait_for(lambda: process.stderr.readline().strip() or process.stderr.readline())
        process.send_signal(signal.SIGINT)
        end(process, 130)
        wait_for(lambda: not any(os.path.exists(f"/proc/{child}/stat") and is_running(child) for child in children))


LISTENING = "0A"


def ports_of(pids):
    """The ports on which processes listen."""
    sockets = set()
    for pid in pids:
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                sockets.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    rows = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError), open(table) as listing:
            rows += [line.split() for line in listing.readlines()[1:]]
    return sorted(
        {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTENING and f"socket:[{row[9]}]" in sockets}
    )


def answer(port, context=None):
    """What a port answers to somebody who asks for a page, in clear or over TLS."""
    with suppress(OSError), ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
        connection = stack.enter_context(context.wrap_socket(connection)) if context else connection
        connection.sendall(b"GET /info/main/workers.html HTTP/1.0\r\n\r\n")
        return connection.recv(1000)
    return b""


def strangers_context(folder, *, key):
    """What a stranger speaks TLS with: no key at all, or one of his own."""
    import distributed

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if key:
        own = distributed.Security.temporary()
        path = folder / "stranger.pem"
        path.write_text(own.tls_client_key + own.tls_client_cert)
        context.load_cert_chain(path)
    return context


SUBMIT = """
import logging, sys, distributed
logging.disable()
security = {"none": None, "own": distributed.Security.temporary()}[sys.argv[2]]
try:
    client = distributed.Client(sys.argv[1], timeout=2, security=security)
    print(client.submit(lambda: "done").result(timeout=10))
except (OSError, TimeoutError) as error:
    print("refused")
"""


@pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="the ports of a process are told by /proc")
def test_strangers_can_submit_nothing_to_a_local_cluster(here, tmp_path):
    pytest.importorskip("cryptography", reason="the extra cnncli[dask] is not installed")
    words = ["edge", "in", "-r", "-o", "out/", "--scheduler", "local", "-j", "1"]
    (tmp_path / "slowly.py").write_text(SLOWLY.format(seconds=0.5))
    slowly = {"DASK_DISTRIBUTED__WORKER__PRELOAD": str(tmp_path / "slowly.py")}
    process = start(*words, cwd=here, env=slowly)
    wait_for(lambda: outputs(here / "out"))
    family = {process.pid, *pids_of_children(process.pid)}
    ports = ports_of(family)
    assert len(ports) >= 3, "a scheduler, a nanny and a worker listen"
    contexts = [strangers_context(tmp_path, key=False), strangers_context(tmp_path, key=True)]
    secured = []
    for port in ports:
        if clear := answer(port):
            assert clear.startswith(b"HTTP/1.1 404 ")
            continue
        secured.append(port)
        assert [answer(port, context) for context in contexts] == [b"", b""]
    assert len(secured) >= 3
    strangers = [
        start(f"{scheme}://127.0.0.1:{port}", key, cwd=here, program=SUBMIT)
        for port in secured[:1]
        for scheme, key in [("tcp", "none"), ("tls", "own")]
    ]
    assert [end(stranger, 0)[0] for stranger in strangers] == ["refused\n"] * 2
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    end(process, 130)


def is_running(pid):
    with suppress(OSError), open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"
    return False


class TestWithout:
    @pytest.mark.parametrize("words", [["edge", "in/0000.jpg", "-o", "a.png"], ["edge", "in", "-r", "-o", "out/"]])
    def test_nothing_is_loaded_unasked(self, here, words):
        code = (
            "import sys, atexit\n"
            "names = ('dask', 'distributed', 'fsspec', 's3fs')\n"
            "atexit.register(lambda: print([name for name in names if name in sys.modules]))\n"
            "sys.argv[0] = 'cnncli'\nfrom cnncli.__main__ import main; main()"
        )
        assert cnncli(*words, "-q", cwd=here, program=code)[0] == "[]\n"

    @pytest.mark.parametrize(
        ("missing", "words", "command"),
        [
            ("distributed", ["--scheduler", "tcp://127.0.0.1:1"], "pip install 'cnncli[dask]'"),
            ("distributed", ["--scheduler", "local"], "pip install 'cnncli[dask]'"),
            ("cryptography", ["--scheduler", "local"], "pip install 'cnncli[dask]'"),
            ("fsspec", ["s3://photos/a.jpg"], "pip install 'cnncli[remote]'"),
            ("fsspec", ["-o", "gs://photos/"], "pip install 'cnncli[remote]'"),
            ("s3fs", ["s3://photos/a.jpg"], "pip install 'cnncli[remote]'"),
        ],
    )
    def test_missing_extra_is_named_in_one_line(self, here, missing, words, command):
        code = f"import sys; sys.modules['{missing}'] = None\n" + START
        out, err = cnncli("edge", "in/0000.jpg", *words, cwd=here, program=code, code=2)
        assert out == ""
        assert len(err.splitlines()) == 1
        assert err.startswith("cnncli: ")
        assert command in err

    @pytest.mark.parametrize(("source", "output"), [("-", "a.png"), ("a.png", "-"), ("memory://a.png", "a.png")])
    def test_what_other_machines_have_not(self, source, output):
        with pytest.raises(ArgumentError, match="--scheduler"):
            Cluster("local", 2).check([Job(Input(source, source), (output,))])

    def test_jobs_belong_to_the_local_cluster(self, here):
        words = ["edge", "in/0000.jpg", "--scheduler", "tcp://127.0.0.1:1", "-j", "3"]
        assert "--jobs applies to this machine" in cnncli(*words, cwd=here, code=2)[1]


class TestNeeds:
    def test_a_worker_that_sees_the_same(self, tmp_path):
        (tmp_path / "a").write_text("four")
        assert Needs("batch", installed(), ((str(tmp_path / "a"), 4),), ("memory://a",)).lacking() is None

    @pytest.mark.parametrize("size", [3, 5])
    def test_a_file_of_another_size(self, tmp_path, size):
        (tmp_path / "a").write_text("four")
        lacking = Needs("batch", installed(), ((str(tmp_path / "a"), size),)).lacking()
        assert lacking.startswith(f"does not see {tmp_path / 'a'} as this machine does")

    def test_a_file_that_is_not_there(self, tmp_path):
        assert "does not see" in Needs("batch", installed(), ((str(tmp_path / "a"), 4),)).lacking()

    def test_a_store_without_a_way(self):
        assert "not a kind of URL" in Needs("batch", installed(), (), ("nowhere://a",)).lacking()


def installed():
    from importlib.metadata import version

    return version("cnncli")


class TestGroupSize:
    @given(st.integers(1, 10**6), st.integers(1, 64), st.lists(st.floats(0, 100), max_size=20))
    def test_within_bounds(self, left, threads, times):
        size = GroupSize()
        before = 2
        for seconds in times:
            jobs = size.next(left, threads)
            assert 1 <= jobs <= min(max(before * 4, 2), 1000, left)
            assert jobs <= max(1, -(-left // (2 * threads)))
            size.learn(jobs, seconds)
            before = jobs

    @pytest.mark.parametrize("each", [0.001, 0.03, 0.4, 3])
    def test_comes_to_a_second(self, each):
        size = GroupSize()
        for _ in range(10):
            jobs = size.next(10**6, 2)
            size.learn(jobs, jobs * each)
        assert size.next(10**6, 2) == max(1, round(1 / each))


def test_a_scheduler_needs_no_cnncli(here, tmp_path, expected):
    code = (
        "import sys; sys.modules['cnncli'] = None\n"
        "from distributed.cli.dask_scheduler import main\n"
        "main(['--host', '127.0.0.1', '--port', '0', '--no-dashboard', '--scheduler-file', sys.argv[1]])"
    )
    described = tmp_path / "scheduler.json"
    with open(tmp_path / "scheduler.log", "wb") as log:
        scheduler = subprocess.Popen([sys.executable, "-c", code, described], stdout=log, stderr=log)
    cluster = LoopbackCluster.__new__(LoopbackCluster)
    cluster.folder, cluster.workers, cluster._serial, cluster.scheduler = tmp_path, [], 0, scheduler
    try:
        wait_for(lambda: described.exists() and described.read_text().endswith("}"))
        cluster.address = json.loads(described.read_text())["address"]
        cluster.add_workers("--no-nanny")
        cnncli("edge", "in/000*.jpg", "-o", "out/", "--scheduler", cluster.address, cwd=here)
    finally:
        cluster.close()
    assert outputs(here / "out").items() <= expected.items()
