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
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.deploy.prometheus import DASHBOARD, MONITORING, expressions
from tests.serving import radiograph

RULES = sorted((MONITORING / "rules").glob("*.yml"))
CASES = sorted((MONITORING / "tests").glob("*.yml"))

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="Debian's package prometheus has promtool"
)


def promtool(*arguments: str | Path, attempts: int = 1) -> None:
    for _ in range(attempts):
        done = subprocess.run(
            ["promtool", *arguments], cwd=MONITORING, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return
    raise AssertionError(done.stdout + done.stderr)


def queries() -> list[str]:
    return list(expressions(json.loads(DASHBOARD.read_text(encoding="utf-8"))))


@needs_promtool
def test_the_scrape_configuration_is_sound() -> None:
    promtool("check", "config", "prometheus.yml")


@needs_promtool
@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(cases: Path) -> None:
    # On a busy machine promtool loses its own samples now and then, about once in 20 times.
    promtool("test", "rules", cases, attempts=3)


def test_each_file_of_rules_has_its_cases() -> None:
    assert [path.name for path in CASES] == [path.name for path in RULES]


def test_grafana_s_own_model_knows_every_field_of_the_dashboard() -> None:
    """What it does not know, or knows by another name, it drops."""
    written = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    register_default_plugins()
    known = json.loads(JSONEncoder().encode(Dashboard.from_json(written)))
    # The data source's own, which the model of dashboards leaves to it.
    assert set(_dropped(written, known)) == {"annotations.list.0.titleFormat"}


def _dropped(written: Any, known: Any, path: str = "") -> Iterator[str]:
    if isinstance(written, dict | list):
        pairs = written.items() if isinstance(written, dict) else enumerate(written)
        for key, value in pairs:
            below = f"{path}.{key}".lstrip(".")
            there = key in known if isinstance(known, dict) else key < len(known)
            yield from _dropped(value, known[key], below) if there else [below]
    elif written != known:
        yield path


def test_panels_lie_beside_each_other_in_the_grid() -> None:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


@needs_promtool
def test_every_query_of_the_dashboard_is_sound(tmp_path: Path) -> None:
    rules = [{"record": f"q{n}", "expr": query} for n, query in enumerate(queries())]
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
    asked = "\n".join([re.sub(r"(summary|action): .*", "", rules), *queries()])
    names = set(re.findall(r"(?<![\w:])((?:xray|process)_[a-z_]+)(?=[{\[) ])", asked))
    assert len(names) > 15
    assert names <= served | {"xray_warnings_total"}, names - served  # it has no warning to count
    codes = set(re.findall(r'xray_problems_total\{code="(\w+)"\}', text))
    for chosen in re.findall(r'xray_problems_total\{[^}]*code=~?"([\w|]+)"', asked):
        assert set(chosen.split("|")) <= codes, chosen
