"""The way to a handler that asks nothing of FastAPI but the request."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send


class StraightRoute(APIRoute):
    """A route to a coroutine that takes ``request`` and ``response`` and returns JSON.

    For each request FastAPI opens what could hold files, looks for a body, for dependencies and
    their parameters, catches what is raised where the application catches it again, and validates
    the answer. Where there is nothing of all this it still takes more than a tenth of what HTTP
    takes. The documentation is FastAPI's as always. What the decorator says of the answer, its
    ``response_model`` too, is documented, not heeded.

    Raises:
        TypeError: The handler asks for something else as well.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._answer = self.get_route_handler()

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ``starlette.routing.Route``."""
        if self.methods and scope["method"] not in self.methods:
            await super().handle(scope, receive, send)
            return
        response = await self._answer(Request(scope, receive, send))
        await response(scope, receive, send)

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
        handler: Callable[..., Coroutine[Any, Any, bytes]] = self.endpoint

        async def handle(request: Request) -> Response:
            response = Response(status_code=204)  # which has no Content-Length
            body = await handler(request=request, response=response)
            whole = Response(body, self.status_code or 200, media_type="application/json")
            whole.raw_headers.extend(response.raw_headers)
            return whole

        return handle
