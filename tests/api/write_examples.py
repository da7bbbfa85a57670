"""Makes the answers that the API's document shows, by asking for them.

The answers are the shipped model's, on a chest film drawn with an opacity, which it judges, and on
a crude drawing, which it refuses. The problems are provoked one by one. ``scripts/examples`` writes
them; a test compares.
"""

import asyncio
import io
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
from PIL import Image

from service.api.app import create_app
from service.api.examples import REQUEST_ID
from service.inference import BundleError, Ensemble, load_ensemble
from service.settings import Settings
from tests.drawn_film import drawn_film
from tests.fake_engine import FakeEngine, fake_ensemble
from tests.phantom import phantom
from tests.serving import FORM_TYPE, client_of, form, part, radiograph

MODELS: Final = Path(__file__).parents[2] / "models"
FILE: Final = Path(__file__).parents[2] / "service" / "api" / "examples.json"

Answers = dict[str, dict[str, Any]]
Client = httpx.AsyncClient


def file_with(picture: Image.Image) -> bytes:
    """The file of a picture."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


async def answers() -> Answers:
    """What the shipped model answers, by the name of the answer's schema."""
    settings = Settings(threads=2, engine="onnx", precision="fp32")

    def load() -> Ensemble:
        return load_ensemble(MODELS, threads=1, engine="onnx", precision="fp32")

    async with client_of(create_app(settings, load=load)) as client:
        client.headers["X-Request-ID"] = REQUEST_ID
        judged = file_with(drawn_film(7, opacity=1.0))
        refused = file_with(phantom(0, (640, 512)))
        one = {"file": judged}
        both = [("files", judged), ("files", refused)]
        return {
            "Screened": (await client.post("/v1/predict", files=one)).json(),
            "Batch": (await client.post("/v1/predict/batch?prevalence=0.1", files=both)).json(),
            "Explained": (await client.post("/v1/explain/maps", files=one)).json(),
            "Model": (await client.get("/v1/model")).json(),
            "Health": (await client.get("/health")).json(),
            "Alive": (await client.get("/health/live")).json(),
            "Ready": (await client.get("/health/ready")).json(),
        }


async def problems() -> Answers:
    """What the service answers to each thing that can be wrong, by the problem's code."""
    found: Answers = {}
    for provoke in PROVOCATIONS:
        answer = await provoke()
        found[answer.json()["code"]] = answer.json()
    return dict(sorted(found.items()))


async def ask(
    send: Callable[[Client], Awaitable[httpx.Response]],
    engine: FakeEngine | None = None,
    **settings: Any,
) -> httpx.Response:
    """Send a request to a service with fake networks and these settings."""
    given: dict[str, Any] = {"threads": 1} | settings
    app = create_app(Settings(**given), load=lambda: fake_ensemble(engine, lungs=True))
    async with client_of(app, wait="api_keys" not in given) as client:
        client.headers["X-Request-ID"] = REQUEST_ID
        return await send(client)


def file_of(
    content: bytes, path: str = "/v1/predict"
) -> Callable[[Client], Awaitable[httpx.Response]]:
    """Sends this file."""
    return lambda client: client.post(path, files={"file": content})


def body_of(content: bytes, kind: str = FORM_TYPE) -> Callable[[Client], Awaitable[httpx.Response]]:
    """Sends this body."""
    return lambda client: client.post(
        "/v1/predict", content=content, headers={"Content-Type": kind}
    )


async def queued(client: Client) -> httpx.Response:
    """Sends two files at once and returns the problem that one of them meets."""
    tasks = [asyncio.ensure_future(file_of(radiograph())(client)) for _ in range(3)]
    answers = [await task for task in tasks]
    return next(answer for answer in answers if answer.status_code == 503)


async def slowly(client: Client) -> httpx.Response:
    """Sends the beginning of a form and no more."""

    async def body() -> AsyncIterator[bytes]:
        yield form(part(radiograph()))[:500]
        await asyncio.sleep(3)

    return await client.post("/v1/predict", content=body(), headers={"Content-Type": FORM_TYPE})


async def from_a_service_without(load: Callable[[], Ensemble], code: str) -> httpx.Response:
    """Asks a service for its model until it answers with this problem."""
    async with client_of(create_app(Settings(), load=load), wait=False) as client:
        client.headers["X-Request-ID"] = REQUEST_ID
        answer = await client.get("/v1/model")
        while answer.json()["code"] != code:
            answer = await client.get("/v1/model")
        return answer


async def while_loading() -> httpx.Response:
    """Asks a service that is not ready yet."""
    go_on = threading.Event()

    def load() -> Ensemble:
        go_on.wait(60)
        return fake_ensemble()

    try:
        return await from_a_service_without(load, "model_not_ready")
    finally:
        go_on.set()


async def with_a_broken_bundle() -> httpx.Response:
    """Asks a service whose bundle is not what it should be."""

    def load() -> Ensemble:
        raise BundleError(
            "The file modelo_2_ensamble.onnx is not the one that the manifest describes."
        )

    return await from_a_service_without(load, "model_unavailable")


async def while_stopping() -> httpx.Response:
    """Asks a service that is shutting down."""
    app = create_app(Settings(), load=fake_ensemble)
    async with client_of(app) as client:
        client.headers["X-Request-ID"] = REQUEST_ID
        app.state.services.admission.drain()
        return await client.get("/health/ready")


def white(width: int, height: int) -> bytes:
    """The file of an empty picture."""
    return file_with(Image.new("1", (width, height), 1))


def two_pages() -> bytes:
    """A file of two films."""
    buffer = io.BytesIO()
    phantom(1).save(buffer, "TIFF", save_all=True, append_images=[phantom(2)])
    return buffer.getvalue()


_FILM: Final = radiograph()


async def too_many(client: Client) -> httpx.Response:
    """Sends more files than a batch may hold."""
    return await client.post("/v1/predict/batch", files=[("files", _FILM)] * 33)


async def too_long(client: Client) -> httpx.Response:
    """Sends a reference that is too long."""
    data = {"reference": "x" * 81}
    return await client.post("/v1/report", files={"file": _FILM}, data=data)


PROVOCATIONS: Final[tuple[Callable[[], Awaitable[httpx.Response]], ...]] = (
    partial(ask, body_of(b"", "application/json")),
    partial(ask, body_of(form(part(_FILM))[:900])),
    partial(ask, body_of(form(part(b"", "other")))),
    partial(ask, body_of(form(part(_FILM), part(_FILM)))),
    partial(ask, too_many),
    partial(ask, too_long),
    partial(ask, file_of(_FILM), api_keys=["known-to-nobody-at-all"]),
    partial(ask, slowly, upload_seconds=1),
    partial(ask, file_of(bytes(41 << 20))),
    partial(ask, file_of(b"%PDF-1.7")),
    partial(ask, file_of(b"")),
    partial(ask, file_of(_FILM[:2000])),
    partial(ask, file_of(white(8000, 5000))),
    partial(ask, file_of(two_pages())),
    partial(ask, file_of(white(640, 512))),
    partial(ask, file_of(_FILM, "/v1/explain/maps"), FakeEngine(explains=False)),
    partial(ask, file_of(_FILM, "/v1/explain?opacity=2")),
    partial(ask, queued, FakeEngine(delay_s=0.5), queue_size=0),
    partial(ask, queued, FakeEngine(delay_s=2.0), queue_size=8, queue_seconds=1),
    partial(ask, file_of(_FILM), FakeEngine(error=MemoryError())),
    partial(ask, file_of(bytes(3 << 20)), upload_memory_mib=1),
    while_loading,
    with_a_broken_bundle,
    while_stopping,
)


async def main() -> None:
    """Write the file."""
    made = {"answers": await answers(), "problems": await problems()}
    [refusal] = (each["error"] for each in made["answers"]["Batch"]["results"] if "error" in each)
    made["problems"][refusal["code"]] = refusal
    FILE.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
