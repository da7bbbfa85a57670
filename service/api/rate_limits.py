"""Rate limits: how many radiographs each key may send, so that one client cannot crowd out others.

A token bucket for each key, or for each address where there are no keys: it holds ``burst`` tokens,
gains ``rate`` tokens per second, and each radiograph takes one. The header fields are those of
draft-ietf-httpapi-ratelimit-headers-11.

A refusal costs the service little, but not nothing. So a client that does not wait as it is asked
to waits for its next refusal, and sends so much less.
"""

import asyncio
import math
import random
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.client import client_of
from service.errors import RateLimitedError

MAX_CLIENTS: Final = 10_000
"""Buckets that are kept: of keys there are few, of addresses there may be any number."""

HOLD_SECONDS: Final = 1.0
"""How long a refusal is held that follows another, at most: no longer than the least Retry-After.

Each is held for another time, from half of this on. Clients that are refused together would come
back together, again and again, and spend all tokens at once: others would wait for that burst.
"""

MAX_HELD: Final = 256
"""Refusals that are held at the same time; each may keep some 100 KiB of an unread upload."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    updated_s: float
    refusals: int = 0  # since it last gave a token


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a client stands after a request.

    Attributes:
        remaining: Whole tokens that are left.
        reset_s: Seconds until the bucket is full, or until there is a token if there is none.
    """

    remaining: int
    reset_s: int


class RateLimiter:
    """Token buckets by client.

    Args:
        rate: Tokens per second.
        burst: Most tokens of a bucket; by default those of one second, and at least 1.
        clock: Seconds, rising.
    """

    def __init__(
        self, rate: float, burst: int | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate = rate
        self.burst = burst or max(1, math.ceil(rate))
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._held = 0

    @property
    def policy(self) -> str:
        """Value of the RateLimit-Policy header."""
        return f'"radiographs";q={self.burst};w={math.ceil(self.burst / self.rate)}'

    def check(self, client: str) -> None:
        """Look whether there is a token.

        Raises:
            RateLimitedError: There is none; the error says when there will be.
        """
        bucket = self._bucket(client)
        if bucket.tokens < 1:
            bucket.refusals += 1
            wait_s = max(1, math.ceil((1 - bucket.tokens) / self.rate))
            raise RateLimitedError(
                "More radiographs were sent than this key or address may send in this time. "
                "Please wait for as long as Retry-After says, then send this one again.",
                retry_after_s=wait_s,
            )

    def take(self, client: str) -> Standing:
        """Take a token.

        Raises:
            RateLimitedError: There is none; the error says when there will be.
        """
        self.check(client)
        bucket = self._bucket(client)
        bucket.refusals = 0
        return self._spend(bucket, 1)

    async def hold(self, client: str) -> None:
        """Wait before a client is refused that was refused before and came again too soon."""
        if self._bucket(client).refusals > 1 and self._held < MAX_HELD:
            self._held += 1
            try:
                await asyncio.sleep(random.uniform(HOLD_SECONDS / 2, HOLD_SECONDS))  # noqa: S311
            finally:
                self._held -= 1

    def charge(self, client: str, tokens: int) -> Standing:
        """Take tokens that may not be there: what is owed delays the client's next requests."""
        return self._spend(self._bucket(client), tokens)

    def _spend(self, bucket: _Bucket, tokens: int) -> Standing:
        bucket.tokens -= tokens
        missing = (self.burst if bucket.tokens >= 1 else 1) - bucket.tokens
        return Standing(max(0, math.floor(bucket.tokens)), math.ceil(missing / self.rate))

    def _bucket(self, client: str) -> _Bucket:
        now_s = self._clock()
        bucket = self._buckets.setdefault(client, _Bucket(self.burst, now_s))
        self._buckets.move_to_end(client)
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)  # it asked longest ago: its bucket is the fullest
        gained = (now_s - bucket.updated_s) * self.rate
        bucket.tokens = min(self.burst, bucket.tokens + gained)
        bucket.updated_s = now_s
        return bucket


async def check(limiter: RateLimiter | None, request: Request) -> None:
    """Refuse a request whose client has no token, sooner or later.

    Raises:
        RateLimitedError: It has none.
    """
    if limiter is None:
        return
    client = client_of(request)
    try:
        limiter.check(client)
    except RateLimitedError as error:
        request.state.standing = Standing(0, error.retry_after_s or 1)
        await limiter.hold(client)
        raise


def take(limiter: RateLimiter | None, request: Request) -> None:
    """Take a token from the bucket of a request's client; right after ``check`` it has one.

    Raises:
        RateLimitedError: It has none.
    """
    if limiter is not None:
        request.state.standing = limiter.take(client_of(request))


def charge_files(limiter: RateLimiter | None, request: Request, files: int) -> None:
    """Charge for the files of an upload beyond its first, which was paid before it was read."""
    if limiter is not None and files > 1:
        request.state.standing = limiter.charge(client_of(request), files - 1)


@dataclass(frozen=True, slots=True)
class RateLimitHeadersMiddleware:
    """Says in each answer that a limit applies to where its client stands.

    Attributes:
        app: The application.
        policy: Value of the RateLimit-Policy header.
    """

    app: ASGIApp
    policy: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI defines it."""

        async def send_standing(message: Message) -> None:
            standing: Standing | None = scope.get("state", {}).get("standing")
            if message["type"] == "http.response.start" and standing:
                headers = MutableHeaders(scope=message)
                headers["RateLimit-Policy"] = self.policy
                headers["RateLimit"] = f'"radiographs";r={standing.remaining};t={standing.reset_s}'
            await send(message)

        await self.app(scope, receive, send_standing)
