import re

import httpx
import pytest

from service.api.routes.docs import ASSETS

pytestmark = pytest.mark.anyio


async def test_the_page_loads_nothing_from_outside(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    loaded = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert len(loaded) == 5
    for address in loaded:
        assert not re.match(r"\w+:|//", address)
        assert (await client.get(f"/{address}")).status_code == 200
    assert "://" not in page.text
    assert "://" not in (ASSETS / "start.js").read_text()


async def test_the_page_forbids_inline_scripts_and_foreign_sources(
    client: httpx.AsyncClient,
) -> None:
    page = await client.get("/docs")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "<script>" not in page.text
    assert "style=" not in page.text


async def test_assets_travel_compressed(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs/assets/swagger-ui-bundle.js")
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"].startswith("text/javascript")


async def test_assets_keep_to_their_folder(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs/assets/..%2fapp.py")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_licences_of_the_assets_are_beside_them() -> None:
    assert "Apache License" in (ASSETS / "LICENSE").read_text()
    assert "SmartBear" in (ASSETS / "NOTICE").read_text()
    assert re.search(r"\d+\.\d+\.\d+", (ASSETS / "README.md").read_text())
