"""A real Prometheus scrapes a real service: every panel of the dashboard has something to show."""

import json
import shutil
import time
from pathlib import Path

import httpx
import pytest

from tests.deploy.prometheus import DASHBOARD, ask, expressions, prometheus
from tests.dicom_files import dicom
from tests.serving import PATIENCE_S, LiveService, radiograph

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="Debian's package prometheus"
)


def use(service: LiveService, rounds: int) -> None:
    """Verdicts, one with a warning, and a file that is none."""
    named = dicom(BurnedInAnnotation="YES")
    with httpx.Client(base_url=service.url, timeout=60) as client:
        for seed in range(rounds):
            assert client.post("/predict", files={"file": radiograph(seed)}).status_code == 200
            answer = client.post("/predict", files={"file": named})
            assert answer.json()["warnings"], answer.text
            assert client.post("/predict", files={"file": b"no picture"}).status_code == 415


def test_every_panel_shows_what_was_scraped(tmp_path: Path) -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    *queries, alerts = expressions(dashboard)
    assert "ALERTS" in alerts
    environment = {"XRAY_AUDIT_LOG": str(tmp_path / "audit.jsonl"), "XRAY_RATE_LIMIT": "1000"}
    with LiveService(environment=environment) as service:
        service.wait_until_ready()
        with prometheus(tmp_path, service.port) as client:
            deadline = time.monotonic() + PATIENCE_S
            silent = list(queries)
            while silent and time.monotonic() < deadline:
                use(service, 2)  # counters have to rise between two scrapes
                time.sleep(1)
                silent = [query for query in queries if not ask(client, query)]
            assert silent == []
            [target] = client.get("/api/v1/targets").json()["data"]["activeTargets"]
            assert (target["health"], target["lastError"]) == ("up", "")
            rules = client.get("/api/v1/rules").json()["data"]["groups"]
            broken = [
                rule["name"] for group in rules for rule in group["rules"] if rule.get("lastError")
            ]
            assert broken == []
            # What the dashboard's variable offers to choose from.
            match = {"match[]": "xray_service_info"}
            jobs = client.get("/api/v1/label/job/values", params=match).json()["data"]
            assert jobs == ["pneumonia-xray"]
            service.terminate()
            assert service.exit_status() == 0
            while not ask(client, 'ALERTS{alertname="XrayDown"}') and time.monotonic() < deadline:
                time.sleep(0.2)
            assert ask(client, 'ALERTS{alertname="XrayDown",alertstate="pending"}')
