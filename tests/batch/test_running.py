"""Running jobs on threads."""

import os
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from folders import OPTIONS, copy, make_jobs
from hypothesis import given
from hypothesis import strategies as st

from cnncli.batch.inputs import Input
from cnncli.batch.manifest import Manifests
from cnncli.batch.plan import Job
from cnncli.batch.running import run, summary
from cnncli.batch.task import Grouping, Task
from cnncli.errors import ImageError

WORKERS = 3


class InFlight:
    """Work that counts how many inputs are worked on at a time."""

    def __init__(self, meet=lambda: None):
        self.meet = meet
        self.lock = threading.Lock()
        self.now = self.most = self.begun = 0

    def __call__(self, job, targets):
        with self.lock:
            self.now += 1
            self.begun += 1
            self.most = max(self.most, self.now)
        self.meet()
        details = copy(job, targets)
        with self.lock:
            self.now -= 1
        return details


@pytest.mark.parametrize("count", [1, 2, 50])
def test_every_job_is_done_and_reported_once(tmp_path, count):
    jobs = make_jobs(tmp_path, count)
    reports = list(run(jobs, Task(copy), workers=WORKERS))
    assert sorted(report.output for report in reports) == sorted(job.outputs[0] for job in jobs)
    assert {report.status for report in reports} == {"ok"}
    assert all(Path(job.outputs[0]).read_text() == f"CONTENT {number}" for number, job in enumerate(jobs))
    assert all(report.seconds > 0 for report in reports)


def test_no_more_in_flight_than_workers(tmp_path):
    work = InFlight(meet=threading.Barrier(WORKERS, timeout=60).wait)
    assert len(list(run(make_jobs(tmp_path, 60), Task(work), workers=WORKERS))) == 60
    assert work.most == WORKERS


def test_a_slow_reader_of_reports_holds_the_work_back(tmp_path):
    work = InFlight()
    reports = run(make_jobs(tmp_path, 60), Task(work), workers=WORKERS)
    next(reports)
    time.sleep(0.2)
    assert work.begun <= 3 * WORKERS
    reports.close()
    assert work.begun <= 3 * WORKERS


def test_reports_come_as_inputs_are_finished(tmp_path):
    jobs = make_jobs(tmp_path, 2)
    first_may_end = threading.Event()

    def work(job, targets):
        if job is jobs[0]:
            assert first_may_end.wait(10)
        return copy(job, targets)

    reports = run(jobs, Task(work), workers=2)
    assert next(reports).input == jobs[1].input.path
    first_may_end.set()
    assert next(reports).input == jobs[0].input.path


def test_stop_finishes_what_is_under_way_and_begins_nothing(tmp_path):
    work, stop = InFlight(), threading.Event()
    reports = run(make_jobs(tmp_path, 60), Task(work), workers=WORKERS, stop=stop)
    finished = [next(reports)]
    stop.set()
    begun = work.begun
    finished += list(reports)
    assert len(finished) == work.begun
    assert begun <= work.begun <= begun + WORKERS
    assert len([name for name in os.listdir(tmp_path) if name.endswith(".out")]) == len(finished)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ImageError("{source}: is a\n  damaged file"), "{source}: is a damaged file"),
        (ImageError("too large"), "{source}: too large"),
        (PermissionError(13, "Permission denied", "{source}"), "{source}: Permission denied"),
        (OSError(28, "No space left on device"), "{source}: No space left on device"),
        (OSError("odd"), "{source}: odd"),
        (MemoryError(), "{source}: does not fit into memory"),
        (ImageError("{target}: cannot be written: full"), "{source}: {output}: cannot be written: full"),
        (OSError(28, "full", "{target}"), "{output}: full"),
        (ZeroDivisionError("division by zero"), "{source}: unexpected ZeroDivisionError: division by zero"),
    ],
)
def test_an_error_fails_its_input_alone_in_one_line(tmp_path, error, message):
    jobs = make_jobs(tmp_path, 5)
    bad = jobs[2]

    def work(job, targets):
        details = copy(job, targets)
        if job is bad:
            words = [
                word.format(source=job.input.path, target=targets[0]) if isinstance(word, str) else word
                for word in error.args + ((error.filename,) if getattr(error, "filename", None) else ())
            ]
            raise type(error)(*words)
        return details

    reports = {report.input: report for report in run(jobs, Task(work), workers=2)}
    assert Counter(report.status for report in reports.values()) == {"ok": 4, "failed": 1}
    expected = message.format(source=bad.input.path, output=bad.outputs[0])
    assert reports[bad.input.path].error == expected
    assert len(os.listdir(tmp_path)) == 5 + 4  # no output, and no temporary file


def test_closed_pipe_stops_the_run(tmp_path):
    work = InFlight()

    def broken(job, targets):
        work(job, targets)
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        list(run(make_jobs(tmp_path, 60), Task(broken), workers=WORKERS))
    assert work.begun <= 3 * WORKERS


def test_several_outputs_are_whole_together_or_not_at_all(tmp_path):
    jobs = [job._replace(outputs=(job.outputs[0], f"{job.outputs[0]}2")) for job in make_jobs(tmp_path, 3)]

    def work(job, targets):
        details = copy(job, targets)
        if job is jobs[1]:
            raise ImageError("the second output failed")
        return details

    reports = list(run(jobs, Task(work, manifests=Manifests(OPTIONS)), workers=2))
    assert Counter(report.status for report in reports) == {"ok": 4, "failed": 2}
    assert sorted(name for name in os.listdir(tmp_path) if ".out" in name) == ["0.out", "0.out2", "2.out", "2.out2"]


@given(st.integers(0, 10**6), st.integers(0, 9), st.integers(0, 9), st.integers(0, 10**6), st.floats(0, 1e6))
def test_summary_is_one_line_with_every_count(done, skipped, failed, left, seconds):
    line = summary(Counter(ok=done, skipped=skipped, failed=failed), left, seconds)
    assert "\n" not in line
    assert f"{done} done" in line
    for count, word in ((skipped, "skipped"), (failed, "failed"), (left, "left")):
        assert (f"{count} {word}" in line) == bool(count)
    assert line.startswith("interrupted") == bool(left)


@pytest.mark.parametrize("count", [0, 2])
def test_any_number_of_threads_will_do(tmp_path, count):
    assert [report.status for report in run(make_jobs(tmp_path, count), Task(copy), workers=10**20)] == ["ok"] * count


@pytest.mark.parametrize(
    ("count", "sizes"), [(3, [1] * 3), (20, [2] * 10), (257, [32] * 8 + [1]), (360, [32] * 11 + [8])]
)
def test_few_jobs_are_divided_among_groups(count, sizes):
    jobs = [Job(Input(str(number), str(number)), ()) for number in range(count)]
    groups = list(Task(lambda *_: [], grouping=Grouping(32)).groups(jobs, 8))
    assert list(map(len, groups)) == sizes
    assert [job for group in groups for job in group] == jobs
