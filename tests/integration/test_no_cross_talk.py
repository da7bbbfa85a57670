"""No answer may ever be that for another request's image."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving import LiveService, radiograph

pytestmark = pytest.mark.anyio

IMAGES = [radiograph(seed) for seed in range(60)]
AT_ONCE = 8


def without_request_id(answer: httpx.Response) -> Mapping[str, Any]:
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    assert body.pop("request_id") == answer.headers["x-request-id"]
    return body


async def check(service: LiveService) -> None:
    """Send all images one by one, then many at once, singly and in batches."""
    service.wait_until_ready()
    async with httpx.AsyncClient(base_url=service.url, timeout=60) as client:

        async def post(data: bytes) -> Mapping[str, Any]:
            async with gate:
                return without_request_id(await client.post("/predict", files={"file": data}))

        async def post_batch(batch: list[bytes]) -> list[Mapping[str, Any]]:
            async with gate:
                files = [("files", data) for data in batch]
                answer = await client.post("/predict/batch", files=files)
            results = answer.json()["results"]
            assert [result["index"] for result in results] == [*range(len(batch))]
            for result in results:
                del result["verdict"]["request_id"]
            return [result["verdict"] for result in results]

        gate = asyncio.Semaphore(1)
        references = [await post(data) for data in IMAGES]
        assert len({answer["image"]["sha256"] for answer in references}) == len(IMAGES)
        assert len({answer["probability"] for answer in references}) > len(IMAGES) / 2

        gate = asyncio.Semaphore(AT_ONCE)
        assert await asyncio.gather(*map(post, IMAGES)) == references
        batches = [IMAGES[start : start + 12] for start in range(0, len(IMAGES), 12)]
        answers, *batched = await asyncio.gather(
            asyncio.gather(*map(post, IMAGES)), *map(post_batch, batches)
        )
        assert answers == references
        assert [verdict for batch in batched for verdict in batch] == references


async def test_each_answer_under_load_is_that_of_its_image(live_service: LiveService) -> None:
    await check(live_service)


@pytest.mark.tensorflow
@pytest.mark.timeout(300)
async def test_each_answer_under_load_is_that_of_its_image_with_real_networks(
    tiny_folder: Path,
) -> None:
    with LiveService("service", {"XRAY_MODELS_DIR": str(tiny_folder)}) as service:
        await check(service)
        service.terminate()
        assert service.exit_status() == 0
