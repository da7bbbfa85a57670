"""API keys: who may use the service, once its operator has set any."""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Annotated, Final

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from service.errors import UnauthorizedError
from service.observability.record import note_key

KEY_HEADER: Final = "X-API-Key"

_header = APIKeyHeader(name=KEY_HEADER, scheme_name="key", auto_error=False)
_bearer = HTTPBearer(scheme_name="bearer", auto_error=False)


class RequireKey:
    """A dependency that refuses requests without a valid key, before their bodies are read.

    Only digests of the keys are kept. The name of the request's key is noted for log and audit, and
    stands in ``request.state.key`` for the dependencies after this one.

    Args:
        keys: Name and secret of each key that is accepted; several may have one name.
    """

    def __init__(self, keys: Iterable[tuple[str, str]]) -> None:
        # The whole entry opens too: "ward:secret" may be a secret from before keys had names.
        self._names = {
            _digest(text): name for name, secret in keys for text in (f"{name}:{secret}", secret)
        }

    async def __call__(
        self,
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
        key: Annotated[str | None, Security(_header)],
    ) -> None:
        """Check the key in either header.

        Raises:
            UnauthorizedError: Neither holds a valid one.
        """
        token = self._name_of(bearer.credentials if bearer else "")
        name = self._name_of(key or "") or token
        if name is None:
            raise UnauthorizedError(
                "This service requires a valid key, as 'Authorization: Bearer ...' or "
                f"'{KEY_HEADER}: ...'. Ask its operator for one."
            )
        request.state.key = name
        note_key(name)

    def _name_of(self, offered: str) -> str | None:
        # All digests have one length and all are compared, so that the time taken reveals nothing.
        digest = _digest(offered)
        found = None
        for each, name in self._names.items():
            if hmac.compare_digest(digest, each):
                found = name
        return found


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
