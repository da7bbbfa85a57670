"""The service under test: a process of its own, watched from outside."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.serving import ROOT

PATIENCE_S = 120.0


class Subject:
    """``python -m service`` with its log and its temporary files in a folder of ours.

    Args:
        folder: Empty; the log is written into it.
        environment: Variables beside those of this process.
        module: What ``python -m`` runs.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str], module: str = "service"
    ) -> None:
        self.log = folder / "log"
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        variables = {"XRAY_PORT": "0", "TMPDIR": str(self.temporary)} | dict(environment)
        with self.log.open("ab") as log:
            start = self.log.stat().st_size
            self._process = subprocess.Popen(
                [sys.executable, "-m", module], cwd=ROOT, env=os.environ | variables, stderr=log
            )
        self.pid = self._process.pid
        self.port = 0
        try:
            self._wait_until_ready(start)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process if it still runs."""
        self._process.kill()
        self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def exit_status(self) -> int:
        """Block until the process has ended; negative when a signal ended it."""
        return self._process.wait(PATIENCE_S)

    def runs(self) -> bool:
        """Tell whether it is still the same process."""
        return self._process.poll() is None

    def get(self, path: str, timeout_s: float = PATIENCE_S) -> tuple[int, bytes]:
        """Ask for something small."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def state(self) -> dict[str, Any]:
        """What /health says."""
        body: dict[str, Any] = json.loads(self.get("/health")[1])
        return body

    def wait_until_quiet(self) -> bool:
        """Block until nothing runs or waits; false when that never comes."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            state = self.state()
            if (state["running"], state["waiting"]) == (0, 0):
                return True
            time.sleep(0.05)
        return False

    def resident_mib(self) -> float:
        """Memory now."""
        return self._status("VmRSS")

    def forget_peak(self) -> None:
        """Start the highest memory anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak_mib(self) -> float:
        """Highest memory since it was last forgotten."""
        return self._status("VmHWM")

    def descriptors(self) -> int:
        """Open files and sockets."""
        return len([*Path(f"/proc/{self.pid}/fd").iterdir()])

    def temporary_files(self) -> int:
        """Files left in the folder for temporary ones."""
        return sum(len(names) for _, _, names in os.walk(self.temporary))

    def _status(self, name: str) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
        assert found, status
        return int(found[1]) / 1024

    def _wait_until_ready(self, start: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and self.runs():
            text = self.log.read_bytes()[start:].decode()
            found = re.search(r"running on http://127\.0\.0\.1:(\d+)", text)
            if found:
                self.port = int(found[1])
                if self.get("/health/ready")[0] == 200:
                    return
            time.sleep(0.1)
        raise RuntimeError(f"the service did not become ready:\n{self.log.read_text()}")
