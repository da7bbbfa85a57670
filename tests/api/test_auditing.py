import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.app import create_app
from service.api.auditing import AuditMiddleware
from service.observability.audit import AuditLog
from service.observability.record import (
    RequestRecord,
    VerdictRecord,
    note_image,
    note_verdict,
    recording,
)
from service.settings import Settings
from tests.fake_engine import fake_ensemble
from tests.serving import assert_problem, client_of, radiograph

pytestmark = pytest.mark.anyio

KEY = "correct-horse-battery"


class BrokenLog(AuditLog):
    """A log whose disk is full from some moment on."""

    broken = False

    def _append(self, lines: bytes) -> None:
        if self.broken:
            raise OSError(28, "No space left on device")
        super()._append(lines)


@asynccontextmanager
async def audited(
    folder: Path, **settings: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, BrokenLog]]:
    audit = BrokenLog(folder / "audit.jsonl", max_bytes=1_000_000)
    app = create_app(Settings.model_validate(settings), load=fake_ensemble, audit=audit)
    async with client_of(app) as client:
        yield client, audit


def entries(folder: Path) -> list[Any]:
    return [json.loads(line) for line in (folder / "audit.jsonl").read_bytes().splitlines()]


class TestAnswers:
    async def test_each_verdict_has_its_line_before_it_arrives(self, tmp_path: Path) -> None:
        async with audited(tmp_path, api_keys=f"ward-3:{KEY}") as (client, _):
            client.headers["X-API-Key"] = KEY
            files = {"file": radiograph()}
            verdict = (await client.post("/predict", files=files)).json()
            [entry] = entries(tmp_path)
            assert (entry["key"], entry["client"]) == ("ward-3", "127.0.0.1")
            assert entry["request_id"] == verdict["request_id"]
            assert entry["image"] == verdict["image"]["sha256"]
            assert entry["model"] == verdict["model"]["digest"]
            assert entry["assessment"] == verdict["assessment"]
            assert entry["predicted_class"] == verdict["predicted_class"]
            for number, path in enumerate(("/explain", "/report"), start=2):
                assert (await client.post(path, files=files)).status_code == 200
                assert len(entries(tmp_path)) == number
            assert KEY not in (tmp_path / "audit.jsonl").read_text()

    async def test_a_batch_has_one_line_for_each_file(self, tmp_path: Path) -> None:
        parts = [radiograph(0), b"no picture", radiograph(1), b""]
        async with audited(tmp_path) as (client, _):
            answer = await client.post("/predict/batch", files=[("files", each) for each in parts])
        assert answer.status_code == 200
        found = {(entry.get("assessment"), entry.get("problem")) for entry in entries(tmp_path)}
        codes = [each["error"]["code"] for each in answer.json()["results"] if "error" in each]
        assert {problem for _, problem in found if problem} == set(codes)
        assert len(entries(tmp_path)) == 4

    @pytest.mark.parametrize("prefix", ["", "/v1"])
    async def test_refusals_of_screening_are_entered_and_other_answers_are_not(
        self, tmp_path: Path, prefix: str
    ) -> None:
        async with audited(tmp_path, api_keys=KEY) as (client, _):
            await client.post(f"{prefix}/predict")
            await client.get(f"{prefix}/model")
            await client.get("/nowhere")
            await client.get("/health")
            headers = {"X-API-Key": KEY}
            await client.post(f"{prefix}/predict", files={"file": b"no picture"}, headers=headers)
            await client.post(f"{prefix}/predict", content=b"x", headers=headers)
            await client.post(f"{prefix}/preview", files={"file": radiograph()}, headers=headers)
        told = [(each["status"], each["problem"], each["key"]) for each in entries(tmp_path)]
        assert told == [
            (401, "unauthorized", None),
            (415, "unsupported_format", "key-1"),
            (400, "not_multipart", "key-1"),
        ]

    async def test_without_its_line_no_verdict_leaves(self, tmp_path: Path) -> None:
        async with audited(tmp_path) as (client, audit):
            audit.broken = True
            for path in ("/predict", "/predict/batch", "/explain", "/report"):
                answer = await client.post(path, files={"file": radiograph()})
                assert_problem(answer, 503, "audit_unavailable")
                assert int(answer.headers["retry-after"]) >= 1
                assert "PNEUMONIA" not in answer.text
            answer = await client.post("/predict", files={"file": b"no picture"})
            assert_problem(answer, 415, "unsupported_format")
            assert (await client.get("/health/ready")).status_code == 200
            audit.broken = False
            assert (await client.post("/predict", files={"file": radiograph()})).status_code == 200
            text = (await client.get("/metrics")).text
        assert 'xray_problems_total{code="audit_unavailable"} 4.0' in text
        assert len(entries(tmp_path)) == 1

    async def test_by_default_there_is_no_log(self, client: httpx.AsyncClient) -> None:
        assert (await client.post("/predict", files={"file": radiograph()})).status_code == 200


class TestStreams:
    """An answer that is sent in parts, each with verdicts of its own."""

    async def stream(self, audit: AuditLog, broken_after: int = 99) -> list[bytes]:
        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for number in range(3):
                if number == broken_after:
                    assert isinstance(audit, BrokenLog)
                    audit.broken = True
                note_image(str(number), 1)
                note_verdict(str(number), VerdictRecord("m", "NORMAL", "normal", 0.1))
                await send({"type": "http.response.body", "body": b"%d" % number})

        sent: list[bytes] = []

        async def send(message: Any) -> None:
            sent.append(message.get("body", b""))

        scope = {"type": "http", "headers": [], "state": {"request_id": "r"}}
        with recording(RequestRecord("r")):
            await AuditMiddleware(app, audit=audit, routes=())(scope, asyncio.Event().wait, send)  # type: ignore[arg-type]
        return sent

    async def test_each_part_waits_for_its_lines(self, tmp_path: Path) -> None:
        audit = BrokenLog(tmp_path / "audit.jsonl", max_bytes=1_000_000)
        assert await self.stream(audit) == [b"", b"0", b"1", b"2"]
        audit.close()
        assert [entry["image"] for entry in entries(tmp_path)] == ["0", "1", "2"]

    async def test_it_breaks_off_where_a_line_cannot_be_written(self, tmp_path: Path) -> None:
        audit = BrokenLog(tmp_path / "audit.jsonl", max_bytes=1_000_000)
        with pytest.raises(Exception, match="audit log"):
            await self.stream(audit, broken_after=1)
        audit.close()
        assert [entry["image"] for entry in entries(tmp_path)] == ["0"]
