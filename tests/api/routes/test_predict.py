import dataclasses
import hashlib
import io
from collections.abc import AsyncIterator

import httpx
import pytest
from PIL import Image
from pydantic import JsonValue

from service.api.app import create_app
from service.inference import Ensemble, Metrics
from service.settings import Settings
from tests.fake_engine import FakeEngine, fake_ensemble
from tests.phantom import phantom
from tests.serving import FORM_TYPE, assert_problem, client_of, form, part, radiograph

pytestmark = pytest.mark.anyio


def several_frames() -> bytes:
    buffer = io.BytesIO()
    phantom(0).save(buffer, "TIFF", save_all=True, append_images=[phantom(1)])
    return buffer.getvalue()


def blank() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (200, 200), 128).save(buffer, "PNG")
    return buffer.getvalue()


def huge() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (6000, 5001)).save(buffer, "PNG")
    return buffer.getvalue()


BAD_FILES = {
    "text": (b"this is no image", 415, "unsupported_format"),
    "gif": (b"GIF89a" + bytes(100), 415, "unsupported_format"),
    "empty": (b"", 422, "empty_file"),
    "truncated": (radiograph()[:5000], 422, "corrupt_image"),
    "several frames": (several_frames(), 422, "several_frames"),
    "blank": (blank(), 422, "unusable_radiograph"),
    "huge": (huge(), 422, "too_many_pixels"),
}


def calibrated() -> Ensemble:
    """The fake ensemble, with what local figures are made of."""
    ensemble = fake_ensemble()
    share: dict[str, JsonValue] = {"value": 0.9, "low": 0.85, "high": 0.94}
    figures: dict[str, JsonValue] = {"ensemble": {"sensitivity": share, "specificity": share}}
    manifest = ensemble.bundle.manifest
    manifest = manifest.model_copy(
        update={
            "calibration": manifest.calibration.model_copy(update={"prevalence": 0.5}),
            "metrics": Metrics(protocol="counted", figures=figures),
        }
    )
    return Ensemble(dataclasses.replace(ensemble.bundle, manifest=manifest), FakeEngine())


class TestPrevalence:
    @pytest.fixture
    async def at_home(self) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(Settings(threads=1, prevalence=0.2), load=calibrated)
        async with client_of(app) as client:
            yield client

    async def post(self, client: httpx.AsyncClient, path: str) -> httpx.Response:
        field = "files" if "batch" in path else "file"
        return await client.post(path, files={field: ("x.png", radiograph(), "image/png")})

    async def test_without_one_there_are_no_local_figures(self, client: httpx.AsyncClient) -> None:
        assert (await self.post(client, "/predict")).json()["local"] is None

    async def test_the_query_goes_before_the_operators(self, at_home: httpx.AsyncClient) -> None:
        plain = (await self.post(at_home, "/predict")).json()
        asked = (await self.post(at_home, "/predict?prevalence=0.01")).json()
        assert (plain["local"]["prevalence"], asked["local"]["prevalence"]) == (0.2, 0.01)
        assert asked["local"]["probability"] < plain["local"]["probability"]
        assert asked["local"]["ppv"]["value"] < plain["local"]["ppv"]["value"]
        assert asked["local"]["npv"]["low"] > plain["local"]["npv"]["low"]
        for name in ("predicted_class", "probability", "threshold", "assessment"):
            assert asked[name] == plain[name]

    async def test_batches_and_maps_have_the_same_figures(self, at_home: httpx.AsyncClient) -> None:
        alone = (await self.post(at_home, "/predict?prevalence=0.03")).json()["local"]
        batch = (await self.post(at_home, "/predict/batch?prevalence=0.03")).json()
        maps = (await self.post(at_home, "/explain?format=json&prevalence=0.03")).json()
        assert batch["results"][0]["verdict"]["local"] == maps["verdict"]["local"] == alone

    @pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/report", "/explain"])
    @pytest.mark.parametrize("given", ["0", "1", "-0.1", "nan", "much"])
    async def test_what_is_no_share_is_refused(
        self, at_home: httpx.AsyncClient, path: str, given: str
    ) -> None:
        answer = await self.post(at_home, f"{path}?prevalence={given}")
        assert_problem(answer, 422, "invalid_request")


class TestPredict:
    async def test_an_x_ray_gets_a_verdict(self, client: httpx.AsyncClient) -> None:
        data = radiograph(3, "JPEG")
        answer = await client.post("/predict", files={"file": ("x.jpeg", data, "image/jpeg")})
        assert answer.status_code == 200
        body = answer.json()
        assert list(body)[:2] == ["predicted_class", "probability"]
        assert body["predicted_class"] in {"NORMAL", "PNEUMONIA"}
        assert (body["predicted_class"] == "PNEUMONIA") == (body["probability"] > body["threshold"])
        assert body["image"]["sha256"] == hashlib.sha256(data).hexdigest()
        assert body["image"]["format"] == "JPEG"
        assert body["model"]["digest"].startswith("sha256:")
        assert body["request_id"] == answer.headers["x-request-id"]

    async def test_the_client_may_name_the_request(self, client: httpx.AsyncClient) -> None:
        answer = await client.post(
            "/predict", files={"file": radiograph()}, headers={"X-Request-ID": "scan-17"}
        )
        assert answer.json()["request_id"] == answer.headers["x-request-id"] == "scan-17"

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
    async def test_the_content_counts_and_not_the_name(
        self, client: httpx.AsyncClient, kind: str
    ) -> None:
        file = ("report.pdf", radiograph(1, kind), "text/plain")
        answer = await client.post("/predict", files={"file": file})
        assert answer.json()["image"]["format"] == kind

    @pytest.mark.parametrize("case", BAD_FILES)
    async def test_a_bad_file_is_refused_in_words(
        self, client: httpx.AsyncClient, case: str
    ) -> None:
        content, status, code = BAD_FILES[case]
        answer = await client.post("/predict", files={"file": ("Jane Doe.png", content)})
        assert_problem(answer, status, code)
        assert "Jane" not in answer.text

    async def test_a_form_without_the_field_is_refused(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/predict", files={"image": radiograph()})
        assert_problem(answer, 400, "missing_file")

    async def test_two_files_are_refused(self, client: httpx.AsyncClient) -> None:
        files = [("file", radiograph(1)), ("file", radiograph(2))]
        assert_problem(await client.post("/predict", files=files), 400, "several_files")

    async def test_json_is_refused(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/predict", json={"file": "x"})
        assert_problem(answer, 400, "not_multipart")

    async def test_an_empty_request_is_refused(self, client: httpx.AsyncClient) -> None:
        assert_problem(await client.post("/predict"), 400, "not_multipart")

    async def test_a_form_that_breaks_off_is_refused(self, client: httpx.AsyncClient) -> None:
        answer = await client.post(
            "/predict", content=part(radiograph()), headers={"Content-Type": FORM_TYPE}
        )
        assert_problem(answer, 400, "malformed_multipart")

    async def test_other_fields_do_no_harm(self, client: httpx.AsyncClient) -> None:
        answer = await client.post(
            "/predict", files={"file": radiograph()}, data={"patient": "Jane Doe"}
        )
        assert answer.status_code == 200
        assert "Jane" not in answer.text

    async def test_one_byte_over_the_limit_is_too_large(self) -> None:
        app = create_app(Settings(max_upload_mib=1), load=fake_ensemble)
        async with client_of(app) as client:
            fits = await client.post("/predict", files={"file": bytes(1024**2)})
            assert_problem(fits, 415, "unsupported_format")
            over = await client.post("/predict", files={"file": bytes(1024**2 + 1)})
            assert_problem(over, 413, "too_large")

    async def test_a_body_without_declared_length_is_counted(self) -> None:
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            yield form(part(radiograph()))[:-40]
            while sent < 20:
                sent += 1
                yield bytes(256 * 1024)

        app = create_app(Settings(max_upload_mib=1), load=fake_ensemble)
        async with client_of(app) as client:
            answer = await client.post(
                "/predict", content=endless(), headers={"Content-Type": FORM_TYPE}
            )
            assert_problem(answer, 413, "too_large")

    async def test_a_bug_is_answered_without_its_text(self) -> None:
        engine = FakeEngine(error=RuntimeError("tensor of Jane Doe"))
        app = create_app(Settings(), load=lambda: fake_ensemble(engine))
        async with client_of(app) as client:
            answer = await client.post("/predict", files={"file": radiograph()})
            assert_problem(answer, 500, "internal_error")
            assert "Jane" not in answer.text

    async def test_a_lack_of_memory_is_no_bug(self) -> None:
        engine = FakeEngine(error=MemoryError())
        app = create_app(Settings(), load=lambda: fake_ensemble(engine))
        async with client_of(app) as client:
            answer = await client.post("/predict", files={"file": radiograph()})
            assert_problem(answer, 503, "out_of_memory")
            assert answer.headers["retry-after"]

    async def test_nothing_is_held_after_good_and_bad_uploads(self) -> None:
        app = create_app(Settings(), load=fake_ensemble)
        async with client_of(app) as client:
            for content in (radiograph(), b"no image"):
                await client.post("/predict", files={"file": content})
            services = app.state.services
            assert services.memory.held == 0
            assert (services.admission.running, services.admission.waiting) == (0, 0)


class TestLanguage:
    @pytest.mark.parametrize(
        ("header", "language", "word"),
        [
            (None, "en", "Decision support"),
            ("es-AR,es;q=0.9,en;q=0.8", "es", "Apoyo a la decisión"),
        ],
    )
    async def test_the_sentence_of_a_verdict_is_in_the_language_asked_for(
        self, client: httpx.AsyncClient, header: str | None, language: str, word: str
    ) -> None:
        headers = {"Accept-Language": header} if header else {}
        answer = await client.post("/predict", files={"file": radiograph()}, headers=headers)
        assert answer.headers["content-language"] == language
        assert word in answer.json()["summary"]

    async def test_all_but_the_sentence_stays_the_same(self, client: httpx.AsyncClient) -> None:
        answers = [
            await client.post(
                "/predict",
                files={"file": radiograph()},
                headers={"Accept-Language": language, "X-Request-ID": "r1"},
            )
            for language in ("en", "es")
        ]
        english, spanish = (answer.json() for answer in answers)
        for answer in (english, spanish):
            for sentence in ("summary", "scope", "next_step"):
                assert len(answer.pop(sentence)) > 20
            for warning in answer["warnings"]:
                del warning["detail"]
        assert english == spanish

    async def test_problems_are_told_in_spanish_too(self, client: httpx.AsyncClient) -> None:
        headers = {"Accept-Language": "es"}
        answer = await client.post("/predict", files={"file": b"no image"}, headers=headers)
        assert "formato" in assert_problem(answer, 415, "unsupported_format")["title"].lower()
        assert answer.headers["content-language"] == "es"
        answer = await client.post("/predict/batch", files={"files": b"no image"}, headers=headers)
        [result] = answer.json()["results"]
        assert "formato" in result["error"]["title"].lower()


class TestBatch:
    async def test_verdicts_come_in_order_and_problems_in_their_places(
        self, client: httpx.AsyncClient
    ) -> None:
        contents = [radiograph(1), *(bad for bad, _, _ in BAD_FILES.values()), radiograph(2)]
        answer = await client.post("/predict/batch", files=[("files", data) for data in contents])
        assert answer.status_code == 200
        body = answer.json()
        assert list(body) == ["results", "request_id"]
        first, *bad, last = body["results"]
        for index, (result, (_, status, code)) in enumerate(
            zip(bad, BAD_FILES.values(), strict=True), start=1
        ):
            assert list(result) == ["index", "error"]
            assert result["index"] == index
            assert (result["error"]["status"], result["error"]["code"]) == (status, code)
            assert result["error"]["request_id"] == body["request_id"]
        for result, index, data in ((first, 0, radiograph(1)), (last, 8, radiograph(2))):
            assert list(result) == ["index", "verdict"]
            assert result["index"] == index
            single = (await client.post("/predict", files={"file": data})).json()
            assert result["verdict"] == single | {"request_id": body["request_id"]}

    async def test_the_field_of_single_files_is_taken_too(self, client: httpx.AsyncClient) -> None:
        files = [("files", radiograph(1)), ("file", radiograph(2)), ("files", radiograph(3))]
        results = (await client.post("/predict/batch", files=files)).json()["results"]
        shas = [result["verdict"]["image"]["sha256"] for result in results]
        assert shas == [hashlib.sha256(data).hexdigest() for _, data in files]

    async def test_thirty_two_files_are_taken_and_thirty_three_refused(
        self, client: httpx.AsyncClient
    ) -> None:
        files = [("files", radiograph(seed)) for seed in range(33)]
        answer = await client.post("/predict/batch", files=files[:32])
        assert [result["index"] for result in answer.json()["results"]] == [*range(32)]
        answer = await client.post("/predict/batch", files=files)
        assert_problem(answer, 400, "too_many_files")

    async def test_a_batch_without_files_is_refused(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/predict/batch", files={"images": radiograph()})
        assert_problem(answer, 400, "missing_file")

    async def test_the_bytes_of_all_files_are_bounded(self) -> None:
        app = create_app(Settings(max_upload_mib=1, max_batch_mib=2), load=fake_ensemble)
        async with client_of(app) as client:
            files = [("files", bytes(900_000))] * 3
            assert_problem(await client.post("/predict/batch", files=files), 413, "too_large")
