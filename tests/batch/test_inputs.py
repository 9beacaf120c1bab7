"""Finding inputs, and sharing them out."""

import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.batch.inputs import Input, Shard, find_inputs
from cnncli.errors import ArgumentError, NoInputError

SUFFIXES = (".jpg", ".png")


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(*words, listed=(), recursive=True):
    return [source.path for source in find_inputs(words, listed, recursive=recursive, suffixes=SUFFIXES)]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_folder_gives_files_by_name_then_folders_and_nothing_hidden(here):
    touch(here, "in/b.jpg", "in/a.PNG", "in/a/c.jpg", "in/notes.txt", "in/.d.jpg", "in/.thumbnails/e.jpg", "in/jpg")
    assert found("in") == ["in/a.PNG", "in/b.jpg", "in/a/c.jpg"]
    assert [source.below for source in find_inputs(["in/"], recursive=True, suffixes=SUFFIXES)] == [
        "a.PNG",
        "b.jpg",
        "a/c.jpg",
    ]


def test_folder_needs_recursive(here):
    touch(here, "in/a.jpg")
    with pytest.raises(ArgumentError, match="in is a folder: add -r"):
        found("in", recursive=False)


def test_folder_named_like_a_picture_is_gone_through(here):
    touch(here, "in/x.jpg/a.png")
    assert found("in") == ["in/x.jpg/a.png"]


def test_links_in_a_folder(here):
    touch(here, "in/a.jpg", "other/b.jpg")
    (here / "in/link.jpg").symlink_to("a.jpg")
    (here / "in/nowhere.jpg").symlink_to("missing.jpg")
    (here / "in/round").symlink_to(here / "in")
    (here / "in/folder.jpg").symlink_to(here / "other")
    # A link to nothing is an input that fails by name; links to folders are not followed, so none goes round.
    assert found("in") == ["in/a.jpg", "in/link.jpg", "in/nowhere.jpg"]


def test_pipe_in_a_folder_is_left_out(here):
    touch(here, "in/a.jpg")
    os.mkfifo(here / "in/pipe.jpg")
    assert found("in") == ["in/a.jpg"]


def test_folder_that_may_not_be_listed_is_an_input_that_fails(here, monkeypatch):
    touch(here, "in/a.jpg", "in/locked/b.jpg")
    scandir = os.scandir

    def refusing(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert found("in") == ["in/a.jpg", "in/locked"]


def test_globs(here):
    touch(here, "b.jpg", "a.jpg", "c.png", ".hidden.jpg", "below/d.jpg")
    (here / "folder.jpg").mkdir()
    assert found("*.jpg") == ["a.jpg", "b.jpg"]
    assert found("**/*.jpg") == ["a.jpg", "b.jpg", "below/d.jpg"]


def test_name_that_looks_like_a_glob_is_a_name_where_it_exists(here):
    touch(here, "a[1].jpg", "a1.jpg")
    assert found("a[1].jpg") == ["a[1].jpg"]


@pytest.mark.parametrize("word", ["*.jpg", "empty"])
def test_nothing_found(here, word):
    (here / "empty").mkdir()
    with pytest.raises(NoInputError, match=r"matches no file|holds no files"):
        found(word)


def test_no_words_at_all():
    with pytest.raises(NoInputError, match="the list of inputs is empty"):
        found()


def test_missing_file_is_an_input(here):
    assert found("missing.jpg", "-") == ["missing.jpg", "-"]


def test_file_named_twice_is_one_input(here):
    touch(here, "in/a.jpg", "in/b.jpg")
    assert found("in/b.jpg", "in", "in/b.jpg", listed=["in/a.jpg"]) == ["in/b.jpg", "in/a.jpg"]


def test_list_is_taken_literally(here):
    touch(here, "folder.jpg/a.jpg", "x1.jpg")
    names = ["x[1].jpg", "folder.jpg", "*.png", "-f.jpg", "caf\u00e9.jpg", " a'b\"c .jpg"]
    assert found(listed=names, recursive=False) == names
    assert found(listed=["folder.jpg"]) == ["folder.jpg/a.jpg"]


def test_dash_in_a_list_is_a_file(here):
    assert found(listed=["-"]) == ["./-"]


@pytest.mark.parametrize("text", ["", "1", "0/4", "5/4", "1/0", "a/b", "1/4/2", "-1/4", "1/ 4"])
def test_shard_that_is_none(text):
    with pytest.raises(ArgumentError, match="shard must be I/N"):
        Shard.parse(text)


@given(st.lists(st.text(st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1), unique=True))
def test_shards_are_disjoint_and_complete(names):
    inputs = [Input(f"in/{name}", name, found=True) for name in names]
    for total in (1, 2, 3, 8):
        shares = [Shard(number, total) for number in range(1, total + 1)]
        assert all(sum(share.holds(source) for share in shares) == 1 for source in inputs)


def test_shards_depend_on_nothing_but_the_relative_path():
    names = [f"a/{number}.jpg" for number in range(1000)]
    share = Shard(2, 4)
    here = {name for name in names if share.holds(Input(f"/mnt/one/{name}", name, found=True))}
    there = {name for name in random.Random(0).sample(names, 1000) if share.holds(Input(f"x/{name}", name))}
    assert here == there
    assert 200 < len(here) < 300
