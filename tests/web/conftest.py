"""A browser and a service for the tests of the page."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.serving import PATIENCE_S, LiveService
from tests.web.browsing import open_page

expect.set_options(timeout=PATIENCE_S * 1000)  # a busy machine is slow


# One for each module, so that no event loop of Playwright is alive beside those of other tests.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or another one on the path."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("no chromium on this machine")
    # Chromium's own sandbox does not start as root, and few containers allow it to anyone.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 or os.environ.get("CI") else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def service() -> Iterator[LiveService]:
    """A service with fake networks."""
    with LiveService() as service:
        service.wait_until_ready()
        yield service


@pytest.fixture
def page(browser: Browser, service: LiveService) -> Iterator[Page]:
    """The page in Spanish, on a large screen."""
    with open_page(browser, service.url) as page:
        yield page
