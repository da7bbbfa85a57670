"""API keys: who may use the service, once its operator has set any."""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any, Final

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import problem_response
from service.api.routes.documentation import problems
from service.errors import UnauthorizedError
from service.i18n import negotiated

KEY_HEADER: Final = "X-API-Key"

OPEN_PATHS: Final = frozenset(
    {"/", "/docs", "/openapi.json", "/health", "/health/live", "/health/ready"}
)
"""What needs no key: probes, and pages that hold nothing but how to use the service."""

OPEN_FOLDERS: Final = ("/assets/", "/docs/assets/")

_CHALLENGE: Final = 'Bearer realm="pneumonia-xray"'


class Keys:
    """The keys that open the service. Only their digests are kept.

    Args:
        keys: Any number; none leaves the service open.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = tuple(_digest(key) for key in keys)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def admit(self, headers: Headers) -> bool:
        """Whether a request carries one of the keys, in either header."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        bearer = token.strip() if scheme.lower() == "bearer" else ""
        return self._knows(bearer) | self._knows(headers.get(KEY_HEADER, ""))

    def _knows(self, offered: str) -> bool:
        # Every key is compared, and digests of one length, so that time tells nothing of any.
        digest = _digest(offered)
        found = False
        for known in self._digests:
            found |= hmac.compare_digest(digest, known)
        return found


class ApiKeys:
    """Refuses requests without a key before anything of their bodies is read."""

    def __init__(self, app: ASGIApp, *, keys: Keys) -> None:
        self.app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI defines it."""
        if scope["type"] != "http" or is_open(scope["path"]):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if self._keys.admit(headers):
            await self.app(scope, receive, send)
            return
        refusal = UnauthorizedError(
            f"This service takes requests with a valid key only, as 'Authorization: Bearer ...' or "
            f"'{KEY_HEADER}: ...'. Ask its operator for one."
        )
        language = negotiated(headers.get("accept-language"))
        answer = problem_response(refusal, scope["state"]["request_id"], language)
        answer.headers["WWW-Authenticate"] = _CHALLENGE
        await answer(scope, receive, send)


def is_open(path: str) -> bool:
    """Whether a path needs no key."""
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def document_keys(app: FastAPI) -> None:
    """Have the OpenAPI document ask for a key, so that /docs offers to enter one."""
    build = app.openapi

    def with_keys() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = build()
            document["components"]["securitySchemes"] = {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": KEY_HEADER},
            }
            refusal = {str(status): each for status, each in problems(UnauthorizedError).items()}
            for path, operations in document["paths"].items():
                if not is_open(path):
                    for operation in operations.values():
                        operation["security"] = [{"bearer": []}, {"key": []}]
                        operation["responses"] |= refusal
        assert app.openapi_schema is not None  # noqa: S101 - ``build`` has made it
        return app.openapi_schema

    app.openapi = with_keys  # type: ignore[method-assign]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
