"""Clients take turns: a key, or an address, does not wait for all that another has sent."""

import asyncio
import threading
from collections.abc import Sequence

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from service.api.app import create_app
from service.settings import Settings
from tests.dicom_files import dicom
from tests.fake_engine import FakeEngine, fake_ensemble
from tests.serving import client_of, radiograph

pytestmark = pytest.mark.anyio

ONE, TWO = "correct-horse-battery", "staple.0123456789abcdef"
ROUTES = [
    "/predict",
    "/predict/batch",
    "/explain",
    "/explain/maps",
    "/report",
    "/dicom/report",
    "/preview",
]


class HeldEngine(FakeEngine):
    """An engine that answers only while it is free to."""

    def __init__(self) -> None:
        super().__init__(delay_s=0.02)
        self.free = threading.Event()
        self.free.set()

    def scores(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        assert self.free.wait(60)
        return super().scores(batch)


async def order_of_answers(
    senders: Sequence[dict[str, str]], path: str = "/predict", **settings: str
) -> list[int]:
    """Numbers of requests in the order of their answers, when all but the first had to wait.

    Args:
        senders: Header fields of each request, in the order in which they are sent.
        path: Where they are sent; the first occupies the only thread.
        settings: Of the service.
    """
    engine, order = HeldEngine(), list[int]()
    values = {"threads": 1, "queue_size": len(senders), "queue_seconds": 600, **settings}
    app = create_app(Settings.model_validate(values), load=lambda: fake_ensemble(engine))

    async def send(client: httpx.AsyncClient, number: int) -> None:
        content = dicom() if path == "/dicom/report" else radiograph(number)
        where = path if number else "/predict"
        answer = await client.post(where, files={"file": content}, headers=senders[number])
        assert answer.status_code == 200, answer.text
        order.append(number)

    async with client_of(app) as client:
        engine.free.clear()
        requests = []
        for number in range(len(senders)):
            requests.append(asyncio.create_task(send(client, number)))
            while (health := (await client.get("/health")).json())["waiting"] < number:
                assert not requests[-1].done(), health
                await asyncio.sleep(0.005)
            assert health["waiting"] == number
        engine.free.set()
        await asyncio.gather(*requests)
    return order


@pytest.mark.parametrize("path", ROUTES)
async def test_a_key_waits_for_its_turn_and_not_for_all_of_another_key(path: str) -> None:
    one, two = {"X-API-Key": ONE}, {"X-API-Key": TWO}
    order = await order_of_answers([one, one, one, one, two], path, api_keys=f"{ONE},{TWO}")
    assert order == [0, 1, 4, 2, 3]


async def test_without_keys_each_address_has_its_turn() -> None:
    addresses = ["203.0.113.1"] * 4 + ["203.0.113.2"]
    senders = [{"X-Forwarded-For": address} for address in addresses]
    assert await order_of_answers(senders, trusted_proxies="127.0.0.1") == [0, 1, 4, 2, 3]


async def test_a_network_of_ipv6_has_one_turn() -> None:
    addresses = ["2001:db8::1"] * 3 + ["2001:db8::2", "2001:db8:0:1::1"]
    senders = [{"X-Forwarded-For": address} for address in addresses]
    assert await order_of_answers(senders, trusted_proxies="127.0.0.1") == [0, 1, 4, 2, 3]


async def test_one_client_is_served_in_the_order_of_its_requests() -> None:
    assert await order_of_answers([{}] * 5) == [0, 1, 2, 3, 4]
