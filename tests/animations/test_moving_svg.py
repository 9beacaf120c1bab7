"""The moving SVG in a real browser."""

import pytest
from animated import ANIMATED, still_svg

from cnncli.animations.layout import scene_of
from cnncli.animations.svg import HOLD, moving_svg
from cnncli.drawing.svg.theme import Theme

SEEN = """() => [...document.querySelectorAll("tspan")]
    .filter(text => getComputedStyle(text).visibility === "visible").map(text => text.textContent).sort()"""
AT = "time => document.getAnimations().forEach(one => { one.pause(); one.currentTime = time })"


@pytest.mark.parametrize("name", ["published", "volume", "maximum", "transposed"])
def test_each_step_is_seen_in_its_time(browser_page, tmp_path, name):
    scene = scene_of(ANIMATED[name]())
    moving_svg(scene, delay=0.5).save(tmp_path / "moving.svg")
    browser_page.goto((tmp_path / "moving.svg").as_uri())
    steps = len(scene.steps)
    for number in (0, 1, steps // 2, steps - 1):
        expected = sorted(label.text for label in still_svg(scene, number).labels)
        for share in (0.02, 0.98):
            browser_page.evaluate(AT, 500 * (number + share))
            assert browser_page.evaluate(SEEN) == expected
    browser_page.evaluate(AT, 500 * (steps + HOLD) - 5)
    assert browser_page.evaluate(SEEN) == sorted(label.text for label in still_svg(scene).labels)
    browser_page.evaluate(AT, 500 * (steps + HOLD) + 5)
    assert browser_page.evaluate(SEEN) == sorted(label.text for label in still_svg(scene, 0).labels)


def test_two_in_one_page_keep_their_own_pace(browser_page):
    scenes = {250: scene_of(ANIMATED["maximum"]()), 500: scene_of(ANIMATED["published"]())}
    browser_page.set_content("".join(str(moving_svg(scene, delay=one / 1000)) for one, scene in scenes.items()))
    browser_page.evaluate(AT, 510)
    drawn = [still_svg(scene, 510 // one) for one, scene in scenes.items()]
    assert browser_page.evaluate(SEEN) == sorted(label.text for still in drawn for label in still.labels)


def test_whoever_asks_for_less_motion_sees_the_last_step(browser_page, tmp_path):
    scene = scene_of(ANIMATED["published"]())
    moving_svg(scene).save(tmp_path / "moving.svg")
    browser_page.emulate_media(reduced_motion="reduce")
    browser_page.goto((tmp_path / "moving.svg").as_uri())
    assert browser_page.evaluate("document.getAnimations().length") == 0
    assert browser_page.evaluate(SEEN) == sorted(label.text for label in still_svg(scene).labels)


def test_it_moves_as_a_picture_of_a_page(browser_page, tmp_path):
    scene = scene_of(ANIMATED["published"]())
    moving_svg(scene, theme=Theme.LIGHT, delay=0.05).save(tmp_path / "moving.svg")
    still_svg(scene, theme=Theme.LIGHT).save(tmp_path / "still.svg")
    for name in ("moving", "still"):
        (tmp_path / f"{name}.html").write_text(f'<body style="margin: 0"><img src="{name}.svg"></body>')
    browser_page.goto((tmp_path / "still.html").as_uri())
    last = browser_page.screenshot()
    browser_page.goto((tmp_path / "moving.html").as_uri())
    seen = set()
    for _ in range(400):  # a screenshot waits for a frame of the browser
        seen.add(browser_page.screenshot())
        if last in seen and len(seen) > 2:
            break
    assert last in seen
    assert len(seen) > 2


def test_programs_that_do_not_move_pictures_draw_the_last_step():
    vl_convert = pytest.importorskip("vl_convert")
    scene = scene_of(ANIMATED["published"]())
    moving, still = (str(svg) for svg in (moving_svg(scene, theme=Theme.LIGHT), still_svg(scene, theme=Theme.LIGHT)))
    assert vl_convert.svg_to_png(moving, scale=1) == vl_convert.svg_to_png(still, scale=1)
