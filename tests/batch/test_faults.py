"""Batches when things go wrong, in processes of their own: kills, full disks, Ctrl-C, bad and vanishing files."""

import fcntl
import io
import json
import os
import random
import re
import resource
import select
import shutil
import signal
import stat
import struct
import subprocess
import sys
import termios
import time
import zlib

import pytest
from folders import contents, make_photographs, temporaries
from terminal import START

PATIENCE = 60
# Work that lasts longer than we wait. A signal that comes right before a sleep is heeded after it: many short ones.
BEGIN_AND_REST = "(open('begun', 'w').close(), [time.sleep(0.05) for _ in range(9999)])"


def start(*words, cwd, program=START, **options):
    """Start a command, its streams as pipes unless told otherwise."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words)],
        cwd=cwd,
        **pipes | {"env": environment} | options,
    )


def end(process, code):
    """Wait for a command, check its exit code, and return (stdout, stderr)."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    assert process.returncode == code, (out[-500:], err[-2000:])
    assert b"Traceback" not in err
    return out.decode(errors="surrogateescape"), err.decode(errors="surrogateescape")


def cnncli(*words, cwd, code=0, stdin=b""):
    process = start(*words, cwd=cwd, stdin=subprocess.PIPE)
    process.stdin.write(stdin)
    return end(process, code)


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def count_outputs(folder):
    return len([name for name in os.listdir(folder) if not name.startswith(".")]) if folder.is_dir() else 0


def pixels(content):
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        return image.size, image.tobytes()


def assert_decodes(path):
    from PIL import Image

    with Image.open(path) as image:
        image.load()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    make_photographs(folder / "in", 60)
    cnncli("edge", "in", "-r", "-o", "undisturbed/", "-q", cwd=folder)
    return folder


@pytest.fixture
def here(photographs, tmp_path):
    """A folder with sixty photographs in `in`."""
    shutil.copytree(photographs / "in", tmp_path / "in")
    return tmp_path


@pytest.fixture
def undisturbed(photographs):
    return contents(photographs / "undisturbed")


class TestKills:
    @pytest.mark.slow
    def test_killed_thirty_times_and_completed(self, here, undisturbed):
        rng = random.Random(0)
        kills = 0
        for _ in range(30):
            before = count_outputs(here / "out")
            if before > 40:  # there shall be work to be killed over
                for name in rng.sample(sorted(undisturbed), 40):
                    (here / "out" / name).unlink(missing_ok=True)
                before = count_outputs(here / "out")
            process = start("edge", "in", "-r", "-o", "out/", "-j", "2", "--skip-existing", cwd=here)
            if rng.random() < 0.8:  # while it works; else anywhere, also while it starts
                more = before + rng.randrange(1, 10)
                wait_for(lambda more=more: count_outputs(here / "out") >= more)
                time.sleep(rng.uniform(0, 0.005))
            else:
                time.sleep(rng.uniform(0, 0.25))
            process.kill()
            process.communicate()
            kills += process.returncode == -signal.SIGKILL
            for name, content in contents(here / "out").items() if (here / "out").is_dir() else ():
                assert content == undisturbed[name], f"{name} is not whole"
        assert kills >= 25
        cnncli("edge", "in", "-r", "-o", "out/", "--skip-existing", cwd=here)
        assert contents(here / "out") == undisturbed
        assert temporaries(here) == []
        for name in undisturbed:
            assert_decodes(here / "out" / name)

    def test_leftover_of_a_killed_process_is_removed_by_the_next(self, here, undisturbed):
        code = (
            "import os, signal, cnncli.files.temporary as temporary\n"
            "temporary.os.link = lambda *names: os.kill(os.getpid(), signal.SIGKILL)\n" + START
        )
        words = ["edge", "in", "-r", "-o", "out/", "--skip-existing", "-q"]
        killed = subprocess.run([sys.executable, "-c", code, *words], cwd=here, check=False)
        assert killed.returncode == -signal.SIGKILL
        assert temporaries(here)
        cnncli(*words, cwd=here)
        assert temporaries(here) == []
        assert contents(here / "out") == undisturbed


class TestFullDisk:
    @pytest.fixture
    def small_disk(self, here):
        """A file system of half a megabyte as the output folder."""
        folder = here / "out"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(folder)]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("file systems may not be mounted here")
        yield folder
        subprocess.run(["umount", "-l", str(folder)], check=True)

    def test_clear_lines_nothing_half_written_and_completed_later(self, here, small_disk, undisturbed):
        ballast = small_disk / ".ballast"
        ballast.write_bytes(bytes(300_000))
        out, err = cnncli("edge", "in", "-r", "-o", "out/", cwd=here, code=1)
        lines = err.splitlines()
        made = contents(small_disk)
        assert out == ""
        assert 0 < len(made) < 60
        assert len(lines) == 60 - len(made) + 1
        assert all("No space left on device" in line for line in lines[:-1])
        assert not any("cnncli-part" in line for line in lines)
        assert lines[-1].startswith(f"{len(made)} done, {60 - len(made)} failed")
        assert temporaries(here) == []
        assert all(content == undisturbed[name] for name, content in made.items())
        ballast.unlink()
        subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
        _, err = cnncli("edge", "in", "-r", "-o", "out/", "--skip-existing", cwd=here)
        assert contents(small_disk) == undisturbed
        assert f"{len(made)} skipped" in err

    def test_folder_becomes_read_only_under_way(self, here, small_disk):
        subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
        make_photographs(here / "in", 150, side=280)
        process = start("edge", "in", "-r", "-o", "out/", "-j", "1", cwd=here)
        wait_for(lambda: count_outputs(small_disk) >= 3)
        # Files that are open for writing hold the change off; it succeeds between two of them.
        remount = ["mount", "-o", "remount,ro", str(small_disk)]
        wait_for(lambda: not subprocess.run(remount, capture_output=True, check=False).returncode)
        _, err = end(process, 1)
        failed = [line for line in err.splitlines() if line.startswith("cnncli: ")]
        assert failed
        assert all("Read-only file system" in line for line in failed)
        for name in contents(small_disk):
            assert_decodes(small_disk / name)


class TestInterrupts:
    @pytest.fixture
    def many(self, here):
        """So many photographs that an interrupt comes before the end."""
        make_photographs(here / "in", 400, side=280)
        return here

    def interrupted(self, here):
        """A run that was interrupted once, a few files in."""
        process = start("edge", "in", "-r", "-o", "out/", "-j", "2", "--skip-existing", cwd=here)
        wait_for(lambda: count_outputs(here / "out") >= 3)
        process.send_signal(signal.SIGINT)
        return process

    def test_first_finishes_what_is_under_way_and_says_what_is_left(self, many):
        _, err = end(self.interrupted(many), 130)
        message, last = err.strip().splitlines()
        assert message == "cnncli: finishing what is under way; Ctrl-C again stops at once"
        done, left = map(int, re.match(r"interrupted: (\d+) done, (\d+) left in", last).groups())
        assert done + left == 400
        assert left > 0
        assert count_outputs(many / "out") == done
        assert temporaries(many) == []
        _, err = cnncli("edge", "in", "-r", "-o", "out/", "--skip-existing", cwd=many)
        assert err.startswith(f"{left} done, {done} skipped")
        assert count_outputs(many / "out") == 400

    def test_second_stops_at_once(self, many):
        # Work that would last longer than we wait, so that only the second can end it.
        code = (
            "import time, cnncli.pipelines.edging as edging\n"
            "work = edging.EdgePipeline.__call__\n"
            "edging.EdgePipeline.__call__ = lambda self, job, targets: (work(self, job, targets), time.sleep(600))\n"
            + START
        )
        process = start("edge", "in", "-r", "-o", "out/", "-j", "2", cwd=many, program=code)
        wait_for(lambda: len(temporaries(many)) == 2)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        end(process, 130)
        assert temporaries(many) == []
        assert count_outputs(many / "out") == 0

    def test_termination_stops_at_once_and_leaves_whole_files(self, many):
        # The fourth picture would take longer than we wait, and the fifth.
        code = (
            "import time, itertools, cnncli.pipelines.edging as edging\n"
            "work, calls = edging.EdgePipeline.__call__, itertools.count()\n"
            "def slow(self, job, targets):\n"
            "    details = work(self, job, targets)\n"
            "    time.sleep(600 if next(calls) >= 3 else 0)\n"
            "    return details\n"
            "edging.EdgePipeline.__call__ = slow\n" + START
        )
        process = start("edge", "in", "-r", "-o", "out/", "-j", "2", cwd=many, program=code)
        wait_for(lambda: count_outputs(many / "out") == 3 and len(temporaries(many)) == 2)
        process.terminate()
        assert end(process, 143) == ("", "")
        assert temporaries(many) == []
        assert count_outputs(many / "out") == 3

    def test_termination_of_one_picture(self, here):
        code = (
            "import time, cnncli.pipelines.edging as edging\n"
            "work = edging.EdgePipeline.__call__\n"
            f"edging.EdgePipeline.__call__ = lambda *job: (work(*job), {BEGIN_AND_REST})\n" + START
        )
        process = start("edge", "in/0000.jpg", cwd=here, program=code)
        wait_for((here / "begun").exists)
        assert temporaries(here)
        process.terminate()
        end(process, 143)
        assert temporaries(here) == []
        assert not (here / "in/0000-sobel.png").exists()

    def test_one_picture_stops_at_the_first(self, here):
        code = (
            "import time, cnncli.pipelines.edging as edging\n"
            f"edging.EdgePipeline.__call__ = lambda *job: {BEGIN_AND_REST}\n" + START
        )
        process = start("edge", "in/0000.jpg", cwd=here, program=code)
        wait_for((here / "begun").exists)
        process.send_signal(signal.SIGINT)
        end(process, 130)

    def test_command_in_the_background_ignores_it(self, here, undisturbed):
        code = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); from cnncli.__main__ import main; main()"
        process = start("edge", "in", "-r", "-o", "out/", "-q", cwd=here, program=code)
        wait_for(lambda: count_outputs(here / "out") >= 1)
        process.send_signal(signal.SIGINT)
        end(process, 0)
        assert contents(here / "out") == undisturbed


def huge_png():
    """A PNG whose header promises ten gigapixels."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def make_bad(kind, path, good_jpeg, good_png):
    """Make an input that cannot be done."""
    damaged = {
        "truncated jpeg": good_jpeg[: len(good_jpeg) // 3],
        "truncated png": good_png[: len(good_png) // 2],
        "empty": b"",
        "text": b"this is no picture\n",
        "wrong magic": b"\x01\x02\x03\x04" + good_jpeg[4:],
        "huge header": huge_png(),
        "flipped bytes": good_png[:60] + bytes(byte ^ 0xFF for byte in good_png[60:400]) + good_png[400:],
    }
    if kind in damaged:
        path.write_bytes(damaged[kind])
    elif kind == "folder":
        path.mkdir()
    elif kind == "link to nothing":
        path.symlink_to("nowhere.jpg")
    else:
        assert kind == "missing"


BAD = (
    "truncated jpeg",
    "truncated png",
    "empty",
    "text",
    "wrong magic",
    "huge header",
    "flipped bytes",
    "folder",
    "link to nothing",
    "missing",
)


class TestBadFiles:
    @pytest.fixture
    def five_hundred(self, tmp_path):
        """A list of 450 good files and fifty bad ones of ten kinds."""
        good = make_photographs(tmp_path / "in", 450, side=32)
        (png,) = make_photographs(tmp_path / "png", 1, suffix=".png")
        bad = []
        for number in range(50):
            path = tmp_path / "in" / f"bad{number}.jpg"
            make_bad(BAD[number % len(BAD)], path, good[0].read_bytes(), png.read_bytes())
            bad.append(path)
        names = [f"in/{path.name}" for path in good + bad]
        random.Random(0).shuffle(names)
        (tmp_path / "list").write_text("\n".join(names))
        return tmp_path

    def test_fifty_fail_by_name_and_the_others_are_done(self, five_hundred):
        words = ["edge", "--files-from", "list", "-o", "out/"]
        out, err = cnncli(*words, "--json", cwd=five_hundred, code=1)
        lines = [json.loads(line) for line in out.splitlines()]
        assert sorted(line["input"] for line in lines) == sorted((five_hundred / "list").read_text().splitlines())
        failed = [line for line in lines if line["status"] == "failed"]
        assert len(failed) == 50
        assert all("bad" in line["input"] and line["error"].startswith(line["input"]) for line in failed)
        assert {line["status"] for line in lines} == {"ok", "failed"}
        assert re.fullmatch(r"450 done, 50 failed in [\d.]+ s \([\d.]+ a second\)\n", err)
        assert count_outputs(five_hundred / "out") == 450
        assert temporaries(five_hundred) == []

    def test_messages_name_each_failure_once(self, five_hundred):
        names = (five_hundred / "list").read_text().splitlines()
        listing = "\n".join([*(name for name in names if "bad" in name), names[0]]).encode()
        out, err = cnncli("edge", "--files-from", "-", "-o", "out/", "-q", cwd=five_hundred, code=1, stdin=listing)
        assert out == ""
        named = [re.match(r"cnncli: (in/bad\d+\.jpg): .", line)[1] for line in err.splitlines()]
        assert sorted(named) == sorted(name for name in names if "bad" in name)

    def test_unreadable_file_fails_by_name(self, here):
        (here / "in/0003.jpg").chmod(0)
        if os.access(here / "in/0003.jpg", os.R_OK):
            pytest.skip("this user may read everything")
        _, err = cnncli("edge", "in", "-r", "-o", "out/", cwd=here, code=1)
        assert "cnncli: in/0003.jpg: Permission denied" in err

    def test_pipe_among_the_files_hangs_nothing(self, here):
        os.mkfifo(here / "in/pipe.jpg")
        finding, summary = cnncli("edge", "in", "-r", "-o", "out/", cwd=here)[1].splitlines()
        assert finding.startswith("cnncli: in/pipe.jpg: skipped: it is a pipe")
        assert summary.startswith("60 done in")

    def test_wrong_usage_is_one_line_whatever_was_left_out(self, here):
        os.mkfifo(here / "in/pipe.jpg")
        _, err = cnncli("edge", "in/*.jpg", "-o", "one.png", cwd=here, code=2)
        assert err.count("\n") == 1
        assert "inputs do not fit into one output 'one.png'" in err
        plan, finding = cnncli("edge", "in/*.jpg", "-o", "out/", "--dry-run", cwd=here)
        assert plan.count("\n") == 60
        assert finding.startswith("cnncli: in/pipe.jpg: skipped: it is a pipe")


class TestUnderWay:
    def test_file_that_vanishes_between_planning_and_work(self, here, undisturbed):
        process = start("edge", "in", "-r", "-o", "out/", "-j", "1", "--json", cwd=here, stdout=subprocess.PIPE)
        first = process.stdout.readline()
        (here / "in/0059.jpg").unlink()
        with process.stdout, process.stderr:
            out, err = process.stdout.read(), process.stderr.read().decode()
        assert process.wait(PATIENCE) == 1
        lines = [json.loads(line) for line in (first + out).splitlines()]
        assert [line["input"] for line in lines if line["status"] == "failed"] == ["in/0059.jpg"]
        assert lines[-1]["error"] == "in/0059.jpg: no such file"
        assert err.startswith("59 done, 1 failed")
        made = contents(here / "out")
        assert made == {name: content for name, content in undisturbed.items() if not name.startswith("0059")}

    @pytest.mark.parametrize("options", [[], ["--skip-existing"], ["--force"]])
    def test_what_appears_between_planning_and_work(self, here, undisturbed, options):
        (here / "other").write_text("other")
        process = start("edge", "in", "-r", "-o", "out/", "-j", "1", "--json", *options, cwd=here)
        first = process.stdout.readline()
        (here / "out/0058-sobel.png").write_text("mine")
        (here / "out/0059-sobel.png").symlink_to(here / "other")
        with process.stdout, process.stderr:
            lines = [json.loads(line) for line in (first + process.stdout.read()).splitlines()]
        assert (here / "other").read_text() == "other"
        assert temporaries(here) == []
        if options == ["--force"]:
            assert process.wait(PATIENCE) == 0
            assert contents(here / "out") == undisturbed
            return
        assert process.wait(PATIENCE) == 1
        failed = {line["output"]: line["error"] for line in lines if line["status"] == "failed"}
        assert sorted(failed) == ["out/0058-sobel.png", "out/0059-sobel.png"]
        assert all(output in error and "exists" in error for output, error in failed.items())
        assert (here / "out/0058-sobel.png").read_text() == "mine"
        assert (here / "out/0059-sobel.png").is_symlink()

    def test_output_folder_that_is_removed(self, here):
        process = start("edge", "in", "-r", "-o", "out/", "-j", "1", cwd=here)
        wait_for(lambda: count_outputs(here / "out") >= 1)
        (here / "out").rename(here / "elsewhere")
        _, err = end(process, 1)
        failed = [line for line in err.splitlines() if line.startswith("cnncli: ")]
        assert failed
        assert all("No such file or directory" in line and "cnncli-part" not in line for line in failed)
        assert len(failed) + count_outputs(here / "elsewhere") == 60
        assert not (here / "out").exists()


class TestRefusals:
    """Found before any work: exit code 2, one line, and nothing made."""

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["a/x.jpg", "b/x.png", "-o", "out/"], "a/x.jpg and b/x.png would both become out/x-sobel.png"),
            (["a/x.jpg", "b/x.png", "-o", "{parent}/{stem}.jpg"], "a/x.jpg is an input"),
            (["a/x.jpg", "-o", "link.jpg"], "link.jpg is an input"),
            (["a/x.jpg", "-o", "linked/x.jpg"], "linked/x.jpg is an input"),
            (["a/x.jpg", "-o", "nowhere/x.png"], "nowhere: no such folder"),
            (["a/x.jpg", "b/x.png", "-o", "nowhere/{parent}.png"], "no such folder"),
            (["a", "-o", "out/"], "a is a folder: add -r"),
            (["a/x.jpg", "b/x.png", "-o", "one.png"], "2 inputs do not fit into one output"),
            (["a/x.jpg", "-o", "done.png"], "done.png exists already"),
            (["-", "--files-from", "-", "-o", "out/"], "both read standard input"),
            (["a/x.jpg", "--shard", "3/2"], "shard must be I/N"),
            (["--files-from", "nowhere"], "--files-from nowhere: no such file"),
        ],
    )
    @pytest.mark.parametrize("force", [False, True])
    def test_refused(self, tmp_path, words, message, force):
        if force and ("exists already" in message):
            pytest.skip("this is what --force allows")
        make_photographs(tmp_path / "a", 1)[0].rename(tmp_path / "a/x.jpg")
        make_photographs(tmp_path / "b", 1, suffix=".png")[0].rename(tmp_path / "b/x.png")
        (tmp_path / "done.png").write_text("done")
        (tmp_path / "link.jpg").symlink_to("a/x.jpg")
        (tmp_path / "linked").symlink_to("a")
        before = {**contents(tmp_path), "folders": sorted(os.listdir(tmp_path))}
        out, err = cnncli("edge", *words, *(["--force"] if force else []), cwd=tmp_path, code=2)
        assert out == ""
        assert err.startswith("cnncli: ")
        assert err.count("\n") == 1
        assert message in err
        assert {**contents(tmp_path), "folders": sorted(os.listdir(tmp_path))} == before

    @pytest.mark.parametrize(
        "output", ["linked/{name}", "hard/{name}", "local://{here}/in/{name}", "file://{here}/in/{name}"]
    )
    def test_input_by_another_name_is_kept_also_with_force(self, here, output):
        before = contents(here / "in")
        (here / "linked").symlink_to("in")
        shutil.copytree(here / "in", here / "hard", copy_function=os.link)
        output = output.replace("{here}", str(here))
        _, err = cnncli("edge", "in/0000.jpg", "in/0001.jpg", "-o", output, "--force", cwd=here, code=2)
        assert "is an input: inputs are never overwritten" in err
        assert contents(here / "in") == before

    def test_foreign_file_is_never_overwritten_without_force(self, here):
        (here / "out").mkdir()
        (here / "out/0007-sobel.png").write_text("mine")
        _, err = cnncli("edge", "in", "-r", "-o", "out/", "--skip-existing", cwd=here, code=1)
        assert "out/0007-sobel.png exists, and is not a result of this input" in err
        assert "--force" in err
        assert (here / "out/0007-sobel.png").read_text() == "mine"

    def test_plan_says_what_would_be_skipped(self, here):
        words = ["edge", "in", "-r", "-o", "out/", "--skip-existing"]
        plan = [*words, "--dry-run"]
        assert "skipped" not in cnncli(*plan, cwd=here)[0]
        cnncli(*words, "-q", cwd=here)
        (here / "in/0003.jpg").write_bytes((here / "in/0004.jpg").read_bytes())
        (here / "out/0005-sobel.png").unlink()
        again = {"in/0003.jpg", "in/0005.jpg"}
        lines = [json.loads(line) for line in cnncli(*plan, "--json", cwd=here)[0].splitlines()]
        assert {line["input"] for line in lines if line["status"] == "planned"} == again
        assert [line["status"] for line in lines].count("skipped") == 58
        text = cnncli(*plan, cwd=here)[0].splitlines()
        assert text[3:5] == ["in/0003.jpg -> out/0003-sobel.png", "in/0004.jpg -> out/0004-sobel.png (skipped)"]
        assert "skipped" not in cnncli(*plan, "--force", cwd=here)[0], "--force does everything again"
        assert cnncli(*plan, "-f", "scharr", cwd=here)[0].count("(skipped)") == 0
        assert not (here / "out/0005-sobel.png").exists()

    def test_single_runs_are_adopted(self, here, undisturbed):
        (here / "out").mkdir()
        cnncli("edge", "in/0007.jpg", "-o", "out/0007-sobel.png", cwd=here)
        assert os.listdir(here / "out") == ["0007-sobel.png"]  # and no list for one picture
        _, err = cnncli("edge", "in", "-r", "-o", "out/", "--skip-existing", cwd=here)
        assert "59 done, 1 skipped" in err
        assert contents(here / "out") == undisturbed

    def test_only_what_is_to_be_skipped_is_listed(self, here, undisturbed):
        words = ["edge", "in", "-r", "-o", "out/"]
        cnncli(*words, cwd=here)
        cnncli(*words, "--force", "-j", "1", cwd=here)
        assert sorted(os.listdir(here / "out")) == sorted(undisturbed)
        before = {name: (here / "out" / name).stat().st_ino for name in undisturbed}
        told = (
            "cnncli: 60 outputs exist without a line in .cnncli-done.jsonl: "
            "they are computed again, and kept where equal\n"
        )
        plan, err = cnncli(*words, "--skip-existing", "--dry-run", cwd=here)
        assert (plan.count(" -> "), plan.count("(skipped)"), err) == (60, 0, told)
        _, err = cnncli(*words, "--skip-existing", cwd=here)
        assert err.startswith(f"{told}0 done, 60 skipped")
        assert {name: (here / "out" / name).stat().st_ino for name in undisturbed} == before, "not written anew"
        _, err = cnncli(*words, "--skip-existing", cwd=here)
        assert err.startswith("0 done, 60 skipped")
        assert cnncli(*words, "--skip-existing", "-q", cwd=here) == ("", "")

    def test_interrupted_without_a_list_and_completed_with_one(self, here, undisturbed):
        process = start("edge", "in", "-r", "-o", "out/", "-j", "1", cwd=here)
        wait_for(lambda: count_outputs(here / "out") >= 2)
        process.kill()
        process.communicate()
        made = count_outputs(here / "out")
        _, err = cnncli("edge", "in", "-r", "-o", "out/", "--skip-existing", cwd=here)
        assert f"{60 - made} done, {made} skipped" in err
        assert contents(here / "out") == undisturbed
        assert temporaries(here) == []

    def test_unlisted_results_of_other_options_are_never_trusted(self, here):
        words = ["edge", "in/000[0-2].jpg", "-o", "out/{stem}.png"]
        (here / "out").mkdir()
        cnncli(*words, "-f", "scharr", cwd=here)
        before = contents(here / "out")
        _, err = cnncli(*words, "--skip-existing", cwd=here, code=1)
        assert err.count("exists, and is not a result of this input and these options: --force overwrites it") == 3
        assert contents(here / "out") == before
        assert "3 done" in cnncli(*words, "--skip-existing", "--force", cwd=here)[1]
        assert "0 done, 3 skipped" in cnncli(*words, "--skip-existing", cwd=here)[1]

    def test_single_run_that_packed_its_pixels_in_another_way_is_adopted(self, here):
        from PIL import Image

        cnncli("edge", "in", "-r", "-o", "out/", "-q", cwd=here)
        with Image.open(here / "out/0007-sobel.png") as image:
            image.save(here / "out/0007-sobel.png", compress_level=9)
        with Image.open(here / "out/0008-sobel.png") as image:
            image.point(lambda value: value ^ 1).save(here / "out/0008-sobel.png")
        before = (here / "out/0007-sobel.png").read_bytes()
        _, err = cnncli("edge", "in", "-r", "-o", "out/", "--skip-existing", cwd=here, code=1)
        assert "out/0008-sobel.png exists, and is not a result of this input" in err
        assert (here / "out/0007-sobel.png").read_bytes() == before

    def test_other_options_are_other_outputs(self, here):
        words = ["edge", "in", "-r", "-o", "{parent}/../out/{stem}.png", "--skip-existing"]
        (here / "out").mkdir()
        assert cnncli(*words, cwd=here)[1].startswith("60 done in")
        assert cnncli(*words, "--json", cwd=here)[1].startswith("0 done, 60 skipped")
        assert cnncli(*words, "--max-pixels", "1000000", "-j", "1", cwd=here)[1].startswith("0 done, 60 skipped")
        for options in (["-f", "scharr"], ["-f", "scharr", "--stride", "2"], ["-k", "1 0 -1"], ["-k", "1 0 -2"]):
            assert cnncli(*words, *options, cwd=here)[1].startswith("60 done in")


class TestLists:
    NAMES = (
        " spaces in it.jpg",
        'quote\'s "double".jpg',
        "caf\u00e9 \u6d77.jpg",
        "-dash.jpg",
        "[x] {y} *.jpg",
        "$a;b.jpg",
    )

    @pytest.mark.parametrize("source", ["list", "-"])
    def test_names_of_all_kinds(self, tmp_path, source):
        names = [*map(os.fsencode, self.NAMES), b"no utf-8 \xff\xe9.jpg"]
        (path,) = make_photographs(tmp_path / "in", 1)
        for name in names:
            shutil.copy(os.fsencode(path), os.fsencode(tmp_path) + b"/" + name)
        listing = b"\r\n".join(names) + b"\n\n"
        (tmp_path / "list").write_bytes(listing)
        words = ["edge", "--files-from", source, "-o", "out/"]
        out, err = cnncli(*words, "--dry-run", cwd=tmp_path, stdin=listing)
        assert out.count(" -> out/") == len(names)
        out, err = cnncli(*words, "--json", cwd=tmp_path, stdin=listing)
        assert err.startswith(f"{len(names)} done in")
        assert [json.loads(line)["status"] for line in out.splitlines()] == ["ok"] * len(names)
        made = {name for name in os.listdir(os.fsencode(tmp_path / "out")) if not name.startswith(b".")}
        assert made == {name.replace(b".jpg", b"-sobel.png") for name in names}

    def test_shards_share_the_work(self, here, undisturbed):
        counts = []
        processes = [
            start("edge", "in", "-r", "-o", "out/", "--shard", f"{number}/3", cwd=here) for number in (1, 2, 3)
        ]
        for process in processes:
            _, err = end(process, 0)
            counts.append(int(err.split()[0]))
        assert sum(counts) == 60
        assert min(counts) > 5
        assert contents(here / "out") == undisturbed

    @pytest.mark.slow
    def test_shards_in_containers_of_one_name_share_a_folder(self, here, undisturbed):
        """They do not see each other's processes, and their outputs have long names that begin alike."""
        apart = ["unshare", "--pid", "--fork", "--mount-proc"]
        if not shutil.which("unshare") or subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
            pytest.skip("no namespaces can be made here")
        for path in (here / "in").iterdir():
            path.rename(path.with_name(f"{'alike-' * 9}{path.name}"))
        command = [*apart, sys.executable, "-m", "cnncli", "edge", "in", "-r", "-o", "out/", "-j", "1"]
        for _ in range(5):
            shutil.rmtree(here / "out", ignore_errors=True)
            shares = [
                subprocess.Popen([*command, "--shard", f"{number}/3"], cwd=here, stderr=subprocess.PIPE)
                for number in (1, 2, 3)
            ]
            for share in shares:
                _, err = share.communicate(timeout=PATIENCE)
                assert share.returncode == 0, err
            made = contents(here / "out")
            assert set(made) == {f"{'alike-' * 9}{name}" for name in undisturbed}
            for name in made:
                expected = undisturbed[name.removeprefix("alike-" * 9)]
                assert made[name] == expected or pixels(made[name]) == pixels(expected)
            assert temporaries(here) == []

    def test_shards_take_no_outputs_of_each_other_for_inputs(self, here):
        for number in (1, 2, 3):
            cnncli("edge", "in", "-r", "--shard", f"{number}/3", cwd=here)
        assert count_outputs(here / "in") == 120

    def test_shard_with_nothing_to_do(self, here):
        assert cnncli("edge", "in/0000.jpg", "--shard", "1/2", "-o", "x.png", cwd=here) is not None
        _, err = cnncli("edge", "in/0000.jpg", "in/0001.jpg", "--shard", "77/5000", "-o", "out/", cwd=here)
        assert err.startswith("0 done in")

    def test_collisions_between_shards_are_refused_by_each(self, tmp_path):
        for folder in "ab":
            make_photographs(tmp_path / folder, 1)
        for number in range(1, 5):
            words = ["a/0000.jpg", "b/0000.jpg", "-o", "out/", "--shard", f"{number}/4"]
            _, err = cnncli("edge", *words, cwd=tmp_path, code=2)
            assert "would both become" in err


class TestReports:
    def test_json_comes_as_files_finish(self, here):
        process = start("edge", "in", "-r", "-o", "out/", "--json", "-j", "1", cwd=here)
        first = json.loads(process.stdout.readline())
        assert first["status"] == "ok"
        assert count_outputs(here / "out") < 60
        # Read on from the same buffer, which may hold more than the line that was taken from it.
        with process.stdout, process.stderr:
            rest, err = process.stdout.read(), process.stderr.read()
        assert process.wait(PATIENCE) == 0
        assert len(rest.splitlines()) == 59
        assert len(err.splitlines()) == 1

    @pytest.mark.parametrize("options", [["--json"], ["--json", "-q"], ["-q"], []])
    def test_stderr_of_a_batch(self, here, options):
        out, err = cnncli("edge", "in", "-r", "-o", "out/", *options, cwd=here)
        assert len(out.splitlines()) == (60 if "--json" in options else 0)
        if "-q" in options:
            assert err == ""
        else:
            assert re.fullmatch(r"60 done in [\d.]+ s \([\d.]+ a second\)\n", err)

    def test_reader_that_leaves_stops_the_work_quietly(self, here):
        make_photographs(here / "in", 400)
        process = start("edge", "in", "-r", "-o", "out/", "--json", cwd=here)
        json.loads(process.stdout.readline())
        process.stdout.close()
        with process.stderr:
            err = process.stderr.read()
        process.wait(PATIENCE)
        assert err == b""
        assert process.returncode not in (0, -signal.SIGKILL)
        assert count_outputs(here / "out") < 400
        assert temporaries(here) == []


def on_terminal(*words, cwd, environment=None, columns=100):
    """Run a command whose stderr is a pseudo-terminal, and return what it shows there."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    variables = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "CI")}
    variables |= {"TERM": "xterm-256color"} | (environment or {})
    process = start(*words, cwd=cwd, stderr=theirs, env=variables)
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], PATIENCE)[0]:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # what Linux says when the other side is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    process.communicate(timeout=PATIENCE)
    return process.returncode, shown.decode()


COLOURS = re.compile(r"\x1b\[[\d;]*m")
CONTROLS = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")


class TestTerminal:
    @pytest.fixture
    def shown(self, here):
        make_photographs(here / "in", 250, side=280)
        (here / "in/bad.jpg").write_text("bad")
        return lambda *options, **rest: on_terminal("edge", "in", "-r", "-o", "out/", *options, cwd=here, **rest)

    def test_bar_shows_files_speed_time_left_and_failures(self, shown):
        code, text = shown()
        plain = CONTROLS.sub("", text)
        assert code == 1
        assert "251/251" in plain
        assert re.search(r"\d+\.\d/s", plain)
        assert re.search(r"\d:\d\d:\d\d", plain)
        assert "1 failed" in plain
        assert plain.count("cnncli: in/bad.jpg: ") == 1
        assert "250 done, 1 failed in" in plain

    def test_no_color_is_honoured(self, shown):
        _, coloured = shown()
        assert COLOURS.search(coloured)
        _, plain = shown("--force", environment={"NO_COLOR": "1"})
        assert "251/251" in CONTROLS.sub("", plain)
        assert not re.search(r"\x1b\[[\d;]*3\dm|\x1b\[38;", plain)

    @pytest.mark.parametrize("options", [["-q"], ["--json"]])
    def test_no_bar_where_none_is_wanted(self, shown, options):
        _, text = shown(*options)
        assert "/251" not in text
        assert "\x1b" not in text


@pytest.mark.slow
def test_a_hundred_thousand_files_are_planned_in_seconds(tmp_path):
    for number in range(100):
        folder = tmp_path / "in" / f"{number:03d}"
        folder.mkdir(parents=True)
        for file in range(1000):
            os.mknod(folder / f"{file:03d}.jpg", stat.S_IFREG | 0o644)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out, _ = cnncli("edge", "in", "-r", "-o", "out/", "--dry-run", cwd=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert out.count("\n") == 100_000
    assert out.endswith("in/099/999.jpg -> out/099/999-sobel.png\n")
    assert not (tmp_path / "out").exists()
    assert seconds < 15  # of the processor; were the time squared, it would be many minutes
