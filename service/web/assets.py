"""The assets of the page: scripts and an icon, served from memory under a digest of their content.

The URL changes whenever an asset does, so that browsers may cache them forever and a page never
runs with the scripts of another release.
"""

import functools
import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

_FOLDER: Final = Path(__file__).parent / "static"
_MEDIA_TYPES: Final = {".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file.

    Attributes:
        content: The bytes of the file.
        compressed: The same, compressed with gzip.
        media_type: Value of the Content-Type header.
    """

    content: bytes
    compressed: bytes
    media_type: str


def compressed(content: bytes) -> bytes:
    """Compress with gzip, reproducibly: no modification time is written."""
    return gzip.compress(content, mtime=0)


def asset(folder: str, name: str) -> Asset | None:
    """The file at a URL, or None if this release has none there."""
    return assets().get(name) if folder == assets_folder() else None


@functools.cache
def assets() -> Mapping[str, Asset]:
    """All files by name, read once."""
    found = {
        path.name: Asset(content, compressed(content), _MEDIA_TYPES[path.suffix])
        for path in sorted(_FOLDER.iterdir())
        if path.suffix in _MEDIA_TYPES
        for content in (path.read_bytes(),)
    }
    return MappingProxyType(found)


@functools.cache
def assets_folder() -> str:
    """Digest of all names and contents: the folder in the URLs of all assets."""
    digest = hashlib.sha256()
    for name, file in assets().items():
        digest.update(f"{name} {len(file.content)}\n".encode())
        digest.update(file.content)
    return digest.hexdigest()[:16]
