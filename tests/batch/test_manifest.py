"""The list of what is done: what it notices, and what it does not mistake."""

import json
import os
import shutil
import time

import pytest
from folders import OPTIONS, copy, make_jobs
from hypothesis import given
from hypothesis import strategies as st

from cnncli.batch import manifest
from cnncli.batch.manifest import NAME, Manifests
from cnncli.batch.running import run
from cnncli.batch.task import Task


def again(jobs, options=OPTIONS, *, skip=True):
    """Run jobs and return the statuses."""
    return [report.status for report in run(jobs, Task(copy, manifests=Manifests(options), skip=skip), workers=1)]


def other(job, targets):
    """Work that makes something else."""
    for target in targets:
        write(target, "other work")
    return [{} for _ in targets]


@pytest.fixture
def finished(tmp_path):
    """Three jobs that are done."""
    jobs = make_jobs(tmp_path, 3)
    assert again(jobs) == ["ok"] * 3
    return jobs


def text_of(path):
    with open(path) as file:
        return file.read()


def write(path, text, *, time=None):
    with open(path, "w") as file:
        file.write(text)
    if time is not None:
        os.utime(path, ns=(time, time))


def test_done_is_skipped_and_not_touched(finished):
    before = [os.stat(job.outputs[0]) for job in finished]
    assert again(finished) == ["skipped"] * 3
    after = [os.stat(job.outputs[0]) for job in finished]
    assert [(one.st_ino, one.st_mtime_ns) for one in before] == [(one.st_ino, one.st_mtime_ns) for one in after]


def test_changed_input_of_the_same_size(finished):
    write(finished[1].input.path, "CONTENT X")
    assert again(finished) == ["skipped", "ok", "skipped"]
    assert text_of(finished[1].outputs[0]) == "CONTENT X"


def test_changed_input_of_another_size_and_the_same_time(finished):
    source = finished[1].input.path
    write(source, "longer content", time=os.stat(source).st_mtime_ns)
    assert again(finished) == ["skipped", "ok", "skipped"]


@pytest.mark.parametrize("age", [0, 10**9, 10**10, 10**15])
@pytest.mark.parametrize("how", ["in place", "replaced"])
def test_changed_input_of_the_same_size_and_the_same_time(tmp_path, monkeypatch, age, how):
    """Whether it was made long before the batch or just now: what copies or edits files can set times back."""
    jobs = make_jobs(tmp_path, 3)
    monkeypatch.setattr("cnncli.batch.manifest.time_ns", lambda: time.time_ns() + age)
    assert again(jobs) == ["ok"] * 3
    source = jobs[1].input.path
    before = os.stat(source)
    if how == "replaced":
        os.rename(source, f"{source}.old")
    write(source, "CONTENT X", time=before.st_mtime_ns)
    after = os.stat(source)
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert again(jobs) == ["skipped", "ok", "skipped"]
    assert text_of(jobs[1].outputs[0]) == "CONTENT X"


def test_changed_output_of_the_same_size_and_the_same_time(finished):
    target = finished[1].outputs[0]
    before = os.stat(target).st_mtime_ns
    os.utime(target, ns=(before - 10**9, before - 10**9))
    lines = open_lines(finished)
    assert again(finished) == ["skipped"] * 3
    assert again(finished) == ["skipped"] * 3
    assert len(open_lines(finished)) > len(lines)
    deadline = time.monotonic() + 60
    while os.stat(target).st_ctime_ns <= json.loads(lines[1])["output"][3]:  # a rename needs its moment
        assert time.monotonic() < deadline
        write(target, "CONTENT X", time=before)
    assert again(finished) == ["skipped", "failed", "skipped"]
    assert text_of(target) == "CONTENT X"


def open_lines(jobs):
    with open(os.path.join(os.path.dirname(jobs[0].outputs[0]), NAME)) as listing:
        return listing.read().splitlines()


class TestReading:
    """Content is read where times do not tell, and once."""

    @pytest.fixture
    def read(self, monkeypatch):
        names = []
        checksum = manifest._checksum
        monkeypatch.setattr(
            manifest, "_checksum", lambda path: (names.append(os.path.basename(path)), checksum(path))[1]
        )
        return names

    @pytest.fixture
    def settled(self, tmp_path, monkeypatch):
        """Jobs that were done long after their inputs were made."""
        jobs = make_jobs(tmp_path, 3)
        monkeypatch.setattr("cnncli.batch.manifest.time_ns", lambda: time.time_ns() + 10**10)
        again(jobs)
        return jobs

    def test_nothing_is_read_of_what_is_as_it_was(self, settled, read):
        assert again(settled) == ["skipped"] * 3
        assert read == []

    def test_what_has_other_times_is_read_once(self, settled, read):
        os.utime(settled[0].input.path, (1, 1))
        os.chmod(settled[1].input.path, 0o600)
        assert again(settled) == ["skipped"] * 3
        assert read == ["0.in", "1.in"]
        assert again(settled) == ["skipped"] * 3
        assert read == ["0.in", "1.in"]

    def test_plan_reads_and_lists_nothing_anew(self, settled):
        os.utime(settled[0].input.path, (1, 1))
        before = open_lines(settled)
        assert Manifests(OPTIONS).is_done(settled[0])
        assert open_lines(settled) == before

    def test_lines_of_earlier_versions_are_read_and_written_anew(self, settled, read, tmp_path):
        entries = [json.loads(line) for line in open_lines(settled)]
        older = [entry | {name: entry[name][:3] for name in ("input", "output")} for entry in entries]
        (tmp_path / NAME).write_text("".join(json.dumps(entry) + "\n" for entry in older))
        assert again(settled) == ["skipped"] * 3
        assert len(read) == 6
        assert again(settled) == ["skipped"] * 3
        assert len(read) == 6


def test_touched_input_and_output_are_the_same_still(finished):
    os.utime(finished[0].input.path, (1, 1))
    os.utime(finished[1].outputs[0], (1, 1))
    assert again(finished) == ["skipped"] * 3


def test_changed_options(finished):
    assert again(finished, "other options") == ["ok"] * 3
    assert again(finished, "other options") == ["skipped"] * 3


def test_options_changed_there_and_back(finished):
    # The first line of each output fits again in options and input; what it says of the output does not.
    list(run(finished, Task(other, manifests=Manifests("other"), skip=True), workers=1))
    assert again(finished) == ["ok"] * 3
    assert text_of(finished[0].outputs[0]) == "CONTENT 0"


def test_deleted_output(finished):
    os.unlink(finished[2].outputs[0])
    assert again(finished) == ["skipped", "skipped", "ok"]


@pytest.mark.parametrize("size", [0, 1, 8])
def test_truncated_output_is_made_anew(finished, size):
    os.truncate(finished[0].outputs[0], size)
    assert again(finished) == ["ok", "skipped", "skipped"]
    assert text_of(finished[0].outputs[0]) == "CONTENT 0"


@pytest.mark.parametrize("text", ["somebody's own text", "CONTENT X", "CONT", "CONTENT 0 and more"])
def test_foreign_file_is_kept_unless_it_is_to_be_overwritten(tmp_path, text):
    jobs = make_jobs(tmp_path, 3)
    write(jobs[1].outputs[0], text)
    assert again(jobs) == ["ok", "failed", "ok"]
    assert text_of(jobs[1].outputs[0]) == text
    assert again(jobs) == ["skipped", "failed", "skipped"]
    assert again(jobs, skip=False) == ["ok"] * 3
    assert text_of(jobs[1].outputs[0]) == "CONTENT 1"


def test_output_that_somebody_changed_is_kept(finished):
    write(finished[1].outputs[0], "my own retouching")
    assert again(finished) == ["skipped", "failed", "skipped"]
    assert again(finished, "other options") == ["ok", "failed", "ok"]
    assert text_of(finished[1].outputs[0]) == "my own retouching"


def test_folder_in_the_place_of_an_output(tmp_path):
    jobs = make_jobs(tmp_path, 2)
    os.mkdir(jobs[0].outputs[0])
    assert again(jobs) == ["failed", "ok"]


def test_outputs_without_a_list_are_adopted(finished, tmp_path):
    (tmp_path / NAME).unlink()
    before = os.stat(finished[0].outputs[0]).st_mtime_ns
    assert again(finished) == ["skipped"] * 3
    assert os.stat(finished[0].outputs[0]).st_mtime_ns == before
    assert len((tmp_path / NAME).read_text().splitlines()) == 3


def test_listed_before_it_was_renamed(finished, tmp_path, monkeypatch):
    """A process killed in between leaves a line for an output that is still the old one: ours all the same."""
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda source, target: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        list(run(finished[:1], Task(other, manifests=Manifests("other"), skip=True), workers=1))
    monkeypatch.setattr(os, "replace", replace)
    assert len((tmp_path / NAME).read_text().splitlines()) == 4
    assert again(finished) == ["skipped"] * 3
    assert again(finished, "other") == ["ok"] * 3


def test_moved_folder_is_done_still(finished, tmp_path):
    moved = shutil.copytree(tmp_path, tmp_path.with_name(f"{tmp_path.name}-moved"))  # with new times
    for name in os.listdir(moved):
        os.utime(moved / name)
    jobs = [
        job._replace(
            input=job.input._replace(path=job.input.path.replace(str(tmp_path), str(moved))),
            outputs=tuple(output.replace(str(tmp_path), str(moved)) for output in job.outputs),
        )
        for job in finished
    ]
    assert again(jobs) == ["skipped"] * 3


@pytest.mark.parametrize(
    "damage",
    ["", "{", "nonsense", "[]", "3", '{"name": "1.out"}', '{"name": 1, "options": 2, "output": 3, "input": 4}'],
)
def test_damaged_line_tells_nothing(finished, tmp_path, damage):
    listing = tmp_path / NAME
    lines = listing.read_text().splitlines()
    listing.write_text("\n".join([lines[0], damage, lines[2]]))  # and no end of the last line
    assert again(finished) == ["skipped"] * 3  # the one in between is looked at, and is what would be made
    for line in listing.read_text().splitlines()[2:]:
        json.loads(line)


@given(cut=st.integers(0, 600), noise=st.binary(max_size=40))
def test_no_damage_is_mistaken_for_work_done(tmp_path_factory, cut, noise):
    folder = tmp_path_factory.mktemp("damaged")
    jobs = make_jobs(folder, 3)
    again(jobs)
    listing = folder / NAME
    listing.write_bytes(listing.read_bytes()[:cut] + noise)
    write(jobs[0].input.path, "CHANGED 0")
    os.unlink(jobs[1].outputs[0])
    first = again(jobs)
    assert first[0] in ("ok", "failed")  # failed: no line says that the old output is ours
    assert first[1:] == ["ok", "skipped"]
    assert text_of(jobs[0].outputs[0]) == ("CHANGED 0" if first[0] == "ok" else "CONTENT 0")
    assert again(jobs) == ["skipped" if first[0] == "ok" else "failed", "skipped", "skipped"]
    shutil.rmtree(folder)


def test_failed_work_is_not_listed(tmp_path):
    jobs = make_jobs(tmp_path, 2)
    os.unlink(jobs[0].input.path)
    assert again(jobs) == ["failed", "ok"]
    assert [json.loads(line)["name"] for line in (tmp_path / NAME).read_text().splitlines()] == ["1.out"]


def test_pipe_is_read_once_and_not_listed(tmp_path):
    source, target = tmp_path / "pipe.in", tmp_path / "pipe.out"
    os.mkfifo(source)
    (job,) = make_jobs(tmp_path, 1)
    jobs = [job._replace(input=job.input._replace(path=str(source)), outputs=(str(target),)), job]
    writer = os.open(source, os.O_RDWR)
    os.write(writer, b"through the pipe")

    def read_once(job, targets):
        with open(job.input.path, "rb") as file:
            content = file.read1(100)
        write(targets[0], content.decode())
        return [{}]

    reports = list(run(jobs, Task(read_once, manifests=Manifests(OPTIONS), skip=True), workers=1))
    os.close(writer)
    assert [report.status for report in reports] == ["ok", "ok"]
    assert target.read_text() == "through the pipe"
    assert "pipe" not in (tmp_path / NAME).read_text()
