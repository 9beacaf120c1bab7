"""A real browser for tests of pages: headless Chromium, driven by Playwright, without any network."""

import shutil
from pathlib import Path

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
"""Names of installed browsers; `.ci/run` installs Debian's `chromium`."""

OFFLINE = ("file:", "data:")
"""What a page may ask for."""


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium; of one module, because Playwright keeps an event loop that other modules' tests would meet."""
    sync_api = pytest.importorskip("playwright.sync_api")
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    with sync_api.sync_playwright() as playwright:
        if program is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("needs Chromium: install your system's package, or run `playwright install chromium`")
        started = playwright.chromium.launch(executable_path=program)
        yield started
        started.close()


@pytest.fixture
def browser_page(browser):
    """A page of 1000 by 800 pixels; the test fails if it says an error, or asks for anything but files."""
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    faults = watch(page)
    yield page
    page.evaluate("0")  # its answer comes after everything that was said before
    page.close()
    assert faults == []


def watch(page):
    """Return the list of what goes wrong on a page, which grows; requests to a network are not carried out."""
    faults = []
    page.on("console", lambda said: said.type in ("error", "warning") and faults.append(f"console: {said.text}"))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("websocket", lambda socket: faults.append(f"request: {socket.url}"))

    def pass_on(route):
        if route.request.url.startswith(OFFLINE):
            route.continue_()
        else:
            faults.append(f"request: {route.request.url}")
            route.abort()

    page.route("**/*", pass_on)
    return faults


def fits(page):
    """Whether a page can be read without scrolling sideways."""
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
