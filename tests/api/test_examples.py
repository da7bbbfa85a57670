"""What the document shows is what the service answers."""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from service.api.examples import EXAMPLES, fill_in_examples
from service.api.explained import Explained
from service.api.model_schema import Model
from service.api.problems import Problem
from service.api.schemas import Alive, Batch, Health, Ready, Screened
from tests.api import write_examples

ANSWERS: dict[str, type[BaseModel]] = {
    kind.__name__: kind for kind in (Screened, Batch, Explained, Model, Health, Alive, Ready)
}

APART = {"sha256", "summary", "outlines"}


def test_each_answer_has_an_example() -> None:
    assert EXAMPLES["answers"].keys() == ANSWERS.keys()


@pytest.mark.parametrize("name", ANSWERS)
def test_an_example_is_such_an_answer(name: str) -> None:
    example = EXAMPLES["answers"][name]
    parsed = ANSWERS[name].model_validate_json(json.dumps(example))
    assert json.loads(parsed.model_dump_json()) == example


class Near(float):
    """Equal to what differs in the last decimals."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int | float) and abs(self - other) < 2e-3

    __hash__ = float.__hash__


def comparable(answer: object) -> Any:
    """An answer but for what another zlib or processor may make otherwise."""
    if isinstance(answer, dict):
        # A digest of a file written here, a sentence with figures, hundreds of points.
        return {k: comparable(v) for k, v in answer.items() if k not in APART}
    if isinstance(answer, list):
        return [comparable(value) for value in answer]
    return Near(answer) if isinstance(answer, float) else answer


@pytest.mark.anyio
async def test_the_answers_are_those_of_the_shipped_model() -> None:
    """Run scripts/examples after a change of the model or of an answer."""
    asked = await write_examples.answers()
    for name, stored in EXAMPLES["answers"].items():
        assert comparable(asked[name]) == comparable(stored), name


@pytest.mark.anyio
async def test_the_problems_are_those_that_are_provoked() -> None:
    provoked = await write_examples.problems()
    for code, problem in EXAMPLES["problems"].items():
        Problem.model_validate(problem)
        if code != "not_a_chest_radiograph":  # which takes the shipped model
            assert problem == provoked[code]


class TestFillIn:
    def filled(self, schemas: dict[str, Any]) -> dict[str, Any]:
        fill_in_examples({"components": {"schemas": schemas}, "paths": {}})
        return schemas

    def test_a_field_has_the_value_of_an_answer(self) -> None:
        schemas = self.filled(
            {"Screened": {"properties": {"threshold": {"type": "number", "examples": [9]}}}}
        )
        field = schemas["Screened"]["properties"]["threshold"]
        assert field["examples"] == [EXAMPLES["answers"]["Screened"]["threshold"]]

    def test_references_and_choices_are_followed(self) -> None:
        lungs = {"anyOf": [{"$ref": "#/components/schemas/Lungs"}, {"type": "null"}]}
        schemas = self.filled(
            {
                "Screened": {"properties": {"lungs": lungs}},
                "Lungs": {"properties": {"quality": {}}},
            }
        )
        quality = EXAMPLES["answers"]["Screened"]["lungs"]["quality"]
        assert schemas["Lungs"]["properties"]["quality"] == {"examples": [quality]}
