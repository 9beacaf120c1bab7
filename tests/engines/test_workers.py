"""Teams of processes: what they return, and what happens when one of them, or the first, ends."""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from cnncli.engines.workers import CannotForkError, ProcessTeam, can_fork, shared_zeros

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="this platform starts processes afresh")


@pytest.fixture
def team_of():
    """Return what makes teams, and close them at the end."""
    teams = []

    def make(function, shards=2):
        teams.append(ProcessTeam(function, shards))
        return teams[-1]

    yield make
    for team in teams:
        team.close()


def pid_of(number, *own):
    return os.getpid()


def is_alive(pid):
    """Return whether a process computes on: it is there, and no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends(pid, seconds=10.0):
    end = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not is_alive(pid)


@pytest.mark.parametrize("shards", [1, 2, 4])
def test_results_come_in_the_order_of_shards_and_processes_stay(team_of, shards):
    team = team_of(lambda number, value: (number, value, os.getpid()), shards)
    first, second = (team.run([(value,) for value in range(10, 10 + shards)]) for _ in range(2))
    assert [(number, value) for number, value, _ in first] == [(n, 10 + n) for n in range(shards)]
    assert first == second
    assert len({pid for *_, pid in first}) == shards
    assert first[0][2] == os.getpid()


def test_all_shards_meet_as_often_as_they_like(team_of):
    def meet(number, value):
        sums = [sum(team.gather(number, value + turn)) for turn in range(3)]
        return [*sums, team.gather(number, np.full(2, number))[2].tolist()]

    team = team_of(meet, 3)
    assert team.run([(1,), (2,), (3,)]) == [[6, 9, 12, [2, 2]]] * 3


def test_arrays_arrive_as_they_were(team_of):
    rng = np.random.default_rng(0)
    arrays = [
        rng.normal(size=(7, 5)).astype(np.float32),
        rng.integers(0, 9, 200_000),
        np.asfortranarray(rng.normal(size=(3, 4))),
        rng.normal(size=(6, 6))[::2, ::3],
        np.zeros((0, 3)),
    ]
    team = team_of(lambda number, *own: [array.copy() for array in own])
    for _ in range(2):
        for found in team.run([arrays, arrays]):
            for one, other in zip(found, arrays, strict=True):
                assert one.dtype == other.dtype
                assert np.array_equal(one, other)


def test_what_a_process_writes_to_shared_memory_is_seen_here(team_of):
    numbers = shared_zeros(4, np.dtype(np.float64))

    def write(number):
        numbers[number] += 1 + number

    team = team_of(write, 3)
    for _ in range(2):
        team.run([()] * 3)
    assert numbers.tolist() == [2, 4, 6, 0]


@pytest.mark.parametrize("failing", [0, 1])
@pytest.mark.parametrize("meeting", [False, True])
def test_an_error_of_any_shard_is_raised_and_the_team_goes_on_after_it(team_of, failing, meeting):
    def work(number, fails):
        if number == failing and fails:
            raise ValueError(f"shard {number}")
        return team.gather(number, number) if meeting else number

    team = team_of(work)
    with pytest.raises(ValueError, match=f"shard {failing}"):
        team.run([(True,), (True,)])
    assert team.run([(False,), (False,)]) == ([[0, 1], [0, 1]] if meeting else [0, 1])


@pytest.mark.parametrize("meeting", [False, True])
def test_a_killed_process_is_told(team_of, meeting):
    def work(number, dies):
        if number == 1 and dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return team.gather(number, number) if meeting else number

    team = team_of(work)
    with pytest.raises(CannotForkError, match="ended"):
        team.run([(True,), (True,)])


def test_what_cannot_be_sent_is_told_and_ends_the_processes(team_of):
    before = multiprocessing.active_children()
    team = team_of(pid_of)
    team.run([(), ()])
    with pytest.raises(CannotForkError):
        team.run([(), (threading.Lock(),)])
    assert multiprocessing.active_children() == before


class Unreadable:
    """Can be pickled, but not made again."""

    def __reduce__(self):
        return int, ("too many",)


# Not an exception with arguments of its own: once distributed is imported, tblib teaches pickle to make those again.
@pytest.mark.parametrize("held", [Unreadable, threading.Lock], ids=["unreadable", "unwritable"])
def test_an_error_that_cannot_be_sent_ends_its_process(team_of, held):
    def work(number):
        if number:
            raise ValueError(held())

    with pytest.raises(CannotForkError, match="ended"):
        team_of(work).run([(), ()])


@pytest.mark.parametrize("what", ["fork", "pipe"])
@pytest.mark.parametrize("begin", [ProcessTeam.start, lambda team: team.run([(), ()])], ids=["start", "run"])
def test_no_further_process_is_told(team_of, monkeypatch, what, begin):
    def refuse(*words):
        raise BlockingIOError("no more of them")

    monkeypatch.setattr(*{"fork": (os, "fork"), "pipe": (socket, "socketpair")}[what], refuse)
    team = team_of(pid_of)
    with pytest.raises(CannotForkError):
        begin(team)
    monkeypatch.undo()
    assert team.run([(), ()])[0] == os.getpid()


def test_processes_end_with_the_team(team_of):
    team = team_of(pid_of, 3)
    _, *others = team.run([()] * 3)
    assert all(map(is_alive, others))
    team.close()
    assert not any(map(is_alive, others))


def test_teams_end_one_by_one(team_of):
    teams = [team_of(pid_of, 3) for _ in range(3)]
    others = [team.run([()] * 3)[1:] for team in teams]
    for team, own in zip(teams, others, strict=True):
        team.close()
        assert not any(map(is_alive, own))
    assert teams[0].run([()] * 3)[0] == os.getpid()


def test_signals_are_the_first_process_s_matter(team_of):
    handled = []
    before = {number: signal.signal(number, lambda *_: handled.append(1)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        team = team_of(pid_of)
        _, other = team.run([(), ()])
        os.kill(other, signal.SIGINT)
        assert team.run([(), ()]) == [os.getpid(), other]
        os.kill(other, signal.SIGTERM)
        assert ends(other)
        assert not handled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("computing", [False, True])
def test_processes_end_when_the_first_is_killed(computing):
    program = (
        "import os, time\n"
        "from cnncli.engines.workers import ProcessTeam\n"
        "def work(number, seconds):\n"
        "    if number: time.sleep(seconds)\n"
        "    return os.getpid()\n"
        "team, other = ProcessTeam(work, 3), ProcessTeam(work, 2)\n"
        "print(*team.run([(0,)] * 3), *other.run([(0,)] * 2)[1:], flush=True)\n"
        f"team.run([(0,), (0.5,), (0.5,)]) if {computing} else time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    _, *others = map(int, process.stdout.readline().split())
    process.kill()
    process.communicate()
    assert all(map(ends, others))


def test_beside_a_thread_that_may_hold_a_lock_there_are_none():
    done = threading.Event()
    for daemon in (True, False):
        before = can_fork()
        thread = threading.Thread(target=done.wait, daemon=daemon)
        thread.start()
        try:
            assert can_fork() == (before and daemon)
        finally:
            done.set()
            thread.join()
            done.clear()


def test_a_process_that_may_have_none_has_none():
    """Such as a worker of a pool: Python lets daemons start no others."""
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    process = context.Process(target=lambda: results.put(can_fork()), daemon=True)
    process.start()
    assert results.get(timeout=20) is False
    process.join()
