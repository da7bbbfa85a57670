import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from service.api import rate_limits
from service.api.app import create_app
from service.api.rate_limits import MAX_CLIENTS, RateLimiter
from service.errors import RateLimitedError
from service.settings import Settings
from tests.fake_engine import FakeEngine, fake_ensemble
from tests.serving import assert_problem, client_of, radiograph

pytestmark = pytest.mark.anyio

ONE, TWO = "correct-horse-battery", "staple.0123456789abcdef"


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


class TestBucket:
    def test_it_gives_its_burst_at_once_and_then_its_rate(self, clock: Clock) -> None:
        limiter = RateLimiter(2, 4, clock=clock)
        assert [limiter.take("a").remaining for _ in range(4)] == [3, 2, 1, 0]
        with pytest.raises(RateLimitedError) as refusal:
            limiter.take("a")
        assert refusal.value.retry_after_s == 1
        clock.now_s = 0.5
        limiter.take("a")
        with pytest.raises(RateLimitedError):
            limiter.take("a")

    def test_a_pause_fills_it_and_no_more(self, clock: Clock) -> None:
        limiter = RateLimiter(2, 4, clock=clock)
        clock.now_s = 1000
        assert limiter.take("a").remaining == 3

    def test_each_client_has_its_own(self, clock: Clock) -> None:
        limiter = RateLimiter(1, clock=clock)
        limiter.take("a")
        limiter.take("b")
        with pytest.raises(RateLimitedError):
            limiter.take("a")

    def test_who_waits_as_long_as_it_says_is_served(self, clock: Clock) -> None:
        limiter = RateLimiter(0.1, 2, clock=clock)
        limiter.take("a")
        limiter.charge("a", 5)
        with pytest.raises(RateLimitedError) as refusal:
            limiter.take("a")
        assert refusal.value.retry_after_s == 50
        clock.now_s = 50
        limiter.take("a")

    def test_it_says_when_it_will_be_full(self, clock: Clock) -> None:
        limiter = RateLimiter(2, 10, clock=clock)
        assert limiter.policy == '"radiographs";q=10;w=5'
        for _ in range(4):
            standing = limiter.take("a")
        assert (standing.remaining, standing.reset_s) == (6, 2)

    def test_clients_without_number_take_no_memory_without_limit(self, clock: Clock) -> None:
        limiter = RateLimiter(1, clock=clock)
        for number in range(MAX_CLIENTS + 1):
            limiter.take(str(number))
        limiter.take("0")  # it asked longest ago and was forgotten
        with pytest.raises(RateLimitedError):
            limiter.take(str(MAX_CLIENTS))


@asynccontextmanager
async def limited(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings.model_validate(settings), load=fake_ensemble)
    async with client_of(app) as client:
        yield client


async def post(client: httpx.AsyncClient, key: str = "", path: str = "/predict") -> httpx.Response:
    headers = {"X-API-Key": key} if key else {}
    return await client.post(path, files={"file": radiograph()}, headers=headers)


class TestService:
    async def test_beyond_its_limit_a_key_gets_429_with_all_that_a_client_needs(self) -> None:
        async with limited(api_keys=f"{ONE},{TWO}", rate_limit=0.01, rate_burst=2) as client:
            for left in (1, 0):
                answer = await post(client, ONE)
                assert answer.status_code == 200
                assert answer.headers["ratelimit-policy"] == '"radiographs";q=2;w=200'
                assert re.fullmatch(rf'"radiographs";r={left};t=\d+', answer.headers["ratelimit"])
            answer = await post(client, ONE)
            assert_problem(answer, 429, "rate_limited")
            wait = answer.headers["retry-after"]
            assert answer.headers["ratelimit"] == f'"radiographs";r=0;t={wait}'
            assert (await post(client, TWO)).status_code == 200
            text = (await client.get("/metrics", headers={"X-API-Key": ONE})).text
        assert 'xray_problems_total{code="rate_limited"} 1.0' in text

    @pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/explain", "/report"])
    async def test_every_way_to_a_verdict_is_limited(self, path: str) -> None:
        async with limited(rate_limit=0.01) as client:
            answer = await post(client, path=path)
            assert (answer.status_code, "ratelimit" in answer.headers) == (200, True)
            assert_problem(await post(client, path=path), 429, "rate_limited")
            assert (await client.get("/health")).status_code == 200

    async def test_a_batch_pays_for_each_of_its_files(self) -> None:
        async with limited(rate_limit=0.1, rate_burst=3) as client:
            files = [("files", radiograph(seed)) for seed in range(5)]
            assert (await client.post("/predict/batch", files=files)).status_code == 200
            answer = await post(client)
            assert_problem(answer, 429, "rate_limited")
            assert int(answer.headers["retry-after"]) in {29, 30}

    async def test_without_keys_each_address_has_its_limit(self) -> None:
        async with limited(rate_limit=0.01, trusted_proxies="127.0.0.1") as client:
            outcomes = []
            for address in ("203.0.113.1", "203.0.113.2", "203.0.113.1"):
                client.headers["X-Forwarded-For"] = address
                outcomes.append((await post(client)).status_code)
            # A network of IPv6 is one client: it has more addresses than there are buckets.
            for address in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"):
                client.headers["X-Forwarded-For"] = address
                outcomes.append((await post(client)).status_code)
        assert outcomes == [200, 200, 429, 200, 429, 200]

    async def test_while_one_key_floods_the_others_are_served(self) -> None:
        app = create_app(
            Settings.model_validate(
                {"api_keys": f"{ONE},{TWO}", "rate_limit": 0.01, "rate_burst": 4, "threads": 2}
            ),
            load=lambda: fake_ensemble(FakeEngine(delay_s=0.02)),
        )
        async with client_of(app) as client:
            flood = [asyncio.ensure_future(post(client, ONE)) for _ in range(32)]
            others = [await post(client, TWO) for _ in range(4)]
            statuses = Counter([(await each).status_code for each in flood])
        assert [each.status_code for each in others] == [200] * 4
        assert statuses == {200: 4, 429: 28}

    async def test_who_does_not_wait_waits_for_the_next_refusal(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rate_limits, "HOLD_SECONDS", 3600.0)
        monkeypatch.setattr(rate_limits, "MAX_HELD", 8)
        settings = Settings.model_validate(
            {"api_keys": f"{ONE},{TWO}", "rate_limit": 0.001, "rate_burst": 9, "threads": 1}
        )
        app = create_app(settings, load=fake_ensemble)
        async with client_of(app) as client:
            statuses = [(await post(client, ONE)).status_code for _ in range(10)]
            assert statuses == [200] * 9 + [429]  # the first refusal comes at once
            flood = [asyncio.ensure_future(post(client, ONE)) for _ in range(8)]
            assert [(await post(client, TWO)).status_code for _ in range(8)] == [200] * 8
            assert not any(each.done() for each in flood)
            # More are not held, so that they take no memory without limit.
            assert_problem(await post(client, ONE), 429, "rate_limited")
            for each in flood:
                each.cancel()
            await asyncio.gather(*flood, return_exceptions=True)

    async def test_who_was_refused_together_does_not_come_back_together(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rate_limits, "HOLD_SECONDS", 0.2)
        limiter, released = RateLimiter(0.001), list[int]()
        limiter.take("a")
        for _ in range(2):
            with pytest.raises(RateLimitedError):
                limiter.check("a")

        async def hold(number: int) -> None:
            await limiter.hold("a")
            released.append(number)

        await asyncio.gather(*(hold(number) for number in range(32)))
        assert sorted(released) == [*range(32)]
        assert released != [*range(32)]  # as they would be, were each held for as long

    async def test_what_finds_a_full_queue_costs_no_token(self) -> None:
        settings = Settings.model_validate(
            {"api_keys": ONE, "rate_limit": 0.001, "rate_burst": 8, "threads": 1, "queue_size": 1}
        )
        app = create_app(settings, load=lambda: fake_ensemble(FakeEngine(delay_s=0.3)))
        async with client_of(app) as client:
            answers = await asyncio.gather(*(post(client, ONE) for _ in range(6)))
            served = sum(each.status_code == 200 for each in answers)
            assert Counter(each.status_code for each in answers) == {200: served, 503: 6 - served}
            assert 1 <= served < 6
            answer = await post(client, ONE)
            assert answer.status_code == 200
            assert f"r={8 - served - 1};" in answer.headers["ratelimit"]

    async def test_by_default_there_is_no_limit(self, client: httpx.AsyncClient) -> None:
        answer = await post(client)
        assert "ratelimit" not in answer.headers
        document = (await client.get("/openapi.json")).json()
        assert "429" not in document["paths"]["/v1/predict"]["post"]["responses"]

    async def test_the_document_says_so(self) -> None:
        async with limited(rate_limit=1) as client:
            document = (await client.get("/openapi.json")).json()
        response = document["paths"]["/v1/predict"]["post"]["responses"]["429"]
        assert "Retry-After" in response["headers"]
        assert "429" not in document["paths"]["/v1/model"]["get"]["responses"]
