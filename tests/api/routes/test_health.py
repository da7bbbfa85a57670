import httpx
import pytest

from service import __version__

pytestmark = pytest.mark.anyio


async def test_a_ready_service_says_so_everywhere(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/live")).json() == {"status": "alive"}
    assert (await client.get("/health/ready")).json() == {"status": "ready"}


async def test_the_summary_names_version_model_and_load(client: httpx.AsyncClient) -> None:
    body = (await client.get("/health")).json()
    assert body["status"] == "ready"
    assert body["version"] == __version__
    assert body["model"]["name"] == "fake"
    assert (body["threads"], body["running"], body["waiting"], body["places"]) == (2, 0, 0, 16)


async def test_monitors_may_ask_with_head(client: httpx.AsyncClient) -> None:
    assert (await client.head("/health/live")).status_code == 200
