"""Calls every operation of a generated client, and prints what it got as JSON.

Runs beside the client, in the generator's environment: ``call_service.py URL FILM``.
"""

import importlib
import inspect
import io
import json
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pneumonia_xray_client
from pneumonia_xray_client import api
from pneumonia_xray_client.types import File


def operations() -> dict[str, ModuleType]:
    """The modules of the operations, by name."""
    found = {}
    for tag in pkgutil.iter_modules(api.__path__):
        folder = importlib.import_module(f"{api.__name__}.{tag.name}")
        for operation in pkgutil.iter_modules(folder.__path__):
            found[operation.name] = importlib.import_module(f"{folder.__name__}.{operation.name}")
    return found


def call(client: Any, operation: ModuleType, content: bytes) -> dict[str, Any]:
    """Call one operation with a file, if it takes one."""
    arguments = {}
    if "body" in inspect.signature(operation.sync_detailed).parameters:
        body = inspect.get_annotations(operation.sync_detailed)["body"]
        file = File(
            payload=io.BytesIO(content), file_name="film.dcm", mime_type="application/dicom"
        )
        several = "files" in inspect.signature(body).parameters
        arguments["body"] = body(files=[file]) if several else body(file=file)
    answer = operation.sync_detailed(client=client, **arguments)
    parsed = answer.parsed
    return {
        "status": int(answer.status_code),
        "kind": answer.headers["content-type"].partition(";")[0],
        "parsed": parsed.to_dict() if hasattr(parsed, "to_dict") else None,
        "start": answer.content[:4].decode("latin-1"),
    }


if __name__ == "__main__":
    client = pneumonia_xray_client.Client(base_url=sys.argv[1], raise_on_unexpected_status=True)
    film = Path(sys.argv[2]).read_bytes()
    results = {
        name: {"film": call(client, operation, film), "text": call(client, operation, b"no film")}
        for name, operation in operations().items()
    }
    json.dump(results, sys.stdout)
