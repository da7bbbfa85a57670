"""What leaves the service beside its answers: logs, metrics, traces. And what it leaves on disk."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving import FORM_TYPE, ROOT, LiveService, radiograph

SECRET = "Jane-Doe-1950"
KEY = "correct-horse-battery"


def post_secrets(service: LiveService) -> None:
    """Say a patient's name wherever a client can say anything."""
    headers = dict.fromkeys(("X-Patient", "User-Agent", "Cookie", "X-Request-ID"), SECRET)
    headers |= {"traceparent": SECRET, "tracestate": f"a={SECRET}", "baggage": f"patient={SECRET}"}
    for content in (radiograph(), SECRET.encode(), b""):
        for path in ("/predict", f"/{SECRET}", "/predict/batch"):
            httpx.post(
                f"{service.url}{path}?patient={SECRET}",
                files={"file": (f"{SECRET}.png", content), "note": SECRET.encode()},
                headers=headers | {"X-API-Key": KEY},
                timeout=60,
            )
    httpx.post(f"{service.url}/predict", files={"file": b"x"}, headers={"X-API-Key": SECRET})
    httpx.post(f"{service.url}/predict", content=SECRET, headers={"Content-Type": FORM_TYPE})
    httpx.request(SECRET.upper(), f"{service.url}/{SECRET}", headers=headers)
    service.talk(SECRET.encode() + b"\r\n\r\n")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_logs_and_metrics_hold_nothing_that_a_client_sent(log_format: str) -> None:
    environment = {
        "XRAY_LOG_FORMAT": log_format,
        "XRAY_LOG_LEVEL": "debug",
        "XRAY_API_KEYS": KEY,
    }
    with LiveService(environment=environment) as service:
        service.wait_until_ready()
        post_secrets(service)
        metrics = httpx.get(f"{service.url}/metrics", headers={"X-API-Key": KEY}).text
        service.terminate()
        assert service.exit_status() == 0
    told = (service.log + metrics).lower()
    assert SECRET.lower() not in told
    assert KEY not in told
    assert "probability" not in service.log.lower()


def test_the_log_is_json_lines_with_one_line_per_request() -> None:
    with LiveService(environment={"XRAY_LOG_FORMAT": "json"}) as service:
        service.wait_until_ready()
        with httpx.Client(base_url=service.url) as client:
            verdict = client.post("/predict", files={"file": radiograph()}).json()
            client.get("/health/live")
            client.get("/nowhere")
        service.talk(b"nonsense\r\n\r\n")
        service.terminate()
        assert service.exit_status() == 0
    lines: list[dict[str, Any]] = [json.loads(line) for line in service.log.splitlines()]
    requests = [line for line in lines if line["logger"] == "service.requests"]
    assert [(line["route"], line["status"]) for line in requests] == [
        ("/predict", 200),
        ("/health/live", 200),
        ("other", 404),
        ("other", 400),
    ]
    assert requests[0]["request_id"] == verdict["request_id"]
    assert requests[0]["images"][0]["sha256"] == verdict["image"]["sha256"]
    assert set(requests[0]["ms"]) == {"upload", "queue", "decode", "prepare", "inference", "total"}
    assert requests[3]["problems"] == ["malformed_request"]


class Collector(HTTPServer):
    """Takes what is sent to it."""

    received: list[tuple[str, bytes]]


@pytest.fixture
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.received.append((self.path, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = Collector(("127.0.0.1", 0), Handler)
    server.received = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_traces_reach_the_collector_and_hold_nothing_that_a_client_sent(
    collector: Collector,
) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "FASTAPI_OTEL_AUTO_CONFIGURE": "true",
    }
    with LiveService(environment=environment) as service:
        service.wait_until_ready()
        post_secrets(service)
        service.terminate()
        assert service.exit_status() == 0
    sent = b"".join(body for _, body in collector.received)
    assert {path for path, _ in collector.received} == {"/v1/traces"}
    for name in (b"POST /predict", b"inference", b"pneumonia-xray"):
        assert name in sent
    assert SECRET.encode() not in sent
    assert b"127.0.0.1" not in sent


def test_onnx_runtime_writes_no_telemetry(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from service.inference import load_ensemble;"
        "load_ensemble(Path('models'), threads=1, engine='onnx')"
    )
    # In a CI system or with a choice of one's own it would keep quiet of itself.
    quiet = {"CI", "ORT_DISABLE_TELEMETRY"}
    kept = {name: value for name, value in os.environ.items() if name not in quiet}
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=kept | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        check=True,
    )
    assert list(tmp_path.iterdir()) == []


def test_the_service_needs_no_disk() -> None:
    nowhere = dict.fromkeys(("TMPDIR", "HOME", "XDG_CACHE_HOME"), "/nowhere")
    with LiveService(environment=nowhere | {"FAKE_NO_DISK": "1"}) as service:
        service.wait_until_ready()
        with httpx.Client(base_url=service.url, timeout=60) as client:
            for path in ("/", "/docs", "/openapi.json", "/metrics", "/health"):
                assert client.get(path).status_code == 200, path
            large = radiograph() + bytes(5_000_000)  # what follows the picture is not read
            for path in ("/predict", "/predict/batch", "/explain", "/report", "/preview"):
                answer = client.post(path, files={"file": large})
                assert answer.status_code == 200, (path, answer.text)
        service.terminate()
        assert service.exit_status() == 0
