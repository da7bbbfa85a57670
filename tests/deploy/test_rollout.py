"""An update of the model, and the way back, on two replicas behind nginx under load."""

import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.serving import PATIENCE_S, ROOT, LiveService, radiograph

CONFIGURATION = ROOT / "deploy/rollout/nginx.conf"

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="Debian's nginx-light")


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def nginx(folder: Path, ports: dict[int, int]) -> Iterator[None]:
    """The proxy as it is shipped, on other ports."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    for shipped, port in ports.items():
        text = text.replace(f":{shipped}", f":{port}")
    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        text = text.replace("http {", f"http {{\n  {kind}_temp_path {folder}/{kind};", 1)
    file = folder / "nginx.conf"
    file.write_text(text, encoding="utf-8")
    options = ["-g", "daemon off; master_process off;"]
    command = ["nginx", "-p", str(folder), "-c", str(file), *options]
    with (folder / "error.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


class Clients:
    """Clients that send radiographs one after the other until they are told to stop."""

    def __init__(self, url: str, count: int) -> None:
        self.answers: list[tuple[int, str]] = []
        self.failures: list[str] = []
        self._url = url
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(count)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def versions_of_next(self, count: int) -> set[str]:
        """Block until as many more answers have come; the models that gave them."""
        seen, deadline = len(self.answers), time.monotonic() + PATIENCE_S
        while len(self.answers) < seen + count and time.monotonic() < deadline:
            time.sleep(0.02)
        return {version for _, version in self.answers[seen:]}

    def _send(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as client:
            while not self._stop.is_set():
                try:
                    answer = client.post("/predict", files={"file": radiograph()})
                    body = answer.json()
                    if answer.status_code != 200:
                        self.failures.append(f"{answer.status_code} {body.get('code')}")
                    else:
                        self.answers.append((answer.status_code, body["model"]["version"]))
                except (httpx.HTTPError, ValueError) as error:
                    self.failures.append(repr(error))


def replica(port: int, version: str) -> LiveService:
    return LiveService(
        environment={
            "XRAY_PORT": str(port),
            "XRAY_KEEP_ALIVE_SECONDS": "75",
            "FAKE_VERSION": version,
            "FAKE_DELAY_S": "0.02",
            "FAKE_LOADING_S": "0.5",
        }
    )


def exchange(
    running: LiveService, port: int, version: str, number: signal.Signals = signal.SIGTERM
) -> LiveService:
    """Stop a replica as an update does, or kill it, and start its successor."""
    running.terminate(number)
    assert running.exit_status() == (0 if number == signal.SIGTERM else -number)
    running.__exit__()
    successor = replica(port, version).__enter__()
    successor.wait_until_ready()
    return successor


def test_an_update_the_way_back_and_a_crash_lose_no_request(tmp_path: Path) -> None:
    front, one, two = free_ports(3)
    replicas = {port: replica(port, "2.0.0").__enter__() for port in (one, two)}
    try:
        for each in replicas.values():
            each.wait_until_ready()
        with (
            nginx(tmp_path, {8080: front, 8001: one, 8002: two}),
            Clients(f"http://127.0.0.1:{front}", count=6) as clients,
        ):
            assert clients.versions_of_next(30) == {"2.0.0"}
            for version in ("2.1.0", "2.0.0"):
                for port in (one, two):
                    replicas[port] = exchange(replicas[port], port, version)
                    clients.versions_of_next(20)
                assert clients.versions_of_next(30) == {version}
            replicas[one] = exchange(replicas[one], one, version, signal.SIGKILL)
            clients.versions_of_next(30)
        assert clients.failures == []
        assert len(clients.answers) > 100
        assert all(re.fullmatch(r"2\.[01]\.0", version) for _, version in clients.answers)
    finally:
        for each in replicas.values():
            each.__exit__()
