"""The client: a process of its own that sends files from a few connections and times the answers.

``python -m benchmarks.load`` reads an ``Order`` as JSON from standard input and prints what it
observed as JSON. It uses the standard library alone and parses no answer while it measures, so that
it takes little from the cores that it may have to share.
"""

import dataclasses
import http.client
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.cores import keep_to

BOUNDARY = "a-boundary-that-no-image-holds"
TIMEOUT_S = 60.0


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
        cpu_seconds: Processor time of the client itself.
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


def post(connection: http.client.HTTPConnection, path: str, body: bytes) -> tuple[int, bytes]:
    """Send one form; the status and the whole answer."""
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


class _Load:
    """The requests of one order, shared out among its clients."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._bodies = [
            (path, form(field, Path(file).name, Path(file).read_bytes()))
            for path, field, file in order.items
        ]
        self._lock = threading.Lock()
        self._sent = 0
        self._milliseconds: list[float] = []
        self._statuses: list[Counter[str]] = [Counter() for _ in self._bodies]

    def run(self) -> Observed:
        clients = [threading.Thread(target=self._client) for _ in range(self._order.clients)]
        self._started = time.perf_counter()
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        return Observed(
            seconds=time.perf_counter() - self._started,
            milliseconds=self._milliseconds,
            statuses=[dict(counter) for counter in self._statuses],
            cpu_seconds=time.process_time(),
        )

    def _client(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._order.port, timeout=TIMEOUT_S)
        while (index := self._next()) is not None:
            path, body = self._bodies[index]
            started = time.perf_counter()
            try:
                status, _ = post(connection, path, body)
            except (OSError, http.client.HTTPException):
                connection.close()
                status = 0
            taken_ms = 1000 * (time.perf_counter() - started)
            with self._lock:
                self._milliseconds.append(taken_ms)
                self._statuses[index][str(status)] += 1

    def _next(self) -> int | None:
        with self._lock:
            late = time.perf_counter() - self._started >= self._order.seconds
            if late or self._sent >= self._order.most:
                return None
            self._sent += 1
            return (self._sent - 1) % len(self._bodies)


def main(text: str) -> str:
    """Carry out an order in this process."""
    wish: dict[str, Any] = json.loads(text)
    return json.dumps(dataclasses.asdict(_Load(Order(**wish)).run()))


if __name__ == "__main__":
    keep_to(0, [int(core) for core in sys.argv[1].split(",") if core])
    print(main(sys.stdin.read()))
