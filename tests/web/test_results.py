import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect
from pypdf import PdfReader

from service.report import MAX_NOTE, MAX_REFERENCE
from tests.serving import LiveService, radiograph
from tests.web.browsing import (
    GOOD,
    OTHER,
    answer_problem,
    note_what_is_sent,
    open_page,
    upload,
    wait_for_answers,
    what_was_sent,
)


class TestHeatMap:
    def test_the_map_fades_with_the_slider(self, page: Page) -> None:
        upload(page, ("a.png", GOOD))
        heat = page.locator("#detail .map")
        expect(heat).to_be_visible()
        slider = page.get_by_role("slider", name="Opacidad del mapa de calor")
        assert heat.evaluate("image => getComputedStyle(image).opacity") == "0.45"
        slider.fill("25")
        assert heat.evaluate("image => getComputedStyle(image).opacity") == "0.25"
        expect(page.locator("#detail output")).to_have_text("25 %")

    def test_the_map_covers_the_picture_and_no_more(self, page: Page) -> None:
        upload(page, ("a.png", GOOD))
        expect(page.locator("#detail .map")).to_be_visible()
        for measure in ("naturalWidth / image.naturalHeight", "getBoundingClientRect().left"):
            of_both = [
                page.locator(f"#detail .{name}").evaluate(f"image => image.{measure}")
                for name in ("picture", "map")
            ]
            assert of_both[0] == pytest.approx(of_both[1], rel=0.01)

    def test_the_opacity_is_kept_for_the_next_radiograph(self, page: Page) -> None:
        upload(page, ("a.png", GOOD), ("b.png", OTHER))
        wait_for_answers(page, 2)
        page.get_by_role("slider").fill("80")
        page.locator(".row-main").nth(1).click()
        expect(page.locator("#detail-title")).to_have_text("b.png")
        expect(page.get_by_role("slider")).to_have_value("80")

    def test_a_map_is_requested_only_when_its_radiograph_is_shown(self, page: Page) -> None:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        upload(page, ("a.png", GOOD), ("b.png", OTHER))
        wait_for_answers(page, 2)
        expect(page.locator("#detail .map")).to_be_visible()
        assert sum("/explain" in url for url in asked) == 1
        for row in (1, 0, 1):
            page.locator(".row-main").nth(row).click()
            expect(page.locator("#detail .map")).to_be_visible()
        assert sum("/explain" in url for url in asked) == 2

    def test_a_model_without_maps_is_asked_once(self, page: Page) -> None:
        asked: list[int] = []

        def refuse(route: Route) -> None:
            asked.append(1)
            answer_problem(route, 422, "not_explainable")

        page.route("**/explain*", refuse)
        upload(page, ("a.png", GOOD), ("b.png", OTHER))
        wait_for_answers(page, 2)
        words = page.get_by_text(
            "No se puede calcular un mapa de calor para las redes de este modelo."
        )
        expect(words).to_be_visible()
        expect(page.locator("#detail .verdict")).to_be_visible()
        page.locator(".row-main").nth(1).click()
        expect(page.locator("#detail-title")).to_have_text("b.png")
        expect(words).to_be_visible()
        assert len(asked) == 1

    def test_a_failed_map_leaves_the_verdict(self, page: Page) -> None:
        page.route("**/explain*", lambda route: answer_problem(route, 500, "internal_error"))
        upload(page, ("a.png", GOOD))
        wait_for_answers(page)
        expect(page.get_by_text("Detalle internal_error.")).to_be_visible()
        expect(page.locator("#detail .verdict")).to_be_visible()


class TestGauge:
    @contextmanager
    def gauge(
        self, browser: Browser, service: LiveService, range_: dict[str, float] | None
    ) -> Iterator[Locator]:
        """The bar of a verdict of 0.4 from a model with this range, on a phone."""

        def answer(route: Route) -> None:
            change = {"probability": 0.4, "indeterminate": range_}
            route.fulfill(json=route.fetch().json() | change)

        phone = {"viewport": {"width": 390, "height": 844}}
        with open_page(browser, service.url, "/?lang=en", **phone) as page:
            page.route("**/predict*", answer)
            upload(page, ("a.png", GOOD))
            wait_for_answers(page)
            yield page.get_by_role("img", name="Probability 0.4000 on a scale from 0 to 1")

    @pytest.mark.parametrize(("lower", "upper"), [(0.2, 0.9), (0.0, 0.02), (0.97, 1.0)])
    def test_the_range_stands_on_the_scale_with_its_ends(
        self, browser: Browser, service: LiveService, lower: float, upper: float
    ) -> None:
        with self.gauge(browser, service, {"lower": lower, "upper": upper}) as gauge:
            ends = f"{lower:.4f} to {upper:.4f}"
            expect(gauge.get_by_text(f"indeterminate: {ends}")).to_be_visible()
            words = f"Indeterminate from {ends}."
            assert (gauge.get_attribute("aria-label") or "").endswith(words)
            places = [
                gauge.locator(name).bounding_box()
                for name in (".gauge-track", ".gauge-range", ".gauge-between")
            ]
            (left, width), (start, length), (words_start, words_width) = (
                (place["x"], place["width"]) for place in places if place
            )
            assert start == pytest.approx(left + lower * width, abs=2)
            assert length == pytest.approx((upper - lower) * width, abs=3)
            assert left - 1 <= words_start < words_start + words_width <= left + width + 1

    def test_a_model_without_a_range_shows_none(
        self, browser: Browser, service: LiveService
    ) -> None:
        with self.gauge(browser, service, None) as gauge:
            expect(gauge.locator(".gauge-range, .gauge-between")).to_have_count(2)
            expect(gauge.locator(":is(.gauge-range, .gauge-between):visible")).to_have_count(0)
            assert (gauge.get_attribute("aria-label") or "").endswith("threshold 0.5000.")


class TestReport:
    def test_the_pdf_holds_verdict_and_user_input(
        self, page: Page, service: LiveService, tmp_path: Path
    ) -> None:
        upload(page, ("Ana.png", GOOD))
        wait_for_answers(page)
        page.get_by_text("Agregar una referencia o una nota al PDF").click()
        page.get_by_label("Referencia del paciente (opcional)").fill("HC 4711")
        page.get_by_label("Nota (opcional)").fill("Tos desde el martes")
        note_what_is_sent(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="Descargar resultado en PDF").click()
        expect(page.get_by_text("PDF descargado.")).to_be_visible()
        [sent] = what_was_sent(page)
        assert (sent["reference"], sent["note"]) == ("HC 4711", "Tos desde el martes")
        assert re.fullmatch(
            r"pneumonia-xray-Ana-[0-9a-f]{8}\.pdf", download.value.suggested_filename
        )
        file = tmp_path / "report.pdf"
        download.value.save_as(file)
        text = " ".join(PdfReader(file).pages[0].extract_text().split())
        verdict = httpx.post(f"{service.url}/predict", files={"file": GOOD}).json()
        assert f"{verdict['probability']:.4f}".replace(".", ",") in text
        assert "HC 4711" in text
        assert "Tos desde el martes" in text
        assert "Radiografía de tórax: apoyo a la decisión" in text
        assert "Ana" not in text

    def test_the_fields_accept_as_much_as_the_service(self, page: Page) -> None:
        upload(page, ("a.png", GOOD))
        wait_for_answers(page)
        for name, most in (("reference", MAX_REFERENCE), ("note", MAX_NOTE)):
            assert page.locator(f"#{name}").get_attribute("maxlength") == str(most)

    def test_a_note_of_many_lines_is_accepted(self, page: Page) -> None:
        upload(page, ("a.png", GOOD))
        wait_for_answers(page)
        page.get_by_text("Agregar una referencia o una nota al PDF").click()
        page.locator("#note").fill("a\n" * (MAX_NOTE // 2))
        with page.expect_download():
            page.get_by_role("button", name="Descargar resultado en PDF").click()

    def test_user_input_stays_with_its_radiograph(self, page: Page) -> None:
        upload(page, ("a.png", GOOD), ("b.png", OTHER))
        wait_for_answers(page, 2)
        page.get_by_text("Agregar una referencia o una nota al PDF").click()
        page.locator("#reference").fill("HC 4711")
        page.locator(".row-main").nth(1).click()
        expect(page.locator("#reference")).to_have_value("")
        page.locator(".row-main").nth(0).click()
        expect(page.locator("#reference")).to_have_value("HC 4711")

    def test_a_failed_report_is_reported(self, page: Page) -> None:
        page.route("**/report*", lambda route: answer_problem(route, 500, "internal_error"))
        upload(page, ("a.png", GOOD))
        wait_for_answers(page)
        page.get_by_role("button", name="Descargar resultado en PDF").click()
        expect(
            page.get_by_text("No se pudo generar el PDF: Detalle internal_error.")
        ).to_be_visible()


def decimal_comma(value: float) -> str:
    return str(value).replace(".", ",")


class TestTable:
    def table_of(self, page: Page, folder: Path, delimiter: str = ";") -> list[dict[str, str]]:
        with page.expect_download() as download:
            page.locator("#csv").click()
        assert download.value.suggested_filename == "pneumonia-xray.csv"
        file = folder / "table.csv"
        download.value.save_as(file)
        content = file.read_bytes()
        assert content.startswith(b"\xef\xbb\xbf")
        assert content.endswith(b"\r\n")
        text = io.StringIO(content.decode("utf-8-sig"), newline="")
        return list(csv.DictReader(text, delimiter=delimiter))

    def test_the_table_equals_the_api(
        self, page: Page, service: LiveService, tmp_path: Path
    ) -> None:
        expect(page.locator("#csv")).to_be_hidden()
        upload(page, ("a, b.png", GOOD), ("roto.png", GOOD[:5000]))
        wait_for_answers(page, 2)
        good, bad = self.table_of(page, tmp_path)
        verdict = httpx.post(f"{service.url}/predict", files={"file": GOOD}).json()
        assert good["file"] == "a, b.png"
        assert good["probability"] == decimal_comma(verdict["probability"])
        assert good["threshold"] == decimal_comma(verdict["threshold"])
        for member in verdict["members"]:
            assert good[f"probability_{member['name']}"] == decimal_comma(member["probability"])
        assert good["predicted_class"] == verdict["predicted_class"]
        assert good["model_digest"] == verdict["model"]["digest"]
        assert good["sha256"] == verdict["image"]["sha256"]
        assert datetime.fromisoformat(good["answered_at"]).tzinfo is not None
        assert good["error"] == ""
        assert (bad["file"], bad["error"], bad["probability"]) == ("roto.png", "corrupt_image", "")

    def test_in_english_it_has_commas_and_decimal_points(
        self, browser: Browser, service: LiveService, tmp_path: Path
    ) -> None:
        with open_page(browser, service.url, "/?lang=en") as page:
            upload(page, ("a; b, c.png", GOOD))
            wait_for_answers(page)
            [line] = self.table_of(page, tmp_path, ",")
        verdict = httpx.post(f"{service.url}/predict", files={"file": GOOD}).json()
        assert line["file"] == "a; b, c.png"
        assert float(line["probability"]) == verdict["probability"]

    def test_no_cell_is_a_formula(self, page: Page, tmp_path: Path) -> None:
        names = [
            '=HYPERLINK("x").png',
            "+1.png",
            "-1.png",
            "@a.png",
            "\tb.png",
            " =2.png",
            "\uff1d3.png",
            "c=1.png",
        ]
        files = [(name, radiograph(number)) for number, name in enumerate(names)]
        upload(page, *files)
        wait_for_answers(page, len(files))
        cells = [line["file"] for line in self.table_of(page, tmp_path)]
        assert cells[-1] == "c=1.png"
        assert all(cell.startswith("'") for cell in cells[:-1])
        assert cells[0] == "'" + names[0]
