"""The pictures of the READMEs and of the model card; ``scripts/screenshots`` takes them anew.

They show what the shipped networks answer to drawn chest films; no patient is in them.
"""

import io
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from service.inference import load_ensemble
from service.screening.overlay import overlay
from service.screening.screen import Screening
from tests.drawn_film import drawn_film
from tests.serving import ROOT, LiveService
from tests.web.browsing import open_page, upload, wait_for_answers

FOLDER: Final = ROOT / "docs" / "images"
MOST_BYTES: Final = 150_000
_TILE: Final = 272

_DESKTOP: Final = {"viewport": {"width": 1280, "height": 760}}
_PHONE: Final = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}

PICTURES: Final[Mapping[str, dict[str, Any]]] = {
    "page-es": {"locale": "es", **_DESKTOP},
    "page-en": {"locale": "en", **_DESKTOP},
    "page-en-dark": {"locale": "en", "color_scheme": "dark", **_DESKTOP},
    "page-es-tools": {"locale": "es", **_DESKTOP},
    "page-en-tools": {"locale": "en", **_DESKTOP},
    "page-es-phone": {"locale": "es", "device_scale_factor": 1.5, **_PHONE},
    "page-en-phone": {"locale": "en", "device_scale_factor": 1.5, **_PHONE},
}


def chest(seed: int, opacity: float) -> bytes:
    """The file of a drawn film at the size of a real radiograph."""
    buffer = io.BytesIO()
    drawn_film(seed, (1420, 1248), opacity).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def lungs_and_maps() -> Image.Image:
    """Outlines and maps of drawn films, clear above and clouded below: the model card's sheet."""
    screening = Screening(load_ensemble(ROOT / "models", threads=1), max_pixels=10**7)
    sheet = Image.new("RGB", (3 * _TILE, 2 * _TILE * 7 // 8))
    for row, opacity in enumerate((0.0, 1.0)):
        for column, seed in enumerate((1, 3, 7)):
            tile = overlay(screening.explain(chest(seed, opacity)))
            sheet.paste(
                tile.resize((_TILE, _TILE * 7 // 8)), (column * _TILE, row * _TILE * 7 // 8)
            )
    return sheet


def take(page: Page, path: Path) -> None:
    """Photograph the page."""
    keep(Image.open(io.BytesIO(page.screenshot())).convert("RGB"), path)


def keep(shot: Image.Image, path: Path) -> None:
    """Write a picture, in a palette that has the rare colours of the map too."""
    palette = shot.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=1)
    shot.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {shot.width} x {shot.height}, {size / 1000:.0f} kB")  # noqa: T201
    if size > MOST_BYTES:
        raise SystemExit(f"{path.name} is larger than {MOST_BYTES / 1000:.0f} kB.")


def use_tools(page: Page) -> None:
    """Show the map beside the radiograph, enlarged and with more contrast."""
    for tool in ("compare", "show-levels", "zoom-in", "zoom-in"):
        page.locator(f"[data-part={tool}]").click()
    page.locator("#window").fill("70")
    page.locator("#level").fill("46")
    page.evaluate("scrollTo(0, 0)")


def show(browser: Browser, url: str, name: str, options: dict[str, Any]) -> None:
    """Bring the page to where it is photographed."""
    files = [
        ("drawn-1.jpeg", chest(7, 1.0)),
        ("drawn-2.jpeg", chest(3, 0.0)),
        ("damaged.jpeg", chest(5, 0.0)[:20_000]),
    ]
    with open_page(browser, url, **options) as page:
        upload(page, *files)
        wait_for_answers(page, len(files))
        page.locator("#detail .map").wait_for(state="visible")
        if name.endswith("-tools"):
            use_tools(page)
        if options.get("is_mobile"):
            page.locator("#detail").evaluate("node => node.scrollIntoView()")
        take(page, FOLDER / f"{name}.png")


def main() -> None:
    """Take every picture anew."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    keep(lungs_and_maps(), FOLDER / "lungs-and-maps.png")
    with ExitStack() as stack:
        service = stack.enter_context(LiveService("service"))
        playwright = stack.enter_context(sync_playwright())
        service.wait_until_ready()
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, options in PICTURES.items():
            show(browser, service.url, name, options)
        browser.close()


if __name__ == "__main__":
    main()
