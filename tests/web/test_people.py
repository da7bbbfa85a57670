"""The page for all its readers: languages, keyboards, small screens, screen readers."""

from typing import Any

import pytest
from playwright.sync_api import Browser, FileChooser, Page, expect

from tests.serving import LiveService
from tests.web.browsing import AXE, GOOD, OTHER, open_page, upload, wait_for_answers

TOOLS = ("Ampliar", "Ventana", "Invertir", "Mapa", "Lado a lado", "Pantalla completa")
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
}


class TestLanguage:
    def test_a_browser_in_english_gets_english(
        self, browser: Browser, service: LiveService
    ) -> None:
        with open_page(browser, service.url, locale="en-GB") as page:
            upload(page, ("a.png", GOOD), ("broken.png", GOOD[:5000]))
            wait_for_answers(page, 2)
            expect(page.locator("#detail")).to_contain_text("Probability of pneumonia")
            page.locator(".row-main").nth(1).click()
            expect(page.locator("#detail .problem")).to_contain_text("Corrupt image")

    def test_switching_the_language_keeps_the_results(self, page: Page) -> None:
        upload(page, ("a.png", GOOD), ("b.png", OTHER))
        wait_for_answers(page, 2)
        figure = page.locator("#detail [data-part=probability]").text_content() or ""
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.get_by_role("link", name="English").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Upload a chest X-ray")
        expect(page.locator("html")).to_have_attribute("lang", "en")
        assert page.url.endswith("/?lang=en")
        expect(page.locator(".row")).to_have_count(2)
        shown = page.locator("#detail")
        expect(shown.locator("[data-part=probability]")).to_have_text(figure.replace(",", "."))
        # What the service said in Spanish is marked as Spanish.
        expect(shown.locator("[data-part=summary]")).to_have_attribute("lang", "es")
        assert not any("/predict" in url for url in asked)
        expect(page.get_by_role("link", name="Español")).to_be_focused()
        upload(page, ("c.png", GOOD))
        wait_for_answers(page, 3)

    def test_without_scripts_the_switch_is_a_link(
        self, browser: Browser, service: LiveService
    ) -> None:
        with open_page(browser, service.url, java_script_enabled=False) as page:
            page.get_by_role("link", name="English").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Upload a chest X-ray")


class TestScreens:
    @pytest.mark.parametrize("language", ["es", "en"])
    def test_a_phone_needs_no_sideways_scrolling(
        self, browser: Browser, service: LiveService, language: str
    ) -> None:
        with open_page(browser, service.url, f"/?lang={language}", **PHONE) as page:
            for filled in (False, True):
                if filled:
                    upload(page, ("a-very-long-name-of-a-file-without-a-break.png" * 2, GOOD))
                    wait_for_answers(page)
                    expect(page.locator("#detail .map")).to_be_visible()
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    def test_on_a_phone_choosing_a_row_brings_its_answer_into_view(
        self, browser: Browser, service: LiveService
    ) -> None:
        with open_page(browser, service.url, **PHONE) as page:
            upload(page, ("a.png", GOOD), ("b.png", OTHER))
            wait_for_answers(page, 2)
            page.locator(".row-main").nth(1).click()
            expect(page.locator("#detail-title")).to_be_in_viewport()

    @pytest.mark.parametrize("options", [{}, PHONE])
    def test_the_notice_is_always_in_view(
        self, browser: Browser, service: LiveService, options: dict[str, Any]
    ) -> None:
        with open_page(browser, service.url, **options) as page:
            notice = page.get_by_text("Apoya al médico; no lo reemplaza.")
            expect(notice).to_be_in_viewport(ratio=1)
            upload(page, ("a.png", GOOD))
            wait_for_answers(page)
            for place in ("0", "document.body.scrollHeight / 2", "document.body.scrollHeight"):
                page.evaluate(f"scrollTo(0, {place})")
                expect(notice).to_be_in_viewport(ratio=1)

    def test_the_first_paint_waits_for_no_script(
        self, browser: Browser, service: LiveService
    ) -> None:
        with open_page(browser, service.url, java_script_enabled=False) as page:
            expect(page.get_by_text("Elegir archivos")).to_have_css(
                "background-color", "rgb(11, 85, 99)"
            )


class TestKeyboard:
    def test_everything_can_be_operated_by_keyboard(self, page: Page) -> None:
        chosen: list[FileChooser] = []
        page.on("filechooser", lambda chooser: chosen.append(chooser))  # noqa: PLW0108 - it wants a Python function
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Ir al contenido")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.locator("#files")).to_be_focused()
        # A busy browser opens no dialogue for a key that it takes for none of the user's.
        while not chosen:
            page.keyboard.press("Enter")
            page.wait_for_timeout(500)
        chosen[0].set_files({"name": "a.png", "mimeType": "image/png", "buffer": GOOD})
        wait_for_answers(page)
        expect(page.locator("#detail .map")).to_be_visible()
        stations = [
            page.locator(".row-main"),
            page.get_by_role("button", name="Quitar a.png"),
            page.get_by_role("button", name="Descargar lista en CSV"),
            page.get_by_role("button", name="Quitar todas"),
            page.get_by_role("group", name="Radiografía; teclas"),
            *(page.get_by_role("button", name=name, exact=True) for name in TOOLS),
            page.get_by_role("slider"),
            page.get_by_text("Cómo usar el visor"),
            page.get_by_role("button", name="Descargar resultado en PDF"),
        ]
        for station in stations:
            page.keyboard.press("Tab")
            expect(station).to_be_focused()
            assert station.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
            if station == page.get_by_role("slider"):
                page.keyboard.press("End")
                expect(page.locator("#detail output")).to_have_text("100 %")
        with page.expect_download():
            page.keyboard.press("Enter")
        expect(page.get_by_text("PDF descargado.")).to_be_visible()
        expect(stations[-1]).to_be_focused()

    def test_the_focus_is_not_lost_with_a_row(self, page: Page) -> None:
        upload(page, ("a.png", GOOD), ("b.png", OTHER))
        wait_for_answers(page, 2)
        page.get_by_role("button", name="Quitar a.png").press("Enter")
        expect(page.locator(".row-main")).to_be_focused()
        page.get_by_role("button", name="Quitar b.png").press("Enter")
        expect(page.locator("#files")).to_be_focused()


class TestScreenReaders:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("language", ["es", "en"])
    def test_axe_finds_no_violation(
        self, browser: Browser, service: LiveService, language: str, scheme: str
    ) -> None:
        options = {"color_scheme": scheme, "reduced_motion": "reduce", "bypass_csp": True}
        with open_page(browser, service.url, f"/?lang={language}", **options) as page:
            page.evaluate(AXE.read_text(encoding="utf-8"))
            assert barriers(page) == []
            upload(page, ("a.png", GOOD), ("broken.png", GOOD[:5000]))
            wait_for_answers(page, 2)
            expect(page.locator("#detail .map")).to_be_visible()
            page.locator("[data-part=show-levels]").click()
            page.locator("[data-part=compare]").click()
            page.locator("details").evaluate_all("all => all.forEach((each) => each.open = true)")
            for row in range(2):
                page.locator(".row-main").nth(row).click()
                assert barriers(page) == []
            page.evaluate("document.getElementById('key-dialog').showModal()")
            assert barriers(page) == []
            page.evaluate("document.getElementById('key-dialog').close()")

    def test_events_are_announced(self, page: Page) -> None:
        upload(page, ("a.png", GOOD), ("roto.png", GOOD[:5000]))
        wait_for_answers(page, 2)
        said = page.locator("#live")
        expect(said).to_contain_text("Se agregaron 2 radiografías")
        figure = page.locator("#detail [data-part=probability]").text_content()
        expect(said).to_contain_text(f"probabilidad {figure}.")
        expect(said).to_contain_text("roto.png: ")

    def test_the_gauge_has_a_text_alternative(self, page: Page) -> None:
        upload(page, ("a.png", GOOD))
        wait_for_answers(page)
        figure = page.locator("#detail [data-part=probability]").text_content()
        words = f"Probabilidad {figure} en una escala de 0 a 1; umbral 0,5000."
        expect(page.get_by_role("img", name=words)).to_be_visible()

    def test_the_verdict_is_shown_by_shape_and_text_too(self, page: Page) -> None:
        page.emulate_media(forced_colors="active")
        upload(page, ("a.png", GOOD), ("b.png", OTHER))
        wait_for_answers(page, 2)
        marks = page.locator("#detail .verdict-class path:visible, .verdict-class circle:visible")
        expect(marks).to_have_count(1)


def barriers(page: Page) -> list[str]:
    """What axe-core finds, of any weight, by rule and place."""
    found = page.evaluate(
        """async () => {
          const { violations } = await axe.run(document, { resultTypes: ["violations"] });
          return violations.flatMap(({ id, impact, nodes }) =>
            nodes.map(({ target, failureSummary }) =>
              `${impact} ${id} ${target} ${failureSummary}`));
        }"""
    )
    return list(found)
