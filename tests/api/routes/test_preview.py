import asyncio
import io

import httpx
import numpy as np
import pytest
from PIL import Image

from service.api.app import create_app
from service.settings import Settings
from tests.fake_engine import FakeEngine, fake_ensemble
from tests.phantom import phantom
from tests.serving import assert_problem, client_of, radiograph

pytestmark = pytest.mark.anyio


def sixteen_bits(kind: str) -> bytes:
    """A phantom as a detector stores it: 12 bits in 16."""
    buffer = io.BytesIO()
    levels = np.asarray(phantom(1, size=(1500, 1200)), dtype=np.uint16) * 16
    Image.fromarray(levels).save(buffer, kind)
    return buffer.getvalue()


async def preview(client: httpx.AsyncClient, data: bytes) -> Image.Image:
    answer = await client.post("/preview", files={"file": ("Jane Doe.tif", data)})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "no-store"
    return Image.open(io.BytesIO(answer.content))


@pytest.mark.parametrize("kind", ["TIFF", "PNG"])
async def test_a_sixteen_bit_picture_is_shown_as_it_is_read(
    client: httpx.AsyncClient, kind: str
) -> None:
    picture = await preview(client, sixteen_bits(kind))
    assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (1024, 819))
    shrunk = phantom(1, size=(1500, 1200)).resize(picture.size, Image.Resampling.BOX)
    difference = np.abs(np.asarray(picture, float) - np.asarray(shrunk, float))
    assert difference.mean() < 1


async def test_it_comes_as_large_as_is_asked_for(client: httpx.AsyncClient) -> None:
    for longest, size in ((4096, (1500, 1200)), (300, (300, 240))):
        answer = await client.post(
            "/preview", params={"longest": longest}, files={"file": sixteen_bits("TIFF")}
        )
        assert Image.open(io.BytesIO(answer.content)).size == size
    answer = await client.post("/preview?longest=4097", files={"file": radiograph()})
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"


async def test_a_small_picture_keeps_its_pixels(client: httpx.AsyncClient) -> None:
    picture = await preview(client, radiograph(2, "TIFF"))
    np.testing.assert_array_equal(picture, phantom(2, opacity=2 / 6))


async def test_a_preview_carries_nothing_of_the_files_metadata(client: httpx.AsyncClient) -> None:
    buffer = io.BytesIO()
    phantom(1).save(buffer, "TIFF", tiffinfo={270: "Jane Doe"})
    assert b"Jane" in buffer.getvalue()
    picture = await preview(client, buffer.getvalue())
    assert picture.info == {}


async def test_no_network_is_asked() -> None:
    engine = FakeEngine()
    async with client_of(create_app(Settings(), load=lambda: fake_ensemble(engine))) as client:
        before = engine.calls
        await preview(client, radiograph())
        assert engine.calls == before


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"no image", 415, "unsupported_format"),
        (b"", 422, "empty_file"),
        (radiograph()[:5000], 422, "corrupt_image"),
    ],
)
async def test_a_bad_file_is_refused_as_by_predict(
    client: httpx.AsyncClient, content: bytes, status: int, code: str
) -> None:
    refused = [
        assert_problem(await client.post(path, files={"file": content}), status, code)
        for path in ("/preview", "/predict")
    ]
    assert refused[0] | {"request_id": ""} == refused[1] | {"request_id": ""}


async def test_two_files_are_refused(client: httpx.AsyncClient) -> None:
    files = [("file", radiograph(1)), ("file", radiograph(2))]
    assert_problem(await client.post("/preview", files=files), 400, "several_files")


async def test_a_full_queue_refuses_previews_too() -> None:
    engine = FakeEngine(delay_s=0.5)
    app = create_app(Settings(threads=1, queue_size=0), load=lambda: fake_ensemble(engine))
    async with client_of(app) as client:
        busy = asyncio.create_task(client.post("/predict", files={"file": radiograph()}))
        while not app.state.services.admission.running:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        answer = await client.post("/preview", files={"file": radiograph()})
        assert_problem(answer, 503, "queue_full")
        assert answer.headers["retry-after"]
        assert (await busy).status_code == 200
