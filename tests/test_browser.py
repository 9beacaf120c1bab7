"""The browser of the tests sees what it shall see."""

import pytest
from browser import fits, watch


def test_a_page_is_shown(browser_page, tmp_path):
    (tmp_path / "page.html").write_text("<title>t</title><p id=p>before</p><script>p.textContent = 'after'</script>")
    browser_page.goto((tmp_path / "page.html").as_uri())
    assert browser_page.locator("p").inner_text() == "after"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<script>console.error('no')</script>", "console: no"),
        ("<script>missing()</script>", "error: missing is not defined"),
        ("<img src='https://example.org/a.png'>", "request: https://example.org/a.png"),
        ("<style>@import 'http://example.org/a.css'</style>", "request: http://example.org/a.css"),
    ],
)
def test_a_fault_of_a_page_is_seen(browser, body, fault):
    page = browser.new_page()
    faults = watch(page)
    page.set_content(body)
    page.close()
    assert fault in faults


def test_a_socket_of_a_page_is_seen(browser):
    page = browser.new_page()
    faults = watch(page)
    with page.expect_websocket():
        page.set_content("<script>new WebSocket('ws://localhost:9')</script>")
    page.close()
    assert "request: ws://localhost:9/" in faults


@pytest.mark.parametrize("width", [200, 2000])
def test_what_is_too_wide_does_not_fit(browser_page, width):
    browser_page.set_content(f"<body style='margin: 0'><div style='width: {width}px'>x</div>")
    assert fits(browser_page) == (width < 1000)
