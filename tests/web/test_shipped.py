from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.films import films, needs_films
from tests.serving import LiveService
from tests.web.browsing import open_page, upload, wait_for_answers


@pytest.fixture(scope="module")
def shipped() -> Iterator[LiveService]:
    with LiveService("service") as service:
        service.wait_until_ready()
        yield service


@needs_films
def test_the_page_shows_the_verdict_of_the_shipped_bundle(
    browser: Browser, shipped: LiveService
) -> None:
    content = films()[-1].read_bytes()
    verdict = httpx.post(f"{shipped.url}/predict", files={"file": content}).json()
    with open_page(browser, shipped.url, locale="en-GB") as page:
        upload(page, ("a.jpeg", content))
        wait_for_answers(page)
        shown = page.locator("#detail")
        expect(shown.locator("[data-part=probability]")).to_have_text(
            f"{verdict['probability']:.4f}"
        )
        expect(shown.locator("[data-part=threshold]")).to_contain_text(
            f"{verdict['threshold']:.4f}"
        )
        for name in ("Lung field", "Lungs only"):
            expect(shown.locator("[data-part=members]")).to_contain_text(name)
        expect(shown.locator("[data-part=answered]")).to_contain_text(verdict["model"]["version"])
        # A map, or the word that there is nothing on it.
        expect(shown.locator(".map, [data-part=map-text]").filter(visible=True)).to_have_count(1)
        with page.expect_download() as download:
            page.get_by_role("button", name="Download result as PDF").click()
        assert download.value.suggested_filename.endswith(".pdf")
