"""Copies of pictures by their predicted class: planned as a whole, whole or absent, originals untouched."""

import errno
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from models import CLASSES, halves_model, write_halves
from PIL import Image

from cnncli.batch.inputs import Input
from cnncli.batch.naming import safe_name
from cnncli.errors import ArgumentError
from cnncli.models import sorting
from cnncli.models.sorting import CopyRule, path_names, sort_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_halves("data", 2)
    for kind in CLASSES:
        for number in range(2):
            shutil.move(f"data/{kind}/{number}.png", f"{kind}{number}.png")
    shutil.rmtree("data")
    return tmp_path


PATHS = [f"{kind}{number}.png" for kind in CLASSES for number in range(2)]


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_copies_are_the_pictures_with_their_times_and_permissions(folder):
    os.utime("top1.png", ns=(10**18, 10**18 + 5))
    os.chmod("top1.png", 0o640)
    before = contents(folder)
    found = sort_files(halves_model(), PATHS, "sorted/{class}/")
    expected = {f"{kind}{number}.png": f"sorted/{kind}/{kind}{number}.png" for kind in CLASSES for number in range(2)}
    assert {one.prediction.input: one.copy for one in found} == expected
    assert contents(folder) == before | {copy: before[name] for name, copy in expected.items()}
    original, copy = os.stat("top1.png"), os.stat("sorted/top/top1.png")
    assert (copy.st_mtime_ns, copy.st_mode) == (original.st_mtime_ns, original.st_mode)
    assert copy.st_ino != original.st_ino


@pytest.mark.parametrize(
    ("template", "output"),
    [
        ("sorted/{class}/", "sorted/top/top1.png"),
        ("sorted/{class}", "sorted/top/top1.png"),
        ("{class}", "top/top1.png"),
        ("sorted/{class}-{name}", "sorted/top-top1.png"),
        ("sorted/{class}/{stem}-copy.{ext}", "sorted/top/top1-copy.png"),
        ("sorted/{ext}/{class}/", "sorted/png/top/top1.png"),
    ],
)
def test_templates(folder, template, output):
    (one,) = sort_files(halves_model(), "top1.png", template)
    assert one.copy == output
    assert Path(output).read_bytes() == Path("top1.png").read_bytes()


def test_probabilities_in_names_have_four_decimals(folder):
    (one,) = sort_files(halves_model(), ["top1.png"], "sorted/{class}/{probability}-{name}")
    assert one.copy == f"sorted/top/{one.prediction.top()[0][1]:.4f}-top1.png"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("sorted/", "has no {class}: write one such as 'sorted/{class}/'"),
        ("", "has no {class}"),
        ("-", "has no {class}"),
        ("{{class}}/", "has no {class}"),
        ("{class}-{filter}/", "unknown field {filter}"),
        ("{class", "expected '}'"),
        ("{class!r}/", "fields stand alone"),
        ("https://host/{class}/", "web addresses are read, not written"),
        ("top0.png/{class}/", "top0.png"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_before_any_work(folder, template, message):
    before = contents(folder)
    with pytest.raises(ArgumentError) as error:
        sort_files(no_model(), PATHS, template)
    assert message in str(error.value)
    assert contents(folder) == before


def no_model():
    """A model that must not be asked."""
    model = halves_model().replace()
    model.__dict__["probabilities"] = None
    return model


def test_copies_of_one_name_are_refused_whatever_the_classes_are(folder):
    os.makedirs("more")
    shutil.copy("left0.png", "more/top1.png")  # of another class
    paths = ["top1.png", "more/top1.png"]
    with pytest.raises(ArgumentError, match=r"^top1\.png and more/top1\.png would both become sorted/") as error:
        sort_files(no_model(), paths, "sorted/{class}/")
    advised = str(error.value).rpartition(" ")[2].strip("'")
    copies = [one.copy for one in sort_files(halves_model(), paths, advised)]
    assert copies == ["sorted/top/top1.png", "sorted/left/more/top1.png"]


def test_a_name_that_is_taken_stops_every_copy(folder):
    os.makedirs("sorted/top")
    Path("sorted/top/top1.png").write_text("mine")
    before = contents(folder)
    with pytest.raises(ArgumentError, match=r"^sorted/top/top1\.png exists already"):
        sort_files(halves_model(), PATHS, "sorted/{class}/")
    assert contents(folder) == before
    assert all(one.copy for one in sort_files(halves_model(), PATHS, "sorted/{class}/", force=True))
    assert Path("sorted/top/top1.png").read_bytes() == Path("top1.png").read_bytes()


def test_what_is_there_already_is_kept_and_what_differs_is_named(folder):
    sort_files(halves_model(), PATHS[:3], "sorted/{class}/")
    kept = os.stat("sorted/left/left0.png").st_ino
    Path("sorted/left/left1.png").write_text("mine")
    found = sort_files(halves_model(), PATHS, "sorted/{class}/", skip_existing=True)
    assert os.stat("sorted/left/left0.png").st_ino == kept
    assert [one.copy is None for one in found] == [False, True, False, False, False, False]
    assert found[1].error.startswith("left1.png: sorted/left/left1.png exists, and is not")
    assert Path("sorted/left/left1.png").read_text() == "mine"


@pytest.mark.parametrize("least", [0.0, 0.5])
@pytest.mark.parametrize("force", [False, True])
def test_an_original_is_never_overwritten(folder, force, least):
    """Not even one that is not copied itself."""
    os.makedirs("top")
    Image.fromarray(np.full((12, 12), 120, np.uint8)).save("top/top1.png")
    before = contents(folder)
    with pytest.raises(ArgumentError, match=r"top/top1\.png is an input"):
        list(
            sort_files(
                halves_model(), ["top1.png", "top/top1.png"], "{parent}/{class}/", force=force, min_probability=least
            )
        )
    assert contents(folder) == before


def test_pictures_below_the_least_probability_are_not_copied(folder):
    shares = sorted(one.prediction.top()[0][1] for one in sort_files(halves_model(), PATHS, "a/{class}", dry_run=True))
    found = sort_files(halves_model(), PATHS, "sorted/{class}/", min_probability=shares[2])
    assert [one.copy is not None for one in found] == [one.prediction.top()[0][1] >= shares[2] for one in found]
    assert 1 <= sum(one.copy is None for one in found) <= 2
    assert set(contents("sorted")) == {one.copy.removeprefix("sorted/") for one in found if one.copy}


def test_a_dry_run_writes_nothing(folder):
    before = contents(folder)
    found = sort_files(halves_model(), [*PATHS, "none.png"], "sorted/{class}/", dry_run=True)
    assert [one.copy for one in found[:2]] == ["sorted/left/left0.png", "sorted/left/left1.png"]
    assert (found[-1].copy, found[-1].error) == (None, "none.png: no such file")
    assert contents(folder) == before


def test_a_picture_that_cannot_be_read_is_left_and_the_others_copied(folder):
    Path("junk.png").write_text("junk")
    found = sort_files(halves_model(), ["junk.png", *PATHS, "none.png"], "sorted/{class}/")
    assert [one.copy is None for one in found] == [True, *[False] * 6, True]
    assert found[0].error.startswith("junk.png: ")
    assert len(contents("sorted")) == 6


def test_a_full_disk_leaves_whole_files_only(folder, monkeypatch):
    def copy(source, target, length):
        target.write(source.read(100))
        if os.path.basename(source.name) in ("left1.png", "top0.png"):
            target.flush()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        target.write(source.read())

    monkeypatch.setattr(sorting.shutil, "copyfileobj", copy)
    found = sort_files(halves_model(), PATHS, "sorted/{class}/")
    assert [one.error for one in found if one.error] == [
        f"{name}: sorted/{name[:-5]}/{name}: cannot be written: No space left on device"
        for name in ("left1.png", "top0.png")
    ]
    originals = contents(folder)
    assert {Path(name).name: content for name, content in contents("sorted").items()} == {
        name: originals[name] for name in PATHS if name not in ("left1.png", "top0.png")
    }


def test_told_to_stop_nothing_is_copied(folder):
    stop = threading.Event()
    stop.set()
    assert sort_files(halves_model(), PATHS, "sorted/{class}/", stop=stop) == []
    assert not os.path.exists("sorted")


def test_a_file_that_changed_its_kind_meanwhile(folder, monkeypatch):
    predict = sorting.predict_files

    def predicted(*words, **options):
        found = list(predict(*words, **options))
        os.remove("left0.png")
        os.remove("left1.png")
        os.mkfifo("left1.png")
        return found

    monkeypatch.setattr(sorting, "predict_files", predicted)
    found = sort_files(halves_model(), PATHS, "sorted/{class}/")
    assert [one.error for one in found[:3]] == [
        "left0.png: no such file",
        "left1.png: is not a file that could be read again: not copied",
        None,
    ]


def test_objects_are_copied(folder):
    pytest.importorskip("fsspec")
    from fsspec import filesystem

    store = filesystem("memory")
    store.pipe_file("/in/top1.png", Path("top1.png").read_bytes())
    found = sort_files(halves_model(), ["memory:///in/top1.png", "left0.png"], "memory:///out/{class}/")
    assert [one.copy for one in found] == ["memory:///out/top/top1.png", "memory:///out/left/left0.png"]
    assert store.cat_file("/out/top/top1.png") == Path("top1.png").read_bytes()
    (one,) = sort_files(halves_model(), ["memory:///in/top1.png"], "sorted/{class}/")
    assert Path(one.copy).read_bytes() == Path("top1.png").read_bytes()
    assert os.stat(one.copy).st_mode == os.stat("sorted").st_mode & 0o666 | 0o100000
    store.rm("/in", recursive=True)
    store.rm("/out", recursive=True)


def test_unsafe_classes_stay_in_their_folder(folder):
    names = ("../../up", "CON", "two\nlines\x1b[2J")
    model = halves_model().replace(class_names=names)
    found = sort_files(model, PATHS, "sorted/{class}/")
    assert sorted({Path(one.copy).parts[1] for one in found}) == ["_.._.._up", "_CON", "two_lines_[2J"]
    assert len(contents("sorted")) == 6


@given(st.lists(st.text(max_size=80), min_size=1, unique=True))
def test_names_of_classes_in_paths(words):
    names = path_names(words)
    assert set(names) == set(words)
    assert len(set(names.values())) == len(words)
    for word, name in names.items():
        assert name not in ("", ".", "..")
        assert os.path.basename(name) == name
        assert name.isprintable()
        assert name[0] != "."
        assert name[-1] not in ". "
        assert len(name.encode()) < 255
        if safe_name(word) == word:
            assert name == word


@pytest.mark.parametrize("name", ["con", "NUL", "com1", "Lpt9", "aux.txt", "con "])
def test_names_of_devices_are_changed(name):
    assert safe_name(name).partition(".")[0].lower().rstrip() not in ("con", "nul", "com1", "lpt9", "aux")


@pytest.mark.parametrize("name", ["cat", "größe", "犬", "a b", "class-1", "c++", "7", "O'Brien"])
def test_ordinary_classes_keep_their_names(name):
    assert safe_name(name) == name


def test_images_found_in_the_folder_of_the_copies_are_left_out(folder):
    rule = CopyRule("sorted/{class}/", CLASSES)
    found = [Input(path, path.removeprefix("./"), found=True) for path in ("./a.png", "./sorted/top/b.png")]
    named = Input("sorted/top/c.png", "c.png")
    searched = Input("sorted/top/d.png", "top/d.png", found=True)
    assert rule.without_results([*found, named, searched]) == [found[0], named, searched]
    assert CopyRule("{class}/", CLASSES).without_results(found) == found
