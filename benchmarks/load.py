"""The client: a process of its own that sends files from a few connections and times the answers.

``python -m benchmarks.load`` reads an ``Order`` as JSON from standard input and prints what it
observed as JSON. It sends whole requests made beforehand, and reads of an answer no more than its
status and its length, so that it takes little from the cores that it may have to share.
"""

import dataclasses
import json
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

from benchmarks.cores import keep_to

BOUNDARY = "a-boundary-that-no-image-holds"
TIMEOUT_S = 60.0

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)")


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """What to send.

    Attributes:
        port: On this machine.
        clients: Connections at once, each with one request under way.
        seconds: When to stop sending; each client finishes what it has under way.
        most: When to stop at the latest, in requests of all clients together.
        items: Path on the server, form field and file, in the order of sending.
    """

    port: int
    clients: int
    seconds: float
    most: int
    items: list[tuple[str, str, str]]


@dataclasses.dataclass(frozen=True, slots=True)
class Observed:
    """What came back.

    Attributes:
        seconds: From the first request to the last answer.
        milliseconds: How long each answered request took.
        statuses: For each item, how often each status came; 0 is a broken connection.
        cpu_seconds: Processor time of the client itself meanwhile.
    """

    seconds: float
    milliseconds: list[float]
    statuses: list[dict[str, int]]
    cpu_seconds: float


def order(order: Order, cores: Sequence[int]) -> Observed:
    """Carry out an order in a process of its own, on these cores."""
    command = [sys.executable, "-m", "benchmarks.load", ",".join(map(str, cores))]
    done = subprocess.run(
        command,
        input=json.dumps(dataclasses.asdict(order)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Observed(**json.loads(done.stdout))


def form(field: str, name: str, data: bytes) -> bytes:
    """A multipart form with one file."""
    head = (
        f"--{BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def request(path: str, body: bytes) -> bytes:
    """A whole HTTP request with one form."""
    head = (
        f"POST {path} HTTP/1.1\r\n"
        "Host: 127.0.0.1\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Client:
    """One connection to a server on this machine, opened with the first request."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def send(self, request: bytes) -> int:
        """Send a whole request and read its whole answer, whose status is returned.

        Raises:
            OSError: The connection is not to be had, or broke.
            ValueError: The answer does not say how long it is.
        """
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), TIMEOUT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = self._socket
        connection.sendall(request)
        seen = b""
        while (end := seen.find(b"\r\n\r\n")) < 0:
            seen += _received(connection)
        head = seen[:end].lower()
        length = _LENGTH.search(head)
        if length is None:
            raise ValueError("The answer has no Content-Length.")
        left = end + 4 + int(length[1]) - len(seen)
        while left > 0:
            left -= len(_received(connection))
        if b"\r\nconnection: close" in head:
            self.close()
        return int(head[9:12])

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("The server closed the connection before its answer ended.")
    return data


class _Load:
    """The requests of one order, shared out among its clients."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._requests = [
            request(path, form(field, Path(file).name, Path(file).read_bytes()))
            for path, field, file in order.items
        ]
        self._lock = threading.Lock()
        self._sent = 0
        self._milliseconds: list[float] = []
        self._statuses: list[Counter[str]] = [Counter() for _ in self._requests]

    def run(self) -> Observed:
        clients = [threading.Thread(target=self._client) for _ in range(self._order.clients)]
        self._started, cpu_s = time.perf_counter(), time.process_time()
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        return Observed(
            seconds=time.perf_counter() - self._started,
            milliseconds=self._milliseconds,
            statuses=[dict(counter) for counter in self._statuses],
            cpu_seconds=time.process_time() - cpu_s,
        )

    def _client(self) -> None:
        client = Client(self._order.port)
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
        client.close()

    def _next(self) -> int | None:
        with self._lock:
            late = time.perf_counter() - self._started >= self._order.seconds
            if late or self._sent >= self._order.most:
                return None
            self._sent += 1
            return (self._sent - 1) % len(self._requests)


def main(text: str) -> str:
    """Carry out an order in this process."""
    wish: dict[str, Any] = json.loads(text)
    return json.dumps(dataclasses.asdict(_Load(Order(**wish)).run()))


if __name__ == "__main__":
    keep_to(0, [int(core) for core in sys.argv[1].split(",") if core])
    print(main(sys.stdin.read()))
