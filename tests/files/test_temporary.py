"""Whole files or none."""

import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from cnncli.errors import ArgumentError, ImageError
from cnncli.files.temporary import (
    MACHINE,
    STANDARD,
    check_output,
    discard_all,
    open_temporary,
    open_whole,
    remove_leftovers,
    temporary_file,
    whole_file,
)


def test_file_appears_when_it_is_whole(tmp_path):
    target = tmp_path / "a.png"
    with whole_file(str(target)) as name:
        assert os.path.dirname(name) == str(tmp_path)
        with open(name, "w") as file:
            file.write("whole")
            assert not target.exists()
    assert target.read_text() == "whole"
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("begun", [False, True])
def test_error_leaves_what_stood_there(tmp_path, kind, begun):
    target = tmp_path / "a.png"
    target.write_text("before")

    def fail():
        with whole_file(str(target)) as name:
            if begun:
                open(name, "w").close()
            raise kind

    with pytest.raises(kind):
        fail()
    assert os.listdir(tmp_path) == ["a.png"]
    assert target.read_text() == "before"


@pytest.mark.parametrize(
    ("ending", "before", "after"),
    [
        ("replace", None, "whole"),
        ("replace", "other", "whole"),
        ("add", None, "whole"),
        ("discard", None, None),
        ("discard", "other", "other"),
    ],
)
def test_what_becomes_of_the_whole_is_decided_when_it_is_seen(tmp_path, ending, before, after):
    target, seen = tmp_path / "a", []
    if before:
        target.write_text(before)

    def settle(name):
        seen.append(Path(name).read_text())
        return ending

    with whole_file(str(target), settle) as name:
        Path(name).write_text("whole")
    assert seen == ["whole"]
    assert os.listdir(tmp_path) == (["a"] if after else [])
    assert after is None or target.read_text() == after


def stand(path, kind):
    """Let something stand at a path."""
    if kind == "file":
        path.write_text("other")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere" if kind == "link to nothing" else "elsewhere")
        path.with_name("elsewhere").write_text("other")


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize("kind", ["file", "folder", "link", "link to nothing"])
def test_what_appears_meanwhile_is_not_replaced(tmp_path, monkeypatch, kind, linked):
    """Also on file systems without hard links."""

    def refuse(*names):
        raise PermissionError(1, "Operation not permitted")

    if not linked:
        monkeypatch.setattr(os, "link", refuse)

    def write():
        with open_whole(tmp_path / "a", ImageError, replace=False) as file:
            file.write(b"whole")
            stand(tmp_path / "a", kind)

    with pytest.raises(ImageError, match="a: cannot be written: exists already"):
        write()
    assert not list(tmp_path.glob(".*"))
    assert (tmp_path / "a").is_dir() == (kind == "folder")
    assert kind == "folder" or not (tmp_path / "a").exists() or (tmp_path / "a").read_text() == "other"


@pytest.mark.parametrize("linked", [True, False])
def test_whole_file_is_added_with_and_without_hard_links(tmp_path, monkeypatch, linked):
    if not linked:
        monkeypatch.setattr(os, "link", lambda *names: os.stat("/nowhere-at-all"))
    with open_whole(tmp_path / "a", ImageError, replace=False) as file:
        file.write(b"whole")
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "whole"
    assert os.stat(tmp_path / "a").st_nlink == 1


def test_link_is_replaced_and_what_it_leads_to_is_kept(tmp_path):
    (tmp_path / "other").write_text("other")
    (tmp_path / "a").symlink_to("other")
    with open_whole(tmp_path / "a", ImageError) as file:
        file.write(b"whole")
    assert not (tmp_path / "a").is_symlink()
    assert (tmp_path / "a").read_text() == "whole"
    assert (tmp_path / "other").read_text() == "other"


def test_link_planted_under_the_name_of_a_temporary_is_not_followed(tmp_path):
    (tmp_path / "other").write_text("other")
    with whole_file(str(tmp_path / "a")) as name:
        os.unlink(name)
        os.symlink(tmp_path / "other", name)
        with open_temporary(name) as file:
            file.write(b"whole")
        assert (tmp_path / "other").read_text() == "other"


def test_temporary_is_opened_anew_each_time(tmp_path):
    with whole_file(str(tmp_path / "a")) as name:
        for text in (b"first and longer", b"second"):
            with open_temporary(name) as file:
                file.write(text)
    assert (tmp_path / "a").read_text() == "second"


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_new_file_may_be_read_as_the_umask_says(tmp_path, mask):
    before = os.umask(mask)
    try:
        with open_whole(tmp_path / "a", ImageError):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(tmp_path / "a").st_mode) == 0o666 & ~mask


def test_replaced_file_keeps_its_permissions_and_no_other_bits(tmp_path):
    (tmp_path / "a").touch()
    os.chmod(tmp_path / "a", 0o4640)
    with open_whole(tmp_path / "a", ImageError):
        pass
    assert stat.S_IMODE(os.stat(tmp_path / "a").st_mode) == 0o640


def test_private_temporary_is_read_by_nobody_else(tmp_path):
    with temporary_file("a", str(tmp_path), private=True) as name:
        assert stat.S_IMODE(os.stat(name).st_mode) == 0o600


def test_folder_that_is_missing_is_told_by_the_name_of_the_output(tmp_path):
    target = str(tmp_path / "nowhere" / "a")
    with pytest.raises(ImageError) as caught, open_whole(target, ImageError):
        pass
    assert str(caught.value) == f"{target}: cannot be written: No such file or directory"


def test_output_is_refused_before_any_work(tmp_path):
    output, source = str(tmp_path / "a"), str(tmp_path / "b")
    check_output(output, force=False, inputs=[source])
    (tmp_path / "b").touch()
    check_output(output, force=False, inputs=[source])
    (tmp_path / "a").symlink_to("b")
    with pytest.raises(ArgumentError, match="a is an input: inputs are never overwritten"):
        check_output(output, force=True, inputs=[source])
    with pytest.raises(ArgumentError, match="a exists already: --force overwrites"):
        check_output(output, force=False)
    check_output(output, force=True)


def test_standard_output_is_given_through():
    with whole_file(STANDARD) as name:
        assert name == STANDARD


@pytest.mark.parametrize("name", ["x" * 255, "\u00e9" * 127, "\U0001f600" * 63])
def test_longest_names(tmp_path, name):
    with whole_file(str(tmp_path / name)) as temporary:
        open(temporary, "w").close()
    assert os.listdir(tmp_path) == [name]


def test_temporaries_of_one_output_differ(tmp_path):
    with whole_file(str(tmp_path / "a")) as one, whole_file(str(tmp_path / "a")) as other:
        assert one != other
        for name in (one, other):
            open(name, "w").close()


KEEP = """
import os, sys
from cnncli.files.temporary import whole_file
with whole_file(sys.argv[1]) as name:
    print(name, flush=True)
    sys.stdin.read()
    os._exit(1)
"""


@contextmanager
def writing(folder, *prefix):
    """A process that writes a file and is killed at the end; gives its temporary."""
    command = [*prefix, sys.executable, "-c", KEEP, str(folder / "a.png")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Path(process.stdout.readline().strip())
        process.communicate()


def test_leftovers_of_the_dead_are_removed_and_nothing_else(tmp_path):
    with writing(tmp_path) as left:
        assert remove_leftovers([str(tmp_path)]) == 0
    assert left.exists()
    machine = MACHINE.encode()[::-1].decode()
    kept = [
        left.with_name(left.name.replace(MACHINE, machine)),  # of another machine
        left.with_name(left.name.lstrip(".")),
        left.with_name("a.png"),
    ]
    for path in kept:
        path.touch()
    with whole_file(str(tmp_path / "b")) as own:
        assert remove_leftovers([str(tmp_path), "/nowhere-at-all"]) == 1
        assert os.path.exists(own)
    assert sorted(os.listdir(tmp_path)) == sorted([*(path.name for path in kept), "b"])


@pytest.mark.parametrize("name", [".a.png.0badcafe-0123456789abcdef.cnncli-part", ".a.png.0badcafe-123-4.cnncli-part"])
def test_leftovers_of_other_machines_are_removed_after_a_day(tmp_path, name):
    path = tmp_path / name
    path.touch()
    assert remove_leftovers([str(tmp_path)]) == 0
    day = 24 * 60 * 60
    os.utime(path, (time.time() - day - 60,) * 2)
    with open(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert remove_leftovers([str(tmp_path)]) == 0
    assert remove_leftovers([str(tmp_path)]) == 1


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_file_is_no_leftover(tmp_path, kind):
    path = tmp_path / f".a.{MACHINE}-0123456789abcdef.cnncli-part"
    (tmp_path / "other").touch()
    {"link": lambda: path.symlink_to("other"), "pipe": lambda: os.mkfifo(path), "folder": path.mkdir}[kind]()
    assert remove_leftovers([str(tmp_path)]) == 0
    assert os.path.lexists(path)
    assert (tmp_path / "other").exists()


def test_one_who_removes_leftovers_in_the_moment_of_creation_takes_none_that_is_written(tmp_path, monkeypatch):
    """The file is there before it is locked; whoever is quicker makes the other begin anew."""
    first, opened = os.open, []

    def open_and_clean(path, *words, **options):
        descriptor = first(path, *words, **options)
        if not opened:
            opened.append(path)
            monkeypatch.setattr(os, "open", first)
            assert remove_leftovers([str(tmp_path)]) == 1
        return descriptor

    monkeypatch.setattr(os, "open", open_and_clean)
    with whole_file(str(tmp_path / "a")) as name:
        assert [name] != opened
        with open_temporary(name) as file:
            file.write(b"whole")
    assert (tmp_path / "a").read_text() == "whole"


def test_processes_that_do_not_see_each_others_numbers_leave_each_other_alone(tmp_path):
    """As containers on one machine do."""
    apart = ["unshare", "--pid", "--fork", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no namespaces can be made here")
    with writing(tmp_path, *apart) as one, writing(tmp_path, *apart) as other:
        assert one != other
        count = "import sys; from cnncli.files.temporary import remove_leftovers; print(remove_leftovers(sys.argv[1:]))"
        counted = subprocess.run([*apart, sys.executable, "-c", count, tmp_path], capture_output=True, check=True)
        assert counted.stdout == b"0\n"
        assert one.exists()
        assert other.exists()
    assert remove_leftovers([str(tmp_path)]) == 2


def test_discarding_before_leaving_at_once(tmp_path):
    with pytest.raises(FileNotFoundError), whole_file(str(tmp_path / "a")) as name:  # noqa: PT012
        open(name, "w").close()
        discard_all()
        assert os.listdir(tmp_path) == []


BUSY = """
import os, sys, threading, time
from cnncli.files.temporary import whole_file
from cnncli.signals import heed
def write(number):
    while True:
        with whole_file(os.path.join(sys.argv[1], f"{number}")):
            pass
heed()
for number in range(3):
    threading.Thread(target=write, args=[number]).start()
print("begun", flush=True)
while True:  # a signal that another thread takes does not end a longer wait
    time.sleep(0.01)
"""


@pytest.mark.parametrize("number", range(5))
def test_threads_that_create_files_leave_none_at_a_termination(tmp_path, number):
    with subprocess.Popen([sys.executable, "-c", BUSY, tmp_path], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.terminate()
    assert process.returncode == 128 + signal.SIGTERM
    assert set(os.listdir(tmp_path)) <= {"0", "1", "2"}


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="open files have no names here")
def test_way_to_an_open_file_is_given_through(tmp_path):
    """As /dev/stdout is, also where it was redirected to a file: the link is the system's."""
    with open(tmp_path / "a", "wb") as file:
        path = f"/proc/self/fd/{file.fileno()}"
        with whole_file(path) as name:
            assert name == path
            with open_temporary(name) as again:
                again.write(b"whole")
    assert (tmp_path / "a").read_text() == "whole"
    assert os.listdir(tmp_path) == ["a"]
