"""One request on a raw socket, and what came back, however ill-mannered either side is."""

import contextlib
import json
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.films import was_looked_at
from tests.serving import BOUNDARY, FORM_TYPE, form, part, request_head

PLANTED = "Doe^Jane'Planted"
"""A patient's name as it stands in files, names and headers. It must turn up nowhere."""

HANG_S = 15.0
GIVE_UP_S = 60.0
PROBLEM = "application/problem+json"
_PROBLEM_KEYS = {"type", "title", "status", "detail", "code", "request_id"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back on one connection.

    Attributes:
        status: Of the first answer; 0 when the connection ended without one or in the middle.
        count: Answers on the connection.
        kind: The first answer's Content-Type.
        body: The first answer's.
        raw: All that came.
        seconds: From the last byte sent to the end.
        timed_out: Nothing ended it.
    """

    status: int
    count: int
    kind: str
    body: bytes
    raw: bytes
    seconds: float
    timed_out: bool = False

    def is_sound(self) -> bool:
        """Tell whether a success is JSON and an error is a whole problem."""
        if self.status < 400:
            return True
        try:
            problem = json.loads(self.body)
        except ValueError:
            return False
        return self.kind == PROBLEM and set(problem) >= _PROBLEM_KEYS

    def was_looked_at(self) -> bool:
        """Tell whether the file was decoded and judged, or refused as not a chest film."""
        return was_looked_at(self.status, self.body)


def upload(content: bytes, *, filename: str = "x.png", path: str = "/predict") -> bytes:
    """A whole request with one file, after whose answer the connection is closed."""
    body = form(part(content, filename=filename))
    head = request_head(
        path, [f"Content-Type: {FORM_TYPE}", f"Content-Length: {len(body)}", "Connection: close"]
    )
    return head + body


def talk(port: int, *pieces: bytes, pause_s: float = 0.0, half_close: bool = False) -> Answer:
    """Send pieces one by one and read until the other side closes."""
    raw = b""
    timed_out = False
    sent = time.monotonic()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=GIVE_UP_S) as connection:
            # Refused while it was being sent: what counts is what can still be read.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                _send(connection, pieces, pause_s)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            sent = time.monotonic()
            while chunk := connection.recv(65536):
                raw += chunk
    except TimeoutError:
        timed_out = True
    except OSError:
        pass  # reset: nothing more comes
    return _answer(raw, time.monotonic() - sent, timed_out=timed_out)


def _send(connection: socket.socket, pieces: Sequence[bytes], pause_s: float) -> None:
    for piece in pieces:
        connection.sendall(piece)
        if pause_s:
            time.sleep(pause_s)


def leave(connection: socket.socket, *, abruptly: bool) -> None:
    """Close a connection; abruptly is with a reset, as a lost network does."""
    if abruptly:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _answer(raw: bytes, seconds: float, *, timed_out: bool) -> Answer:
    # An interim "100 Continue" is no answer.
    text = raw
    while text.startswith(b"HTTP/1.1 1"):
        text = text.partition(b"\r\n\r\n")[2]
    if not text.startswith(b"HTTP/1.1 "):
        return Answer(0, 0, "", b"", raw, seconds, timed_out)
    head, _, rest = text.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
    length = headers.get("content-length", "")
    body = rest[: int(length)] if length.isdecimal() else rest
    if length.isdecimal() and len(body) < int(length):
        return Answer(0, 0, "", b"", raw, seconds, timed_out)
    return Answer(
        status=int(lines[0].split(" ")[1]),
        count=text.count(b"HTTP/1.1 "),
        kind=headers.get("content-type", ""),
        body=body,
        raw=raw,
        seconds=seconds,
        timed_out=timed_out,
    )


__all__ = ["BOUNDARY", "HANG_S", "PLANTED", "Answer", "leave", "talk", "upload"]
