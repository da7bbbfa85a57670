"""A real Prometheus, with the shipped configuration, that scrapes a real service.

``python -m tests.deploy.prometheus`` takes the documents' picture of what it scraped from the
shipped networks (needs Chromium, and the films of ``tests.films``).
"""

import io
import itertools
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import httpx
from PIL import Image
from playwright.sync_api import ViewportSize, sync_playwright

from tests.films import films
from tests.serving import PATIENCE_S, ROOT, LiveService, radiograph

MONITORING: Final = ROOT / "deploy/monitoring"
DASHBOARD: Final = MONITORING / "grafana/dashboards/pneumonia-xray.json"
PICTURE: Final = ROOT / "docs/images/prometheus.png"
SCRAPES_S: Final = 120
SIZE: Final[ViewportSize] = {"width": 974, "height": 760}


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    """Every query of the dashboard, its variables filled in; those of its annotations come last."""
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [each["expr"] for each in dashboard["annotations"]["list"]]
    for query in queries:
        yield query.replace("$job", "pneumonia-xray").replace("$__rate_interval", "1m")


@contextmanager
def prometheus(folder: Path, target: int) -> Iterator[httpx.Client]:
    """Prometheus as it is shipped, but for its target and a scrape each half second."""
    text = (MONITORING / "prometheus.yml").read_text(encoding="utf-8")
    text, hosts = re.subn(r"xray:8000", f"127.0.0.1:{target}", text)
    text, intervals = re.subn(r"_interval: 15s", "_interval: 500ms", text)
    assert (hosts, intervals) == (1, 2)
    shutil.copytree(MONITORING / "rules", folder / "rules")
    for rules in (folder / "rules").glob("*.yml"):  # those of a day ask for patience
        rules.write_text(rules.read_text(encoding="utf-8").replace("interval: 1h", "interval: 1s"))
    (folder / "prometheus.yml").write_text(text, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = ["prometheus", f"--config.file={folder}/prometheus.yml"]
    command += [f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                _wait_until_ready(client)
                yield client
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _wait_until_ready(client: httpx.Client) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if client.get("/-/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.1)


def ask(client: httpx.Client, query: str) -> list[Any]:
    """What a query gives now."""
    answer = client.get("/api/v1/query", params={"query": query}).json()
    assert answer["status"] == "success", answer
    found: list[Any] = answer["data"]["result"]
    return found


def main() -> None:
    """Take the picture: what the shipped networks said of real films, as Prometheus has it."""
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / "pneumonia-xray-prometheus"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    sent = [path.read_bytes() for path in films()] or [radiograph(seed) for seed in range(7)]
    with LiveService("service") as service:
        service.wait_until_ready()
        with prometheus(folder, service.port) as client, httpx.Client(base_url=service.url) as user:
            end = time.monotonic() + SCRAPES_S
            for content in itertools.cycle(sent):
                user.post("/predict", files={"file": content}, timeout=30)
                time.sleep(0.2)
                if time.monotonic() > end:
                    break
            query = 'sum by (assessment) (rate(xray_assessments_total{job="pneumonia-xray"}[1m]))'
            shown = {"g0.expr": query, "g0.tab": 0, "g0.range_input": "2m", "g0.stacked": 1}
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox"]
                )
                page = browser.new_page(viewport=SIZE)
                page.goto(f"{client.base_url}/graph?{urlencode(shown)}")
                page.wait_for_selector(".rickshaw_graph svg path, .graph-legend")
                time.sleep(2)
                shot = Image.open(io.BytesIO(page.screenshot(full_page=True)))
                browser.close()
    shot.convert("RGB").quantize(64).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
