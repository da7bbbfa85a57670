import io
import re

import httpx
import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from tests.dicom_samples import dicom_file, stored_phantom
from tests.phantom import phantom
from tests.serving import LiveService, radiograph
from tests.web.browsing import (
    GOOD,
    OTHER,
    answer_problem,
    give,
    hold,
    names,
    note_what_is_sent,
    open_page,
    upload,
    wait_for_answers,
    what_was_sent,
)


def of_api(service: LiveService, content: bytes) -> dict[str, object]:
    answer = httpx.post(f"{service.url}/predict", files={"file": content})
    verdict: dict[str, object] = answer.json()
    return verdict


class TestWaysIn:
    def test_a_chosen_file_gets_the_verdict_of_the_api(
        self, page: Page, service: LiveService
    ) -> None:
        upload(page, ("Ana.png", GOOD))
        wait_for_answers(page)
        verdict = of_api(service, GOOD)
        shown = page.locator("#detail")
        expect(shown.locator("[data-part=name]").first).to_have_text("Ana.png")
        figure = f"{verdict['probability']:.4f}".replace(".", ",")
        expect(shown.locator("[data-part=probability]")).to_have_text(figure)
        expect(shown.locator("[data-part=threshold]")).to_have_text("umbral 0,5000")
        words = {
            "PNEUMONIA": "Supera el umbral del modelo para neumonía",
            "NORMAL": "No supera el umbral del modelo para neumonía",
        }[str(verdict["predicted_class"])]
        expect(shown.locator("[data-part=class]")).to_have_text(words)
        expect(shown.locator("[data-part=members] li")).to_have_count(2)
        expect(shown.locator("[data-part=answered]")).to_contain_text("fake 1.2.3")
        shown.get_by_text("Detalles del modelo y de la imagen").click()
        expect(shown.locator("[data-part=facts]")).to_contain_text(verdict["model"]["digest"])  # type: ignore[index]

    def test_dropped_files_are_read(self, page: Page) -> None:
        give(page, "dragover", ("a.png", GOOD))
        expect(page.get_by_text("Suelte para enviar")).to_be_visible()
        give(page, "drop", ("a.png", GOOD), ("b.png", OTHER))
        wait_for_answers(page, 2)
        assert names(page) == ["a.png", "b.png"]

    def test_a_pasted_picture_is_read(self, page: Page) -> None:
        give(page, "paste", ("image.png", GOOD))
        wait_for_answers(page)

    def test_the_name_of_a_file_never_leaves_the_browser(self, page: Page) -> None:
        note_what_is_sent(page)
        upload(page, ("Ana Pérez.png", GOOD))
        wait_for_answers(page)
        assert what_was_sent(page)[0] == {"file": f"radiograph {len(GOOD)}"}


class TestMany:
    def test_files_are_sent_in_order_and_two_at_a_time(self, page: Page) -> None:
        files = [radiograph(number) for number in range(5)]
        assert len({len(content) for content in files}) == 5
        most = 0
        held = hold(page, "**/predict")
        page.route("**/explain*", lambda route: route.abort())
        note_what_is_sent(page)
        upload(page, *((f"{number}.png", content) for number, content in enumerate(files)))
        for answered in range(5):
            while len(held) < min(2, 5 - answered):
                page.wait_for_timeout(20)
            page.wait_for_timeout(50)  # time enough for a third one
            most = max(most, len(held))
            held.pop(0).continue_()
        wait_for_answers(page, 5)
        assert most == 2
        sent = [form["file"] for form in what_was_sent(page)]
        first_time = list(dict.fromkeys(sent))  # one of them is sent again, for its map
        assert first_time == [f"radiograph {len(content)}" for content in files]

    def test_another_radiograph_is_shown_on_request(self, page: Page) -> None:
        upload(page, ("a.png", GOOD), ("b.png", OTHER))
        wait_for_answers(page, 2)
        page.get_by_role("button", name=re.compile("b.png.*")).first.click()
        expect(page.locator("#detail-title")).to_have_text("b.png")
        expect(page.locator(".row.current [data-part=name]")).to_have_text("b.png")

    def test_radiographs_can_be_removed(self, page: Page) -> None:
        upload(page, ("a.png", GOOD), ("b.png", OTHER), ("c.png", radiograph(3)))
        wait_for_answers(page, 3)
        page.get_by_role("button", name="Quitar a.png").click()
        assert names(page) == ["b.png", "c.png"]
        expect(page.locator("#detail-title")).to_have_text("b.png")
        page.get_by_role("button", name="Quitar todas").click()
        expect(page.locator("#workspace")).to_be_hidden()
        expect(page.get_by_text("Para quién")).to_be_visible()

    def test_removing_a_radiograph_aborts_its_request(self, page: Page) -> None:
        hold(page, "**/predict")
        upload(page, ("a.png", GOOD))
        expect(page.locator(".row")).to_have_count(1)
        with page.expect_event("requestfailed"):
            page.get_by_role("button", name="Quitar a.png").click()
        page.unroute("**/predict")
        upload(page, ("b.png", OTHER))
        wait_for_answers(page)
        assert names(page) == ["b.png"]


class TestPictures:
    def test_the_browser_displays_what_it_can(self, page: Page) -> None:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        upload(page, ("a.png", GOOD))
        wait_for_answers(page)
        expect(page.locator("#detail .picture")).to_be_visible()
        assert not any(url.endswith("/preview") for url in asked)

    def test_the_service_previews_what_browsers_cannot_display(self, page: Page) -> None:
        buffer = io.BytesIO()
        levels = np.asarray(phantom(1), dtype=np.uint16) * 16
        Image.fromarray(levels).save(buffer, "PNG")
        dicom = dicom_file(stored_phantom(12, size=(320, 256)), 12)
        upload(
            page,
            ("a.tif", radiograph(1, "TIFF")),
            ("b.png", buffer.getvalue()),
            ("IM0001", dicom),
        )
        wait_for_answers(page, 3)
        expect(page.locator(".row .thumb img:visible")).to_have_count(3)
        expect(page.locator("#detail .picture")).to_be_visible()
        width = page.locator("#detail .picture").evaluate("image => image.naturalWidth")
        assert width == phantom(1).width

    def test_an_enlarged_picture_has_all_pixels(self, page: Page) -> None:
        buffer = io.BytesIO()
        phantom(1, size=(1600, 1280)).save(buffer, "TIFF")
        upload(page, ("a.tif", buffer.getvalue()))
        picture = page.locator("#detail .picture")
        expect(picture).to_have_js_property("naturalWidth", 1024)
        expect(page.locator("#detail .map")).to_be_visible()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for _ in range(3):
            page.get_by_role("button", name="Ampliar").click()
        expect(picture).to_have_js_property("naturalWidth", 1600)
        assert sum("/preview" in url for url in asked) == 1


class TestTrouble:
    def test_a_bad_file_is_explained_and_the_others_are_read(self, page: Page) -> None:
        upload(page, ("roto.png", GOOD[:5000]), ("bien.png", GOOD))
        wait_for_answers(page, 2)
        problem = page.locator("#detail .problem")
        expect(problem).to_be_visible()
        expect(problem).to_contain_text("corrupt_image")
        # The same bytes would be refused again.
        expect(page.get_by_role("button", name="Reintentar")).to_be_hidden()
        detail = httpx.post(
            f"{page.url}predict", files={"file": GOOD[:5000]}, headers={"Accept-Language": "es"}
        ).json()["detail"]
        expect(problem).to_contain_text(detail)
        expect(page.locator("#live")).to_contain_text("roto.png")
        expect(page.locator(".row.above, .row.below")).to_have_count(1)

    def test_a_busy_service_is_retried(self, page: Page) -> None:
        tries: list[int] = []

        def refuse_twice(route: Route) -> None:
            tries.append(1)
            if len(tries) < 3:
                answer_problem(route, 503, "queue_full", **{"Retry-After": "1"})
            else:
                route.continue_()

        page.route("**/predict", refuse_twice)
        upload(page, ("a.png", GOOD))
        expect(page.locator("[data-part=working-text]")).to_have_text(
            "Servicio ocupado; se reintenta en 1 s"
        )
        wait_for_answers(page)
        assert len(tries) == 3
        expect(page.locator("#detail .verdict")).to_be_visible()

    def test_a_long_retry_after_is_reported_at_once(self, page: Page) -> None:
        page.route(
            "**/predict",
            lambda route: answer_problem(route, 503, "model_unavailable", **{"Retry-After": "60"}),
        )
        upload(page, ("a.png", GOOD))
        wait_for_answers(page)
        expect(page.locator("#detail .problem")).to_contain_text("Detalle model_unavailable.")
        page.unroute("**/predict")
        page.get_by_role("button", name="Reintentar").click()
        expect(page.locator("#detail .verdict")).to_be_visible()

    def test_a_missing_response_is_reported(self, page: Page) -> None:
        page.route("**/predict", lambda route: route.abort("connectionrefused"))
        upload(page, ("a.png", GOOD))
        wait_for_answers(page)
        expect(page.locator("#detail .problem")).to_contain_text("El servicio no responde")
        expect(page.get_by_role("button", name="Reintentar")).to_be_visible()

    def test_a_response_of_a_proxy_is_reported(self, page: Page) -> None:
        page.route("**/predict", lambda route: route.fulfill(status=502, body="<h1>Proxy</h1>"))
        upload(page, ("a.png", GOOD))
        wait_for_answers(page)
        expect(page.locator("#detail .problem")).to_contain_text("estado 502")


class TestKey:
    def test_the_key_is_asked_for_once_and_used_for_all(self, browser: Browser) -> None:
        key = "a-key-of-the-ward-17"
        with (
            LiveService(environment={"XRAY_API_KEYS": key}) as service,
            open_page(browser, service.url) as page,
        ):
            service.wait_until_ready()
            upload(page, ("a.png", GOOD), ("b.png", OTHER))
            dialog = page.get_by_role("dialog", name="Este servicio requiere una clave")
            expect(dialog).to_be_visible()
            page.get_by_label("Clave de acceso").fill("not-the-key-of-the-ward")
            page.keyboard.press("Enter")
            expect(page.get_by_text("No se aceptó esa clave")).to_be_visible()
            page.get_by_label("Clave de acceso").fill(key)
            page.keyboard.press("Enter")
            wait_for_answers(page, 2)
            expect(dialog).to_be_hidden()
            upload(page, ("c.png", radiograph(3)))
            wait_for_answers(page, 3)
            expect(page.locator(".row.failed")).to_have_count(0)

    def test_without_the_key_the_files_have_no_result(self, page: Page) -> None:
        page.route("**/predict", lambda route: answer_problem(route, 401, "unauthorized"))
        upload(page, ("a.png", GOOD), ("b.png", OTHER))
        page.get_by_role("button", name="Cancelar").click()
        wait_for_answers(page, 2)
        expect(page.locator("#detail .problem")).to_contain_text("Falta la clave de acceso")
