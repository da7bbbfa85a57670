import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydicom.uid import CTImageStorage

from service.hospital.node.app import NodeState, create_node_app
from service.hospital.node.durable_queue import DurableQueue
from service.hospital.node.intake import Intake
from service.hospital.node.metrics import NodeMetrics
from service.hospital.results.related import related
from service.observability.middleware import Observer
from service.screening.loading import ModelLoader
from tests.fake_engine import fake_ensemble
from tests.hospital.node.objects import film, film_uid, study_uid
from tests.serving import assert_problem

pytestmark = pytest.mark.anyio

KEY = "a-key-of-more-than-16"


@asynccontextmanager
async def no_lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield


def client(
    queue: DurableQueue,
    metrics: NodeMetrics,
    *,
    keys: tuple[tuple[str, str], ...] = (),
    max_bytes: int = 1_000_000,
    loader: ModelLoader | None = None,
) -> httpx.AsyncClient:
    state = NodeState(
        ae_title="NODE",
        loader=loader or ModelLoader(fake_ensemble, max_pixels=1_000_000),
        queue=queue,
        stopping=lambda: False,
    )
    intake = Intake(
        queue,
        metrics,
        max_bytes=max_bytes,
        max_uploads=2,
        upload_seconds=30,
        bytes_per_second=100_000,
    )
    app = create_node_app(
        state, intake=intake, observer=Observer(metrics.service), keys=keys, lifespan=no_lifespan
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node")


async def post(
    to: httpx.AsyncClient, *files: bytes, path: str = "/dicomweb/studies"
) -> httpx.Response:
    kind, body = related(files)
    return await to.post(path, content=body, headers={"Content-Type": kind})


def uids(answer: dict[str, Any], tag: str) -> list[str]:
    return [item["00081155"]["Value"][0] for item in answer.get(tag, {}).get("Value", [])]


async def test_files_are_queued_and_named(queue: DurableQueue, metrics: NodeMetrics) -> None:
    async with client(queue, metrics) as node:
        answer = await post(node, film(1), film(2))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    assert uids(answer.json(), "00081199") == [film_uid(1), film_uid(2)]
    assert [entry.uid for entry in queue.queued()] == [film_uid(1), film_uid(2)]
    assert queue.read(film_uid(1)) == film(1)


async def test_what_is_not_taken_is_named_with_its_reason(
    queue: DurableQueue, metrics: NodeMetrics
) -> None:
    async with client(queue, metrics) as node:
        answer = await post(node, film(1), film(2, sop_class=CTImageStorage), b"no DICOM")
        again = await post(node, film(2, sop_class=CTImageStorage))
    assert answer.status_code == 202
    assert uids(answer.json(), "00081199") == [film_uid(1)]
    failed = answer.json()["00081198"]["Value"]
    assert [item["00081197"]["Value"] for item in failed] == [[0x0122], [0xC000]]
    assert again.status_code == 409


async def test_a_study_takes_its_own_images_only(queue: DurableQueue, metrics: NodeMetrics) -> None:
    async with client(queue, metrics) as node:
        answer = await post(node, film(1), film(2), path=f"/dicomweb/studies/{study_uid(1)}")
    assert answer.status_code == 202
    assert [entry.uid for entry in queue.queued()] == [film_uid(1)]


async def test_without_room_the_sender_is_asked_to_come_again(
    queue: DurableQueue, metrics: NodeMetrics
) -> None:
    for number in range(100):
        queue.accept(f"1.2.3.{number}", b"waits")
    async with client(queue, metrics) as node:
        answer = await post(node, film(1))
    assert_problem(answer, 503, "queue_full")
    assert int(answer.headers["retry-after"]) > 0


async def test_one_upload_too_many_is_refused_for_the_moment(
    queue: DurableQueue, metrics: NodeMetrics
) -> None:
    kind, body = related([film(1)])
    release = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield body[:100]
        await release.wait()
        yield body[100:]

    async with client(queue, metrics) as node:
        address, headers = "/dicomweb/studies", {"Content-Type": kind}
        first = [
            asyncio.create_task(node.post(address, content=slow(), headers=headers))
            for _ in range(2)
        ]
        await asyncio.sleep(0.2)
        assert_problem(await post(node, film(2)), 503, "uploads_full")
        release.set()
        assert [answer.status_code for answer in await asyncio.gather(*first)] == [200, 200]
        assert (await post(node, film(2))).status_code == 200


async def test_bodies_that_cannot_be_used_are_refused(
    queue: DurableQueue, metrics: NodeMetrics
) -> None:
    kind, body = related([film(1)])
    async with client(queue, metrics, max_bytes=1000) as node:
        assert_problem(await post(node, film(1)), 413, "too_large")
        assert_problem(await post(node), 400, "missing_file")
        other = await node.post("/dicomweb/studies", json={})
        assert_problem(other, 400, "not_multipart")
        broken = await node.post(
            "/dicomweb/studies", content=body[:500], headers={"Content-Type": kind}
        )
        assert_problem(broken, 400, "malformed_multipart")
    assert not list(queue.queued())


async def test_a_key_closes_all_but_health(queue: DurableQueue, metrics: NodeMetrics) -> None:
    async with client(queue, metrics, keys=(("pacs", KEY),)) as node:
        assert_problem(await post(node, film(1)), 401, "unauthorized")
        assert_problem(await node.get("/metrics"), 401, "unauthorized")
        assert (await node.get("/health/live")).status_code == 200
        node.headers["Authorization"] = f"Bearer {KEY}"
        assert (await post(node, film(1))).status_code == 200
        assert "xray_dicom_images_to_screen 1.0" in (await node.get("/metrics")).text


async def test_health_says_what_waits(queue: DurableQueue, metrics: NodeMetrics) -> None:
    loader = ModelLoader(fake_ensemble, max_pixels=1_000_000)
    async with client(queue, metrics, loader=loader) as node:
        assert_problem(await node.get("/health"), 503, "model_not_ready")
        assert_problem(await node.get("/health/ready"), 503, "model_not_ready")
        queue.accept(film_uid(1), film(1))
        loader.start()
        while (await node.get("/health/ready")).status_code != 200:
            pass
        health = (await node.get("/health")).json()
    assert (health["ae_title"], health["to_screen"], health["to_deliver"]) == ("NODE", 1, 0)
