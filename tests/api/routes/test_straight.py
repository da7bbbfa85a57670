# ruff: noqa: ARG001 - what these handlers ask for is the point

from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from service.api.routes.straight import StraightRoute

pytestmark = pytest.mark.anyio


class Answer(BaseModel):
    name: str
    value: float | None = Field(default=None, alias="the value")


async def greet(request: Request, response: Response) -> Answer:
    response.headers["Content-Language"] = "es"
    for name in ("Accept", "Accept-Language"):
        response.headers.append("Vary", name)
    return Answer(name=f"Año {request.method}")


async def greet_in_json(request: Request, response: Response) -> bytes:
    return (await greet(request, response)).model_dump_json(by_alias=True).encode()


def app_with(
    kind: type[APIRoute], handler: Any = greet_in_json, *, included: bool = False, **given: Any
) -> FastAPI:
    router = APIRouter(route_class=kind)
    more: Any = {400: {"description": "No."}}
    names: Any = {"name": "greet", "summary": "Greet", "description": "Says so."}
    router.post("/greet", responses=more, response_model=Answer, **names, **given)(handler)
    app = FastAPI()
    app.add_exception_handler(Unhappy, tell)
    if included:
        app.include_router(router)
    else:
        app.router.routes.extend(router.routes)
    return app


class Unhappy(Exception):
    pass


async def tell(request: Request, error: Exception) -> Response:
    return Response(f"{request.method}: {error}", 418)


async def asked(app: FastAPI, method: str = "POST") -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, "/greet", content=b"anything")


@pytest.mark.parametrize("included", [False, True])
@pytest.mark.parametrize("given", [{}, {"status_code": 201}])
async def test_it_answers_and_is_documented_as_any_route_of_fastapi(
    given: dict[str, Any], included: bool
) -> None:
    straight = app_with(StraightRoute, included=included, **given)
    usual = app_with(APIRoute, greet, included=included, **given)
    ours, theirs = await asked(straight), await asked(usual)
    assert ours.status_code == theirs.status_code == given.get("status_code", 200)
    assert ours.content == theirs.content == '{"name":"Año POST","the value":null}'.encode()
    assert sorted(ours.headers.raw) == sorted(theirs.headers.raw)
    assert straight.openapi() == usual.openapi()


@pytest.mark.parametrize(
    ("error", "status"),
    [(HTTPException(409, "Not now.", {"Retry-After": "1"}), 409), (Unhappy("sorry"), 418)],
)
async def test_what_a_handler_raises_is_answered_as_by_any_route_of_fastapi(
    error: Exception, status: int
) -> None:
    async def fail(request: Request, response: Response) -> bytes:
        raise error

    ours, theirs = [await asked(app_with(kind, fail)) for kind in (StraightRoute, APIRoute)]
    assert ours.status_code == theirs.status_code == status
    assert ours.content == theirs.content
    assert ours.headers == theirs.headers


async def test_a_method_that_it_does_not_take_is_refused_as_by_any_route_of_fastapi() -> None:
    ours, theirs = [await asked(app_with(kind), "GET") for kind in (StraightRoute, APIRoute)]
    assert ours.status_code == theirs.status_code == 405
    assert ours.content == theirs.content
    assert ours.headers == theirs.headers


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
    with pytest.raises(TypeError, match="greet must take a request and a response"):
        app_with(StraightRoute, handler)
