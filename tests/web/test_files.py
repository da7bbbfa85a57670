"""Which file a result belongs to: folders, equal names, later uploads, removal and its undoing."""

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.serving import LiveService, radiograph
from tests.web.browsing import (
    GOOD,
    OTHER,
    drop_tree,
    hold,
    names,
    open_page,
    upload,
    wait_for_answers,
)

LIKE_NAMED = {
    "PATIENT_A": {"IM-0001.png": GOOD},
    "PATIENT_B": {"IM-0001.png": OTHER},
}


class TestFolders:
    def test_like_named_files_are_told_apart_by_their_folders(
        self, page: Page, tmp_path: Path
    ) -> None:
        drop_tree(page, LIKE_NAMED)
        wait_for_answers(page, 2)
        assert names(page) == ["PATIENT_A/IM-0001.png", "PATIENT_B/IM-0001.png"]
        expect(page.locator("#detail-title")).to_have_text("PATIENT_A/IM-0001.png")
        with page.expect_download() as table:
            page.get_by_role("button", name="Descargar lista en CSV").click()
        table.value.save_as(tmp_path / "table.csv")
        rows = (tmp_path / "table.csv").read_text("utf-8-sig").splitlines()[1:]
        assert [row.split(";")[0] for row in rows] == names(page)
        with page.expect_download() as report:
            page.get_by_role("button", name="Descargar resultado en PDF").click()
        pattern = r"pneumonia-xray-PATIENT_A_IM-0001-[0-9a-f]{8}\.pdf"
        assert re.fullmatch(pattern, report.value.suggested_filename)

    def test_files_of_one_name_without_folders_are_numbered(self, page: Page) -> None:
        upload(page, ("IM-0001.png", GOOD))
        upload(page, ("IM-0001.png", OTHER))
        wait_for_answers(page, 2)
        assert names(page) == ["IM-0001.png", "IM-0001.png (2)"]

    def test_an_unreadable_folder_does_not_keep_back_the_rest(self, page: Page) -> None:
        stick = {"System Volume Information": None, "a.png": GOOD, "films": {"b.png": OTHER}}
        drop_tree(page, {"USB": stick})
        wait_for_answers(page, 2)
        assert names(page) == ["USB/a.png", "USB/films/b.png"]
        notice = page.locator("#notices")
        expect(notice).to_contain_text("No se pudo leer: USB/System Volume Information.")
        expect(notice).to_contain_text("Se lee el resto (2 radiografías).")
        expect(page.locator("#live")).to_contain_text("USB/System Volume Information")
        notice.get_by_role("button", name="Cerrar").click()
        expect(notice).to_be_empty()

    def test_what_systems_leave_in_folders_is_passed_over(self, page: Page) -> None:
        left = dict.fromkeys(
            ("Thumbs.db", "desktop.ini", "DICOMDIR", ".DS_Store", "._b.png", "thumbs.DB"), GOOD
        )
        bin_ = {"$RECYCLE.BIN": {"c.png": GOOD}, "__MACOSX": {"d.png": GOOD}}
        drop_tree(page, {"films": {**left, **bin_, "b.png": OTHER}, "Thumbs.db": GOOD})
        wait_for_answers(page)
        assert names(page) == ["films/b.png"]
        expect(page.locator("#notices")).to_be_empty()

    def test_a_drop_without_a_file_is_answered(self, page: Page) -> None:
        drop_tree(page, {"empty": {}})
        expect(page.locator("#notices")).to_have_text(re.compile("No contenía ningún archivo"))
        expect(page.locator("#workspace")).to_be_hidden()

    def test_a_long_name_is_shown_in_full(self, browser: Browser, service: LiveService) -> None:
        name = "RX_TORAX_" + "PEREZ_JUAN_" * 12 + "20240301.png"
        with open_page(browser, service.url, viewport={"width": 360, "height": 780}) as page:
            upload(page, (name, GOOD))
            wait_for_answers(page)
            for shown in ("#detail-title", ".row [data-part=name]", "[data-part=whose]"):
                node = page.locator(shown)
                expect(node).to_contain_text(name)
                assert node.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
                assert node.evaluate("node => getComputedStyle(node).textOverflow") == "clip"


class TestWhose:
    def test_a_later_upload_is_the_one_that_is_shown(self, page: Page) -> None:
        upload(page, ("first.png", GOOD))
        wait_for_answers(page)
        held = hold(page, "**/predict")
        upload(page, ("second.png", OTHER), ("third.png", radiograph(3)))
        expect(page.locator("#detail-title")).to_have_text("second.png")
        expect(page.locator("#detail .verdict")).to_be_hidden()
        expect(page.locator(".row.current [data-part=name]")).to_have_text("second.png")
        while len(held) < 2:
            page.wait_for_timeout(20)
        for route in held:
            route.continue_()
        wait_for_answers(page, 3)
        region = page.get_by_role("region", name="second.png")
        expect(region.locator(".answer")).to_contain_text("Resultado de second.png")
        expect(region.locator(".verdict")).to_be_visible()

    def test_on_a_phone_the_verdict_comes_before_the_list(
        self, browser: Browser, service: LiveService
    ) -> None:
        phone: dict[str, Any] = {
            "viewport": {"width": 360, "height": 780},
            "is_mobile": True,
            "has_touch": True,
        }
        with open_page(browser, service.url, **phone) as page:
            upload(page, ("a.png", GOOD), ("b.png", OTHER))
            wait_for_answers(page, 2)
            expect(page.locator(".verdict-class")).to_be_in_viewport(ratio=1)
            expect(page.locator("#detail-title")).to_be_in_viewport(ratio=1)
            tops = [
                page.locator(place).evaluate("node => node.getBoundingClientRect().top")
                for place in ("#detail-title", ".answer", ".viewer", ".cases")
            ]
            assert tops == sorted(tops)

    def test_the_neighbours_are_a_step_away(self, page: Page) -> None:
        upload(page, ("a.png", GOOD), ("b.png", OTHER))
        wait_for_answers(page, 2)
        expect(page.get_by_text("1 de 2")).to_be_visible()
        expect(page.get_by_role("button", name="Radiografía anterior")).to_be_disabled()
        page.get_by_role("button", name="Radiografía siguiente").click()
        expect(page.locator("#detail-title")).to_have_text("b.png")
        page.get_by_role("button", name="Radiografía anterior").click()
        expect(page.locator("#detail-title")).to_have_text("a.png")


class TestUndo:
    def test_removing_all_can_be_undone(self, page: Page) -> None:
        upload(page, ("a.png", GOOD), ("b.png", OTHER))
        wait_for_answers(page, 2)
        page.locator(".row-main").nth(1).click()
        expect(page.locator("#detail .map")).to_be_visible()
        figure = page.locator("#detail [data-part=probability]").text_content() or ""
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.get_by_role("button", name="Quitar todas").click()
        expect(page.locator("#workspace")).to_be_hidden()
        expect(page.locator("#live")).to_contain_text("Se quitaron 2 radiografías.")
        undo = page.get_by_role("button", name="Deshacer")
        expect(undo).to_be_focused()
        undo.click()
        assert names(page) == ["a.png", "b.png"]
        expect(page.locator("#detail-title")).to_have_text("b.png")
        expect(page.locator("#detail [data-part=probability]")).to_have_text(figure)
        expect(page.locator("#detail .picture")).to_be_visible()
        expect(page.locator("#detail .map")).to_be_visible()
        assert not any(url.endswith("/predict") for url in asked)
        expect(page.locator("#notices")).to_be_empty()

    def test_what_had_no_answer_is_read_after_the_undoing(self, page: Page) -> None:
        hold(page, "**/predict")
        upload(page, ("a.png", GOOD), ("b.png", OTHER), ("c.png", radiograph(3)))
        page.get_by_role("button", name="Quitar todas").click()
        page.unroute("**/predict")
        page.get_by_role("button", name="Deshacer").click()
        wait_for_answers(page, 3)
        expect(page.locator(".row.failed")).to_have_count(0)

    def test_one_that_was_removed_returns_to_its_place(self, page: Page) -> None:
        upload(page, ("a.png", GOOD), ("b.png", OTHER), ("c.png", radiograph(3)))
        wait_for_answers(page, 3)
        page.get_by_role("button", name="Quitar b.png").click()
        assert names(page) == ["a.png", "c.png"]
        page.get_by_role("button", name="Deshacer").click()
        assert names(page) == ["a.png", "b.png", "c.png"]

    def test_new_files_end_the_offer(self, page: Page) -> None:
        upload(page, ("a.png", GOOD))
        wait_for_answers(page)
        page.get_by_role("button", name="Quitar todas").click()
        upload(page, ("b.png", OTHER))
        wait_for_answers(page)
        expect(page.get_by_role("button", name="Deshacer")).to_have_count(0)
        assert names(page) == ["b.png"]

    def test_the_offer_can_be_declined(self, page: Page) -> None:
        upload(page, ("a.png", GOOD))
        wait_for_answers(page)
        page.get_by_role("button", name="Quitar todas").click()
        page.get_by_role("button", name="Cerrar").click()
        expect(page.locator("#notices")).to_be_empty()
        expect(page.locator("#files")).to_be_focused()
