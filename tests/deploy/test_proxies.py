"""Caddy as it is set up in deploy/caddy: TLS, a path, large bodies, and who asked."""

import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.deploy.test_rollout import free_ports
from tests.serving import PATIENCE_S, ROOT, LiveService, radiograph

pytestmark = pytest.mark.skipif(shutil.which("caddy") is None, reason="Debian's package caddy")


@contextmanager
def caddy(folder: Path, upstream: int) -> Iterator[httpx.Client]:
    """A client of the proxy, which trusts the authority that the proxy made for itself."""
    front, unused = free_ports(2)
    text = (ROOT / "deploy/caddy/Caddyfile").read_text(encoding="utf-8")
    file = folder / "Caddyfile"
    here = (
        "{\n admin off\n skip_install_trust\n"
        f" http_port {unused}\n storage file_system {folder}\n}}\n"
    )
    file.write_text(here + text, encoding="utf-8")
    places = {"XRAY_SITE": f"https://localhost:{front}", "XRAY_UPSTREAM": f"127.0.0.1:{upstream}"}
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)]
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin", **places}
    with (folder / "caddy.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stderr=log, stdout=log)
        try:
            root = folder / "pki/authorities/local/root.crt"
            deadline = time.monotonic() + PATIENCE_S
            while not root.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            trust = ssl.create_default_context(cafile=str(root))
            transport = httpx.HTTPTransport(verify=trust, retries=8)
            with httpx.Client(transport=transport, base_url=places["XRAY_SITE"]) as client:
                client.timeout = httpx.Timeout(60)
                yield client
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def test_caddy_serves_it_with_tls_below_a_path(tmp_path: Path) -> None:
    settings = {"XRAY_TRUSTED_PROXIES": "127.0.0.1", "XRAY_LOG_FORMAT": "json"}
    with LiveService(environment=settings) as service:
        service.wait_until_ready()
        with caddy(tmp_path, service.port) as client:
            assert client.get("/xray").headers["location"] == "/xray/"
            page = client.get("/xray/")
            assert page.status_code == 200
            assert "/xray/assets/" in page.text or 'href="assets/' in page.text
            # Another address than the proxy's own; what the client claims does not count.
            claimed = {"X-Forwarded-For": "203.0.113.9"}
            answer = client.post("/xray/predict", files={"file": radiograph()}, headers=claimed)
            assert answer.status_code == 200
            service.wait_for_log('"route":"/predict","status":200,"client":"127.0.0.1"')
            large = radiograph() + bytes(35 << 20)  # what follows the picture is not read
            assert client.post("/xray/predict", files={"file": large}).status_code == 200
            huge = bytes(129 << 20)
            assert client.post("/xray/predict", files={"file": huge}).status_code == 413
