"""The OpenAPI document, and whether the service keeps to it for inputs made from it."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.types import Receive, Scope, Send

from service.api.app import create_app
from service.errors import ModelNotReadyError
from service.settings import Settings
from tests.fake_engine import fake_ensemble

PATHS = [
    "/predict",
    "/predict/batch",
    "/explain",
    "/report",
    "/dicom/report",
    "/preview",
    "/health",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/model",
]


# Made here because schemathesis makes one test for each operation while tests are collected.
APP = create_app(Settings(threads=2), load=fake_ensemble)


async def without_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer requests only: schemathesis would end the lifespan after each test."""
    if scope["type"] == "http":
        await APP(scope, receive, send)


SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", without_lifespan)


@pytest.fixture(scope="module")
def _ready() -> Iterator[None]:
    services = APP.state.services
    services.loader.start()
    while True:
        try:
            services.loader.screening()
        except ModelNotReadyError:
            time.sleep(0.01)
        else:
            break
    yield
    asyncio.run(services.admission.close())


@SCHEMA.parametrize()
@pytest.mark.usefixtures("_ready")
@settings(max_examples=20, deadline=None)
def test_the_service_keeps_to_its_document(case: schemathesis.Case[Any]) -> None:
    # Bytes that fit the schema are hardly ever a radiograph: refusing them is right.
    case.call_and_validate(excluded_checks=[positive_data_acceptance])


def resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    for key in node["$ref"].removeprefix("#/").split("/"):
        document = document[key]
    return document


@pytest.mark.anyio
class TestDocument:
    @pytest.fixture
    async def document(self, client: httpx.AsyncClient) -> dict[str, Any]:
        document: dict[str, Any] = (await client.get("/openapi.json")).json()
        return document

    async def test_it_lists_every_path(self, document: dict[str, Any]) -> None:
        assert list(document["paths"]) == PATHS

    async def test_every_problem_is_problem_json(self, document: dict[str, Any]) -> None:
        for path, methods in document["paths"].items():
            for operation in methods.values():
                assert operation["summary"], path
                for status, response in operation["responses"].items():
                    if status >= "400":
                        [(kind, content)] = response["content"].items()
                        assert kind == "application/problem+json"
                        assert resolved(document, content["schema"])["title"] == "Problem"
                        assert content["examples"]

    @pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
    async def test_every_answer_to_bad_input_is_documented(
        self, document: dict[str, Any], path: str
    ) -> None:
        statuses = set(document["paths"][path]["post"]["responses"])
        single = {"415"} if path == "/predict" else set()
        assert statuses == {"200", "400", "408", "413", "422", "503"} | single

    async def test_it_names_nothing_outside(self, document: dict[str, Any]) -> None:
        assert "://" not in str(document)
