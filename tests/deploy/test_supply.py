"""scripts/supply fails for a known vulnerability, and not because nobody answers."""

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.serving import ROOT

pytestmark = pytest.mark.skipif(
    not (ROOT / "build/supply/bin/pip-audit").exists(), reason="scripts/supply installs its tools"
)

NAMED = "pillow"


class _Database(BaseHTTPRequestHandler):
    """Answers like OSV, and knows of one vulnerability."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name, version = asked["package"]["name"], asked["version"]
        fixed = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999"}]}
        affected = {
            "package": {"name": name, "ecosystem": "PyPI"},
            "ranges": [fixed],
            "versions": [version],
        }
        known = {"id": "PYSEC-2099-1", "modified": "2099-01-01T00:00:00Z", "affected": [affected]}
        body = json.dumps({"vulns": [known | {"details": "x"}]} if name == NAMED else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def database() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Database) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()
        thread.join()


def supply(database: str) -> subprocess.CompletedProcess[str]:
    command = ["scripts/supply", "--vulnerability-service", "osv", "--osv-url", database]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_known_vulnerability_fails_and_is_named(database: str) -> None:
    done = supply(database)
    assert done.returncode == 1, done.stderr
    for lock in ("requirements.lock", "requirements-tensorflow.lock"):
        assert f"{lock}: " in done.stdout
    assert done.stdout.count("PYSEC-2099-1 (999)") == 2
    [bill, _] = sorted((ROOT / "dist").glob("*.cdx.json"))
    parts = {each["name"] for each in json.loads(bill.read_text())["components"]}
    assert {NAMED, "onnxruntime"} <= parts


def test_a_database_that_does_not_answer_is_said_and_fails_nothing() -> None:
    done = supply("http://127.0.0.1:9/v1/query")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("not audited, the database of vulnerabilities did not answer") == 2
