import json
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from service.api import problems as errors
from service.api import schemas
from service.api.model_schema import Model
from service.api.schemas import Screened
from service.screening.screen import Screening
from tests.contract import VERDICT_FIELDS
from tests.fake_engine import fake_ensemble
from tests.serving import radiograph


def models() -> Iterator[type[BaseModel]]:
    for found in vars(schemas).values():
        if isinstance(found, type) and issubclass(found, BaseModel) and found is not BaseModel:
            yield found
    yield errors.Problem


@pytest.mark.parametrize("model", [*models()])
def test_every_field_is_described(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        assert field.description, name


def test_a_verdict_begins_with_the_two_fields_that_older_clients_read() -> None:
    verdict = Screening(fake_ensemble(), max_pixels=10**6).screen(radiograph())
    fields = [*json.loads(Screened.from_verdict(verdict, "r1").model_dump_json())]
    assert fields == [*VERDICT_FIELDS, "local"]
    assert fields[:2] == ["predicted_class", "probability"]


def test_a_verdict_has_the_range_of_its_model() -> None:
    shown = [
        Screened.from_verdict(Screening(ensemble, max_pixels=10**6).screen(radiograph()), "r1")
        for ensemble in (fake_ensemble(), fake_ensemble(between=(0.25, 0.75)))
    ]
    assert shown[0].indeterminate is None
    assert shown[1].model_dump()["indeterminate"] == {"lower": 0.25, "upper": 0.75}


def test_a_model_is_described_as_fully_as_its_manifest() -> None:
    ensemble = fake_ensemble()
    manifest = ensemble.bundle.manifest.model_dump(mode="json")
    shown = Model.from_ensemble(ensemble).model_dump(mode="json")
    for field in manifest.keys() - {"schema_version", "compiled", "golden", "lungs"}:
        assert shown[field] == manifest[field], field
    assert shown["digest"] == ensemble.bundle.digest
    assert shown["provenance"] == "manifest"
    assert shown["engine"] == "fake"
