"""What watches the service asks for metrics that it has, and speaks up when it should."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving import ROOT, radiograph

MONITORING = ROOT / "deploy/monitoring"
RULES = sorted((MONITORING / "rules").glob("*.yml"))
CASES = sorted((MONITORING / "tests").glob("*.yml"))
DASHBOARD = MONITORING / "grafana/dashboards/pneumonia-xray.json"

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="Debian's package prometheus has promtool"
)


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(
        ["promtool", *arguments], cwd=MONITORING, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def expressions() -> Iterator[str]:
    """Every query of the dashboard, its variables filled in."""
    board: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    queries += [each["expr"] for each in board["annotations"]["list"]]
    for query in queries:
        yield query.replace("$job", "pneumonia-xray").replace("$__rate_interval", "1m")


@needs_promtool
def test_the_scrape_configuration_is_sound() -> None:
    promtool("check", "config", "prometheus.yml")


@needs_promtool
@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(cases: Path) -> None:
    promtool("test", "rules", cases)


def test_each_file_of_rules_has_its_cases() -> None:
    assert [path.name for path in CASES] == [path.name for path in RULES]


@needs_promtool
def test_every_query_of_the_dashboard_is_sound(tmp_path: Path) -> None:
    rules = [{"record": f"q{n}", "expr": query} for n, query in enumerate(expressions())]
    assert len(rules) > 15
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", "--lint=none", file)


@pytest.mark.anyio
async def test_rules_and_dashboard_ask_for_metrics_that_the_service_has(
    client: httpx.AsyncClient,
) -> None:
    await client.post("/predict", files={"file": radiograph()})
    text = (await client.get("/metrics")).text
    served = set(re.findall(r"^([a-z_]+)(?:\{| )", text, flags=re.MULTILINE))
    assert "xray_model_ready" in served
    rules = "\n".join(path.read_text(encoding="utf-8") for path in RULES)
    asked = "\n".join([re.sub(r"(summary|action): .*", "", rules), *expressions()])
    names = set(re.findall(r"(?<![\w:])((?:xray|process)_[a-z_]+)(?=[{\[) ])", asked))
    assert len(names) > 15
    assert names <= served | {"xray_warnings_total"}, names - served  # it has no warning to count
    codes = set(re.findall(r'xray_problems_total\{code="(\w+)"\}', text))
    for chosen in re.findall(r'xray_problems_total\{[^}]*code=~?"([\w|]+)"', asked):
        assert set(chosen.split("|")) <= codes, chosen
