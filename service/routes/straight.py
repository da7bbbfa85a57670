"""The way to a handler that asks nothing of FastAPI but the request."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel


class StraightRoute(APIRoute):
    """A route to a coroutine that takes ``request`` and ``response`` and returns a model.

    For each request FastAPI opens what could hold files, looks for a body, for dependencies and
    their parameters, and validates the answer, which is a validated model already. Where there is
    nothing of all this it still takes a tenth of what HTTP takes. The documentation is FastAPI's
    as always. What the decorator says of the answer's fields and class is documented, not heeded.

    Raises:
        TypeError: The handler asks for something else as well.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See ``APIRoute``."""
        asked = self.dependant
        if (
            asked.path_params
            or asked.query_params
            or asked.header_params
            or asked.cookie_params
            or asked.body_params
            or asked.dependencies
            or (asked.request_param_name, asked.response_param_name) != ("request", "response")
        ):
            raise TypeError(f"{self.name} must take a request and a response and nothing else.")
        handler: Callable[..., Coroutine[Any, Any, BaseModel]] = self.endpoint

        async def handle(request: Request) -> Response:
            response = Response()
            del response.headers["content-length"]  # that of nothing
            answer = await handler(request=request, response=response)
            body = answer.model_dump_json(by_alias=True)
            whole = Response(body, self.status_code or 200, media_type="application/json")
            whole.raw_headers.extend(response.raw_headers)
            return whole

        return handle
