import inspect
import re
from functools import cache

import pytest
from browser import browser, browser_page  # noqa: F401 -- fixtures
from hypothesis import HealthCheck, settings

# A busy machine is slow now and then, and so is drawing what is large; that is no failure.
SLOWNESS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile("patient", max_examples=60, deadline=None, suppress_health_check=SLOWNESS)
settings.load_profile("patient")

LARGE = "torch|keras|torchvision|timm|onnxruntime|imagecodecs|pillow_heif|vl_convert|playwright"
"""Packages that some tests need, and that the extra `test` does not install."""

CALL = rf"""pytest\.importorskip\(["']({LARGE})\b"""


@cache
def for_all(module):
    """Whether all tests of a module need a large package."""
    return re.search(rf"^(\w+ = )?{CALL}", inspect.getsource(module), re.MULTILINE) is not None


@cache
def for_one(function):
    """Whether a test needs a large package, or a helper beside it that it calls."""
    called = [function.__globals__.get(name) for name in function.__code__.co_names]
    beside = [each for each in called if inspect.isfunction(each) and each.__module__ == function.__module__]
    return any(re.search(CALL, inspect.getsource(each)) for each in (function, *beside))


def pytest_collection_modifyitems(items):
    """Mark the tests that need a large package: `pytest -m extras` runs them alone."""
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        if "browser" in item.fixturenames or for_all(item.module) or for_one(inspect.unwrap(item.function)):
            item.add_marker("extras")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Let a test fail that is skipped without a large package and has no mark, since no run would ever run it."""
    report = yield
    missing = report.skipped and re.search(f"could not import '({LARGE})", str(report.longrepr))
    if missing and not item.get_closest_marker("extras"):
        report.outcome, report.longrepr = "failed", "needs a large package, which tests/conftest.py does not see"
    return report
