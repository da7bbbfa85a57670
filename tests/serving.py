"""The service for tests: in this process, or in one of its own on a real socket."""

import asyncio
import functools
import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import httpx
from fastapi import FastAPI

from tests.phantom import phantom

ROOT = Path(__file__).parent.parent
BOUNDARY = b"frontier"
PATIENCE_S = 90.0


@functools.cache
def radiograph(seed: int = 0, kind: str = "PNG") -> bytes:
    """The file of a synthetic chest; another seed is another image."""
    buffer = io.BytesIO()
    phantom(seed, opacity=seed % 7 / 6).save(buffer, kind)
    return buffer.getvalue()


def part(content: bytes, name: str = "file", filename: str | None = "x.png") -> bytes:
    """One part of a form."""
    given = f'; filename="{filename}"' if filename is not None else ""
    head = f'Content-Disposition: form-data; name="{name}"{given}\r\n\r\n'
    return b"--" + BOUNDARY + b"\r\n" + head.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    """A whole multipart body."""
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


FORM_TYPE = "multipart/form-data; boundary=" + BOUNDARY.decode()


@asynccontextmanager
async def client_of(app: FastAPI, *, wait: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application's lifespan and give a client of it, if asked once the model is ready."""
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        while wait and (await client.get("/health/ready")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        yield client


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is this problem, in full and with nothing else in it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    names = ["type", "title", "status", "detail", "code", "request_id"]
    assert [name for name in body if name != "errors"] == names
    assert "errors" not in body or code == "invalid_request"
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"].endswith(":" + code)
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["detail"].endswith(".")
    return body


class LiveService:
    """A service in a process of its own.

    Args:
        module: What ``python -m`` runs.
        environment: Variables beside those of this process.
    """

    def __init__(
        self,
        module: str = "tests.fake_service",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        variables = os.environ | {"XRAY_PORT": "0", "XRAY_THREADS": "2"} | dict(environment or {})
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env=variables,
            stderr=subprocess.PIPE,
        )
        self.log = ""
        self.port = 0
        # Read all along: a full pipe would hold up the service at its next line of the log.
        self._reader = threading.Thread(target=self._keep_log, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        try:
            address = self.wait_for_log(r"running on http://127\.0\.0\.1:(\d+)")
        except BaseException:
            self.__exit__()
            raise
        self.port = int(address[1])
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(PATIENCE_S)
        assert self._process.stderr is not None
        self._process.stderr.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def wait_until_ready(self) -> None:
        """Block until the model is loaded."""
        self.wait_for_log(r"\bReady: ")

    def wait_for_log(self, pattern: str) -> re.Match[str]:
        """Block until the log holds a pattern."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = re.search(pattern, self.log)
            if found:
                return found
            assert time.monotonic() < deadline, f"no {pattern!r} in the log:\n{self.log}"
            time.sleep(0.02)

    def terminate(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def exit_status(self) -> int:
        """Block until the process has ended; negative when a signal ended it."""
        status = self._process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return status

    def talk(self, *pieces: bytes, pause_s: float = 0.0) -> bytes:
        """Send bytes as they are, piece by piece, and return all that comes until the end."""
        with self.connect() as connection:
            try:
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(pause_s)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused while it was being sent: what counts is what can still be read
            return read_all(connection)

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def _keep_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.log += line.decode()


def read_all(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    answer = b""
    while chunk := connection.recv(65536):
        answer += chunk
    return answer


def request_head(path: str, headers: Sequence[str], method: str = "POST") -> bytes:
    """The head of an HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: service", *headers, "", ""]
    return "\r\n".join(lines).encode()


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """Read until these bytes have come, in however many pieces; fails if the other side closes."""
    answer = b""
    while not answer.endswith(end):
        chunk = connection.recv(65536)
        assert chunk, answer
        answer += chunk
    return answer
