"""The client: a separate process that sends files over several connections and times the answers.

``python -m benchmarks.load`` reads a ``LoadSpec`` as JSON from standard input and prints a
``LoadResult`` as JSON. It sends prepared requests and parses only status and length of an answer,
so that it needs little of the cores that it may share with the contender.
"""

import dataclasses
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.affinity import pin_to_cores

BOUNDARY = "a-boundary-that-no-image-holds"
TIMEOUT_S = 60.0

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)")


@dataclasses.dataclass(frozen=True, slots=True)
class LoadSpec:
    """What to send.

    Attributes:
        port: Port on this machine.
        clients: Concurrent connections, each with one request in flight.
        seconds: When to stop sending; requests in flight are finished.
        max_requests: Maximum number of requests of all clients together.
        items: Path on the server, form field and file, in the order of sending.
        key: API key; empty for none.
        interval_s: Each client begins its requests this far apart, unless an answer takes longer.
        nice: By how much the client gives way to others on its cores.
    """

    port: int
    clients: int
    seconds: float
    max_requests: int
    items: list[tuple[str, str, str]]
    key: str = ""
    interval_s: float = 0.0
    nice: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class LoadResult:
    """What was measured.

    Attributes:
        seconds: From the first request to the last answer.
        milliseconds: Duration of each request.
        statuses: For each item, the count of each status; 0 is a broken connection.
        cpu_seconds: CPU time of the client.
    """

    seconds: float
    milliseconds: list[float]
    statuses: list[dict[str, int]]
    cpu_seconds: float


def run_load(spec: LoadSpec, cores: Sequence[int]) -> LoadResult:
    """Generate load from a separate process on these cores."""
    command = [sys.executable, "-m", "benchmarks.load", ",".join(map(str, cores))]
    done = subprocess.run(
        command,
        input=json.dumps(dataclasses.asdict(spec)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return LoadResult(**json.loads(done.stdout))


def form(field: str, name: str, data: bytes) -> bytes:
    """A multipart form with one file."""
    head = (
        f"--{BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def request(path: str, body: bytes, key: str = "") -> bytes:
    """A whole HTTP request with one form, and with an API key if there is one."""
    head = (
        f"POST {path} HTTP/1.1\r\n"
        "Host: 127.0.0.1\r\n"
        + (f"X-API-Key: {key}\r\n" if key else "")
        + f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Client:
    """One connection to a server on this machine, opened with the first request."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def send(self, request: bytes) -> int:
        """Send a request, read the answer, and return its status.

        Raises:
            OSError: The connection failed.
            ValueError: The answer has no Content-Length.
        """
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), TIMEOUT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = self._socket
        connection.sendall(request)
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += _receive(connection)
        head = received[:end].lower()
        length = _LENGTH.search(head)
        if length is None:
            raise ValueError("The answer has no Content-Length.")
        remaining = end + 4 + int(length[1]) - len(received)
        while remaining > 0:
            remaining -= len(_receive(connection))
        if b"\r\nconnection: close" in head:
            self.close()
        return int(head[9:12])

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _receive(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("The server closed the connection before its answer ended.")
    return data


class _Load:
    """The requests of one run, divided among its clients."""

    def __init__(self, spec: LoadSpec) -> None:
        self._spec = spec
        self._requests = [
            request(path, form(field, Path(file).name, Path(file).read_bytes()), spec.key)
            for path, field, file in spec.items
        ]
        self._lock = threading.Lock()
        self._sent = 0
        self._milliseconds: list[float] = []
        self._statuses: list[Counter[str]] = [Counter() for _ in self._requests]

    def run(self) -> LoadResult:
        clients = [threading.Thread(target=self._client) for _ in range(self._spec.clients)]
        self._started, cpu_s = time.perf_counter(), time.process_time()
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        return LoadResult(
            seconds=time.perf_counter() - self._started,
            milliseconds=self._milliseconds,
            statuses=[dict(counter) for counter in self._statuses],
            cpu_seconds=time.process_time() - cpu_s,
        )

    def _client(self) -> None:
        client = Client(self._spec.port)
        while (index := self._next()) is not None:
            started = time.perf_counter()
            try:
                status = client.send(self._requests[index])
            except (OSError, ValueError):
                client.close()
                status = 0
            taken_ms = 1000 * (time.perf_counter() - started)
            with self._lock:
                self._milliseconds.append(taken_ms)
                self._statuses[index][str(status)] += 1
            if self._spec.interval_s:
                time.sleep(max(0.0, self._spec.interval_s - taken_ms / 1000))
        client.close()

    def _next(self) -> int | None:
        with self._lock:
            expired = time.perf_counter() - self._started >= self._spec.seconds
            if expired or self._sent >= self._spec.max_requests:
                return None
            self._sent += 1
            return (self._sent - 1) % len(self._requests)


def main(text: str) -> str:
    """Generate load from this process."""
    spec: dict[str, Any] = json.loads(text)
    load = LoadSpec(**spec)
    if load.nice:
        os.nice(load.nice)
    return json.dumps(dataclasses.asdict(_Load(load).run()))


if __name__ == "__main__":
    pin_to_cores(0, [int(core) for core in sys.argv[1].split(",") if core])
    print(main(sys.stdin.read()))
