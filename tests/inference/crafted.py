"""Hand-made ``.keras`` archives and bundles, sound or hostile, without Keras."""

import hashlib
import json
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from service.imaging import InputSpec
from service.inference import MANIFEST_FILE, Manifest, MemberEntry, Threshold

FILES = ("first.keras", "second.keras")


def layer(class_name: str, *, module: str | None = "keras.layers", **config: Any) -> dict[str, Any]:
    """Describe one layer as Keras does."""
    return {
        "module": module,
        "class_name": class_name,
        "config": config,
        "registered_name": None,
        "inbound_nodes": [],
    }


def network(*layers: dict[str, Any], **top: Any) -> dict[str, Any]:
    """Describe a functional network as Keras does."""
    plain = layer("InputLayer", batch_shape=[None, 32, 32, 1], name="image")
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": {"name": "crafted", "layers": [plain, *layers]},
        "registered_name": "Functional",
    } | top


def hdf5(*writers: Callable[[Any], object]) -> bytes:
    """Make an HDF5 file with one array that is as Keras writes it, and what else is asked for."""
    buffer = BytesIO()
    with h5py.File(buffer, "w") as file:
        file["layers/dense/vars/0"] = np.ones((4, 1), np.float32)
        for write in writers:
            write(file)
    return buffer.getvalue()


def keras_archive(
    *,
    config: object = None,
    weights: bytes | None = None,
    extra: Iterable[tuple[str, bytes]] = (),
    without: str = "",
    compression: int = zipfile.ZIP_STORED,
) -> bytes:
    """Make a ``.keras`` archive; what is not given is sound.

    Args:
        config: The network's description; bytes are taken as they are.
        weights: The HDF5 file.
        extra: Further archive members, also ones with a name twice.
        without: An archive member to leave out.
        compression: One of the constants of ``zipfile``.
    """
    text = config if isinstance(config, bytes) else json.dumps(config or network()).encode()
    parts = [
        ("metadata.json", b'{"keras_version": "3.15.1"}'),
        ("config.json", text),
        ("model.weights.h5", hdf5() if weights is None else weights),
        *extra,
    ]
    buffer = BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", compression) as archive:
        warnings.simplefilter("ignore")  # of a name that is there twice
        for name, data in parts:
            if name != without:
                archive.writestr(name, data)
    return buffer.getvalue()


def write_bundle(
    directory: Path, *, archives: Mapping[str, bytes] | None = None, **changes: Any
) -> Path:
    """Write a models folder with a manifest whose digests are right.

    Args:
        directory: An existing folder.
        archives: The content of each network's file; two sound ones if not given.
        changes: Fields of the manifest that differ from the plainest ones.
    """
    archives = archives or dict.fromkeys(FILES, keras_archive())
    for file, data in archives.items():
        (directory / file).write_bytes(data)
    crafted_manifest(archives, **changes).write(directory / MANIFEST_FILE)
    return directory


def crafted_manifest(archives: Mapping[str, bytes], **changes: Any) -> Manifest:
    """Describe archives by the plainest manifest."""
    members = tuple(
        MemberEntry(name=Path(file).stem, file=file, sha256=hashlib.sha256(data).hexdigest())
        for file, data in archives.items()
    )
    fields: dict[str, Any] = {
        "name": "crafted",
        "version": "1.0",
        "input": InputSpec(height=32, width=32),
        "members": members,
        "combine": "mean",
        "threshold": Threshold(value=0.5, rule="chosen for tests"),
    }
    return Manifest(**(fields | changes))
