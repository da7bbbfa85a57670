"""Answers that the document shows: the shipped model's own, written by ``scripts/examples``."""

import json
from pathlib import Path
from typing import Any, Final

_FILE: Final = Path(__file__).with_name("examples.json")

EXAMPLES: Final[dict[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))
"""``answers`` by the names of their schemas, and ``problems`` by their codes."""


REQUEST_ID: Final = "5f2b8a0c9d3e4f61a7b8c9d0e1f20314"
"""Of every example."""


def fill_in_examples(document: dict[str, Any]) -> None:
    """Give each answer of a document its example, and each field the value that it has there.

    Args:
        document: An OpenAPI document, which is changed. FastAPI would leave null out.
    """
    schemas = document["components"]["schemas"]
    for path in document["paths"].values():
        for operation in path.values():
            content = operation["responses"].get("200", {}).get("content", {})
            answer = content.get("application/json", {})
            name = answer.get("schema", {}).get("$ref", "").rsplit("/", 1)[-1]
            if name in EXAMPLES["answers"]:
                answer["example"] = EXAMPLES["answers"][name]
    answers = {**EXAMPLES["answers"], "Problem": EXAMPLES["problems"].get("invalid_request", {})}
    for name, answer in answers.items():
        if name in schemas:
            _fill_in(schemas, schemas[name], answer)


def _fill_in(schemas: dict[str, Any], schema: dict[str, Any], value: object) -> None:
    for one in _alternatives(schemas, schema):
        if isinstance(value, dict):
            for name, field in one.get("properties", {}).items():
                if name in value:
                    if _is_plain(value[name]):
                        field["examples"] = [value[name]]
                    _fill_in(schemas, field, value[name])
        elif isinstance(value, list) and value and "items" in one:
            _fill_in(schemas, one["items"], value[0])


def _alternatives(schemas: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The schemas that a reference or a choice leads to."""
    if "$ref" in schema:
        return [schemas[schema["$ref"].rsplit("/", 1)[1]]]
    if "anyOf" in schema:
        return [each for one in schema["anyOf"] for each in _alternatives(schemas, one)]
    return [schema]


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(each, str) for each in value)
    return isinstance(value, str | int | float)
