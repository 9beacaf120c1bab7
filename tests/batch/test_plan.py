"""Naming outputs, and refusing what would lose a file."""

import contextlib
import itertools
import os
import shlex
import shutil
import subprocess
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.batch.inputs import Input, find_inputs
from cnncli.batch.naming import OutputRule
from cnncli.batch.plan import make_folders, plan, refuse_existing
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


def advised(inputs, target, labels=("sobel",)):
    """The template of the message on outputs of one name, as a shell would read it."""
    with pytest.raises(ArgumentError, match="would both become") as caught:
        outputs(inputs, target, labels)
    (template,) = shlex.split(str(caught.value).partition(" such as ")[2])
    return template


@pytest.mark.parametrize(
    ("others", "target", "advice"),
    [
        (["a/x.png"], None, "{parent}/{name}-{filter}.png"),
        (["a/x.png"], "there/", "there/{name}-{filter}.png"),
        (["a/x.png"], "there", "there/{name}-{filter}.png"),
        (["a/x.png"], "out/", "out/{below}/{name}-{filter}.png"),
        (["b/x.jpg"], "out/", "out/{parent}/{stem}-{filter}.png"),
        (["b/x.jpg", "b/x.png"], "out/", "out/{parent}/{name}-{filter}.png"),
        (["b/x.png"], "{stem}.webp", "{name}.webp"),
        (["b/x.jpg"], "{stem}-{filter}.png", "{parent}/{stem}-{filter}.png"),
        (["b/x.jpg"], "there/{stem}.webp", "there/{parent}/{stem}.webp"),
        (["a/x.png"], "there/{filter}.webp", "there/{name}-{filter}.webp"),
        (["a/x.png"], "memory://out/", "memory://out/{name}-{filter}.png"),
        (["b/x.jpg"], "memory://out/", "memory://out/{parent}/{stem}-{filter}.png"),
    ],
)
def test_advice_on_two_inputs_that_would_become_one_output(here, others, target, advice):
    if "memory" in str(target):
        pytest.importorskip("fsspec")
    touch("a/x.jpg", *others)
    os.mkdir("there")
    assert advised(named("a/x.jpg", *others), target) == advice


TREES = [
    ["in/x.jpg", "in/x.png"],
    ["in/x.jpg", "in/x.png", "in/sub/x.jpg"],
    ["in/sub/x.jpg", "in/sub/x.png", "in/sub/y.png", "in/y.png"],
    ["in/a/x.jpg", "in/b/x.jpg", "more/a/x.jpg", "more/b/x.png", "more/b/x.jpg"],
]
FOLDERS = [None, "there", "out/", "out/deep/", "there/it's mine/", "./there/../there"]
TEMPLATES = ["{stem}-{filter}.png", "there/{stem}-{filter}.png", "out/{below}/{stem}-{filter}.png"]
TEMPLATES += ["there/{filter}/{stem}.png", "{parent}/{stem}{filter}.png"]
LABELS = [("sobel",), ("sobel-positive", "sobel-negative"), ("box", "sobel")]
CASES = [("{stem}.png", ("sobel",)), *itertools.product(FOLDERS + TEMPLATES, LABELS)]


@pytest.mark.parametrize("tree", TREES, ids=range(len(TREES)))
@pytest.mark.parametrize("way", ["folder", "above", "absolute", "glob", "names"])
def test_advice_is_true_and_keeps_the_chosen_folder(here, monkeypatch, tree, way):
    touch(*tree)
    os.makedirs("work/there")
    monkeypatch.chdir("work")
    roots = sorted({name.partition("/")[0] for name in tree})
    words = {
        "folder": roots,
        "above": [f"../{root}" for root in roots],
        "absolute": [str(here / root) for root in roots],
        "glob": [f"{root}/**/*.*" for root in roots],
        "names": tree,
    }[way]
    if way not in ("above", "absolute"):
        for root in roots:
            os.rename(here / root, root)
    inputs = find_inputs(words, recursive=True, suffixes=(".jpg", ".png"))
    colliding = [case for case in CASES if collides(inputs, *case)]
    assert len(colliding) > len(CASES) / 3
    for target, labels in colliding:
        check_advice(inputs, target, labels)
        shutil.rmtree("out", ignore_errors=True)


def collides(inputs, target, labels):
    with contextlib.suppress(ArgumentError):
        outputs(inputs, target, labels)
        return False
    return True


def check_advice(inputs, target, labels):
    rule = OutputRule(advised(inputs, target, labels), labels)
    jobs = plan(inputs, rule)
    make_folders(jobs, rule)
    made = [output for job in jobs for output in job.outputs]
    assert len(set(made)) == len(inputs) * len(labels)
    assert all(os.path.isdir(os.path.dirname(output) or ".") for output in made)
    if target is None:
        assert all(os.path.dirname(job.outputs[0]) == os.path.dirname(job.input.path) for job in jobs)
    elif target in FOLDERS:
        chosen = os.path.realpath(target)
        for job in jobs:
            folder = os.path.dirname(os.path.realpath(job.outputs[0]))
            assert os.path.commonpath([folder, chosen]) == chosen
            assert folder.endswith(os.path.dirname(job.input.below)), "and the folders below it"


def test_one_file_named_in_two_ways(here):
    touch("a.jpg", "in/b.jpg")
    os.symlink("in", "linked")
    for one, other in (("a.jpg", "./a.jpg"), ("in/b.jpg", "linked/b.jpg")):
        with pytest.raises(ArgumentError, match=f"^{one} and {other} are one file: name it once$"):
            outputs(named(one, other), "out/")


def test_no_template_tells_them_apart():
    pytest.importorskip("aiohttp")
    inputs = named("https://host/a.jpg?page=1", "https://host/a.jpg?page=2")
    with pytest.raises(ArgumentError, match="process them in separate runs, each with an output of its own"):
        outputs(inputs, "out/")


@pytest.mark.parametrize(
    ("parent", "inner"),
    [("a", "a/"), ("a/b", "a/b/"), ("/a/b", "a/b/"), ("../a", "a/"), ("", ""), (".", ""), ("memory://a/b", "a/b/")],
)
def test_parent_inside_a_folder_never_leads_out_of_it(here, parent, inner):
    source = named(os.path.join(parent, "x.jpg"))[0]
    assert OutputRule("out/{parent}/{stem}.png", ("sobel",)).outputs(source) == (f"out/{inner}x.png",)


def test_template_of_a_folder(here):
    touch("in/a.jpg", "more/a.jpg")
    rule = OutputRule("{parent}/edges/", ("box", "sobel"), ".tif")
    jobs = plan(named("in/a.jpg", "more/a.jpg"), rule)
    assert [job.outputs for job in jobs] == [
        (f"{folder}/edges/a-box.tif", f"{folder}/edges/a-sobel.tif") for folder in ("in", "more")
    ]
    make_folders(jobs, rule)
    assert os.path.isdir("more/edges")


def test_folders_that_fields_name_are_made(here):
    touch("in/a.jpg", "in/b.jpg")
    rule = OutputRule("out/{filter}/{stem}/x.png", ("box", "sobel"))
    make_folders(plan(named("in/a.jpg", "in/b.jpg"), rule), rule)
    assert sorted(os.listdir("out")) == ["box", "sobel"]
    assert sorted(os.listdir("out/box")) == ["a", "b"]
    with pytest.raises(ArgumentError, match="nowhere: no such folder"):
        outputs(named("nowhere/a.jpg"), "{parent}/{stem}.png")


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
    with pytest.raises(ArgumentError, match=r"^out: the folder cannot be made: out is not a folder$"):
        plan(named("a.jpg"), rule)
    with pytest.raises(ArgumentError, match=r"^out/b/c: the folder cannot be made: out is not a folder$"):
        plan(named("a.jpg"), OutputRule("out/b/c/", ("sobel",)))


def test_existing_outputs_are_counted(here):
    jobs = plan(named("a.jpg", "b.jpg", "c.jpg"), OutputRule(None, ("sobel",)))
    refuse_existing(jobs)
    touch("b-sobel.png")
    with pytest.raises(ArgumentError, match=r"^b-sobel.png exists already"):
        refuse_existing(jobs)
    os.symlink("nowhere", "c-sobel.png")
    with pytest.raises(ArgumentError, match=r"b-sobel.png and 1 more exist already"):
        refuse_existing(jobs)
