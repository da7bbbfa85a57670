"""What clients do on a real connection: too much, too slowly, wrongly, or half of it."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving import (
    FORM_TYPE,
    LiveService,
    form,
    part,
    radiograph,
    read_all,
    read_until,
    request_head,
)

MIB = 1024 * 1024
FORM_HEADER = f"Content-Type: {FORM_TYPE}"


@pytest.fixture(scope="module")
def service() -> Iterator[LiveService]:
    limits = {
        "XRAY_MAX_UPLOAD_MIB": "1",
        "XRAY_UPLOAD_SECONDS": "1.5",
        "XRAY_HEADER_SECONDS": "1.5",
    }
    with LiveService(environment=limits) as service:
        service.wait_until_ready()
        yield service


def answers_in(received: bytes) -> list[tuple[int, dict[str, str], Any]]:
    """Take apart the answers of one connection."""
    answers = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = int(headers["content-length"])
        body, received = received[:length], received[length:]
        answers.append((int(status.split()[1]), headers, json.loads(body)))
    return answers


def problem_in(received: bytes, status: int, code: str) -> dict[str, str]:
    """Check that one problem came and that the connection ends with it; returns its headers."""
    [(found, headers, body)] = answers_in(received)
    assert (found, body["code"]) == (status, code)
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert body["request_id"] == headers["x-request-id"]
    return headers


def upload_head(*headers: str) -> bytes:
    return request_head("/predict", [FORM_HEADER, *headers])


def chunked(body: bytes, size: int = 65536) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


class TestGoodClients:
    def test_a_radiograph_gets_its_verdict(self, service: LiveService) -> None:
        file = ("x.jpeg", radiograph(1, "JPEG"), "image/jpeg")
        answer = httpx.post(f"{service.url}/predict", files={"file": file})
        assert answer.status_code == 200
        assert list(answer.json())[:2] == ["predicted_class", "probability"]
        assert "server" not in answer.headers

    def test_a_chunked_upload_is_read(self, service: LiveService) -> None:
        head = upload_head("Transfer-Encoding: chunked", "Connection: close")
        [(status, _, _)] = answers_in(service.talk(head, chunked(form(part(radiograph())), 100)))
        assert status == 200

    def test_a_client_that_asks_first_is_told_to_go_on(self, service: LiveService) -> None:
        body = form(part(radiograph()))
        head = upload_head(f"Content-Length: {len(body)}", "Expect: 100-continue")
        with service.connect() as connection:
            connection.sendall(head)
            assert connection.recv(1000).startswith(b"HTTP/1.1 100")
            connection.sendall(body)
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")

    def test_a_target_may_be_a_whole_url(self, service: LiveService) -> None:
        body = form(part(radiograph()))
        upload = [FORM_HEADER, f"Content-Length: {len(body)}"]
        [read, health, root] = answers_in(
            service.talk(
                request_head("http://elsewhere:8000/predict", upload) + body,
                request_head("HTTP://elsewhere/health/live?a=http://b/", [], "GET"),
                request_head("https://elsewhere?a=/health", ["Connection: close"]),
            )
        )
        assert (read[0], next(iter(read[2]))) == (200, "predicted_class")
        assert (health[0], health[2]) == (200, {"status": "alive"})
        assert root[0] == 405  # the page answers GET alone

    def test_one_connection_serves_several_requests(self, service: LiveService) -> None:
        with httpx.Client(base_url=service.url) as client:
            for seed in range(3):
                answer = client.post("/predict", files={"file": radiograph(seed)})
                assert answer.status_code == 200
                assert "connection" not in answer.headers

    def test_requests_sent_ahead_are_answered_in_order(self, service: LiveService) -> None:
        body = form(part(radiograph()))
        first = upload_head(f"Content-Length: {len(body)}", "X-Request-ID: one") + body
        last = request_head("/health/live", ["X-Request-ID: two", "Connection: close"], "GET")
        answers = answers_in(service.talk(first + last))
        assert [headers["x-request-id"] for _, headers, _ in answers] == ["one", "two"]

    def test_what_is_no_http_behind_a_request_does_not_take_its_answer(
        self, service: LiveService
    ) -> None:
        first = request_head("/health/live", ["X-Request-ID: one"], "GET")
        second = request_head("/health/live", ["X-Request-ID: two"], "GET")
        [one, two, last] = answers_in(service.talk(first + second + b"zebra\r\n\r\n"))
        assert (one[0], one[1]["x-request-id"]) == (200, "one")
        assert (two[0], two[1]["x-request-id"]) == (200, "two")
        assert (last[0], last[1]["connection"]) == (400, "close")

    def test_an_upload_behind_a_request_that_breaks_off_does_not_take_its_answer(
        self, service: LiveService
    ) -> None:
        body = form(part(radiograph()))
        first = upload_head(f"Content-Length: {len(body)}") + body
        second = upload_head("Transfer-Encoding: chunked") + b"zebra\r\n"
        answers = answers_in(service.talk(first + second))
        assert [status for status, _, _ in answers] == [200, 400]

    def test_many_requests_sent_ahead_are_answered_one_by_one(self, service: LiveService) -> None:
        ahead = request_head("/health/live", [], "GET") * 200
        last = request_head("/health/live", ["Connection: close"], "GET")
        answers = answers_in(service.talk(ahead + last))
        assert [status for status, _, _ in answers] == [200] * 201

    def test_a_half_closed_client_gets_its_answer(self, service: LiveService) -> None:
        body = form(part(radiograph()))
        with service.connect() as connection:
            connection.sendall(upload_head(f"Content-Length: {len(body)}") + body)
            connection.shutdown(socket.SHUT_WR)
            [(status, _, _)] = answers_in(read_all(connection))
        assert status == 200

    def test_a_half_closed_client_gets_an_answer_that_takes_long(self) -> None:
        slow = {"FAKE_DELAY_S": "3.5"}
        with LiveService(environment=slow) as service, service.connect() as connection:
            service.wait_until_ready()
            body = form(part(radiograph()))
            connection.sendall(upload_head(f"Content-Length: {len(body)}") + body)
            connection.shutdown(socket.SHUT_WR)
            received = read_all(connection)
        interim, _, answer = received.partition(b"\r\n\r\n")
        assert interim.startswith(b"HTTP/1.1 102")
        [(status, _, _)] = answers_in(answer)
        assert status == 200

    def test_trailers_are_not_headers(self, service: LiveService) -> None:
        body = chunked(form(part(radiograph())))[:-2] + b"Host: y\r\nX-Request-ID: two\r\n\r\n"
        first = upload_head("Transfer-Encoding: chunked", "X-Request-ID: one") + body
        last = request_head("/health/live", ["Connection: close"], "GET")
        answers = answers_in(service.talk(first + last))
        assert [status for status, _, _ in answers] == [200, 200]
        assert answers[0][1]["x-request-id"] == "one"

    def test_another_protocol_that_is_offered_at_the_end_is_not_taken(
        self, service: LiveService
    ) -> None:
        offer = ["Upgrade: websocket", "Connection: upgrade, close"]
        [(status, _, _)] = answers_in(service.talk(request_head("/health/live", offer, "GET")))
        assert status == 200

    def test_another_protocol_that_is_offered_is_not_taken(self, service: LiveService) -> None:
        body = form(part(radiograph()))
        offer = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"]
        head = upload_head(f"Content-Length: {len(body)}", *offer)
        last = request_head("/health/live", ["Connection: close"], "GET")
        for pieces in [
            (head + body, last),
            (head, body, last),
            (head + body + head + body + last,),
        ]:
            answers = answers_in(service.talk(*pieces, pause_s=0.3))
            assert {status for status, _, _ in answers} == {200}
            assert len(answers) == len(b"".join(pieces).split(b"HTTP/1.1")) - 1

    def test_head_gets_no_body(self, service: LiveService) -> None:
        head = request_head("/health/live", ["Connection: close"], "HEAD")
        received = service.talk(head)
        assert received.startswith(b"HTTP/1.1 200")
        assert received.endswith(b"\r\n\r\n")


class TestTooLarge:
    """The client must get the answer, whether it is still sending or not."""

    def test_by_its_declared_length(self, service: LiveService) -> None:
        body = form(part(bytes(8 * MIB)))
        received = service.talk(upload_head(f"Content-Length: {len(body)}"), body)
        problem_in(received, 413, "too_large")

    def test_by_what_arrives_in_chunks(self, service: LiveService) -> None:
        body = chunked(form(part(bytes(8 * MIB))))
        problem_in(service.talk(upload_head("Transfer-Encoding: chunked"), body), 413, "too_large")

    def test_by_its_declared_length_before_it_is_sent(self, service: LiveService) -> None:
        head = upload_head(f"Content-Length: {8 * MIB}", "Expect: 100-continue")
        received = service.talk(head)
        problem_in(received, 413, "too_large")
        assert b"100 Continue" not in received

    def test_with_an_ordinary_client(self, service: LiveService) -> None:
        answer = httpx.post(f"{service.url}/predict", files={"file": bytes(30 * MIB)})
        assert answer.status_code == 413

    def test_where_nothing_is_taken(self, service: LiveService) -> None:
        head = request_head("/nowhere", [f"Content-Length: {8 * MIB}"])
        problem_in(service.talk(head, bytes(8 * MIB)), 404, "not_found")

    def test_without_end(self, service: LiveService) -> None:
        chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
        start = part(b"")[:-2]
        head = upload_head("Transfer-Encoding: chunked") + b"%x\r\n%s\r\n" % (len(start), start)
        # Cut off after a while, with the answer sent long before: neither ends this test in time
        # when the service reads on for ever.
        received = service.talk(head, *[chunk] * 1500, pause_s=0.02)
        problem_in(received, 413, "too_large")


class TestTooSlow:
    def test_a_slow_body_is_given_up(self, service: LiveService) -> None:
        body = form(part(radiograph()))
        received = service.talk(upload_head(f"Content-Length: {len(body)}"), body[:100])
        headers = problem_in(received, 408, "upload_too_slow")
        assert "retry-after" not in headers

    def test_a_body_that_trickles_is_given_up(self, service: LiveService) -> None:
        pieces = [b"x"] * 50
        head = upload_head("Content-Length: 100000") + part(b"")[:-2]
        received = service.talk(head, *pieces, pause_s=0.05)
        problem_in(received, 408, "upload_too_slow")

    @pytest.mark.parametrize("start", [b"", b"POST /predict HTTP/1.1\r\nHost: x\r\n"])
    def test_slow_headers_are_cut_off(self, service: LiveService, start: bytes) -> None:
        assert service.talk(start) == b""

    def test_slow_headers_of_a_later_request_are_cut_off(self, service: LiveService) -> None:
        with service.connect() as connection:
            connection.sendall(request_head("/health/live", [], "GET"))
            answer = read_until(connection, b'{"status":"alive"}')
            assert answer.startswith(b"HTTP/1.1 200")
            connection.sendall(b"GET /health/live HTTP/1.1\r\n")
            assert read_all(connection) == b""

    def test_good_clients_are_served_beside_slow_ones(self, service: LiveService) -> None:
        slow = [service.connect() for _ in range(50)]
        try:
            for number, connection in enumerate(slow):
                head = upload_head("Content-Length: 100000")
                connection.sendall(head if number % 2 else head[:-10])
            answer = httpx.post(f"{service.url}/predict", files={"file": radiograph()})
            assert answer.status_code == 200
        finally:
            for connection in slow:
                connection.close()


class TestWrong:
    @pytest.mark.parametrize(
        "garbage",
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET\r\n\r\n",
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
            b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        ],
    )
    def test_what_is_no_http_is_answered_with_a_problem(
        self, service: LiveService, garbage: bytes
    ) -> None:
        problem_in(service.talk(garbage), 400, "malformed_request")

    def test_too_many_headers_are_refused_however_they_are_cut(self, service: LiveService) -> None:
        lines = [f"X-{number}: {'y' * 990}" for number in range(20)]
        head = request_head("/health/live", lines, "GET")
        for size in (len(head), 10_000, 3000):
            pieces = [head[start : start + size] for start in range(0, len(head), size)]
            received = service.talk(*pieces, pause_s=0.05)
            assert received.startswith(b"HTTP/1.1 431"), size
            assert b"headers_too_large" in received

    def test_a_query_counts_with_the_headers(self, service: LiveService) -> None:
        head = request_head("/health/live?" + "y" * 20_000, ["Connection: close"], "GET")
        problem_in(service.talk(head), 431, "headers_too_large")

    def test_a_folded_header_is_one_header(self, service: LiveService) -> None:
        body = form(part(radiograph()))
        kind = FORM_HEADER.replace("; ", ";\r\n\t")
        head = request_head("/predict", [kind, f"Content-Length: {len(body)}", "Connection: close"])
        [(status, _, _)] = answers_in(service.talk(head + body))
        assert status == 200

    @pytest.mark.parametrize("space", [" ", "\t"])
    def test_a_first_header_cannot_be_folded(self, service: LiveService, space: str) -> None:
        received = service.talk(f"GET / HTTP/1.1\r\n{space}Host: x\r\n\r\n".encode())
        problem_in(received, 400, "malformed_request")
        assert b"first header line begins with a space" in received

    def test_who_is_still_sending_can_read_the_answer(self, service: LiveService) -> None:
        received = service.talk(b"GET / HTTP/1.1\r\nHost: x\r\nX-Endless: " + b"y" * 2 * MIB)
        problem_in(received, 431, "headers_too_large")

    @pytest.mark.parametrize("endless", [b"0\r\nX: ", b"5;x="], ids=["trailer", "extension"])
    def test_what_does_not_end_is_cut_off(self, service: LiveService, endless: bytes) -> None:
        head = upload_head("Transfer-Encoding: chunked") + endless
        received = service.talk(head, *[b"y" * 16_000] * 40, pause_s=0.02)
        problem_in(received, 431, "headers_too_large")

    def test_a_broken_chunk_ends_the_upload(self, service: LiveService) -> None:
        head = upload_head("Transfer-Encoding: chunked")
        received = service.talk(head + b"5\r\nhello\r\n", b"zebra\r\n", pause_s=0.3)
        [(status, _, _)] = answers_in(received)
        assert status == 400

    def test_a_broken_chunk_after_the_answer_ends_the_connection(
        self, service: LiveService
    ) -> None:
        head = request_head("/nowhere", ["Transfer-Encoding: chunked"])
        received = service.talk(head + b"5\r\nhello\r\n", b"zebra\r\n", pause_s=0.3)
        problem_in(received, 404, "not_found")


class TestGone:
    def test_clients_that_leave_in_mid_upload_leave_nothing_behind(
        self, service: LiveService
    ) -> None:
        body = form(part(radiograph()))
        for share in range(1, 40):
            connection = service.connect()
            connection.sendall(upload_head(f"Content-Length: {len(body)}"))
            connection.sendall(body[: len(body) * share // 40])
            connection.close()
        answer = httpx.post(f"{service.url}/predict", files={"file": radiograph()})
        assert answer.status_code == 200
        state = httpx.get(f"{service.url}/health").json()
        assert (state["running"], state["waiting"]) == (0, 0)


@pytest.fixture(scope="module")
def busy() -> Iterator[LiveService]:
    environment = {
        "FAKE_DELAY_S": "0.4",
        "XRAY_THREADS": "1",
        "XRAY_QUEUE_SIZE": "1",
    }
    with LiveService(environment=environment) as service:
        service.wait_until_ready()
        yield service


class TestQueue:
    def test_a_burst_is_answered_or_told_when_to_come_back(self, busy: LiveService) -> None:
        def post(seed: int) -> httpx.Response:
            return httpx.post(f"{busy.url}/predict", files={"file": radiograph(seed)}, timeout=30)

        with ThreadPoolExecutor(12) as pool:
            answers = [*pool.map(post, range(12))]
        assert {answer.status_code for answer in answers} == {200, 503}
        for answer in answers:
            if answer.status_code == 503:
                assert answer.json()["code"] == "queue_full"
                assert int(answer.headers["retry-after"]) >= 1

    def test_health_answers_while_every_thread_is_busy(self, busy: LiveService) -> None:
        with ThreadPoolExecutor(1) as pool:
            body = {"file": radiograph()}
            batch = pool.submit(
                httpx.post, f"{busy.url}/predict/batch", files=[*body.items()] * 8, timeout=60
            )
            while httpx.get(f"{busy.url}/health").json()["running"] == 0:
                pass
            assert httpx.get(f"{busy.url}/health/live").status_code == 200
            assert not batch.done()
            assert batch.result().status_code == 200

    def test_a_request_whose_client_has_gone_leaves_the_queue(self, busy: LiveService) -> None:
        body = form(part(radiograph()))
        request = upload_head(f"Content-Length: {len(body)}") + body
        connections: list[socket.socket] = []
        for _ in range(2):  # one runs, one waits
            connections.append(busy.connect())
            connections[-1].sendall(request)
            time.sleep(0.1)
        for connection in connections:
            connection.close()
        deadline = time.monotonic() + 10
        while httpx.get(f"{busy.url}/health").json()["waiting"]:
            assert time.monotonic() < deadline
        answer = httpx.post(f"{busy.url}/predict", files={"file": radiograph()}, timeout=30)
        assert answer.status_code == 200


def test_no_upload_ever_becomes_a_file(tmp_path: Path) -> None:
    with LiveService(environment={"TMPDIR": str(tmp_path)}) as service:
        service.wait_until_ready()
        httpx.post(f"{service.url}/predict", files={"file": bytes(20 * MIB)}, timeout=60)
        httpx.post(f"{service.url}/predict", files={"file": radiograph()})
        assert list(tmp_path.iterdir()) == []


def test_the_log_holds_nothing_of_what_a_client_sent() -> None:
    with LiveService() as service:
        service.wait_until_ready()
        secret = "Jane-Doe-1950"
        for content in (radiograph(), secret.encode()):
            httpx.post(
                f"{service.url}/predict?patient={secret}",
                files={"file": (f"{secret}.png", content), "note": secret.encode()},
                headers={"X-Patient": secret, "X-Request-ID": f"{secret} x"},
            )
        httpx.post(
            f"{service.url}/predict",
            content=secret.encode(),
            headers={"Content-Type": FORM_TYPE},
        )
        service.talk(secret.encode() + b"\r\n\r\n")
        service.terminate()
        assert service.exit_status() == 0
        assert secret not in service.log
