import json
import ssl
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.hospital.node.backoff import Backoff
from service.hospital.node.delivery import Outcome, UnreachableError
from service.hospital.node.dicomweb import (
    MAX_SEARCH_BYTES,
    PAGE,
    Access,
    DicomWeb,
    WebDestination,
    WebError,
)
from service.hospital.node.durable_queue import DurableQueue
from service.hospital.node.metrics import NodeMetrics
from service.hospital.node.multipart import MultipartError, Parts, boundary_of
from service.hospital.node.poller import Poller
from service.hospital.results.related import related
from tests.hospital.node.objects import film, film_uid, study_uid
from tests.hospital.node.reading import value

CR = "1.2.840.10008.5.1.4.1.1.1"
Handler = Callable[[httpx.Request], httpx.Response]


def web(handler: Handler, access: Access | None = None) -> DicomWeb:
    return DicomWeb(
        "http://pacs.example/rs/",
        access=access or Access(),
        context=ssl.create_default_context(),
        transport=httpx.MockTransport(handler),
    )


def answering(status: int, body: bytes = b"", kind: str = "application/dicom+json") -> Handler:
    return lambda _: httpx.Response(status, content=body, headers={"Content-Type": kind})


def failing(error: type[httpx.TransportError]) -> Handler:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error("pacs.example/studies/1.2.3", request=request)

    return handler


def element(vr: str, text: str) -> dict[str, Any]:
    return {"vr": vr, "Value": [text]}


class TestAccess:
    def asked_with(self, access: Access) -> str:
        seen: list[str] = []

        def handler(request: httpx.Request) -> httpx.Response:
            seen.append(request.headers.get("authorization", ""))
            return httpx.Response(204)

        list(web(handler, access).search("studies", {}))
        return seen[0]

    def test_a_token_or_a_name_and_password_are_shown(self) -> None:
        assert self.asked_with(Access(token="t0ken")) == "Bearer t0ken"
        assert self.asked_with(Access(user="a", password="b")) == "Basic YTpi"
        assert self.asked_with(Access()) == ""


class TestSearch:
    def test_matches_come_page_by_page(self) -> None:
        pages = {0: [{"n": n} for n in range(PAGE)], PAGE: [{"n": PAGE}]}

        def handler(request: httpx.Request) -> httpx.Response:
            assert request.url.path == "/rs/studies"
            return httpx.Response(200, json=pages[int(request.url.params["offset"])])

        assert len(list(web(handler).search("studies", {}))) == PAGE + 1

    @pytest.mark.parametrize(
        ("handler", "code"),
        [
            (answering(401), "http_401"),
            (answering(500), "http_500"),
            (answering(302), "http_302"),
            (answering(200, b"<html>"), "not_json"),
            (answering(200, b'{"a": 1}'), "not_json"),
            (answering(200, b"[" + b" " * MAX_SEARCH_BYTES + b"]"), "too_large"),
            (failing(httpx.ConnectError), "ConnectError"),
            (failing(httpx.ReadTimeout), "timeout"),
        ],
    )
    def test_what_goes_wrong_has_a_name_that_names_nobody(
        self, handler: Handler, code: str
    ) -> None:
        with pytest.raises(WebError) as error:
            list(web(handler).search("studies", {}))
        assert error.value.code == str(error.value) == code


class TestRetrieve:
    def fetch(self, handler: Handler, max_bytes: int = 1_000_000) -> bytes:
        return web(handler).retrieve("1", "2", "3", max_bytes=max_bytes)

    def test_the_first_part_is_the_file(self) -> None:
        kind, body = related([film(1), film(2)])

        def handler(request: httpx.Request) -> httpx.Response:
            assert request.url.path == "/rs/studies/1/series/2/instances/3"
            assert "transfer-syntax=*" in request.headers["accept"]
            return httpx.Response(200, content=body, headers={"Content-Type": kind})

        assert self.fetch(handler) == film(1)

    def test_a_larger_file_is_not_kept(self) -> None:
        kind, body = related([film(1)])
        with pytest.raises(WebError, match="too_large"):
            self.fetch(answering(200, body, kind), max_bytes=1000)

    @pytest.mark.parametrize(
        ("handler", "about_object"),
        [
            (answering(404), True),
            (answering(503), False),
            (answering(200, b"x", "text/html"), True),
            (answering(200, b"--b\r\n", "multipart/related; boundary=b"), True),
            (failing(httpx.ConnectError), False),
        ],
    )
    def test_an_object_that_does_not_come_is_told_from_a_service_that_does_not_answer(
        self, handler: Handler, about_object: bool
    ) -> None:
        with pytest.raises(WebError) as error:
            self.fetch(handler)
        assert error.value.about_object is about_object


class TestStore:
    def send(self, handler: Handler, folder: Path) -> Outcome:
        files = {}
        for number in (1, 2):
            path = folder / f"{number}.dcm"
            path.write_bytes(film(number))
            files[film_uid(number)] = path
        return WebDestination(web(handler)).send(files)

    def test_all_files_go_in_one_request(self, tmp_path: Path) -> None:
        parts: list[bytes] = []

        def handler(request: httpx.Request) -> httpx.Response:
            reader = Parts(boundary_of(request.headers["content-type"]), max_bytes=1_000_000)
            parts.extend(reader.feed(request.content))
            reader.close()
            return httpx.Response(200, json={})

        assert self.send(handler, tmp_path).delivered == (film_uid(1), film_uid(2))
        assert parts == [film(1), film(2)]

    def test_what_the_answer_calls_failed_is_not_delivered(self, tmp_path: Path) -> None:
        failed = [{"00081155": element("UI", film_uid(1)), "00081197": element("US", "290")}]
        body = json.dumps({"00081198": {"vr": "SQ", "Value": failed}}).encode()
        outcome = self.send(answering(202, body), tmp_path)
        assert outcome.delivered == (film_uid(2),)
        assert outcome.rejected == {film_uid(1): "reason_290"}

    @pytest.mark.parametrize("body", [b"", b"<xml/>", b"[]", b"[1]", b'{"00081198": 1}'])
    def test_an_answer_without_failures_is_success(self, body: bytes, tmp_path: Path) -> None:
        assert len(self.send(answering(200, body), tmp_path).delivered) == 2

    @pytest.mark.parametrize("status", [400, 409, 413, 415])
    def test_what_is_refused_for_what_it_is_is_rejected(self, status: int, tmp_path: Path) -> None:
        assert len(self.send(answering(status), tmp_path).rejected) == 2

    @pytest.mark.parametrize(
        "handler", [answering(401), answering(503), answering(404), failing(httpx.ConnectError)]
    )
    def test_a_service_that_does_not_take_part_is_unreachable(
        self, handler: Handler, tmp_path: Path
    ) -> None:
        with pytest.raises(UnreachableError):
            self.send(handler, tmp_path)


class Pacs:
    """A DICOMweb service of one study that has two films; one of them may be broken."""

    def __init__(self, *, broken: bytes | None = None) -> None:
        self.requests: list[str] = []
        self.count = "2"
        self.broken = broken

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/rs/")
        self.requests.append(path)
        if path == "studies":
            study = {"0020000D": element("UI", study_uid(1)), "00201208": element("IS", self.count)}
            return httpx.Response(200, json=[study])
        if path.endswith("/instances"):
            return httpx.Response(200, json=[self.match(1), self.match(2), self.match(3, "1.2.3")])
        uid = path.rsplit("/", 1)[1]
        data = film(1) if uid == film_uid(1) else film(2)
        if uid == film_uid(1) and self.broken is not None:
            data = self.broken
        kind, body = related([data])
        return httpx.Response(200, content=body, headers={"Content-Type": kind})

    @staticmethod
    def match(number: int, sop_class: str = CR) -> dict[str, Any]:
        return {
            "00080016": element("UI", sop_class),
            "00080018": element("UI", film_uid(number)),
            "0020000E": element("UI", "1.2.3.4"),
        }

    @property
    def fetched(self) -> int:
        return sum("/series/" in path for path in self.requests)


def poller(handler: Handler, queue: DurableQueue, metrics: NodeMetrics) -> Poller:
    return Poller(
        web(handler),
        queue,
        modalities=("CR", "DX"),
        days=2,
        max_bytes=1_000_000,
        metrics=metrics,
        backoff=Backoff(600),
        every_s=30,
        today=lambda: date(2024, 5, 3),
    )


class TestPolling:
    def test_new_images_are_fetched_once(self, queue: DurableQueue, metrics: NodeMetrics) -> None:
        pacs = Pacs()
        polls = poller(pacs, queue, metrics)
        assert polls.step() == 30
        assert [entry.uid for entry in queue.queued()] == [film_uid(1), film_uid(2)]
        assert pacs.fetched == 2
        before = len(pacs.requests)
        polls.step()
        assert pacs.requests[before:] == ["studies", "studies"]  # nothing has changed in it
        pacs.count = "3"
        polls.step()
        assert pacs.fetched == 2

    def test_the_question_names_modality_and_days(
        self, queue: DurableQueue, metrics: NodeMetrics
    ) -> None:
        asked: list[tuple[str, str]] = []

        def handler(request: httpx.Request) -> httpx.Response:
            query = request.url.params
            asked.append((query["ModalitiesInStudy"], query["StudyDate"]))
            return httpx.Response(204)

        poller(handler, queue, metrics).step()
        assert asked == [("CR", "20240501-"), ("DX", "20240501-")]

    @pytest.mark.parametrize("broken", [b"no DICOM", film(2)])
    def test_an_image_that_does_not_come_holds_up_no_other(
        self, broken: bytes, queue: DurableQueue, metrics: NodeMetrics
    ) -> None:
        pacs = Pacs(broken=broken)
        polls = poller(pacs, queue, metrics)
        polls.step()
        assert [entry.uid for entry in queue.queued()] == [film_uid(2)]
        assert value(metrics, "xray_dicom_connection_failures_total", to="poll") == 1

    def test_a_service_that_does_not_answer_is_asked_again(
        self, queue: DurableQueue, metrics: NodeMetrics, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert poller(failing(httpx.ConnectError), queue, metrics).step() >= 30
        assert "ConnectError" in caplog.text
        assert "pacs.example" not in caplog.text


class TestMultipart:
    @pytest.mark.parametrize("size", [1, 7, 4096, 10_000_000])
    def test_pieces_of_any_size_give_the_parts(self, size: int) -> None:
        kind, body = related([film(1), b"", b"\r\n--\r\n"])
        reader = Parts(boundary_of(kind), max_bytes=1_000_000)
        parts = []
        step = max(size, len(body) // 2000)
        for start in range(0, len(body), step):
            parts += reader.feed(body[start : start + step])
        reader.close()
        assert parts == [film(1), b"", b"\r\n--\r\n"]

    @pytest.mark.parametrize(
        "kind", ["", "application/json", "multipart/form-data; boundary=a", "multipart/related"]
    )
    def test_other_types_have_no_boundary(self, kind: str) -> None:
        with pytest.raises(MultipartError):
            boundary_of(kind)

    def test_a_body_that_breaks_off_is_told(self) -> None:
        kind, body = related([film(1)])
        reader = Parts(boundary_of(kind), max_bytes=1_000_000)
        reader.feed(body[:-20])
        with pytest.raises(MultipartError):
            reader.close()
