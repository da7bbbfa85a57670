"""What can be checked of the container without an engine; ``make smoke`` checks the rest."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from service.hospital.node.settings import NodeSettings
from tests.serving import ROOT

OWN_OF_THE_CONTAINER = {
    "XRAY_HOST",
    "XRAY_PORT",
    "XRAY_MODELS_DIR",
    "XRAY_DICOM_PORT",
    "XRAY_DICOM_DIR",
}


def test_compose_passes_every_setting_on_but_the_container_s_own() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    passed = re.findall(r"^ {6}(XRAY_\w+):$", text, flags=re.MULTILINE)
    settings = {f"XRAY_{name.upper()}" for name in NodeSettings.model_fields}
    assert sorted(passed) == sorted(settings - OWN_OF_THE_CONTAINER)


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A server on the IPv4 loopback whose ``/health/ready`` has this status; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health/ready" else 404)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def probe(host: str, port: int) -> int:
    """The exit status of the health check."""
    return subprocess.run(
        [sys.executable, ROOT / "docker/healthcheck.py"],
        env={**os.environ, "XRAY_HOST": host, "XRAY_PORT": str(port)},
        stderr=subprocess.DEVNULL,
        check=False,
    ).returncode


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", ""])
def test_the_health_check_follows_host_and_port(host: str) -> None:
    with answering(200) as port:
        assert probe(host, port) == 0


def test_a_service_that_is_not_ready_is_unhealthy() -> None:
    with answering(503) as port:
        assert probe("127.0.0.1", port) == 1


def test_a_service_that_does_not_listen_is_unhealthy() -> None:
    with answering(200) as port:
        pass
    assert probe("127.0.0.1", port) == 1
