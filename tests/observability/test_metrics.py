import asyncio
import io
import re
import threading
from functools import partial

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from service.api.app import create_app
from service.api.problems import known_errors
from service.observability.metrics import Metrics
from service.observability.record import ImageRecord, RequestRecord, VerdictRecord
from service.settings import Settings
from service.web import assets_digest
from tests.fake_engine import FakeEngine, fake_ensemble
from tests.serving import client_of, radiograph

pytestmark = pytest.mark.anyio


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, /, **labels: str) -> float:
    return samples(text)[name, frozenset(labels.items())]


def new_metrics() -> Metrics:
    metrics: Metrics = create_app(Settings(), load=fake_ensemble).state.services.observer.metrics
    return metrics


class TestMetrics:
    def test_each_application_has_its_own(self) -> None:
        one, other = (new_metrics() for _ in range(2))
        one.request_started()
        assert value(one.render().decode(), "xray_requests_in_flight") == 1
        assert value(other.render().decode(), "xray_requests_in_flight") == 0

    def test_every_problem_starts_at_zero(self) -> None:
        metrics = new_metrics()
        text = metrics.render().decode()
        found = re.findall(r'^xray_problems_total{code="(\w+)"} 0.0$', text, re.MULTILINE)
        assert set(found) == {error.code for error in known_errors()}

    def test_a_request_is_counted_with_all_that_happened_in_it(self) -> None:
        metrics = new_metrics()
        record = RequestRecord("r1", route="/predict/batch", method="POST")
        for _ in range(2):
            record.add_stage("decode", record.start_s)
        noted = VerdictRecord("d", "NORMAL", "indeterminate", 0.42, ("negative", "rotated"))
        record.images = [ImageRecord("a", 1, noted), ImageRecord("b", 1)]
        record.problems = ["corrupt_image"]
        record.response_started(200)
        metrics.request_started()
        metrics.request_finished(record)
        text = metrics.render().decode()
        labels = {"route": "/predict/batch", "method": "POST", "status": "200"}
        assert value(text, "xray_requests_total", **labels) == 1
        assert value(text, "xray_requests_in_flight") == 0
        assert value(text, "xray_request_seconds_count", route="/predict/batch") == 1
        assert value(text, "xray_stage_seconds_count", stage="decode") == 2
        assert value(text, "xray_stage_seconds_count", stage="inference") == 0
        assert value(text, "xray_verdicts_total", predicted_class="NORMAL") == 1
        assert value(text, "xray_problems_total", code="corrupt_image") == 1
        assert value(text, "xray_assessments_total", assessment="indeterminate") == 1
        assert value(text, "xray_assessments_total", assessment="normal") == 0
        assert value(text, "xray_warnings_total", code="rotated") == 1
        assert value(text, "xray_probability_bucket", le="0.4") == 0
        assert value(text, "xray_probability_bucket", le="0.5") == 1


class TestService:
    async def test_verdicts_and_problems_are_counted(self, client: httpx.AsyncClient) -> None:
        verdict = (await client.post("/predict", files={"file": radiograph()})).json()
        await client.post("/predict", files={"file": b"no image"})
        text = (await client.get("/metrics")).text
        name = verdict["predicted_class"]
        assert value(text, "xray_verdicts_total", predicted_class=name) == 1
        assert value(text, "xray_problems_total", code="unsupported_format") == 1
        for stage, count in {"upload": 2, "queue": 2, "decode": 2, "inference": 1}.items():
            assert value(text, "xray_stage_seconds_count", stage=stage) == count
        labels = {"name": "fake", "version": "1.2.3", "digest": "sha256:" + "d" * 64}
        assert value(text, "xray_model_info", **labels, engine="fake", precision="fp32") == 1
        assert value(text, "xray_model_ready") == 1

    async def test_what_is_no_chest_film_is_counted_by_reason(self) -> None:
        noise = io.BytesIO()
        Image.effect_noise((320, 256), 90).save(noise, "PNG")
        app = create_app(Settings(threads=1), load=partial(fake_ensemble, lungs=True))
        async with client_of(app) as client:
            await client.post("/predict", files={"file": noise.getvalue()})
            await client.post("/predict/batch", files=[("files", noise.getvalue())] * 2)
            await client.post("/predict", files={"file": b"no image"})
            text = (await client.get("/metrics")).text
        assert value(text, "xray_refusals_total", reason="no_lungs") == 3
        assert value(text, "xray_refusals_total", reason="uncertain_lungs") == 0

    async def test_unknown_paths_and_methods_make_no_new_series(
        self, client: httpx.AsyncClient
    ) -> None:
        await client.get("/metrics")
        await client.request("JANE", "/ward/0")
        before = set(samples((await client.get("/metrics")).text))
        for number in range(50):
            await client.request(f"JANE{number}", f"/ward/{number}?patient={number}")
            await client.get(f"/docs/assets/{number}", headers={"X-Jane": "Doe"})
        await client.get(f"/assets/{assets_digest()}/Jane")
        after = samples((await client.get("/metrics")).text)
        new = {labels for _, labels in set(after) - before}
        routes = {dict(labels)["route"] for labels in new}
        assert routes == {"/docs/assets", f"/assets/{assets_digest()}"}
        labels = {"route": "other", "method": "other", "status": "404"}
        assert after["xray_requests_total", frozenset(labels.items())] == 51

    async def test_gauges_show_the_queue(self) -> None:
        go_on = threading.Event()

        class Held(FakeEngine):
            def scores(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
                assert go_on.wait(30)
                return super().scores(batch)

        app = create_app(Settings(threads=2), load=lambda: fake_ensemble(Held()))
        async with client_of(app) as client:
            files = {"file": radiograph()}
            posts = [asyncio.create_task(client.post("/predict", files=files)) for _ in range(3)]
            text = ""
            while "xray_queue_waiting 1.0" not in text:
                await asyncio.sleep(0.005)
                text = (await client.get("/metrics")).text
            assert value(text, "xray_threads_busy") == value(text, "xray_threads") == 2
            assert value(text, "xray_requests_in_flight") == 4
            assert value(text, "xray_upload_memory_bytes") > 3 * len(radiograph())
            go_on.set()
            await asyncio.gather(*posts)
            text = (await client.get("/metrics")).text
            assert value(text, "xray_queue_waiting") == value(text, "xray_threads_busy") == 0
            assert value(text, "xray_upload_memory_bytes") == 0

    async def test_process_metrics_are_included(self, client: httpx.AsyncClient) -> None:
        text = (await client.get("/metrics")).text
        if "process_resident_memory_bytes" in text:  # read from /proc, which only Linux has
            assert value(text, "process_resident_memory_bytes") > 1e6
            assert value(text, "process_cpu_seconds_total") > 0
