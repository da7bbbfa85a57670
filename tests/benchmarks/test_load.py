import threading
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.load import LoadSpec, form, run_load


class _Server(ThreadingHTTPServer):
    """Answers 200 to files that begin with ``good`` and 415 to others; remembers what it saw."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, Message, bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, self.headers, body))
        self.send_response(200 if b"\r\n\r\ngood" in body else 415)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def items(tmp_path: Path) -> list[tuple[str, str, str]]:
    for name in ("good", "bad"):
        (tmp_path / name).write_text(name)
    return [("/a", "file", str(tmp_path / "good")), ("/b", "file", str(tmp_path / "bad"))]


def test_load_ends_after_the_maximum_number_of_requests(
    server: _Server, items: list[tuple[str, str, str]]
) -> None:
    seen = run_load(
        LoadSpec(server.server_port, clients=3, seconds=60, max_requests=10, items=items), []
    )
    assert len(seen.milliseconds) == len(server.seen) == 10
    assert seen.statuses == [{"200": 5}, {"415": 5}]
    assert {path for path, _, _ in server.seen} == {"/a", "/b"}
    assert all(taken > 0 for taken in seen.milliseconds)


def test_load_ends_after_its_time(server: _Server, items: list[tuple[str, str, str]]) -> None:
    seen = run_load(
        LoadSpec(server.server_port, clients=2, seconds=0, max_requests=10, items=items), []
    )
    assert not seen.milliseconds
    assert not server.seen


def test_an_unreachable_server_is_counted(
    items: list[tuple[str, str, str]],
) -> None:
    with _Server() as gone:
        port = gone.server_port
    seen = run_load(LoadSpec(port, clients=1, seconds=60, max_requests=2, items=items), [])
    assert seen.statuses == [{"0": 1}, {"0": 1}]


def test_an_answer_without_content_length_counts_as_broken(
    server: _Server, items: list[tuple[str, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Handler, "protocol_version", "HTTP/1.0")
    monkeypatch.setattr(_Handler, "send_header", lambda *_: None)
    seen = run_load(
        LoadSpec(server.server_port, clients=1, seconds=60, max_requests=2, items=items), []
    )
    assert seen.statuses == [{"0": 1}, {"0": 1}]


def test_a_form_holds_one_file_between_its_boundaries() -> None:
    first, *_, last = form("file", "x.jpeg", b"pixels").split(b"\r\n")
    body = form("file", "x.jpeg", b"pixels")
    assert last == b""
    assert body.endswith(first + b"--\r\n")
    assert b'name="file"; filename="x.jpeg"' in body
    assert b"\r\n\r\npixels\r\n" in body
