import io
from functools import partial

import httpx
import numpy as np
import pytest
from PIL import Image

from service.api.app import create_app
from service.settings import Settings
from tests.api.routes.test_predict import BAD_FILES
from tests.fake_engine import FakeEngine, fake_ensemble
from tests.phantom import phantom
from tests.serving import assert_problem, client_of, radiograph

pytestmark = pytest.mark.anyio


async def picture(client: httpx.AsyncClient, data: bytes, query: str = "") -> Image.Image:
    answer = await client.post(f"/explain{query}", files={"file": ("Jane Doe.png", data)})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"]
    opened = Image.open(io.BytesIO(answer.content))
    assert opened.format == "PNG"
    return opened


class TestPicture:
    async def test_it_is_the_radiograph_in_colour(self, client: httpx.AsyncClient) -> None:
        seen = await picture(client, radiograph(1))
        assert (seen.mode, seen.size) == ("RGB", (320, 256))
        assert np.ptp(np.asarray(seen, dtype=int), axis=2).max() > 20

    async def test_a_large_one_is_shrunk(self, client: httpx.AsyncClient) -> None:
        buffer = io.BytesIO()
        phantom(1, size=(2000, 1500)).save(buffer, "JPEG")
        assert (await picture(client, buffer.getvalue())).size == (1024, 768)

    async def test_the_map_alone_is_transparent(self, client: httpx.AsyncClient) -> None:
        seen = await picture(client, radiograph(1), "?layer=map&opacity=1")
        assert (seen.mode, seen.size) == ("RGBA", (320, 256))
        low, high = seen.getchannel("A").getextrema()
        assert (low, high) == (0, 255)

    async def test_with_no_opacity_the_radiograph_is_left(self, client: httpx.AsyncClient) -> None:
        seen = await picture(client, radiograph(1), "?opacity=0")
        np.testing.assert_array_equal(seen.convert("L"), phantom(1, opacity=1 / 6))

    async def test_it_carries_nothing_of_the_files_metadata(
        self, client: httpx.AsyncClient
    ) -> None:
        buffer = io.BytesIO()
        phantom(1).save(buffer, "TIFF", tiffinfo={270: "Jane Doe"})
        for query in ("", "?layer=map"):
            assert (await picture(client, buffer.getvalue(), query)).info == {}


class TestFigures:
    async def test_the_verdict_comes_with_its_maps(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/explain?format=json", files={"file": radiograph(1)})
        body = answer.json()
        members = [np.array(member["values"]) for member in body["members"]]
        np.testing.assert_allclose(np.mean(members, axis=0), body["heat"], atol=1e-6)
        assert np.shape(body["heat"]) == (body["grid"]["rows"], body["grid"]["columns"])
        assert body["units"] == "logit"
        assert body["request_id"] == answer.headers["x-request-id"]

    async def test_the_verdict_is_that_of_predict(self, client: httpx.AsyncClient) -> None:
        for data in (radiograph(1), radiograph(2, "JPEG")):
            headers = {"X-Request-ID": "same"}
            explained = await client.post(
                "/explain?format=json", files={"file": data}, headers=headers
            )
            predicted = await client.post("/predict", files={"file": data}, headers=headers)
            assert explained.json()["verdict"] == predicted.json()

    async def test_its_sentences_are_in_the_readers_language(
        self, client: httpx.AsyncClient
    ) -> None:
        for language, word in (("es", "cuadrícula"), ("en", "coarse grid")):
            answer = await client.post(
                "/explain?format=json",
                files={"file": radiograph(1)},
                headers={"Accept-Language": language},
            )
            assert answer.headers["content-language"] == language
            assert word in answer.json()["note"]


class TestRefusals:
    @pytest.mark.parametrize("case", BAD_FILES)
    async def test_a_bad_file_is_refused_as_by_predict(
        self, client: httpx.AsyncClient, case: str
    ) -> None:
        content, status, code = BAD_FILES[case]
        answer = await client.post("/explain", files={"file": content})
        assert_problem(answer, status, code)

    @pytest.mark.parametrize("query", ["?format=json", "?layer=map", ""])
    async def test_networks_without_maps_are_a_problem_with_its_reason(self, query: str) -> None:
        app = create_app(
            Settings(threads=1), load=lambda: fake_ensemble(FakeEngine(explains=False))
        )
        async with client_of(app) as client:
            answer = await client.post(f"/explain{query}", files={"file": radiograph()})
        body = assert_problem(answer, 422, "not_explainable")
        assert body["detail"] == "These networks are made of numpy."

    @pytest.mark.parametrize(
        "query", ["format=gif", "layer=none", "opacity=1.1", "opacity=-1", "opacity=nan"]
    )
    async def test_an_option_that_does_not_exist_is_refused(
        self, client: httpx.AsyncClient, query: str
    ) -> None:
        answer = await client.post(f"/explain?{query}", files={"file": radiograph()})
        assert_problem(answer, 422, "invalid_request")


class TestLungs:
    async def test_outlines_and_maps_come_in_pixels_of_the_whole_picture(self) -> None:
        app = create_app(Settings(threads=1), load=partial(fake_ensemble, lungs=True))
        async with client_of(app) as client:
            answer = await client.post("/explain?format=json", files={"file": radiograph(1)})
        assert answer.status_code == 200, answer.text
        explained = answer.json()
        box, covers = explained["verdict"]["lungs"]["box"], explained["covers"]
        margin = (box["right"] - box["left"]) / 10
        assert covers["left"] == pytest.approx(box["left"] - margin, abs=2)
        assert covers["right"] == pytest.approx(box["right"] + margin, abs=2)
        assert [outline["lung"] for outline in explained["outlines"]] == ["left", "right"]
        corners = np.concatenate([outline["points"] for outline in explained["outlines"]])
        found = [*corners.min(axis=0), *corners.max(axis=0)]
        expected = [box[edge] for edge in ("left", "top", "right", "bottom")]
        np.testing.assert_allclose(found, expected, atol=6)
        assert "White lines show the lungs" in explained["note"]

    async def test_what_shows_no_lungs_is_refused(self) -> None:
        app = create_app(Settings(threads=1), load=partial(fake_ensemble, lungs=True))
        stripes = io.BytesIO()
        Image.fromarray(np.tile(np.array([0, 255], np.uint8), (64, 32))).save(stripes, "PNG")
        async with client_of(app) as client:
            for route in ("predict", "explain"):
                answer = await client.post(f"/{route}", files={"file": stripes.getvalue()})
                assert_problem(answer, 422, "not_a_chest_radiograph")
            answer = await client.post("/predict", files={"file": radiograph(1)})
        assert answer.json()["lungs"]["found"] is True

    async def test_a_model_of_whole_frames_has_no_outlines(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/explain?format=json", files={"file": radiograph(1)})
        explained = answer.json()
        assert explained["outlines"] == []
        assert explained["verdict"]["lungs"] is None
        assert explained["covers"] == {"left": 0, "top": 0, "right": 320, "bottom": 256}
