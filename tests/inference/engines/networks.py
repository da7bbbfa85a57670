"""Real networks in models folders: swapped, altered and signed anew."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.imaging import InputSpec, Radiograph, prepare
from service.inference import MANIFEST_FILE, BundleError, describe_members, load_ensemble
from tests.phantom import phantom
from tests.tiny_bundle import FILES, save_network, tiny_manifest

SPEC = InputSpec(height=32, width=32)


def phantom_batch(size: int = 1, *, first: int = 0) -> NDArray[np.float32]:
    """Prepare phantoms: shape (size, 32, 32, 1)."""
    pictures = [phantom(seed, opacity=seed % 3 / 2) for seed in range(first, first + size)]
    return np.stack([prepare(Radiograph(picture, "PNG", ""), SPEC) for picture in pictures])


def replace_network(models: Path, model: Any) -> Path:
    """Put another second network into the folder and its digest into the manifest."""
    save_network(model, models / FILES[1])
    _sign(models)
    return models


def change_config(models: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Change the description inside the second network's archive, and sign it anew."""
    path = models / FILES[1]
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    change(config)
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    _sign(models)
    return models


def layer_config(config: dict[str, Any], class_name: str) -> dict[str, Any]:
    """Find the settings of the first layer of a class."""
    layers = config["config"]["layers"]
    found: dict[str, Any] = next(
        part["config"] for part in layers if part["class_name"] == class_name
    )
    return found


def refusal(models: Path) -> str:
    """Say why a folder is not loaded."""
    with pytest.raises(BundleError) as caught:
        load_ensemble(models, threads=1)
    assert str(models) not in caught.value.message
    return caught.value.message


def _sign(models: Path) -> None:
    """Give the folder a manifest that holds the digests of what is there now."""
    members = describe_members(models, dict(zip(("first", "second"), FILES, strict=True)))
    tiny_manifest(SPEC, members).write(models / MANIFEST_FILE)
