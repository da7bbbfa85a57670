import asyncio
import re
import threading
from pathlib import Path

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.routing import APIRoute, iter_route_contexts

from service.api.app import create_app
from service.api.dependencies import get_screening
from service.api.routes import include_routes
from service.inference import BundleError, Ensemble
from service.settings import Settings
from tests.fake_engine import FakeEngine, fake_ensemble
from tests.serving import assert_problem, client_of, radiograph

pytestmark = pytest.mark.anyio

MODEL_PATHS = ["/health", "/health/ready", "/model"]


async def test_while_the_model_loads_the_service_lives_but_is_not_ready() -> None:
    go_on = threading.Event()

    def load() -> Ensemble:
        assert go_on.wait(30)
        return fake_ensemble()

    async with client_of(create_app(Settings(), load=load), wait=False) as client:
        assert (await client.get("/health/live")).status_code == 200
        for path in MODEL_PATHS:
            answer = await client.get(path)
            assert_problem(answer, 503, "model_not_ready")
            assert int(answer.headers["retry-after"]) >= 1
        answer = await client.post("/predict", files={"file": radiograph()})
        assert_problem(answer, 503, "model_not_ready")
        go_on.set()


async def test_a_bundle_that_fails_its_check_leaves_the_service_alive_and_says_why() -> None:
    failed = threading.Event()

    def load() -> Ensemble:
        try:
            raise BundleError("The file x.keras is not the one that the manifest describes.")
        finally:
            failed.set()

    async with client_of(create_app(Settings(), load=load), wait=False) as client:
        assert failed.wait(10)
        while (answer := await client.get("/health/ready")).json()["code"] == "model_not_ready":
            pass
        assert "x.keras" in assert_problem(answer, 503, "model_unavailable")["detail"]
        assert (await client.get("/health/live")).status_code == 200
        answer = await client.post("/predict", files={"file": radiograph()})
        assert_problem(answer, 503, "model_unavailable")


async def test_by_default_the_bundle_of_the_settings_is_loaded(tmp_path: Path) -> None:
    missing = Settings(models_dir=tmp_path / "nowhere")
    async with client_of(create_app(missing), wait=False) as client:
        while (answer := await client.get("/health/ready")).json()["code"] == "model_not_ready":
            pass
        body = assert_problem(answer, 503, "model_unavailable")
        assert str(tmp_path) not in body["detail"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RuntimeError("Jane Doe"), 500, "internal_error"),
        (StopIteration(), 500, "internal_error"),
        (SystemExit(3), 500, "internal_error"),
        (asyncio.CancelledError(), 500, "internal_error"),
        (BaseException("Jane Doe"), 500, "internal_error"),
        (MemoryError(), 503, "out_of_memory"),
        (BundleError("The network gave no probability."), 503, "model_unavailable"),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, BaseException) else None,
)
async def test_an_engine_that_fails_is_told_and_leaves_a_service_that_works(
    error: BaseException, status: int, code: str
) -> None:
    engine = FakeEngine()
    app = create_app(Settings(threads=1), load=lambda: fake_ensemble(engine))
    async with client_of(app) as client, asyncio.timeout(30):
        files = {"file": radiograph()}
        engine.error = error
        for _ in range(3):
            answer = await client.post("/predict", files=files)
            assert_problem(answer, status, code)
            assert "Jane" not in answer.text
        answer = await client.post("/predict/batch", files=files)
        assert answer.json()["results"][0]["error"]["code"] == code
        engine.error = None
        assert (await client.post("/predict", files=files)).status_code == 200
        health = (await client.get("/health")).json()
        assert (health["running"], health["waiting"]) == (0, 0)
        assert app.state.services.memory.held == 0


def test_threads_and_places_follow_the_settings() -> None:
    admission = create_app(Settings(threads=3), load=fake_ensemble).state.services.admission
    assert (admission.threads, admission.places) == (3, 24)
    admission = create_app(
        Settings(threads=3, queue_size=0), load=fake_ensemble
    ).state.services.admission
    assert (admission.threads, admission.places) == (3, 0)


def test_limits_on_uploads_follow_the_settings() -> None:
    services = create_app(
        Settings(max_upload_mib=2, max_batch_mib=5), load=fake_ensemble
    ).state.services
    assert (services.single.files, services.single.file_bytes) == (1, 2 * 1024**2)
    assert (services.batch.files, services.batch.total_bytes) == (32, 5 * 1024**2)


def routes_of(app: FastAPI) -> list[tuple[str, str]]:
    """Method and path of every route that FastAPI guards by dependencies."""
    contexts = iter_route_contexts(app.routes)
    return [
        (method, context.path or "")
        for context in contexts
        if isinstance(context.original_route, APIRoute)
        for method in context.methods or ()
    ]


async def deny() -> None:
    raise HTTPException(418)


class TestGuards:
    """A guard that is added as FastAPI documents it closes every route."""

    async def refusals(self, app: FastAPI) -> None:
        app.state.services = create_app(Settings(), load=fake_ensemble).state.services
        routes = routes_of(app)
        assert {"/", "/docs", "/predict", "/predict/batch", "/metrics"} <= {p for _, p in routes}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            for method, path in routes:
                answer = await client.request(method, path, files={"file": radiograph()})
                assert answer.status_code == 418, path

    async def test_on_the_application(self) -> None:
        app = FastAPI(docs_url=None, dependencies=[Depends(deny)])
        include_routes(app)
        await self.refusals(app)

    async def test_on_a_router(self) -> None:
        inner, app = FastAPI(docs_url=None), FastAPI(docs_url=None)
        include_routes(inner)
        app.include_router(inner.router, dependencies=[Depends(deny)])
        await self.refusals(app)

    async def test_dependencies_can_be_overridden(self) -> None:
        app = create_app(Settings(), load=fake_ensemble)
        app.dependency_overrides[get_screening] = deny
        async with client_of(app, wait=False) as client:
            for path in ("/predict", "/predict/batch", "/explain", "/report", "/dicom/report"):
                answer = await client.post(path, files={"file": radiograph()})
                assert_problem(answer, 422, "invalid_request")


class TestVersionPrefix:
    async def test_the_addresses_without_it_stay(self, client: httpx.AsyncClient) -> None:
        for path in ("/predict", "/predict/batch", "/explain", "/explain/maps", "/preview"):
            field = "files" if path.endswith("batch") else "file"
            headers = {"X-Request-ID": "same"}
            answers = [
                await client.post(prefix + path, files={field: radiograph()}, headers=headers)
                for prefix in ("", "/v1")
            ]
            assert [answer.status_code for answer in answers] == [200, 200], path
            assert answers[0].content == answers[1].content, path
        assert (await client.get("/v1/model")).json() == (await client.get("/model")).json()

    async def test_metrics_tell_them_apart(self, client: httpx.AsyncClient) -> None:
        await client.post("/v1/predict", files={"file": radiograph()})
        text = (await client.get("/metrics")).text
        assert 'xray_requests_total{method="POST",route="/v1/predict",status="200"} 1.0' in text


@pytest.mark.parametrize("path", ["/predict/", "/v1/predict/", "/health/live/", "//"])
async def test_a_slash_too_many_is_not_redirected(path: str) -> None:
    async with client_of(create_app(Settings(), load=fake_ensemble)) as client:
        assert_problem(await client.get(f"http://service{path}"), 404, "not_found")


class TestPathPrefix:
    @pytest.mark.parametrize("sent", ["/health/live", "/xray/health/live"])
    async def test_a_proxy_may_strip_it_or_not(self, sent: str) -> None:
        async with client_of(
            create_app(Settings(root_path="/xray/"), load=fake_ensemble)
        ) as client:
            assert (await client.get(sent)).status_code == 200
            text = (await client.get("/metrics")).text
            assert 'route="/health/live",status="200"' in text

    @pytest.mark.parametrize("prefix", ["", "/xray"])
    async def test_what_the_pages_load_is_there(self, prefix: str) -> None:
        async with client_of(create_app(Settings(root_path="/xray"), load=fake_ensemble)) as client:
            page = (await client.get(f"{prefix}/")).text
            [script] = re.findall(r'<script[^>]* src="([^"]+)"', page)
            for path in (script, "docs/assets/start.js"):
                assert (await client.get(f"{prefix}/{path}")).status_code == 200, path

    @pytest.mark.parametrize(
        ("forwarded", "servers"),
        [
            (None, ["/xray", "."]),
            ("/other", ["/other", "."]),
            ("//evil.example", ["/xray", "."]),
        ],
    )
    async def test_the_document_names_it(self, forwarded: str | None, servers: list[str]) -> None:
        headers = {"X-Forwarded-Prefix": forwarded} if forwarded else {}
        async with client_of(create_app(Settings(root_path="/xray"), load=fake_ensemble)) as client:
            for _ in range(2):
                document = (await client.get("/openapi.json", headers=headers)).json()
                assert [server["url"] for server in document["servers"]] == servers

    async def test_without_one_the_service_is_where_the_document_is(
        self, client: httpx.AsyncClient
    ) -> None:
        assert (await client.get("/openapi.json")).json()["servers"] == [{"url": "."}]


async def test_what_fails_inside_of_it_is_answered_by_it() -> None:
    app = create_app(Settings(), load=fake_ensemble)

    async def fail() -> None:
        raise ZeroDivisionError

    app.add_api_route("/fail", fail)
    async with client_of(app) as client:
        answer = await client.get("/fail")
        assert_problem(answer, 500, "internal_error")
        assert answer.headers["x-request-id"] == answer.json()["request_id"]
