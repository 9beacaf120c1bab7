"""What counts as a picture in a folder of data, where one is looked for, and what is said of the rest."""

import os
import random
import shutil

import numpy as np
import pytest
from PIL import Image

from cnncli.data import Reading, open_dataset
from cnncli.data.listing import counted, list_pictures
from cnncli.errors import ImageError


def save(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng([seed, *str(path).encode()]).integers(0, 256, (4, 4)).astype(np.uint8)
    Image.fromarray(pixels).save(path, format="png")


@pytest.fixture
def folder(tmp_path):
    """Two classes of two pictures each."""
    for name in "ab":
        for number in range(2):
            save(tmp_path / "data" / name / f"{number}.png")
    return tmp_path / "data"


def messages(parts):
    return [finding.message for finding in parts.findings]


def make_run(path):
    save(path / "confusion.png")
    (path / "config.toml").write_text("epochs = 1\n")
    (path / "checkpoint.safetensors").write_bytes(b"x")


@pytest.mark.parametrize("place", ["run", "runs/data", "runs/deeper/still"])
def test_the_folder_of_a_run_is_no_class(folder, place):
    make_run(folder / place)
    parts = open_dataset(folder)
    assert parts.train.class_names == ("a", "b")
    assert parts.findings == ()


def test_a_run_below_a_class_holds_no_pictures_of_it(folder):
    make_run(folder / "a" / "run")
    parts = open_dataset(folder)
    assert parts.train.counts().tolist() == [2, 2]
    assert messages(parts) == [f"{folder}: 1 folder of a training run left out of its classes"]


@pytest.mark.parametrize("name", ["@eaDir", "__MACOSX", ".cache", "#recycle", "$RECYCLE.BIN", "lost+found"])
@pytest.mark.parametrize("below", ["", "a"])
def test_what_systems_leave_is_no_class_and_no_picture_of_one(folder, name, below):
    save(folder / below / name / "thumb.png")
    parts = open_dataset(folder)
    assert parts.train.class_names == ("a", "b")
    assert len(parts.train) == 4
    assert parts.findings == ()


@pytest.mark.parametrize("name", ["x.jfif", "x.jpe", "x.JPG", "x.dat", "x", "x.txt"])
def test_pictures_are_known_by_their_content(folder, name):
    save(folder / "a" / name)
    parts = open_dataset(folder)
    assert parts.train.counts().tolist() == [3, 2]
    assert parts.findings == ()


def test_what_is_left_out_is_counted_by_kind(folder):
    for name in ("a.txt", "b.txt", "c.mp4", "README"):
        (folder / "a" / name).write_bytes(b"BMW and other texts")
    shutil.make_archive(str(folder / "b" / "more"), "zip", folder / "b")
    os.mkfifo(folder / "b" / "pipe.png")
    (folder / "b" / "link").symlink_to("nowhere")
    (finding,) = open_dataset(folder).findings
    assert finding.kind == "ignored"
    assert finding.message == (
        f"{folder}: 2 .txt files, 1 .mp4 file, 1 file without a suffix, 1 broken link, 1 .zip file, 1 special file "
        "left out of its classes"
    )


def test_files_of_a_class_without_pictures_are_counted_too(folder):
    (folder / "c").mkdir()
    (folder / "c" / "x.raw").write_bytes(b"x")
    assert messages(open_dataset(folder)) == [f"{folder}: no pictures of class c (1 .raw file): left out"]


def test_a_class_none_of_whose_pictures_can_be_read_is_left_out(folder):
    (folder / "c").mkdir()
    (folder / "c" / "x.png").write_bytes(b"no picture")
    parts = open_dataset(folder)
    assert parts.train.class_names == ("a", "b")
    assert parts.train.labels.tolist() == [0, 0, 1, 1]
    assert f"{folder}: no pictures of class c to train on: left out" in messages(parts)


def test_a_link_named_as_a_picture_that_leads_nowhere_fails_by_its_name(folder):
    (folder / "a" / "gone.png").symlink_to("nowhere.png")
    assert "gone.png" in messages(open_dataset(folder))[0]
    with pytest.raises(ImageError, match=r"gone\.png"):
        open_dataset(folder, Reading(strict=True))


class TestLinks:
    def test_a_linked_folder_below_a_class_is_gone_into(self, folder, tmp_path):
        save(tmp_path / "elsewhere" / "more" / "x.png")
        (folder / "a" / "linked").symlink_to(tmp_path / "elsewhere")
        parts = open_dataset(folder)
        assert parts.train.counts().tolist() == [3, 2]
        assert parts.findings == ()

    @pytest.mark.parametrize("target", [".", "..", "../..", "../a", "inner"])
    def test_links_in_circles_end(self, folder, target):
        save(folder / "a" / "inner" / "x.png")
        (folder / "a" / "inner" / "circle").symlink_to(folder / "a" / target)
        parts = open_dataset(folder)
        assert parts.train.counts().tolist() == [3, 2]
        assert messages(parts) == [f"{folder}: 1 link to a folder that is visited already left out of its classes"]

    def test_a_link_to_itself_is_no_class(self, folder):
        (folder / "c").symlink_to("c")
        assert open_dataset(folder).train.class_names == ("a", "b")

    def test_folders_may_be_nested_deep(self, folder):
        place = str(folder / "a")
        for _ in range(300):
            place = f"{place}/d"
        os.makedirs(place)
        save(folder / "x.png")
        shutil.move(folder / "x.png", f"{place}/x.png")
        assert open_dataset(folder).train.counts().tolist() == [3, 2]


def test_any_layout_gives_the_pictures_that_are_there(tmp_path):
    """Random trees with links, against a walk by hand of what was made."""
    rng = random.Random(3)
    for turn in range(25):
        root, made, folders = tmp_path / str(turn), set(), []
        folders.append(root / "class")
        folders[0].mkdir(parents=True)
        for number in range(30):
            place = rng.choice(folders)
            kind = rng.choice(["picture", "text", "folder", "link", "hidden"])
            path = place / f"{number}"
            if kind == "picture":
                path = path.with_suffix(rng.choice([".png", ".jfif", ""]))
                save(path)
                made.add(os.path.realpath(path))
            elif kind == "folder":
                path.mkdir()
                folders.append(path)
            elif kind == "link":
                path.symlink_to(rng.choice(folders))
            else:
                (place / f"{'.' * (kind == 'hidden')}{number}.txt").write_text("x")
        found = list_pictures(str(folders[0])).pictures
        assert len(found) == len(made)
        assert set(map(os.path.realpath, found)) == made


def test_counts_read_well():
    left_out = list_pictures(os.path.dirname(__file__)).left_out
    assert counted(left_out) == f"{left_out['.py file']} .py files"
