"""The viewing tools, by mouse, keyboard and fingers."""

import io

import pytest
from PIL import Image, ImageChops
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.serving import LiveService
from tests.web.browsing import GOOD, OTHER, open_page, upload, wait_for_answers
from tests.web.test_people import PHONE


@pytest.fixture
def viewer(page: Page) -> Page:
    """The page with one radiograph and its map."""
    upload(page, ("a.png", GOOD))
    expect(page.locator("#detail .map")).to_be_visible()
    return page


def frame(page: Page) -> Locator:
    return page.locator("#detail .frame")


def zoom(page: Page) -> int:
    return int((page.locator("[data-part=zoom-figure]").text_content() or "").removesuffix(" %"))


def box(page: Page, name: str = "picture") -> dict[str, float]:
    found = page.locator(f"#detail .{name}").bounding_box()
    assert found
    return {side: found[side] for side in ("x", "y", "width", "height")}


def seen(page: Page) -> Image.Image:
    """What is seen in the frame."""
    return Image.open(io.BytesIO(frame(page).screenshot())).convert("L")


def mean(picture: Image.Image) -> float:
    levels = picture.histogram()
    return sum(place * count for place, count in enumerate(levels)) / sum(levels)


def with_lungs(route: Route) -> None:
    """Answer as a model would that finds the lungs."""
    answer = route.fetch()
    box = {"left": 1, "top": 1, "right": 9, "bottom": 9}
    lungs = {"found": True, "box": box, "area_share": 0.3, "quality": 0.9}
    route.fulfill(response=answer, json=answer.json() | {"lungs": lungs})


def tool(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name="Herramientas").get_by_role(
        "button", name=name, exact=True
    )


class TestZoom:
    def test_buttons_zoom_and_reset(self, viewer: Page) -> None:
        before = box(viewer)
        tool(viewer, "Ampliar").click()
        tool(viewer, "Ampliar").click()
        assert zoom(viewer) == 156
        after = box(viewer)
        assert after["width"] == pytest.approx(before["width"] * 1.5625, rel=0.01)
        assert box(viewer, "map") == after
        tool(viewer, "Restablecer").click()
        again = box(viewer)
        assert (again["x"], again["width"]) == pytest.approx((before["x"], before["width"]))
        expect(tool(viewer, "Reducir")).to_be_disabled()

    def test_keys_zoom_and_move(self, viewer: Page) -> None:
        frame(viewer).focus()
        for _ in range(4):
            viewer.keyboard.press("+")
        before = box(viewer)
        viewer.keyboard.press("ArrowRight")
        assert box(viewer)["x"] < before["x"]
        for _ in range(30):
            viewer.keyboard.press("ArrowDown")
        outer = frame(viewer).bounding_box()
        assert outer
        picture = box(viewer)
        # Its lower edge is at that of the frame: the picture cannot be lost.
        assert picture["y"] + picture["height"] == pytest.approx(
            outer["y"] + outer["height"], abs=1
        )
        viewer.keyboard.press("0")
        assert zoom(viewer) == 100

    def test_the_wheel_zooms_where_it_points(self, viewer: Page) -> None:
        outer = frame(viewer).bounding_box()
        assert outer
        x, y = outer["x"] + outer["width"] * 0.25, outer["y"] + outer["height"] * 0.25
        viewer.mouse.move(x, y)
        viewer.mouse.wheel(0, -300)
        viewer.wait_for_timeout(100)
        assert zoom(viewer) == 100  # it scrolls the page until the picture was clicked
        viewer.evaluate("scrollTo(0, 0)")
        viewer.mouse.click(x, y)
        viewer.mouse.wheel(0, -300)
        expect(viewer.locator("[data-part=zoom-figure]")).not_to_have_text("100 %")
        picture, share = box(viewer), zoom(viewer) / 100
        assert picture["x"] == pytest.approx(x - (x - outer["x"]) * share, abs=2)

    def test_dragging_moves_the_enlarged_picture(self, viewer: Page) -> None:
        outer = frame(viewer).bounding_box()
        assert outer
        x, y = outer["x"] + outer["width"] / 2, outer["y"] + outer["height"] / 2
        viewer.mouse.dblclick(x, y)
        assert zoom(viewer) == 250
        before = box(viewer)
        viewer.mouse.move(x, y)
        viewer.mouse.down()
        viewer.mouse.move(x + 40, y - 30, steps=4)
        viewer.mouse.up()
        after = box(viewer)
        assert after["x"] - before["x"] == pytest.approx(40, abs=2)
        assert after["y"] - before["y"] == pytest.approx(-30, abs=2)

    def test_fingers_pinch(self, browser: Browser, service: LiveService) -> None:
        with open_page(browser, service.url, **PHONE) as page:
            upload(page, ("a.png", GOOD))
            expect(page.locator("#detail .map")).to_be_visible()
            frame(page).scroll_into_view_if_needed()
            outer = frame(page).bounding_box()
            assert outer
            x, y = outer["x"] + outer["width"] / 2, outer["y"] + outer["height"] / 2
            session = page.context.new_cdp_session(page)

            def touch(kind: str, *places: float) -> None:
                points = [{"x": x + place, "y": y, "id": n} for n, place in enumerate(places)]
                session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

            touch("touchStart", -20, 20)
            for spread in (30, 40, 50, 60):
                touch("touchMove", -spread, spread)
            touch("touchEnd")
            assert zoom(page) > 200


class TestLevels:
    def test_inverting_turns_the_greys(self, viewer: Page) -> None:
        viewer.get_by_role("slider", name="Opacidad del mapa de calor").fill("0")
        before = seen(viewer)
        tool(viewer, "Invertir").click()
        expect(tool(viewer, "Invertir")).to_have_attribute("aria-pressed", "true")
        assert mean(seen(viewer)) == pytest.approx(255 - mean(before), abs=3)
        frame(viewer).focus()
        viewer.keyboard.press("i")
        assert mean(ImageChops.difference(seen(viewer), before)) < 3

    def test_brightness_and_contrast_follow_their_sliders(self, viewer: Page) -> None:
        viewer.get_by_role("slider", name="Opacidad del mapa de calor").fill("0")
        before = seen(viewer)
        tool(viewer, "Ventana").click()
        viewer.get_by_label("Brillo (nivel)").fill("30")
        assert mean(seen(viewer)) > mean(before) + 20
        viewer.get_by_label("Brillo (nivel)").fill("50")
        viewer.get_by_label("Contraste (ventana)").fill("50")
        # A window of half the width makes differences between greys twice as large.
        middle = before.point([2 * level - 127.5 for level in range(256)])
        assert mean(ImageChops.difference(seen(viewer), middle)) < 3

    def test_dragging_and_keys_change_the_window(self, viewer: Page) -> None:
        frame(viewer).focus()
        viewer.keyboard.press("b")
        viewer.keyboard.press("Shift+ArrowUp")
        expect(viewer.locator("[data-part=level-figure]")).to_have_text("55 %")
        viewer.keyboard.press("Shift+ArrowLeft")
        expect(viewer.locator("[data-part=window-figure]")).to_have_text("95 %")
        outer = frame(viewer).bounding_box()
        assert outer
        x, y = outer["x"] + outer["width"] / 2, outer["y"] + outer["height"] / 2
        viewer.mouse.move(x, y)
        viewer.mouse.down()
        viewer.mouse.move(x + outer["width"] / 4, y, steps=3)
        viewer.mouse.up()
        expect(viewer.locator("[data-part=window-figure]")).to_have_text("120 %")

    def test_nothing_of_it_reaches_the_next_radiograph(self, page: Page) -> None:
        upload(page, ("a.png", GOOD), ("b.png", OTHER))
        wait_for_answers(page, 2)
        tool(page, "Invertir").click()
        tool(page, "Ampliar").click()
        page.locator(".row-main").nth(1).click()
        expect(page.locator("#detail-title")).to_have_text("b.png")
        assert zoom(page) == 100
        expect(tool(page, "Invertir")).to_have_attribute("aria-pressed", "false")


class TestMap:
    def test_side_by_side_shows_the_same_part_twice(self, viewer: Page) -> None:
        tool(viewer, "Lado a lado").click()
        tool(viewer, "Ampliar").click()
        left, right = box(viewer, "plain-picture"), box(viewer)
        assert left["x"] < right["x"]
        assert (left["y"], left["width"]) == pytest.approx((right["y"], right["width"]))
        frame(viewer).focus()
        viewer.keyboard.press("c")
        expect(viewer.locator("#detail .plain-picture")).to_be_hidden()

    def test_on_a_phone_the_map_is_below_the_radiograph(
        self, browser: Browser, service: LiveService
    ) -> None:
        with open_page(browser, service.url, **PHONE) as page:
            upload(page, ("a.png", GOOD))
            tool(page, "Lado a lado").click()
            above, below = box(page, "plain-picture"), box(page)
            assert above["y"] + above["height"] <= below["y"]
            assert (above["x"], above["width"]) == pytest.approx((below["x"], below["width"]))

    def test_the_map_can_be_hidden(self, viewer: Page) -> None:
        tool(viewer, "Mapa").click()
        expect(viewer.locator("#detail .map")).to_be_hidden()
        frame(viewer).focus()
        viewer.keyboard.press("m")
        expect(viewer.locator("#detail .map")).to_be_visible()

    def test_a_model_that_finds_no_lungs_has_no_outlines(self, viewer: Page) -> None:
        expect(tool(viewer, "Contornos")).to_be_hidden()

    def test_outlines_are_fetched_and_left_out_once_each(self, page: Page) -> None:
        asked: list[str] = []

        page.route("**/predict", with_lungs)
        page.on("request", lambda request: asked.append(request.url))
        upload(page, ("a.png", GOOD))
        expect(page.locator("#detail .map")).to_be_visible()
        expect(page.locator("[data-part=map-text]")).to_contain_text("Líneas blancas")
        for pressed in ("false", "true", "false"):
            tool(page, "Contornos").click()
            expect(tool(page, "Contornos")).to_have_attribute("aria-pressed", pressed)
            expect(page.locator("#detail .map")).to_be_visible()
        expect(page.locator("[data-part=map-text]")).not_to_contain_text("Líneas blancas")
        maps = [url.rpartition("outlines=")[2] for url in asked if "/explain" in url]
        assert maps == ["true", "false"]

    def test_outlines_without_any_colour_are_seen_in_full(self, page: Page) -> None:
        outlines = io.BytesIO()
        drawn = Image.new("RGBA", (64, 64))
        drawn.paste((255, 255, 255, 255), (10, 10, 54, 12))
        drawn.save(outlines, "PNG")
        page.route("**/predict", with_lungs)
        page.route(
            "**/explain?*",
            lambda route: route.fulfill(content_type="image/png", body=outlines.getvalue()),
        )
        upload(page, ("a.png", GOOD))
        expect(page.locator("[data-part=map-text]")).to_contain_text("está vacío")
        expect(page.get_by_role("slider")).to_be_hidden()
        expect(page.locator("#detail .map")).to_have_css("opacity", "1")


class TestHelp:
    def test_the_question_mark_opens_it(self, viewer: Page) -> None:
        frame(viewer).focus()
        viewer.keyboard.press("?")
        expect(viewer.get_by_text("Las herramientas solo cambian lo que se ve")).to_be_visible()

    def test_keys_typed_into_a_note_are_no_tools(self, viewer: Page) -> None:
        viewer.get_by_text("Agregar una referencia o una nota al PDF").click()
        viewer.locator("#note").press_sequentially("i+b")
        assert zoom(viewer) == 100
        expect(tool(viewer, "Invertir")).to_have_attribute("aria-pressed", "false")

    def test_the_full_screen_names_the_radiograph(self, viewer: Page) -> None:
        tool(viewer, "Pantalla completa").click()
        expect(viewer.locator("[data-part=viewer-name]")).to_be_visible()
        expect(viewer.locator("[data-part=viewer-name]")).to_have_text("a.png")
        viewer.keyboard.press("Escape")
