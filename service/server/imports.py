"""What importing the web framework does for uses that a service does not make of it, left out."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pydantic import BaseModel

_PYDANTIC_1: Final = "pydantic.v1"


@contextmanager
def models_built_when_used() -> Iterator[None]:
    """Have pydantic leave the validators of models that are declared meanwhile until a first use.

    FastAPI declares forty models of an OpenAPI document, which nobody needs before somebody asks
    for one. To build them all takes a tenth of the start. It is pydantic's own ``defer_build``, set
    at the root of all models as it cannot be set for those of others. What other threads declare
    meanwhile waits for its first use as well; a model with a setting of its own keeps that.
    """
    config = BaseModel.model_config
    before = config.get("defer_build", False)
    config["defer_build"] = True
    try:
        yield
    finally:
        config["defer_build"] = before


def leave_out_pydantic_1() -> None:
    """Have no module find the old pydantic that comes with the new one, for the process.

    FastAPI imports all of it to ask of each model whether it is one of the old; to where it cannot
    be had, none is. Nothing here uses it.
    """
    sys.modules.setdefault(_PYDANTIC_1, None)  # type: ignore[arg-type]
