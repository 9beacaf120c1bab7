"""Naming outputs, and refusing what would lose a file."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.batch.inputs import Input, find_inputs
from cnncli.batch.plan import OutputRule, make_folders, plan, refuse_existing
from cnncli.errors import ArgumentError, NoInputError


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names):
    for name in names:
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        open(name, "w").close()


def named(*paths):
    return [Input(path, os.path.basename(path)) for path in paths]


def outputs(inputs, target, labels=("sobel",), suffix=".png"):
    return [job.outputs for job in plan(inputs, OutputRule(target, labels, suffix))]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (None, ["a/x-sobel.png", "a/x-scharr.png"]),
        ("out/", ["out/x-sobel.png", "out/x-scharr.png"]),
        ("{stem}.{filter}.png", ["x.sobel.png", "x.scharr.png"]),
        ("{parent}/{filter}-{name}", ["a/sobel-x.tar.jpg", "a/scharr-x.tar.jpg"]),
        ("{stem}-{filter}-{ext}.tiff", ["x-sobel-jpg.tiff", "x-scharr-jpg.tiff"]),
        ("{{{stem}}}-{filter}.png", ["{x}-sobel.png", "{x}-scharr.png"]),
    ],
)
def test_names(here, target, expected):
    touch("a/x.tar.jpg")
    expected = [name.replace("x", "x.tar", 1) if "x.tar" not in name else name for name in expected]
    assert outputs(named("a/x.tar.jpg"), target, ("sobel", "scharr")) == [tuple(expected)]


def test_folder_that_exists_needs_no_slash(here):
    os.mkdir("out")
    assert outputs(named("a.jpg"), "out") == [("out/a-sobel.png",)]


def test_folder_keeps_the_tree_below_the_input_folder(here):
    assert outputs([Input("in/b/c/x.jpg", "b/c/x.jpg", found=True)], "out/") == [("out/b/c/x-sobel.png",)]


def test_braces_in_folders_and_names_stay(here):
    touch("{a}/{stem}.jpg")
    assert outputs(named("{a}/{stem}.jpg"), None) == [("{a}/{stem}-sobel.png",)]


@given(st.text(st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1).filter(lambda s: s[0] != "."))
def test_any_name_stays_in_its_folder(name):
    source = Input(f"in/{name}.jpg", f"{name}.jpg", found=True)
    for (output,) in outputs([source], "/nowhere-at-all/"), outputs([source], None):
        folder, base = os.path.split(output[0])
        assert folder in ("/nowhere-at-all", "in")
        assert base == f"{name}-sobel.png"


@pytest.mark.parametrize(
    ("target", "message"),
    [("{stm}.png", "unknown field {stm}"), ("{stem.png", "braces"), ("{}.png", "unknown field {}")],
)
def test_template_that_is_none(target, message):
    with pytest.raises(ArgumentError, match=message):
        OutputRule(target, ("sobel",))


def test_several_inputs_do_not_fit_into_one_file(here):
    with pytest.raises(ArgumentError, match=r"2 inputs do not fit into one output 'x.png'"):
        outputs(named("a.jpg", "b.jpg"), "x.png")


@pytest.mark.parametrize(
    ("other", "target", "advice"),
    [
        ("b/x.png", "out/", "'out/{name}-{filter}.png'"),
        ("b/x.png", "{stem}.webp", "'{name}-{filter}.webp'"),
        ("b/x.jpg", "out/", "'{parent}/{name}-{filter}.png'"),
    ],
)
def test_two_inputs_that_would_become_one_output(here, other, target, advice):
    with pytest.raises(ArgumentError, match=f"a/x.jpg and {other} would both become .* such as {advice}"):
        outputs(named("a/x.jpg", other), target)


def test_advice_on_what_was_found_in_a_folder_keeps_its_folders_and_is_true(here):
    touch("in/sub/x.jpg", "in/sub/x.png", "in/x.jpg")
    inputs = find_inputs(["in"], recursive=True, suffixes=(".jpg", ".png"))
    with pytest.raises(ArgumentError, match=r"such as 'out/\{below\}/\{name\}-\{filter\}.png'"):
        outputs(inputs, "out/")
    rule = OutputRule("out/{below}/{name}-{filter}.png", ("sobel",))
    jobs = plan(inputs, rule)
    assert [job.outputs for job in jobs] == [
        ("out/x.jpg-sobel.png",),
        ("out/sub/x.jpg-sobel.png",),
        ("out/sub/x.png-sobel.png",),
    ]
    make_folders(jobs, rule)
    assert os.path.isdir("out/sub")


def test_two_outputs_that_are_one_file_by_way_of_a_linked_folder(here):
    touch("a/x.jpg", "in/a/x.jpg", "in/b/x.jpg")
    os.makedirs("out/a")
    os.symlink("a", "out/b")
    inputs = [Input(f"in/{name}/x.jpg", f"{name}/x.jpg", found=True) for name in "ab"]
    with pytest.raises(ArgumentError, match="would both become"):
        outputs(inputs, "out/")


def test_labels_that_would_become_one_output(here):
    with pytest.raises(ArgumentError, match=r"put \{filter\} into the name"):
        outputs(named("a.jpg"), "{stem}.png", ("sobel", "scharr"))


@pytest.mark.parametrize("output", ["a.png", "./a.png", "in/../a.png", "link.png", "linked/a.png"])
def test_output_that_is_an_input(here, output):
    touch("a.png", "in/b.png")
    os.symlink("a.png", "link.png")
    os.symlink(".", "linked")
    with pytest.raises(ArgumentError, match="is an input: inputs are never overwritten"):
        outputs(named("a.png"), output)


def test_output_that_is_an_input_by_another_name(here):
    touch("a.png")
    os.symlink("a.png", "link.png")
    with pytest.raises(ArgumentError, match="is an input"):
        outputs(named("link.png"), "a.png")


@pytest.mark.parametrize("scheme", ["local://", "file://", "LOCAL://", "File://"])
def test_output_that_is_an_input_by_url(here, scheme):
    touch("a.png")
    with pytest.raises(ArgumentError, match="is an input"):
        outputs(named("a.png"), f"{scheme}{here}/a.png")


@pytest.mark.parametrize("output", ["hard.png", "/proc/self/cwd/a.png", "/proc/self/cwd/linked/../a.png"])
def test_output_that_is_an_input_by_number(here, output):
    touch("a.png")
    os.link("a.png", "hard.png")
    os.mkdir("in")
    os.symlink("in", "linked")
    if not os.path.exists(output):
        pytest.skip("there is no such way here")
    with pytest.raises(ArgumentError, match="is an input"):
        outputs(named("a.png"), output)


@contextmanager
def mounted(*words):
    """A mount, where mounts may be made."""
    command = ["mount", *map(str, words)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    yield
    subprocess.run(["umount", "-l", str(words[-1])], check=True)


def test_mount_of_an_input_folder(here):
    touch("in/a.png")
    os.makedirs("out")
    with mounted("--bind", here / "in", here / "out"), pytest.raises(ArgumentError, match="is an input"):
        outputs(named("in/a.png"), "out/a.png")


def test_two_outputs_that_are_one_file_by_way_of_a_mount(here):
    touch("in/a/x.jpg", "in/b/x.jpg")
    os.makedirs("out/a")
    os.makedirs("out/b")
    inputs = [Input(f"in/{name}/x.jpg", f"{name}/x.jpg", found=True) for name in "ab"]
    with mounted("--bind", here / "out/a", here / "out/b"), pytest.raises(ArgumentError, match="would both become"):
        outputs(inputs, "out/")


@pytest.fixture
def folding(here):
    """A folder that does not tell `A` from `a`."""
    if not shutil.which("mkfs.vfat"):
        pytest.skip("no such file system can be made here")
    with open("disk", "wb") as disk:
        disk.truncate(1 << 20)
    subprocess.run(["mkfs.vfat", "disk"], check=True, capture_output=True)
    os.mkdir("usb")
    with mounted("-o", "loop", here / "disk", here / "usb"):
        yield here


def test_inputs_and_outputs_where_case_does_not_count(folding):
    touch("usb/a.png", "usb/b.jpg", "in/c.jpg", "in/C.jpg")
    with pytest.raises(ArgumentError, match=r"usb/A.PNG is an input"):
        outputs(named("usb/a.png"), "usb/A.PNG")
    touch("usb/c-sobel.png")
    with pytest.raises(ArgumentError, match=r"usb/c-sobel.png and usb/C-sobel.png are one file"):
        outputs(named("in/c.jpg", "in/C.jpg"), "usb/")


def test_existing_outputs_that_are_hard_links_of_each_other_are_two(here):
    touch("a.jpg", "b.jpg", "out/a-sobel.png")
    os.link("out/a-sobel.png", "out/b-sobel.png")
    assert len(outputs(named("a.jpg", "b.jpg"), "out/")) == 2


def test_results_of_an_earlier_run_are_no_inputs(here):
    touch("in/a.jpg", "in/a-sobel.png")
    found = [Input(f"in/{name}", name, found=True) for name in ("a-sobel.png", "a.jpg")]
    assert outputs(found, None) == [("in/a-sobel.png",)]
    with pytest.raises(NoInputError):
        plan([], OutputRule(None, ("sobel",)))


def test_result_named_by_the_user_is_an_input_and_in_the_way(here):
    touch("in/a.jpg", "in/a-sobel.png")
    with pytest.raises(ArgumentError, match="is an input"):
        outputs(named("in/a.jpg", "in/a-sobel.png"), None)


@pytest.mark.parametrize("target", ["nowhere/{stem}.png", "nowhere/x.png"])
def test_missing_folder(here, target):
    with pytest.raises(ArgumentError, match="nowhere: no such folder"):
        outputs(named("a.jpg"), target)


def test_planning_makes_nothing_and_making_folders_makes_the_tree(here):
    rule = OutputRule("out/", ("sobel",))
    jobs = plan([Input("in/b/x.jpg", "b/x.jpg", found=True)], rule)
    assert os.listdir() == []
    make_folders(jobs, rule)
    assert os.path.isdir("out/b")


def test_folder_that_cannot_be_made(here):
    touch("out")
    rule = OutputRule("out/", ("sobel",))
    with pytest.raises(ArgumentError, match=r"out.* cannot be made"):
        make_folders(plan(named("a.jpg"), rule), rule)


def test_existing_outputs_are_counted(here):
    jobs = plan(named("a.jpg", "b.jpg", "c.jpg"), OutputRule(None, ("sobel",)))
    refuse_existing(jobs)
    touch("b-sobel.png")
    with pytest.raises(ArgumentError, match=r"^b-sobel.png exists already"):
        refuse_existing(jobs)
    os.symlink("nowhere", "c-sobel.png")
    with pytest.raises(ArgumentError, match=r"b-sobel.png and 1 more exist already"):
        refuse_existing(jobs)
