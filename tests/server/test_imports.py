"""What is left out of the start is left out, and nothing that a service answers changes by it."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from service.server.imports import models_built_when_used

ROOT = Path(__file__).parents[1]


def ran(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_a_model_that_is_declared_meanwhile_is_built_by_its_first_use() -> None:
    with models_built_when_used():

        class Later(BaseModel):
            number: int

        class AtOnce(BaseModel):
            model_config = ConfigDict(defer_build=False)
            number: int

    class After(BaseModel):
        number: int

    assert not Later.__pydantic_complete__
    assert AtOnce.__pydantic_complete__
    assert After.__pydantic_complete__
    with pytest.raises(ValidationError):
        Later.model_validate({"number": "none"})
    assert Later(number=3).number == 3
    assert Later.__pydantic_complete__


def test_models_are_built_as_ever_after_an_import_that_failed() -> None:
    def fail() -> None:
        with models_built_when_used():
            raise ImportError

    with pytest.raises(ImportError):
        fail()

    class After(BaseModel):
        number: int

    assert After.__pydantic_complete__


DOCUMENT = """
import json, sys
from service.settings import Settings
{before}
from service.api.app import create_app
document = create_app(Settings(), load=lambda: None).openapi()
print("pydantic.v1.main" in sys.modules)
print(json.dumps(document, sort_keys=True))
"""

LEFT_OUT = """
from service.server.imports import leave_out_pydantic_1, models_built_when_used
leave_out_pydantic_1()
with models_built_when_used():
    import fastapi.openapi.models
assert not fastapi.openapi.models.OpenAPI.__pydantic_complete__
"""


def test_the_document_of_the_service_is_the_same_without_the_old_pydantic() -> None:
    usual, document = ran(DOCUMENT.format(before="")).splitlines()
    left_out, same = ran(DOCUMENT.format(before=LEFT_OUT)).splitlines()
    assert (usual, left_out) == ("True", "False")
    assert same == document


LAUNCHED = """
import builtins, sys
from service.server import launch as module
from service.settings import Settings

def serve(settings, *, load):
    from fastapi.openapi.models import OpenAPI
    from service.api.schemas import Screened
    print("pydantic.v1.main" in sys.modules, OpenAPI.__pydantic_complete__)
    print(Screened.__pydantic_complete__)

usual = builtins.__import__

def importing(name, *rest):
    it = usual(name, *rest)
    if name == "service.server.serving":
        it.serve = serve
    return it

builtins.__import__ = importing
module.loading = lambda settings: lambda: None
module.launch(Settings(port=0))
"""


def test_a_service_that_is_launched_leaves_both_out_and_has_its_own_models_ready() -> None:
    assert ran(LAUNCHED).split() == ["False", "False", "True"]
