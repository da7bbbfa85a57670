"""nginx in front, at a path of its own: the configurations of deploy/nginx."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.serving import PATIENCE_S, ROOT, LiveService, radiograph
from tests.web.browsing import GOOD, open_page, upload
from tests.web.conftest import browser

__all__ = ["browser"]  # the fixture

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx on this machine")

CONFIGURATIONS = {"prefix-stripped": {}, "prefix-kept": {"XRAY_ROOT_PATH": "/xray"}}

AROUND = """
{user}
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {locations}
    }}
}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def nginx(name: str, service: LiveService, folder: Path) -> Iterator[str]:
    """nginx with one of the configurations; the address that it serves."""
    text = (ROOT / "deploy" / "nginx" / f"{name}.conf").read_text()
    assert "127.0.0.1:8000" in text
    port = free_port()
    whole = AROUND.format(
        user="user root;" if os.geteuid() == 0 else "",
        folder=folder,
        port=port,
        locations=text.replace("127.0.0.1:8000", f"127.0.0.1:{service.port}"),
    )
    (folder / "nginx.conf").write_text(whole)
    assert NGINX is not None
    with subprocess.Popen(
        [NGINX, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"]
    ) as process:
        try:
            deadline = time.monotonic() + PATIENCE_S
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    assert process.poll() is None, (folder / "error.log").read_text()
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture(scope="module", params=CONFIGURATIONS)
def address(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("nginx")
    with LiveService(environment=CONFIGURATIONS[request.param]) as service:
        service.wait_until_ready()
        with nginx(request.param, service, folder) as address:
            yield address
    kept = [path for path in folder.rglob("*") if path.is_file() and path.parent != folder]
    assert kept == []  # no radiograph in a temporary file


def test_the_page_and_all_that_it_loads(address: str) -> None:
    page = httpx.get(f"{address}/xray/")
    assert page.status_code == 200
    loaded = re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]+)"', page.text)
    assert loaded
    for each in loaded:
        assert httpx.get(urljoin(f"{address}/xray/", each)).status_code == 200, each


def test_without_its_slash_the_way_is_shown_without_a_host(address: str) -> None:
    answer = httpx.get(f"{address}/xray")
    assert (answer.status_code, answer.headers["location"]) == (308, "/xray/")


@pytest.mark.parametrize("path", ["/xray/v1/predict/", "/xray/docs/", "/xray/health/"])
def test_a_slash_too_many_is_not_redirected(address: str, path: str) -> None:
    answer = httpx.get(address + path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_uploads_and_downloads(address: str) -> None:
    files = {"file": radiograph(1)}
    assert httpx.post(f"{address}/xray/v1/predict", files=files).status_code == 200
    batch = [("files", radiograph(seed)) for seed in range(3)]
    answer = httpx.post(f"{address}/xray/predict/batch", files=batch, timeout=PATIENCE_S)
    assert len(answer.json()["results"]) == 3
    for path, start in (("report", b"%PDF"), ("explain", b"\x89PNG"), ("preview", b"\x89PNG")):
        answer = httpx.post(f"{address}/xray/v1/{path}", files=files, timeout=PATIENCE_S)
        assert answer.content.startswith(start), answer.text
    assert ".pdf" in httpx.post(
        f"{address}/xray/v1/report", files=files, timeout=PATIENCE_S
    ).headers["content-disposition"]  # fmt: skip


def test_what_is_too_large_gets_the_service_s_own_answer(address: str) -> None:
    answer = httpx.post(
        f"{address}/xray/v1/predict", files={"file": bytes(42 << 20)}, timeout=PATIENCE_S
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_the_document_leads_back_to_the_service(address: str) -> None:
    at = f"{address}/xray/openapi.json"
    document = httpx.get(at).json()
    for server in document["servers"]:
        base = urljoin(at, server["url"]).rstrip("/")
        assert httpx.get(f"{base}/v1/model").status_code == 200


def test_the_page_in_a_browser(browser: Browser, address: str) -> None:
    with open_page(browser, address, "/xray/") as page:
        upload(page, ("x.png", GOOD))
        expect(page.locator("#detail")).to_contain_text("%")


def test_trying_it_out_in_the_documentation(browser: Browser, address: str) -> None:
    with open_page(browser, address, "/xray/docs") as page:
        page.locator("#operations-operation-checkAlive button").first.click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        expect(
            page.locator(".live-responses-table .response .response-col_status")
        ).to_contain_text("200")
