import httpx
import pytest

from tests.fake_engine import fake_bundle

pytestmark = pytest.mark.anyio


async def test_the_model_is_described_as_its_manifest_says(client: httpx.AsyncClient) -> None:
    body = (await client.get("/model")).json()
    manifest = fake_bundle().manifest
    assert (body["name"], body["version"]) == (manifest.name, manifest.version)
    assert body["digest"] == fake_bundle().digest
    assert [member["sha256"] for member in body["members"]] == ["a" * 64, "b" * 64]
    assert body["threshold"] == {"value": 0.5, "rule": "the middle"}
    assert body["engine"] == "fake"
    assert "nowhere" not in str(body)
