"""Clients that generators make of the document can call every operation of a running service."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.dicom_files import dicom
from tests.serving import ROOT, LiveService

HERE = Path(__file__).parent
TOOLS = ROOT / ".clients"
PYTHON_GENERATOR = TOOLS / "bin" / "openapi-python-client"
NODE_TOOLS = TOOLS / "node_modules" / ".bin"

STARTS = {"image/png": "\x89PNG", "application/pdf": "%PDF", "multipart/related": "--"}


@pytest.fixture(scope="module")
def service() -> Iterator[LiveService]:
    with LiveService() as service:
        service.wait_until_ready()
        yield service


@pytest.fixture(scope="module")
def document(service: LiveService) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{service.url}/openapi.json").json()
    return found


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.dcm"
    path.write_bytes(dicom())
    return path


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        operation["operationId"]: operation
        for path in document["paths"].values()
        for operation in path.values()
    }


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def snake_case(name: str) -> str:
    return re.sub("([A-Z])", r"_\1", name).lower()


def assert_every_operation_was_answered(
    document: dict[str, Any], results: dict[str, dict[str, Any]]
) -> None:
    """Each with what the document says, and with its problem where the file is no film."""
    for name, operation in operations(document).items():
        film, text = results[name]["film"], results[name]["text"]
        assert film["status"] == 200, (name, film)
        kinds = operation["responses"]["200"]["content"]
        assert film["kind"] in kinds or film["kind"] == "text/plain", name
        if film["kind"] == "application/json":
            assert film["parsed"], name
        assert film["start"].startswith(STARTS.get(film["kind"], "")), name
        if "415" in operation["responses"]:
            assert (text["status"], text["kind"]) == (415, "application/problem+json"), name
            assert text["parsed"]["code"] in {"unsupported_format", "not_dicom"}
        elif "requestBody" in operation:
            assert text["parsed"]["results"][0]["error"]["code"] == "unsupported_format"


@pytest.mark.skipif(not PYTHON_GENERATOR.exists(), reason="scripts/clients installs the generator")
def test_in_python(
    service: LiveService, document: dict[str, Any], film: Path, tmp_path: Path
) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    made = run(
        *(PYTHON_GENERATOR, "generate", "--meta", "none", "--path", "openapi.json"),
        *("--output-path", "pneumonia_xray_client", "--config", HERE / "python.yaml"),
        cwd=tmp_path,
    )
    assert "ERROR" not in made
    shutil.copy(HERE / "call_service.py", tmp_path)
    answered = json.loads(
        run(TOOLS / "bin" / "python", "call_service.py", service.url, film, cwd=tmp_path)
    )
    by_snake = {snake_case(name): name for name in operations(document)}
    assert answered.keys() == by_snake.keys()
    results = {by_snake[name]: result for name, result in answered.items()}
    assert_every_operation_was_answered(document, results)


@pytest.mark.skipif(not NODE_TOOLS.exists(), reason="scripts/clients installs the generator")
def test_in_typescript(
    service: LiveService, document: dict[str, Any], film: Path, tmp_path: Path
) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    (tmp_path / "node_modules").symlink_to(TOOLS / "node_modules")
    run(
        *(TOOLS / "bin" / "node", NODE_TOOLS / "openapi-ts", "-i", "openapi.json", "-o", "client"),
        *("-c", "@hey-api/client-fetch"),
        cwd=tmp_path,
    )
    shutil.copy(HERE / "call_service.ts", tmp_path)
    run(
        *(
            TOOLS / "bin" / "node",
            NODE_TOOLS / "tsc",
            "--strict",
            "--target",
            "es2022",
            "--module",
            "commonjs",
        ),
        *("--types", "node", "--skipLibCheck", "--outDir", "out"),
        "call_service.ts",
        cwd=tmp_path,
    )
    uploads = [name for name, each in operations(document).items() if "requestBody" in each]
    script = tmp_path / "out" / "call_service.js"
    answered = json.loads(
        run(TOOLS / "bin" / "node", script, service.url, film, json.dumps(uploads), cwd=tmp_path)
    )
    assert answered["results"].keys() >= operations(document).keys()
    assert_every_operation_was_answered(document, answered["results"])
    assert 0 <= answered["probability"] <= 1
    assert answered["refused"] == ["query.opacity"]
