"""API keys: who may use the service, once its operator has set any."""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Annotated, Final

from fastapi import Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from service.errors import UnauthorizedError

KEY_HEADER: Final = "X-API-Key"

_header = APIKeyHeader(name=KEY_HEADER, scheme_name="key", auto_error=False)
_bearer = HTTPBearer(scheme_name="bearer", auto_error=False)


class RequireKey:
    """A dependency that refuses requests without a valid key, before their bodies are read.

    Only digests of the keys are kept.

    Args:
        keys: The keys that are accepted.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = tuple(_digest(key) for key in keys)

    async def __call__(
        self,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
        key: Annotated[str | None, Security(_header)],
    ) -> None:
        """Check the key in either header.

        Raises:
            UnauthorizedError: Neither holds a valid one.
        """
        token = bearer.credentials if bearer else ""
        if not self._is_known(token) | self._is_known(key or ""):
            raise UnauthorizedError(
                "This service requires a valid key, as 'Authorization: Bearer ...' or "
                f"'{KEY_HEADER}: ...'. Ask its operator for one."
            )

    def _is_known(self, offered: str) -> bool:
        # All digests have one length and all are compared, so that the time taken reveals nothing.
        digest = _digest(offered)
        known = False
        for each in self._digests:
            known |= hmac.compare_digest(digest, each)
        return known


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
