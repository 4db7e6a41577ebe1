"""Fixtures that tests of several rooms share."""

from __future__ import annotations

import os
import shutil

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of an installed browser.

    Without one the test is skipped. It fails where CHAFFINCH_REQUIRE_CHROMIUM is set, as in .ci/run, which
    installs one.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None and os.environ.get("CHAFFINCH_REQUIRE_CHROMIUM"):
        pytest.fail(f"CHAFFINCH_REQUIRE_CHROMIUM is set, and there is none of {', '.join(BROWSERS)}")
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    return found
