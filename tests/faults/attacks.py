"""HTTP as it must not be: shapes that servers have fallen for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.faults.exchange import PLANTED
from tests.serving import BOUNDARY, FORM_TYPE, form, part, radiograph, request_head

MULTIPART = f"Content-Type: {FORM_TYPE}"
CHUNKED = "Transfer-Encoding: chunked"
CLOSE = "Connection: close"
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Attack:
    """Bytes to send.

    Attributes:
        name: What is wrong with them.
        pieces: Sent one after another.
        pause_s: Between two pieces.
        half_close: End our side when all is sent.
        may_be_cut: No answer is right too: the connection cannot be made sense of.
        most_answers: More would mean that one request was taken for several.
    """

    name: str
    pieces: Sequence[bytes]
    pause_s: float = 0.0
    half_close: bool = False
    may_be_cut: bool = False
    most_answers: int = 1


def attacks(*, endless_mib: int = 60) -> Iterator[Attack]:
    """All of them; an endless body is sent for so many MiB."""
    yield from _lengths()
    yield from _chunks(endless_mib)
    yield from _smuggling()
    yield from _heads()
    yield from _forms()
    yield from _planted()


def post(*headers: str, path: str = "/predict") -> bytes:
    """Head of an upload."""
    return request_head(path, [MULTIPART, *headers])


def _good() -> bytes:
    return form(part(radiograph()))


def _lengths() -> Iterator[Attack]:
    body = _good()
    for length in ("-1", "+5", "1x", "0x10", "1e3", "9" * 30, "", "1, 1", "1, 2", "٣"):
        head = post(f"Content-Length: {length}", CLOSE)
        yield Attack(f"Content-Length {length!r}", [head, body], half_close=True, may_be_cut=True)
    yield Attack("two lengths", [post("Content-Length: 5", "Content-Length: 6") + body])
    short = post(f"Content-Length: {len(body) - 50}")
    yield Attack("a length too short", [short + body], half_close=True, most_answers=2)
    long = post(f"Content-Length: {len(body) + 50}", CLOSE)
    yield Attack("a length too long", [long + body], half_close=True, may_be_cut=True)
    yield Attack("a length too long, left open", [long + body])
    yield Attack("no length", [post(CLOSE), body], half_close=True, may_be_cut=True)
    huge = post(f"Content-Length: {2**62}", CLOSE)
    yield Attack("a length of exabytes", [huge, body], half_close=True)


def _chunks(endless_mib: int) -> Iterator[Attack]:
    start = part(b"")[:-2]
    opening = post(CHUNKED, CLOSE) + b"%x\r\n%s\r\n" % (len(start), start)
    megabyte = b"100000\r\n" + bytes(_MIB) + b"\r\n"
    yield Attack("endless chunks", [opening, *[megabyte] * endless_mib])
    yield Attack("endless tiny chunks", [opening, *[b"1\r\nx\r\n" * 20_000] * 3, b"0\r\n\r\n"])
    for size in (b"FFFFFFFFFFFFFFFF", b"-5", b"0x5", b"5 ", b" 5", b"zebra", b"5;" + b"x" * 50_000):
        piece = size + b"\r\nhello\r\n0\r\n\r\n"
        name = f"chunk size {size[:16]!r}"
        yield Attack(name, [post(CHUNKED, CLOSE) + piece], half_close=True, may_be_cut=True)
    trailer = b"0\r\nX-Trailer: " + b"x" * 50_000 + b"\r\n\r\n"
    yield Attack("an endless trailer", [post(CHUNKED, CLOSE) + trailer], half_close=True)


def _smuggling() -> Iterator[Attack]:
    hidden = request_head("/metrics", [], "GET")
    both = post(f"Content-Length: {5 + len(hidden)}", CHUNKED, CLOSE)
    yield Attack("both lengths, a request hidden", [both + b"0\r\n\r\n" + hidden], half_close=True)
    for header in (
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding:\x0bchunked",
        "Transfer-Encoding: \x00chunked",
        "X: y\rTransfer-Encoding: chunked",
        "X: y\nTransfer-Encoding: chunked",
        " Transfer-Encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
    ):
        head = post(f"Content-Length: {5 + len(hidden)}", header, CLOSE)
        yield Attack(f"smuggled by {header!r}", [head + b"0\r\n\r\n" + hidden], half_close=True)


def _heads() -> Iterator[Attack]:
    lines = {
        "the older protocol": b"GET /\r\n\r\n",
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/9.9": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        "zeros": bytes(5000),
        "no host": b"GET /health/live HTTP/1.1\r\n\r\n",
        "two hosts": b"GET /health/live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "bare line feeds": b"GET /health/live HTTP/1.1\nHost: x\nConnection: close\n\n",
        "a long path": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        "a long method": b"A" * 100_000 + b" / HTTP/1.1\r\nHost: x\r\n\r\n",
        "an endless header": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000,
        "many headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        "control characters": b"GET /\x01\x02 HTTP/1.1\r\nHost: x\r\n\r\n",
    }
    for name, raw in lines.items():
        # The preface of HTTP/2 has the form of two requests.
        yield Attack(name, [raw], half_close=True, may_be_cut=True, most_answers=2)
    for path in (
        *("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/../../pyproject.toml"),
        *("/%00", "/" + "%ff" * 50, "//predict", "/predict/", "http://x/predict", "*"),
    ):
        yield Attack(f"GET {path[:40]}", [request_head(path, [CLOSE], "GET")])
    for method in ("TRACE", "CONNECT", "DELETE", "PUT", "PATCH", "get", "X-Y"):
        yield Attack(f"{method} /predict", [request_head("/predict", [CLOSE], method)])
    yield Attack(
        "an upgrade",
        [request_head("/", ["Upgrade: websocket", "Connection: upgrade, close"], "GET")],
    )
    yield Attack("an unknown expectation", [post("Expect: 200-ok", "Content-Length: 0", CLOSE)])


def _forms() -> Iterator[Attack]:
    mark = BOUNDARY.decode()

    def send(name: str, body: bytes, kind: str = FORM_TYPE) -> Attack:
        headers = [f"Content-Type: {kind}", f"Content-Length: {len(body)}", CLOSE]
        return Attack(name, [request_head("/predict", headers), body])

    good = _good()
    for boundary in ("", '""', "x" * 5000, "\x7f", "a b", '"a\\"b"', "frontier; boundary=other"):
        yield send(f"boundary {boundary[:20]!r}", good, f"multipart/form-data; boundary={boundary}")
    for kind in ("multipart/form-data", "multipart/mixed; boundary=" + mark, "text/plain", ";;;",
                 "application/x-www-form-urlencoded", "application/json"):  # fmt: skip
        yield send(f"Content-Type {kind}", good, kind)
    yield send("1,001 parts", form(*[part(b"x", f"f{n}", None) for n in range(1001)]))
    yield send("1,001 files", form(*[part(radiograph())] * 1001))
    yield send("no part", form())
    yield send("no end", part(radiograph()))
    yield send("only a boundary", b"--" + BOUNDARY)
    yield send(
        "no name", form(b"--" + BOUNDARY + b"\r\nContent-Disposition: form-data\r\n\r\nx\r\n")
    )
    for filename in (
        "a" * 5000,
        "../../../tmp/x",
        "x\x00.png",
        '"; name="other',
        "é" * 300,
        "CON",
        "%0d%0a",
    ):
        yield send(f"file name {filename[:16]!r}", form(part(radiograph(), filename=filename)))
    for header in (
        b"X: " + b"y" * 20_000,
        b"X: y\r\n" * 500,
        b"no colon",
        b": no name",
        b"\x00: y",
    ):
        body = b"--" + BOUNDARY + b"\r\n" + header + b"\r\n" + part(radiograph())[len(mark) + 4 :]
        yield send(f"part header {header[:12]!r}", body + b"--" + BOUNDARY + b"--\r\n")
    yield send("a form in a form", form(part(form(part(radiograph())))))
    yield send("hyphens without end", b"-" * 200_000)
    yield send("boundaries without end", (b"\r\n--" + BOUNDARY[:-1]) * 20_000)
    yield send("text before the form", b"x" * 60_000 + b"\r\n" + good)
    yield send("text after the form", good + b"x" * 60_000)


def _planted() -> Iterator[Attack]:
    name = PLANTED
    quoted = "Doe%5EJane%27Planted"
    body = form(part(name.encode(), filename=f"{name}.png"), part(name.encode(), "note", None))
    headers = [
        f"X-Patient: {name}",
        f"X-Request-ID: {name}",
        f"User-Agent: {name}",
        f"Referer: {name}",
    ]
    head = [MULTIPART, f"Content-Length: {len(body)}", *headers, CLOSE]
    for path in (f"/predict?patient={quoted}", f"/{quoted}", f"/predict/{quoted}"):
        yield Attack(f"a name in {path.split(quoted)[0]}", [request_head(path, head), body])
    yield Attack("a name as the protocol", [f"{name}\r\n\r\n".encode()], half_close=True)
    yield Attack("a name as a method", [request_head("/predict", [CLOSE], name)])
    kind = f"Content-Type: multipart/form-data; boundary={name}"
    sent = request_head("/predict", [kind, f"Content-Length: {len(body)}", CLOSE])
    yield Attack("a name as the boundary", [sent, body])
    field = form(part(radiograph(), name=name, filename=f"{name}.png"))
    head = [MULTIPART, f"Content-Length: {len(field)}", CLOSE]
    yield Attack("a name as a field", [request_head("/predict", head), field])
