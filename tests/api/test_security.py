from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.types import Message

from service.api.app import create_app
from service.api.security import RequireKey
from service.settings import Settings
from tests.fake_engine import fake_ensemble
from tests.serving import assert_problem, client_of, radiograph

pytestmark = pytest.mark.anyio

ONE, TWO = "correct-horse-battery", "staple.0123456789abcdef"
VERSIONED = [
    ("POST", "/predict"),
    ("POST", "/predict/batch"),
    ("POST", "/explain"),
    ("POST", "/explain/maps"),
    ("POST", "/report"),
    ("POST", "/dicom/report"),
    ("POST", "/preview"),
    ("GET", "/model"),
]
DOCUMENTED = [("GET", "/metrics"), *((method, "/v1" + path) for method, path in VERSIONED)]
KEYED = VERSIONED + DOCUMENTED
OPEN = ["/", "/docs", "/docs/assets/start.js", "/openapi.json", "/health", "/health/live"]


def keyed(**settings: Any) -> Settings:
    return Settings(api_keys=f"{ONE},{TWO}", **settings)


@asynccontextmanager
async def keyed_client() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(create_app(keyed(), load=fake_ensemble)) as client:
        yield client


class TestKeys:
    @pytest.mark.parametrize(
        "headers",
        [
            {"X-API-Key": ONE},
            {"X-API-Key": TWO},
            {"Authorization": f"Bearer {ONE}"},
            {"Authorization": f"bearer {TWO}"},
            {"Authorization": "Basic eDp5", "X-API-Key": TWO},
        ],
    )
    async def test_any_key_is_accepted_in_either_header(self, headers: dict[str, str]) -> None:
        async with keyed_client() as client:
            assert (await client.get("/model", headers=headers)).status_code == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"X-API-Key": ""},
            {"X-API-Key": ONE[:-1]},
            {"X-API-Key": ONE + "x"},
            {"X-API-Key": f"{ONE},{TWO}"},
            {"X-API-Key": ONE.upper()},
            {"X-API-Key": "José"},
            {"Authorization": ONE},
            {"Authorization": f"Basic {ONE}"},
            {"Authorization": "Bearer"},
        ],
    )
    async def test_nothing_else_is(self, headers: dict[str, str]) -> None:
        async with keyed_client() as client:
            given = httpx.Headers(headers, encoding="utf-8")
            answer = await client.get("/model", headers=given)
            assert_problem(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Bearer ")

    def test_the_keys_themselves_are_not_kept(self) -> None:
        check = RequireKey([("ward", ONE)])
        assert ONE not in repr(check) + repr(vars(check))


class TestNames:
    @pytest.mark.parametrize(
        ("sent", "name"), [(ONE, "ward-3"), (f"ward-3:{ONE}", "ward-3"), (TWO, "key-2")]
    )
    async def test_the_log_says_by_name_whose_key_it_was(
        self, sent: str, name: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings = Settings.model_validate({"api_keys": f"ward-3:{ONE},{TWO}"})
        async with client_of(create_app(settings, load=fake_ensemble)) as client:
            caplog.set_level("INFO", "service.requests")
            answer = await client.get("/model", headers={"X-API-Key": sent})
        assert answer.status_code == 200
        fields = vars(caplog.records[-1])["fields"]
        assert (fields["key"], fields["client"]) == (name, "127.0.0.1")

    async def test_a_name_opens_nothing(self) -> None:
        settings = Settings.model_validate({"api_keys": f"a-name-of-sixteen:{ONE}"})
        async with client_of(create_app(settings, load=fake_ensemble)) as client:
            answer = await client.get("/model", headers={"X-API-Key": "a-name-of-sixteen"})
            assert_problem(answer, 401, "unauthorized")


class TestClientAddress:
    @pytest.mark.parametrize(
        ("trusted", "forwarded", "address"),
        [
            ("", "203.0.113.9", "127.0.0.1"),
            ("10.0.0.0/8", "203.0.113.9", "127.0.0.1"),
            ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("127.0.0.1", "Jane Doe, 2001:db8::9", "2001:db8::9"),
            ("127.0.0.1,10.0.0.0/8", "203.0.113.9, 10.1.2.3", "203.0.113.9"),
            ("127.0.0.1", "Jane Doe", None),
            ("127.0.0.1", "", "127.0.0.1"),
        ],
    )
    async def test_only_a_trusted_proxy_may_say_who_asks(
        self, trusted: str, forwarded: str, address: str | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings = Settings.model_validate({"trusted_proxies": trusted} if trusted else {})
        async with client_of(create_app(settings, load=fake_ensemble)) as client:
            caplog.set_level("INFO", "service.requests")
            await client.get("/health/live", headers={"X-Forwarded-For": forwarded})
        assert vars(caplog.records[-1])["fields"]["client"] == address


class TestKeyedService:
    @pytest.mark.parametrize(("method", "path"), KEYED)
    async def test_without_a_key_it_refuses(self, method: str, path: str) -> None:
        async with keyed_client() as client:
            assert_problem(await client.request(method, path), 401, "unauthorized")

    @pytest.mark.parametrize("path", OPEN)
    async def test_probes_and_pages_need_no_key(self, path: str) -> None:
        async with keyed_client() as client:
            assert (await client.get(path)).status_code == 200

    async def test_every_other_route_needs_one(self) -> None:
        app = create_app(keyed(), load=fake_ensemble)
        document = app.openapi()
        needs_key = {
            (method.upper(), path)
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
            if "security" in operation
        }
        assert needs_key == set(DOCUMENTED)

    async def test_with_a_key_it_screens(self) -> None:
        async with keyed_client() as client:
            files = {"file": radiograph()}
            answer = await client.post("/predict", files=files, headers={"X-API-Key": TWO})
            assert answer.status_code == 200
            answer = await client.get("/metrics", headers={"Authorization": f"Bearer {ONE}"})
            assert answer.status_code == 200
            assert ONE not in answer.text

    async def test_an_upload_without_a_key_is_refused_unread(self) -> None:
        async def unread() -> Message:
            raise AssertionError("nothing is to be read")

        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/predict",
            "query_string": b"",
            "headers": [(b"content-length", b"9"), (b"expect", b"100-continue")],
        }
        await create_app(keyed(), load=fake_ensemble)(scope, unread, send)
        assert sent[0]["status"] == 401

    async def test_the_refusal_is_counted_under_its_route(self) -> None:
        async with keyed_client() as client:
            await client.post("/predict")
            text = (await client.get("/metrics", headers={"X-API-Key": ONE})).text
            assert 'xray_requests_total{method="POST",route="/predict",status="401"} 1.0' in text
            assert 'xray_problems_total{code="unauthorized"} 1.0' in text

    async def test_it_is_told_in_spanish_to_who_reads_spanish(self) -> None:
        async with keyed_client() as client:
            answer = await client.get("/model", headers={"Accept-Language": "es"})
            assert "clave" in assert_problem(answer, 401, "unauthorized")["detail"]


class TestDocument:
    async def test_it_asks_for_a_key_where_one_is_needed(self) -> None:
        async with keyed_client() as client:
            answer = await client.get("/openapi.json")
        document = answer.json()
        assert ONE not in answer.text
        schemes = document["components"]["securitySchemes"]
        assert schemes["bearer"] == {"type": "http", "scheme": "bearer"}
        assert schemes["key"] == {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        predict = document["paths"]["/v1/predict"]["post"]
        assert predict["security"] == [{"bearer": []}, {"key": []}]
        assert "401" in predict["responses"]
        live = document["paths"]["/health/live"]["get"]
        assert "security" not in live
        assert "401" not in live["responses"]

    async def test_an_open_service_asks_for_none(self, client: httpx.AsyncClient) -> None:
        assert "security" not in (await client.get("/openapi.json")).text


class TestCrossOrigin:
    async def test_by_default_no_other_origin_is_let_in(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/health/live", headers={"Origin": "https://other.example"})
        assert not [name for name in answer.headers if name.startswith("access-control")]

    async def test_a_named_origin_may_ask_and_read(self) -> None:
        app = create_app(keyed(cors_origins="https://pacs.example"), load=fake_ensemble)
        async with client_of(app) as client:
            asked = {
                "Origin": "https://pacs.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "cache-control, x-api-key, x-requested-with, "
                "traceparent",
            }
            answer = await client.options("/predict", headers=asked)
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == "https://pacs.example"
            headers = {"Origin": "https://pacs.example", "X-API-Key": ONE}
            answer = await client.get("/model", headers=headers)
            assert answer.headers["access-control-allow-origin"] == "https://pacs.example"
            assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
            assert "access-control-allow-credentials" not in answer.headers

    async def test_any_other_is_refused(self) -> None:
        app = create_app(Settings(cors_origins="https://pacs.example"), load=fake_ensemble)
        async with client_of(app) as client:
            asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
            answer = await client.options("/predict", headers=asked)
            assert (answer.status_code, answer.content) == (403, b"")
            assert "access-control-allow-origin" not in answer.headers
