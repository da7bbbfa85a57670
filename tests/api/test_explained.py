import json

import pytest
from pydantic import BaseModel

from service.api.explained import Explained, MapGrid, MemberMap
from service.screening.overlay import FULL_SCALE
from tests.explaining import explanation


@pytest.mark.parametrize("model", [Explained, MapGrid, MemberMap])
def test_every_field_is_described(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        assert field.description, name


def test_it_holds_each_map_and_their_mean() -> None:
    made = explanation([[0.25, -0.5, 0], [0.1, 0, 0]])
    sent = json.loads(Explained.from_explanation(made, "r1").model_dump_json())
    assert sent["grid"] == {"rows": 2, "columns": 3}
    assert sent["heat"] == [[0.25, -0.5, 0], [0.1, 0, 0]]
    assert [member["name"] for member in sent["members"]] == ["checksum", "mean"]
    assert sent["members"][1]["values"] == sent["heat"]
    assert sent["full_scale"] == round(FULL_SCALE / 6, 6)
    assert sent["request_id"] == sent["verdict"]["request_id"] == "r1"


def test_its_sentences_are_in_the_language_asked_for() -> None:
    sent = Explained.from_explanation(explanation(), "r1", "es")
    assert "segmentación" in sent.note
    assert "neumonía" in sent.verdict.summary
