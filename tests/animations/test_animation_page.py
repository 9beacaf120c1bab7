"""The page of an animation in a browser shows what its records hold, by mouse, finger and keyboard."""

import json
import re

import numpy as np
import pytest
from animated import window
from browser import fits, watch

from cnncli.animations.boards import Boards
from cnncli.animations.filtering import animate_filter
from cnncli.animations.html import animation_page
from cnncli.animations.pooling import animate_pool
from cnncli.animations.shapes import animate_shape
from cnncli.drawing.svg.theme import DARK, LIGHT, Theme
from cnncli.files.text import number_text
from cnncli.networks.arithmetic import Axis

RANDOM = np.random.default_rng(3)
GRAY = RANDOM.integers(0, 10, (5, 6))
VOLUME = RANDOM.integers(0, 4, (4, 4, 3)).astype(np.uint8)
THREE = [[0, 1, 2], [2, 2, 0], [0, 1, 2]]
ODD = [[1, 0, -1], [2, 0.5, -2]]

ANIMATIONS = {
    "edge": animate_filter(GRAY, ODD, padding=0),
    "padded": animate_filter([[2, 0, 1], [1, 0, 0], [0, 1, 1]], THREE, padding=1, padding_mode="zeros"),
    "pair": animate_filter(GRAY, "sobel", padding="same", padding_mode="reflect", stride=2),
    "bias": animate_filter(GRAY, ODD, bias=-3, activation="relu", stride=(2, 1), flip=True),
    "dilation": animate_filter(GRAY, ODD, padding=2, dilation=2, padding_mode="circular"),
    "volume": animate_filter(VOLUME, ODD, color="volume", padding=1),
    "one": animate_filter([[5]], [[2]], padding=0),
    "pool": animate_pool([[1, 3, 2, 1, 4], [2, 9, 1, 1, 0], [1, 3, 2, 3, 7]], 2, padding=1),
    "partial": animate_pool([[1, 3, 2], [2, 9, 1], [4, 4, 4]], 2, mode="avg", ceil_mode=True),
    "shape": animate_shape((5, 4), Axis(3, stride=2, padding=(1, 1))),
    "transposed": animate_shape(3, Axis(3, stride=2, padding=(1, 1), transposed=True)),
}

STATE = """() => {
    const texts = (selector) => [...document.querySelectorAll(selector)].map((one) => one.textContent);
    const boxes = (id) => {
        const sides = (list) => [Math.min, Math.max].flatMap((pick, end) => end
            ? [pick(...list.map((one) => one.right)), pick(...list.map((one) => one.bottom))]
            : [pick(...list.map((one) => one.left)), pick(...list.map((one) => one.top))]);
        const of = (chosen) => [...document.getElementById(id).querySelectorAll(chosen)]
            .map((one) => one.getBoundingClientRect());
        return [sides(of(".frame")), sides(of(id === "output" ? "td[tabindex='0']" : "td.under"))];
    };
    const planes = [...document.querySelectorAll("[id^=plane-]")];
    return {
        lines: texts("#working p"), sums: texts("[id^=sum-]"), count: texts("#count")[0],
        products: texts("[id^=products-] td"), windows: texts("[id^=window-] td"), output: texts("#output td"),
        chosen: planes.flatMap((plane) => [...plane.querySelectorAll("td")]
            .flatMap((cell, at) => cell.classList.contains("chosen") ? [at] : [])),
        under: planes.map((plane) => [...plane.querySelectorAll("td")]
            .flatMap((cell, at) => cell.classList.contains("under") ? [at] : [])),
        boxes: [...planes.map((plane) => boxes(plane.id)), boxes("output")],
        slider: Number(document.getElementById("slider").value),
    };
}"""


def open_page(page, path, animation, **options):
    path = path / "animation.html"
    animation_page(animation, **options).save(path, replace=True)
    page.goto(path.as_uri())


@pytest.fixture
def still_page(browser_page):
    """A page of someone who asks for less motion: nothing begins by itself."""
    browser_page.emulate_media(reduced_motion="reduce")
    return browser_page


def check_position(page, animation, number):
    """Check that all that a page shows belongs to one position."""
    frame, state, boards = animation.frames[number], page.evaluate(STATE), Boards.of(animation)
    assert state["slider"] == number
    assert state["count"] == f"position {number + 1} of {len(animation.frames)}"
    columns = len(animation.kinds[0])
    places = [row * columns + column for row, column in frame.places]
    assert state["under"] == [sorted(places)] * len(animation.planes)
    assert state["chosen"] == [places[tap] for tap in frame.chosen]
    assert state["sums"] == [f"sum = {number_text(total)}" for total in frame.sums]
    assert state["products"] == [boards.products.write(one) for products in frame.products for one in products]
    own = [kernel.channel for kernel in animation.kernels]
    assert state["windows"] == [boards.planes.write(one) for n in own for one in window(animation, frame, n)]
    assert state["output"][number] == boards.output.write(frame.value)
    assert state["lines"][0] == f"output at x={frame.column}, y={frame.row}"
    if frame.value is not None:
        assert state["lines"][-1] == f"response = {number_text(frame.value)}"
        assert [line for line in frame.steps if line not in state["lines"]] == []
        assert [float(line.rpartition(" = ")[2]) for line in state["lines"] if line.startswith("sum")][
            : len(frame.sums)
        ] == pytest.approx(frame.sums, rel=1e-5)
    for box, cells in state["boxes"]:
        assert box == pytest.approx(cells, abs=1.5)


@pytest.mark.parametrize("name", ANIMATIONS)
def test_pointing_at_a_cell_shows_its_window_products_and_sum(still_page, tmp_path, name):
    animation = ANIMATIONS[name]
    open_page(still_page, tmp_path, animation)
    for number in reversed(range(len(animation.frames))):
        still_page.locator("#output td").nth(number).hover()
        check_position(still_page, animation, number)


@pytest.mark.parametrize("name", ANIMATIONS)
def test_a_page_fits_a_telephone_at_every_position(browser, tmp_path, name):
    with browser.new_context(
        viewport={"width": 320, "height": 640}, has_touch=True, reduced_motion="reduce"
    ) as context:
        page = context.new_page()
        faults = watch(page)
        open_page(page, tmp_path, ANIMATIONS[name])
        for number in range(0, len(ANIMATIONS[name].frames), 3):
            page.locator("#output td").nth(number).tap()
            check_position(page, ANIMATIONS[name], number)
            assert fits(page)
        assert faults == []


def keys_of(animation):
    """Keys, and the position after each; from within the output up and down go by rows."""
    columns, last = animation.geometry.output_size[1], len(animation.frames) - 1
    yield from [("ArrowLeft", 0), ("ArrowRight", min(1, last)), ("End", last), ("ArrowRight", last)]
    yield from [("ArrowLeft", max(last - 1, 0)), ("ArrowDown", max(last - 1, 0)), ("Home", 0)]
    yield from [("Tab " * 7, 0), ("ArrowDown", columns if columns <= last else 0), ("ArrowUp", 0), ("ArrowUp", 0)]


@pytest.mark.parametrize("name", ANIMATIONS)
def test_keys_go_from_position_to_position(still_page, tmp_path, name):
    animation = ANIMATIONS[name]
    open_page(still_page, tmp_path, animation)
    for key, number in keys_of(animation):
        if key.startswith("Tab"):
            still_page.locator("#output td[tabindex='0']").focus()
        else:
            still_page.keyboard.press(key)
        check_position(still_page, animation, number)


def test_the_output_is_one_stop_of_the_tabulator(still_page, tmp_path):
    open_page(still_page, tmp_path, ANIMATIONS["edge"])
    still_page.keyboard.press("ArrowRight")
    still_page.keyboard.press("Tab")
    assert still_page.evaluate("document.activeElement.ariaLabel").startswith("x=1, y=0: ")
    still_page.keyboard.press("ArrowDown")
    assert still_page.evaluate("document.activeElement.ariaLabel").startswith("x=1, y=1: ")
    still_page.keyboard.press("Tab")
    assert still_page.evaluate("document.activeElement.id") == "first"


def hold_time(page):
    """Let time pass by `clock.run_for` alone, however busy the machine is."""
    page.clock.install(time=0)
    page.clock.pause_at(1)


@pytest.mark.parametrize("name", ANIMATIONS)
def test_a_page_plays_to_its_end(browser_page, tmp_path, name):
    animation = ANIMATIONS[name]
    hold_time(browser_page)
    open_page(browser_page, tmp_path, animation, delay=0.5)
    for number in range(len(animation.frames)):
        assert browser_page.locator("#count").inner_text() == f"position {number + 1} of {len(animation.frames)}"
        browser_page.clock.run_for(500)
    assert browser_page.locator("#play").inner_text() == "Play"
    boards = Boards.of(animation)
    assert browser_page.evaluate(STATE)["output"] == [boards.output.write(frame.value) for frame in animation.frames]


def test_space_pauses_and_plays_on_and_from_the_end_again(browser_page, tmp_path):
    animation = ANIMATIONS["padded"]
    hold_time(browser_page)
    open_page(browser_page, tmp_path, animation)
    browser_page.clock.run_for(2000)
    browser_page.keyboard.press("Space")
    browser_page.clock.run_for(9000)
    assert browser_page.locator("#count").inner_text() == "position 3 of 9"
    browser_page.keyboard.press("Space")
    browser_page.clock.run_for(9000)
    assert browser_page.locator("#count").inner_text() == "position 9 of 9"
    browser_page.keyboard.press("Space")
    assert browser_page.locator("#count").inner_text() == "position 1 of 9"
    assert [text for text in browser_page.evaluate(STATE)["output"] if text] == [number_text(animation.frames[0].value)]


@pytest.mark.parametrize("place", ["#output td[tabindex='0']", "#play", "#slider"])
def test_space_plays_again_wherever_the_focus_is(browser_page, tmp_path, place):
    hold_time(browser_page)
    open_page(browser_page, tmp_path, ANIMATIONS["padded"])
    browser_page.keyboard.press("ArrowRight")
    browser_page.locator(place).focus()
    for position in ("position 9 of 9", "position 2 of 9"):
        browser_page.keyboard.press("Space")
        browser_page.clock.run_for(9000 if position.startswith("position 9") else 1000)
        assert browser_page.locator("#count").inner_text() == position


def test_less_motion_waits_to_be_played(still_page, tmp_path):
    still_page.clock.install()
    open_page(still_page, tmp_path, ANIMATIONS["padded"])
    still_page.clock.run_for(60_000)
    assert still_page.locator("#count").inner_text() == "position 1 of 9"
    still_page.get_by_role("button", name="Play").click()
    still_page.clock.run_for(1000)
    assert still_page.locator("#count").inner_text() == "position 2 of 9"


@pytest.mark.parametrize(
    ("name", "number", "shown"),
    [("First", 0, [0, 4]), ("Back", 3, [3, 4]), ("Next", 5, [4, 5]), ("Last", 8, range(9))],
)
def test_a_button_goes_to_its_position(still_page, tmp_path, name, number, shown):
    open_page(still_page, tmp_path, ANIMATIONS["padded"])
    for _ in range(4):
        still_page.keyboard.press("ArrowRight")
    still_page.get_by_role("button", name=name).click()
    check_position(still_page, ANIMATIONS["padded"], number)
    there = [at for at, text in enumerate(still_page.evaluate(STATE)["output"]) if text]
    assert set(shown) <= set(there)


def test_a_slider_goes_to_its_position(still_page, tmp_path):
    open_page(still_page, tmp_path, ANIMATIONS["padded"])
    still_page.get_by_role("slider", name="Position").fill("6")
    check_position(still_page, ANIMATIONS["padded"], 6)
    still_page.keyboard.press("ArrowLeft")
    check_position(still_page, ANIMATIONS["padded"], 5)


def test_a_screen_reader_hears_the_arithmetic_unless_it_plays(still_page, tmp_path):
    open_page(still_page, tmp_path, ANIMATIONS["padded"])
    value = number_text(ANIMATIONS["padded"].frames[1].value)
    still_page.get_by_role("gridcell", name="x=1, y=0").hover()
    said = still_page.get_by_role("status")
    assert said.get_attribute("aria-live") == "polite"
    assert re.search(rf"^sum = .* = {value}$", said.inner_text(), re.MULTILINE)
    output, padded, window = (
        still_page.get_by_role(role, name=name)
        for role, name in (("grid", "output 3x3"), ("table", "input 3x3, padded to 5x5"), ("table", "window"))
    )
    assert output.get_by_role("gridcell", name=f"x=1, y=0: {value}").count() == 1
    assert padded.get_by_role("cell", name="0 (padding)").count() == 16
    assert window.get_by_role("cell", name="0 (padding)").count() == 3
    still_page.get_by_role("button", name="Play").click()
    assert said.get_attribute("aria-live") == "off"


def test_pointing_at_the_output_pauses(browser_page, tmp_path):
    hold_time(browser_page)
    open_page(browser_page, tmp_path, ANIMATIONS["padded"])
    assert browser_page.locator("#play").inner_text() == "Pause"
    browser_page.locator("#output td").nth(4).hover()
    browser_page.clock.run_for(9000)
    assert browser_page.locator("#count").inner_text() == "position 5 of 9"


HOSTILE = "</script><img src=x onerror=alert(1)><!-- & \u2028 'quoted' \"貓\""


def test_no_text_breaks_out(still_page, tmp_path):
    padded = ANIMATIONS["padded"]
    kernels = tuple(kernel._replace(name=HOSTILE) for kernel in padded.kernels)
    frames = tuple(frame._replace(steps=(HOSTILE,)) for frame in padded.frames)
    legend = tuple((kind, HOSTILE) for kind, _ in padded.legend)
    hostile = padded._replace(title=HOSTILE, kernels=kernels, frames=frames, legend=legend, formula=(HOSTILE,))
    open_page(still_page, tmp_path, hostile)
    written = " ".join(HOSTILE.split())
    assert still_page.locator("h1").inner_text() == still_page.title() == written
    assert still_page.locator("img").count() == 0
    assert HOSTILE.replace("\u2028", " ") in still_page.locator("#working").text_content().replace("\u2028", " ")


@pytest.mark.parametrize(
    ("theme", "asked", "paper"),
    [
        (Theme.AUTO, "light", LIGHT),
        (Theme.AUTO, "dark", DARK),
        (Theme.LIGHT, "dark", LIGHT),
        (Theme.DARK, "light", DARK),
    ],
)
def test_a_page_is_light_or_dark(still_page, tmp_path, theme, asked, paper):
    still_page.emulate_media(color_scheme=asked, reduced_motion="reduce")
    open_page(still_page, tmp_path, ANIMATIONS["padded"], theme=theme)
    colour = still_page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colour == "rgb({}, {}, {})".format(*bytes.fromhex(paper["paper"].lstrip("#")))


@pytest.mark.parametrize("name", ANIMATIONS)
def test_a_page_is_small_and_holds_each_number_as_it_is_written(name):
    text = str(animation_page(ANIMATIONS[name]))
    assert len(text) < 30_000
    data = json.loads(re.search(r'<script type="application/json" id="frames">(.*?)</script>', text)[1])
    assert len(data["frames"]) == len(ANIMATIONS[name].frames)
    assert "http" not in re.sub(r"http-equiv|http://www.w3.org/\S+", "", text)
