"""The audit log of a real process: what was answered is in it, however the process ends."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx

from tests.serving import ROOT, LiveService, radiograph

KEY = "correct-horse-battery"


def entries(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_each_verdict_that_was_received_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    environment = {"XRAY_AUDIT_LOG": str(path), "XRAY_API_KEYS": f"ward-3:{KEY}"}
    received: set[str] = set()
    enough = threading.Event()

    def send_until_killed(url: str) -> None:
        with httpx.Client(base_url=url, headers={"X-API-Key": KEY}, timeout=60) as client:
            try:
                while True:
                    answer = client.post("/predict", files={"file": radiograph()})
                    if answer.status_code == 200:
                        received.add(answer.json()["request_id"])
                    if len(received) > 40:
                        enough.set()
            except httpx.TransportError:
                pass

    with LiveService(environment=environment) as service:
        service.wait_until_ready()
        clients = [
            threading.Thread(target=send_until_killed, args=(service.url,)) for _ in range(4)
        ]
        for client in clients:
            client.start()
        assert enough.wait(60)
        service.terminate(signal.SIGKILL)
        for client in clients:
            client.join()
    with path.open("ab") as file:  # what a power cut may leave of the line that was being written
        file.write(b'{"time":"2026-')
    with LiveService(environment=environment) as service:
        service.wait_until_ready()
        assert "incomplete line" in service.log
        headers = {"X-API-Key": KEY}
        answer = httpx.post(f"{service.url}/predict", files={"file": radiograph()}, headers=headers)
        received.add(answer.json()["request_id"])
    told = entries(path)
    assert received <= {entry["request_id"] for entry in told}
    assert {entry["key"] for entry in told} == {"ward-3"}


def test_a_log_that_cannot_be_written_keeps_the_service_from_starting(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fake_service"],
        cwd=ROOT,
        env=os.environ | {"XRAY_AUDIT_LOG": str(tmp_path / "missing" / "log"), "XRAY_PORT": "0"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ended.returncode == 2
    assert "XRAY_AUDIT_LOG" in ended.stderr
    assert "cannot be written" in ended.stderr
