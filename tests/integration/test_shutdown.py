"""SIGTERM: what is under way is answered, and the process ends as one that did its work."""

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.serving import (
    FORM_TYPE,
    LiveService,
    assert_problem,
    form,
    part,
    radiograph,
    read_all,
    request_head,
)


def wait_for(service: LiveService, metric: str) -> None:
    """Block until the service is in this state."""
    with httpx.Client(base_url=service.url) as client:
        while metric not in client.get("/metrics").text:
            time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_service_ends_well(number: signal.Signals) -> None:
    with LiveService() as service:
        service.wait_until_ready()
        service.terminate(number)
        assert service.exit_status() == 0


def test_every_request_under_way_is_answered() -> None:
    with LiveService(environment={"FAKE_DELAY_S": "1"}) as service:
        service.wait_until_ready()

        def post(seed: int) -> httpx.Response:
            return httpx.post(
                f"{service.url}/predict", files={"file": radiograph(seed)}, timeout=60
            )

        with ThreadPoolExecutor(8) as pool:
            answers = [pool.submit(post, seed) for seed in range(8)]
            # Two run and six wait when the signal comes.
            wait_for(service, "xray_queue_waiting 6.0")
            service.terminate()
            assert [answer.result().status_code for answer in answers] == [200] * 8
        assert service.exit_status() == 0


def test_an_upload_under_way_is_read_to_its_end_and_answered() -> None:
    with LiveService() as service:
        service.wait_until_ready()
        body = form(part(radiograph()))
        head = request_head(
            "/predict", [f"Content-Type: {FORM_TYPE}", f"Content-Length: {len(body)}"]
        )
        with service.connect() as connection:
            connection.sendall(head + body[:1000])
            wait_for(service, "xray_requests_in_flight 2.0")  # this one, and who asks
            service.terminate()
            service.wait_for_log("Shutting down")
            connection.sendall(body[1000:])
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        assert service.exit_status() == 0


def test_an_idle_connection_does_not_hold_it_up() -> None:
    with LiveService() as service:
        service.wait_until_ready()
        with service.connect(), service.connect() as used:
            used.sendall(request_head("/health/live", [], "GET"))
            assert used.recv(1000).startswith(b"HTTP/1.1 200")
            started = time.monotonic()
            service.terminate()
            assert service.exit_status() == 0
            assert time.monotonic() - started < 15


def test_a_service_that_is_still_loading_ends_well() -> None:
    with LiveService(environment={"FAKE_LOADING_S": "60"}) as service:
        assert httpx.get(f"{service.url}/health/ready").status_code == 503
        started = time.monotonic()
        service.terminate()
        assert service.exit_status() == 0
        assert time.monotonic() - started < 15


def test_after_the_grace_period_it_ends_whatever_hangs() -> None:
    with LiveService(environment={"XRAY_SHUTDOWN_SECONDS": "1"}) as service:
        service.wait_until_ready()
        head = request_head("/predict", [f"Content-Type: {FORM_TYPE}", "Content-Length: 100000"])
        with service.connect() as connection:
            connection.sendall(head)
            wait_for(service, "xray_requests_in_flight 2.0")
            service.terminate()
            assert_told_of_the_end(read_all(connection))
            assert service.exit_status() == 0


def assert_told_of_the_end(received: bytes) -> None:
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503")
    assert b"application/problem+json" in head
    assert b"retry-after: " in head.lower()
    assert b"x-request-id: " in head.lower()
    assert json.loads(body)["code"] == "shutting_down"


def test_after_the_grace_period_work_that_hangs_is_refused_in_words_and_left() -> None:
    environment = {"XRAY_SHUTDOWN_SECONDS": "1", "FAKE_DELAY_S": "600"}
    with LiveService(environment=environment) as service:
        service.wait_until_ready()
        body = form(part(radiograph()))
        head = request_head(
            "/predict", [f"Content-Type: {FORM_TYPE}", f"Content-Length: {len(body)}"]
        )
        connections = [service.connect() for _ in range(4)]  # two run and two wait
        try:
            for connection in connections:
                connection.sendall(head + body)
            wait_for(service, "xray_queue_waiting 2.0")
            service.terminate()
            for connection in connections:
                assert_told_of_the_end(read_all(connection))
            assert service.exit_status() == 0
        finally:
            for connection in connections:
                connection.close()
        assert "Internal Server Error" not in service.log
        assert "Traceback" not in service.log


def test_who_comes_during_the_end_is_told_so() -> None:
    with LiveService(environment={"FAKE_DELAY_S": "3"}) as service:
        service.wait_until_ready()
        with ThreadPoolExecutor(1) as pool, httpx.Client(base_url=service.url) as client:
            files = {"file": radiograph()}
            answer = pool.submit(httpx.post, f"{service.url}/predict", files=files, timeout=60)
            wait_for(service, "xray_threads_busy 1.0")
            service.terminate()
            service.wait_for_log("finishing requests in flight")
            # A connection of before and one of now; whoever asks about the model is not work.
            late = client.post("/predict", files=files)
            later = client.post("/predict", files=files)
            for each in (late, later, client.get("/health/ready")):
                assert_problem(each, 503, "shutting_down")
                assert each.headers["connection"] == "close"
                assert int(each.headers["retry-after"]) >= 1
            assert client.get("/health/live").status_code == 200
            assert "xray_draining 1.0" in client.get("/metrics").text
            assert answer.result().status_code == 200
        assert service.exit_status() == 0
