"""The page in Firefox: what Chromium does in the other tests, here once in another engine."""

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.serving import LiveService
from tests.web.browsing import GOOD, OTHER
from tests.web.firefox import Firefox, executable, firefox

WATCH = """
window.complaints = [];
addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
  window.complaints.push(`policy: ${violatedDirective} ${blockedURI}`));
addEventListener("error", ({ message }) => window.complaints.push(message));
addEventListener("unhandledrejection", ({ reason }) => window.complaints.push(String(reason)));
"""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    if executable() is None:
        pytest.skip("no Firefox on this machine")
    with firefox(tmp_path_factory.mktemp("firefox")) as window:
        yield window


@pytest.fixture
def page(window: Firefox, service: LiveService, tmp_path: Path) -> Iterator[Firefox]:
    """The page in Spanish with one radiograph and its map."""
    window.open(f"{service.url}/?lang=es")
    window.script(WATCH)
    choose(window, tmp_path, ("Ana.png", GOOD))
    window.wait("document.querySelector('#detail .map')?.hidden === false")
    yield window
    assert window.script("return window.complaints") == []


def choose(window: Firefox, folder: Path, *files: tuple[str, bytes]) -> None:
    for name, content in files:
        (folder / name).write_bytes(content)
    window.type("#files", "\n".join(str(folder / name) for name, _ in files))


def mean(picture: bytes) -> float:
    levels = Image.open(io.BytesIO(picture)).convert("L").histogram()
    return sum(place * number for place, number in enumerate(levels)) / sum(levels)


def width(window: Firefox) -> float:
    return float(
        window.script(
            "return document.querySelector('#detail .picture').getBoundingClientRect().width"
        )
    )


def test_it_shows_the_verdict_of_the_api(page: Firefox, service: LiveService) -> None:
    verdict = httpx.post(f"{service.url}/predict", files={"file": GOOD}).json()
    assert page.text("#detail [data-part=probability]") == (
        f"{verdict['probability']:.4f}".replace(".", ",")
    )
    assert page.text("#detail-title") == "Ana.png"
    assert page.text("[data-part=whose]") == "Resultado de Ana.png"


def test_a_later_upload_is_the_one_that_is_shown(page: Firefox, tmp_path: Path) -> None:
    choose(page, tmp_path, ("Eva.png", OTHER))
    page.wait("document.querySelectorAll('.row.above, .row.below').length === 2")
    assert page.text("#detail-title") == "Eva.png"


def test_table_and_report_are_saved(page: Firefox) -> None:
    page.click("#csv")
    table = page.downloaded("pneumonia-xray.csv").read_bytes()
    assert table.startswith(b"\xef\xbb\xbffile;assessment;predicted_class;")
    page.click("[data-part=report-button]")
    assert page.downloaded("pneumonia-xray-Ana-*.pdf").read_bytes().startswith(b"%PDF-")


def test_the_viewing_tools_work(page: Firefox) -> None:
    before = width(page)
    page.click("[data-part=zoom-in]")
    assert width(page) == pytest.approx(before * 1.25, rel=0.01)
    page.type("#detail .frame", "+")
    assert width(page) == pytest.approx(before * 1.5625, rel=0.01)
    page.pointer("#detail .frame", ("Move", 0, 0), ("Down", 0, 0), ("Move", 30, 20), ("Up", 30, 20))
    assert (
        page.script("return document.querySelector('.frame').style.getPropertyValue('--x')") != ""
    )
    page.type("#detail .frame", "0m")
    assert width(page) == pytest.approx(before)
    plain = mean(page.screenshot("#detail .frame"))
    page.type("#detail .frame", "i")
    assert mean(page.screenshot("#detail .frame")) == pytest.approx(255 - plain, abs=4)
    page.type("#detail .frame", "im")
    page.click("[data-part=compare]")
    assert page.script(
        "return document.querySelector('.plain-picture').getBoundingClientRect().width > 0"
    )
    page.click("[data-part=compare]")


def test_removal_is_undone_and_the_language_is_switched(page: Firefox) -> None:
    page.click("#clear")
    page.click("[data-kind=undo] [data-part=undo]")
    assert page.text(".row [data-part=name]") == "Ana.png"
    page.click("#language")
    page.wait("document.documentElement.lang === 'en'")
    assert page.text("[data-part=whose]") == "Result for Ana.png"
