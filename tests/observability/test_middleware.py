import logging
import re
from typing import Any

import httpx
import pytest
from starlette.routing import BaseRoute, Mount, Route

from service.api.app import create_app
from service.observability.middleware import Observer, RouteNames, server_timing
from service.observability.record import RequestRecord
from service.settings import Settings
from tests.fake_engine import fake_ensemble
from tests.serving import radiograph

pytestmark = pytest.mark.anyio


async def nothing(*_: object) -> None:
    raise AssertionError("only names are looked up")


class TestRouteNames:
    @pytest.mark.parametrize(
        ("path", "name"),
        [
            ("/predict", "/predict"),
            ("/predict/", "other"),
            ("/files/a", "/files/{name}"),
            ("/files/a/b", "other"),
            ("/v1/files/a", "/v1/files/{name}"),
            ("/v1/predict", "other"),
            ("/static/a/b", "/static"),
            ("/statics", "other"),
            ("", "other"),
            ("/Jane-Doe", "other"),
        ],
    )
    def test_a_path_is_named_by_its_template(self, path: str, name: str) -> None:
        routes = [Route("/predict", nothing), Route("/files/{name}", nothing)]
        known: list[tuple[str, BaseRoute]] = [(route.path, route) for route in routes]
        known += [("/static", Mount("/static", nothing)), ("/v1/files/{name}", routes[1])]
        assert RouteNames(known).name(path) == name


def lines_of(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [each.fields for each in caplog.records if each.name == "service.requests"]  # type: ignore[attr-defined]


class TestRequests:
    async def test_the_answer_says_how_long_each_stage_took(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await client.post("/predict", files={"file": radiograph()})
        told = answer.headers["server-timing"]
        stages = re.findall(r"(\w+);dur=\d+\.\d", told)
        assert stages == ["upload", "queue", "decode", "prepare", "inference", "total"]
        assert (await client.get("/nowhere")).headers["server-timing"].startswith("total;dur=")

    async def test_each_request_is_one_line(
        self, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO):
            answer = await client.post("/predict", files={"file": radiograph()})
        [line] = lines_of(caplog)
        body = answer.json()
        assert line["request_id"] == body["request_id"]
        assert (line["route"], line["method"], line["status"]) == ("/predict", "POST", 200)
        assert line["model"] == body["model"]["digest"]
        assert line["images"] == [
            {
                "sha256": body["image"]["sha256"],
                "bytes": len(radiograph()),
                "verdict": body["predicted_class"],
            }
        ]

    async def test_a_batch_is_one_line_with_all_its_files(
        self, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        files = [("files", radiograph(seed)) for seed in range(3)] + [("files", b"x")]
        with caplog.at_level(logging.INFO):
            answer = await client.post("/predict/batch", files=files)
        [line] = lines_of(caplog)
        results = answer.json()["results"]
        screened = {result["verdict"]["image"]["sha256"] for result in results[:3]}
        told = {image["sha256"]: image["verdict"] for image in line["images"]}
        assert len(told) == 4
        assert screened == {sha256 for sha256, verdict in told.items() if verdict}
        assert line["problems"] == ["unsupported_format"]

    async def test_it_holds_nothing_that_a_client_sent(
        self, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG, "service"):
            await client.post(
                "/predict?patient=Jane",
                files={"file": ("Jane.png", radiograph())},
                headers={"User-Agent": "Jane", "X-Request-ID": "Jane-1950"},
            )
            await client.request("JANE", "/Jane")
        first, second = lines_of(caplog)
        assert "jane" not in str([first, second]).lower()
        assert re.fullmatch("sha256:[0-9a-f]{16}", first["request_id"])


def test_a_header_without_stages_still_has_the_total() -> None:
    record = RequestRecord("r1")
    record.response_started(404)
    assert re.fullmatch(r"total;dur=\d+\.\d", server_timing(record))


class Recording:
    def __init__(self) -> None:
        self.records: list[RequestRecord] = []
        self.closed = False

    def export(self, record: RequestRecord) -> None:
        self.records.append(record)

    def close(self) -> None:
        self.closed = True


def test_a_tracer_gets_every_record_and_is_closed() -> None:
    tracer = Recording()
    services = create_app(Settings(), load=fake_ensemble).state.services
    observer = Observer(services.observer.metrics, tracer)
    one, two = RequestRecord("r1"), RequestRecord("r2")
    observer.request_started()
    observer.request_finished(one)
    observer.request_rejected(two)
    observer.close()
    assert tracer.records == [one, two]
    assert tracer.closed
