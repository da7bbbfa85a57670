import base64
import gzip
import hashlib
import json
import re

import httpx
import pytest

from service.i18n import LANGUAGES, texts
from service.web import ASSETS, asset_names, assets_digest

pytestmark = pytest.mark.anyio

MOST_BYTES = 150_000


@pytest.mark.parametrize(
    ("address", "browser", "language"),
    [
        ("/", None, "es"),
        ("/", "en-GB,en;q=0.9", "en"),
        ("/", "fr-FR,de;q=0.5", "es"),
        ("/", "es-AR,en;q=0.9", "es"),
        ("/?lang=en", "es", "en"),
        ("/?lang=es", "en", "es"),
        ("/?lang=xx", "en", "en"),
    ],
)
async def test_the_page_speaks_the_language_that_is_asked_for(
    client: httpx.AsyncClient, address: str, browser: str | None, language: str
) -> None:
    headers = {"Accept-Language": browser} if browser else {}
    answer = await client.get(address, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-language"] == language
    assert f'<html lang="{language}">' in answer.text
    assert "Accept-Language" in answer.headers["vary"]


async def test_the_page_is_not_kept_by_browsers(client: httpx.AsyncClient) -> None:
    # Kept for going "back", it would show a patient's results to the next person.
    assert (await client.get("/")).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_policy_allows_our_styles_and_nothing_else_inline(
    client: httpx.AsyncClient, language: str
) -> None:
    answer = await client.get(f"/?lang={language}")
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; script-src 'self'; ")
    [styles] = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(styles.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in policy
    assert not re.search(r"\sstyle=|\son\w+=", answer.text)
    scripts = re.findall(r"<script ([^>]*)>", answer.text)
    assert [("src=" in script, "application/json" in script) for script in scripts] == [
        (True, False),
        (False, True),
    ]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_page_loads_its_own_assets_only(client: httpx.AsyncClient, language: str) -> None:
    page = (await client.get(f"/?lang={language}")).text
    assert "://" not in page.replace("http://www.w3.org/2000/svg", "")
    addresses = re.findall(r'(?:src|href)="(assets/[^"]*)"', page)
    assert len(addresses) == len(asset_names())
    for address in addresses:
        answer = await client.get(f"/{address}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", answer.text)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_without_scripts_the_page_names_the_api(
    client: httpx.AsyncClient, language: str
) -> None:
    page = (await client.get(f"/?lang={language}")).text
    [told] = re.findall(r"<noscript>(.*?)</noscript>", page, re.DOTALL)
    assert "JavaScript" in told
    assert 'href="docs"' in told


async def test_page_and_assets_weigh_little_even_uncompressed(client: httpx.AsyncClient) -> None:
    page = await client.get("/", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in page.headers
    assert (
        len(page.content) + sum((ASSETS / name).stat().st_size for name in asset_names())
        < MOST_BYTES
    )


async def test_page_and_assets_travel_compressed(client: httpx.AsyncClient) -> None:
    for address in ("/", f"/assets/{assets_digest()}/main.js"):
        plain = await client.get(address, headers={"Accept-Encoding": "identity"})
        async with client.stream("GET", address, headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            raw = b"".join([piece async for piece in answer.aiter_raw()])
        assert gzip.decompress(raw) == plain.content
        assert len(raw) < len(plain.content)


@pytest.mark.parametrize(
    "address", ["other/main.js", f"{assets_digest()}/none.js", f"{assets_digest()}/..%2fpage.py"]
)
async def test_no_other_release_and_no_other_file_is_served(
    client: httpx.AsyncClient, address: str
) -> None:
    answer = await client.get(f"/assets/{address}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_both_languages_say_the_same_things() -> None:
    english, spanish = (texts(language)["page"] for language in ("en", "es"))
    assert list(english) == list(spanish)
    for key in english:
        assert set(re.findall(r"\{\w+\}", english[key])) == set(
            re.findall(r"\{\w+\}", spanish[key])
        ), key


async def test_scripts_find_every_text_that_they_name(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text
    [block] = re.findall(r'<script type="application/json" id="texts">(.*?)</script>', page)
    known = json.loads(block)
    scripts = "".join((ASSETS / name).read_text() for name in asset_names())
    named = set(re.findall(r'\bt\("(\w+)"', scripts))
    assert named
    assert named <= set(known)


async def test_every_module_is_announced_in_the_page(client: httpx.AsyncClient) -> None:
    # Otherwise browsers find one after the other, a round trip each.
    page = (await client.get("/")).text
    preloaded = set(re.findall(r'rel="modulepreload" href="assets/\w+/([\w.]+)"', page))
    imported = set()
    for name in asset_names():
        imported |= set(re.findall(r'from "\./([\w.]+)"', (ASSETS / name).read_text()))
    assert preloaded == imported
