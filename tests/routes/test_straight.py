# ruff: noqa: ARG001 - what these handlers ask for is the point

from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from service.routes.straight import StraightRoute

pytestmark = pytest.mark.anyio


class Answer(BaseModel):
    name: str
    value: float | None = Field(default=None, alias="the value")


async def greet(request: Request, response: Response) -> Answer:
    response.headers["Content-Language"] = "es"
    for name in ("Accept", "Accept-Language"):
        response.headers.append("Vary", name)
    return Answer(name=f"Año {request.method}")


def app_with(kind: type[APIRoute], handler: Any = greet, **given: Any) -> FastAPI:
    router = APIRouter(route_class=kind)
    more: Any = {400: {"description": "No."}}
    router.post("/greet", summary="Greet", responses=more, **given)(handler)
    app = FastAPI()
    app.include_router(router)
    return app


@pytest.mark.parametrize("given", [{}, {"status_code": 201}])
async def test_it_answers_and_is_documented_as_any_route_of_fastapi(given: dict[str, Any]) -> None:
    straight, usual = (app_with(kind, **given) for kind in (StraightRoute, APIRoute))
    answers = []
    for app in (straight, usual):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answers.append(await client.post("/greet", content=b"anything"))
    ours, theirs = answers
    assert ours.status_code == theirs.status_code == given.get("status_code", 200)
    assert ours.content == theirs.content == '{"name":"Año POST","the value":null}'.encode()
    assert sorted(ours.headers.raw) == sorted(theirs.headers.raw)
    assert straight.openapi() == usual.openapi()


async def _asks_the_query(request: Request, response: Response, name: str) -> Answer:
    raise AssertionError


async def _asks_a_header(
    request: Request, response: Response, name: Annotated[str, Header()]
) -> Answer:
    raise AssertionError


async def _asks_the_body(request: Request, response: Response, body: Answer) -> Answer:
    raise AssertionError


async def _depends(
    request: Request, response: Response, more: Annotated[Answer, Depends(greet)]
) -> Answer:
    raise AssertionError


async def _takes_no_response(request: Request) -> Answer:
    raise AssertionError


@pytest.mark.parametrize(
    "handler", [_asks_the_query, _asks_a_header, _asks_the_body, _depends, _takes_no_response]
)
def test_a_handler_that_asks_for_more_is_no_such_route(handler: Any) -> None:
    with pytest.raises(TypeError, match=f"{handler.__name__} must take"):
        app_with(StraightRoute, handler)
