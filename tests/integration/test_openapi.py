"""The OpenAPI document, and whether the service keeps to it for inputs made from it."""

import asyncio
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
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
    "/v1/predict",
    "/v1/predict/batch",
    "/v1/explain",
    "/v1/explain/maps",
    "/v1/report",
    "/v1/dicom/report",
    "/v1/preview",
    "/v1/model",
    "/health",
    "/health/live",
    "/health/ready",
    "/metrics",
]


# Made here because schemathesis makes one test for each operation while tests are collected.
APP = create_app(Settings(threads=2), load=fake_ensemble)


async def without_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer requests only: schemathesis would end the lifespan after each test."""
    if scope["type"] == "http":
        await APP(scope, receive, send)


schemathesis.serializer.alias("application/dicom", "application/octet-stream")
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

    @pytest.mark.parametrize("path", ["/v1/predict", "/v1/predict/batch"])
    async def test_every_answer_to_bad_input_is_documented(
        self, document: dict[str, Any], path: str
    ) -> None:
        statuses = set(document["paths"][path]["post"]["responses"])
        single = {"415"} if path == "/v1/predict" else set()
        assert statuses == {"200", "400", "408", "413", "422", "503"} | single

    async def test_every_operation_has_a_name_that_a_program_can_bear(
        self, document: dict[str, Any]
    ) -> None:
        names = [one["operationId"] for path in document["paths"].values() for one in path.values()]
        assert all(re.fullmatch("[a-z]+([A-Z][a-z]+)+", name) for name in names), names
        assert len(set(names)) == len(names)

    async def test_every_tag_is_described(self, document: dict[str, Any]) -> None:
        described = {tag["name"] for tag in document["tags"] if tag["description"]}
        used = {
            tag
            for path in document["paths"].values()
            for operation in path.values()
            for tag in operation["tags"]
        }
        assert used == described

    async def test_it_says_whose_it_is_and_what_is_stable(self, document: dict[str, Any]) -> None:
        info = document["info"]
        assert info["license"]["identifier"] == "Apache-2.0"
        assert info["contact"]["name"]
        assert "Stability" in info["description"]

    async def test_an_operation_has_one_kind_of_answer(self, document: dict[str, Any]) -> None:
        for path in document["paths"].values():
            for operation in path.values():
                kinds = operation["responses"]["200"]["content"]
                assert len(kinds) == 1 or all(kind.endswith("json") for kind in kinds)

    async def test_an_image_may_be_the_body(self, document: dict[str, Any]) -> None:
        body = document["paths"]["/v1/predict"]["post"]["requestBody"]["content"]
        assert list(body) == ["multipart/form-data", "image/*", "application/dicom"]

    async def test_an_answer_may_have_fields_that_are_not_known_yet(
        self, document: dict[str, Any]
    ) -> None:
        schemas = document["components"]["schemas"]
        assert all(schema.get("additionalProperties", True) for schema in schemas.values())

    async def test_every_plain_field_has_an_example_of_its_type(
        self, document: dict[str, Any]
    ) -> None:
        checked = 0
        for schema in document["components"]["schemas"].values():
            for field in schema.get("properties", {}).values():
                if field.get("type") in {"string", "number", "integer", "boolean"}:
                    [example] = field.get("examples", [None])
                    jsonschema_rs.validate(field, example)
                    checked += 1
        assert checked > 60

    async def test_every_example_fits_its_schema(self, document: dict[str, Any]) -> None:
        screened = document["paths"]["/v1/predict"]["post"]["responses"]["200"]
        assert "lungs" in screened["content"]["application/json"]["example"]
        checked = 0
        for path in document["paths"].values():
            for operation in path.values():
                for response in operation["responses"].values():
                    for content in response["content"].values():
                        examples = [one["value"] for one in content.get("examples", {}).values()]
                        examples += [content["example"]] if "example" in content else []
                        schema = {**content["schema"], "components": document["components"]}
                        for example in examples:
                            jsonschema_rs.validate(schema, example)
                        checked += len(examples)
        assert checked > 100

    async def test_it_names_nothing_outside(self, document: dict[str, Any]) -> None:
        assert "://" not in str(document)
