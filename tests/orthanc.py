"""A real Orthanc for tests, and the node beside it, each in a process of its own."""

import json
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from tests.serving import PATIENCE_S, LiveService

DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
ORTHANC = shutil.which("Orthanc")

needs_orthanc = pytest.mark.skipif(
    not (ORTHANC and DICOMWEB.exists() and shutil.which("storescu")),
    reason="Debian's orthanc, orthanc-dicomweb and dcmtk are not installed",
)

FORWARD = """
function OnStoredInstance(instance, tags, metadata, origin)
  if tags['Modality'] == 'CR' or tags['Modality'] == 'DX' then
    SendToModality(instance, 'node')
  end
end
"""
"""Sends each radiograph to the node as soon as Orthanc has it; docs/hospital.md shows the same."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Orthanc:
    """An Orthanc with DICOMweb in a folder of its own.

    Args:
        folder: For its configuration, its database and its log.
        node_port: Where the node listens that it forwards radiographs to; None to forward nothing.
    """

    def __init__(self, folder: Path, *, node_port: int | None = None) -> None:
        self.dicom_port = free_port()
        self._folder = folder
        self._http_port = free_port()
        folder.mkdir(exist_ok=True)
        (folder / "forward.lua").write_text(FORWARD)
        configuration = {
            "StorageDirectory": str(folder / "db"),
            "IndexDirectory": str(folder / "db"),
            "HttpPort": self._http_port,
            "DicomPort": self.dicom_port,
            "DicomAet": "ORTHANC",
            "DicomCheckCalledAet": True,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {"node": "orthanc-password"},
            "Plugins": [str(DICOMWEB)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            "DicomModalities": {"node": ["PNEUMONIA_XRAY", "127.0.0.1", node_port or 1]},
            "LuaScripts": [str(folder / "forward.lua")] if node_port else [],
            "StableAge": 1,
        }
        (folder / "orthanc.json").write_text(json.dumps(configuration))
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self._http_port}",
            auth=("node", "orthanc-password"),
            timeout=30,
        )

    @property
    def aet(self) -> str:
        """As ``XRAY_DICOM_SEND_TO`` takes it."""
        return f"dicom://ORTHANC@127.0.0.1:{self.dicom_port}"

    @property
    def web(self) -> str:
        """The root of its DICOMweb."""
        return f"http://127.0.0.1:{self._http_port}/dicom-web"

    def __enter__(self) -> Self:
        assert ORTHANC
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [ORTHANC, str(self._folder / "orthanc.json")], stdout=log, stderr=log
            )
        until(self._answers, (self._folder / "log").read_text)
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def instances(self) -> list[dict[str, str]]:
        """The main tags of everything that it has."""
        query = {
            "Level": "Instance",
            "Query": {},
            "Expand": True,
            "RequestedTags": [],
        }
        found = self.http.post("/tools/find", json=query)
        assert found.status_code == 200, found.text
        return [self.tags(each["ID"]) for each in found.json()]

    def tags(self, instance: str) -> dict[str, str]:
        """All tags of an instance, by name."""
        answer = self.http.get(f"/instances/{instance}/simplified-tags")
        tags: dict[str, str] = answer.json()
        return tags

    def kinds(self) -> dict[str, Counter[str]]:
        """For each study, how often it has which modality."""
        kinds: dict[str, Counter[str]] = {}
        for tags in self.instances():
            kinds.setdefault(tags["StudyInstanceUID"], Counter())[tags["Modality"]] += 1
        return kinds

    def count(self) -> int:
        """How many instances it has."""
        count: int = self.http.get("/statistics").json()["CountInstances"]
        return count

    def _answers(self) -> bool:
        try:
            return self.http.get("/system").status_code == 200
        except httpx.HTTPError:
            return False


class NodeProcess(LiveService):
    """The node with fake networks that see lungs, in a process of its own.

    Args:
        folder: Of its queue.
        port: For C-STORE.
        environment: More variables.
    """

    def __init__(self, folder: Path, *, port: int, environment: Mapping[str, str]) -> None:
        self.dicom_port = port
        super().__init__(
            "tests.fake_node",
            {
                "XRAY_DICOM_DIR": str(folder),
                "XRAY_DICOM_PORT": str(port),
                "XRAY_DICOM_WEB_USER": "node",
                "XRAY_DICOM_WEB_PASSWORD": "orthanc-password",
                "XRAY_DICOM_MIN_FREE_MIB": "1",
                "XRAY_DICOM_RETRY_SECONDS": "2",
                **environment,
            },
        )

    def metric(self, name: str) -> float:
        """The value of a series, whose name has its labels."""
        text = httpx.get(f"{self.url}/metrics", timeout=30).text
        [line] = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        return float(line.rsplit(" ", 1)[1])

    def kill(self) -> None:
        """End it as a power cut would."""
        self.terminate(signal.SIGKILL)
        assert self.exit_status() == -signal.SIGKILL


def until(
    condition: Callable[[], bool], tell: Callable[[], Any] = str, patience_s: float = PATIENCE_S
) -> None:
    """Block until a condition holds; what ``tell`` returns says why it does not."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, tell()
        time.sleep(0.1)


def dcmtk(*command: str | int | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one of dcmtk's programs."""
    done = subprocess.run(
        [str(each) for each in command], capture_output=True, text=True, timeout=120, check=False
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done
