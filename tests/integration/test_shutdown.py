"""SIGTERM: what is under way is answered, and the process ends as one that did its work."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.serving import FORM_TYPE, LiveService, form, part, radiograph, request_head


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_service_ends_well(number: signal.Signals) -> None:
    with LiveService() as service:
        service.wait_until_ready()
        service.terminate(number)
        assert service.exit_status() == 0


def test_every_request_under_way_is_answered() -> None:
    with LiveService(environment={"FAKE_DELAY_S": "0.3"}) as service:
        service.wait_until_ready()

        def post(seed: int) -> httpx.Response:
            return httpx.post(
                f"{service.url}/predict", files={"file": radiograph(seed)}, timeout=60
            )

        with ThreadPoolExecutor(8) as pool:
            answers = [pool.submit(post, seed) for seed in range(8)]
            # Two run and six wait when the signal comes.
            while httpx.get(f"{service.url}/health").json()["waiting"] < 6:
                time.sleep(0.01)
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
            time.sleep(0.3)
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
            time.sleep(0.3)
            service.terminate()
            assert service.exit_status() == 0
