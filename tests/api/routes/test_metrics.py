import httpx
import pytest

pytestmark = pytest.mark.anyio


async def test_prometheus_gets_its_text_format(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "xray_requests_in_flight 1.0" in answer.text


@pytest.mark.parametrize("accept", ["application/openmetrics-text", "text/plain;version=x", "*/*"])
async def test_whatever_is_asked_for_it_is_the_same(client: httpx.AsyncClient, accept: str) -> None:
    answer = await client.get("/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
