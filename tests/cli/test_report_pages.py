"""Reports in a real browser, and the commands that they say repeat them."""

import re
import shlex
from html import unescape

import pytest
from browser import fits
from shell import cnncli, done
from small_boxes import squares_folder
from small_data import NETWORK, PLAIN_WORDS, bars_folder

CLASSES = ["--network", NETWORK, "--epochs", 2, "--seed", 3, *PLAIN_WORDS]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run on classes and one on boxes, each in the folder of its data."""
    folder = tmp_path_factory.mktemp("report pages")
    bars_folder(folder / "bars")
    squares_folder(folder / "squares")
    result = done("train", folder / "bars", "-o", folder / "classes", *CLASSES)
    assert result.stdout.endswith("mistakes.png, report.html\n")
    done("train", folder / "squares", "-o", folder / "boxes", "--epochs", 2, "-q")
    for name, data in (("classes", "bars"), ("boxes", "squares")):
        done("evaluate", folder / name, folder / data, "--report", folder / f"{name}.html", "-q")
    return folder


PAGES = ("classes/report.html", "boxes/report.html", "classes.html", "boxes.html")


@pytest.mark.parametrize("width", [320, 1000])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_all_its_pictures_without_scrolling_sideways(runs, browser_page, page, width):
    browser_page.set_viewport_size({"width": width, "height": 800})
    browser_page.goto((runs / page).as_uri())
    assert fits(browser_page)
    widths = browser_page.eval_on_selector_all("img", "images => images.map(image => image.naturalWidth)")
    assert len(widths) >= 4
    assert min(widths) > 0
    assert browser_page.locator("svg").count() >= 1
    assert browser_page.get_by_role("heading", name="Confusion matrix").is_visible()


def test_a_page_is_dark_where_its_reader_likes_it_dark(runs, browser_page):
    colours = []
    for scheme in ("light", "dark"):
        browser_page.emulate_media(color_scheme=scheme)
        browser_page.goto((runs / PAGES[0]).as_uri())
        colours.append(browser_page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(255, 255, 255)", "rgb(20, 24, 29)"]


def test_print_unfolds_what_is_folded(runs, browser_page):
    browser_page.goto((runs / PAGES[0]).as_uri())
    numbers = browser_page.get_by_role("cell", name="0.001", exact=True).first
    assert not numbers.is_visible()
    browser_page.emulate_media(media="print")
    assert browser_page.evaluate("document.querySelector('details table').getBoundingClientRect().height") > 20


def command_of(page):
    """Return the words of the command that a page says repeats it."""
    return shlex.split(unescape(re.search(r"<code>(cnncli .*?)</code>", page.read_text("utf-8")).group(1)))[1:]


@pytest.mark.parametrize("name", ["classes", "boxes"])
def test_the_command_of_a_run_repeats_it_bit_for_bit(runs, tmp_path, name):
    done(*command_of(runs / name / "report.html"), "-o", tmp_path / "again", "-q")
    assert (tmp_path / "again/model.safetensors").read_bytes() == (runs / name / "model.safetensors").read_bytes()


def test_the_command_of_an_evaluation_repeats_it(runs):
    words = [
        "evaluate",
        runs / "boxes",
        runs / "squares",
        "--threshold",
        "0.3",
        "--top",
        7,
        "--report",
        runs / "a.html",
    ]
    first = done(*words, "--force").stdout
    command = command_of(runs / "a.html")
    assert {"--threshold", "--top"} < set(command)
    assert done(*command).stdout == first


def test_a_report_is_not_written_over_others(runs):
    page = runs / "taken.html"
    page.write_text("mine")
    result = cnncli("evaluate", runs / "classes", runs / "bars", "--report", page)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "taken.html exists already: --force overwrites" in result.stderr
    assert page.read_text() == "mine"
    assert cnncli("evaluate", runs / "classes", runs / "bars", "--report", runs / "none/x.html").exit_code == 2


def test_a_report_and_the_mistakes_are_two_files(runs, tmp_path):
    words = ("--report", tmp_path / "page.html", "--mistakes", f"{tmp_path}/./page.html", "--force")
    result = cnncli("evaluate", runs / "classes", runs / "bars", *words)
    assert (result.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert "--mistakes and --report both write" in result.stderr
