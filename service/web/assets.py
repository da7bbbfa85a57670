"""What the page loads: scripts and an icon, from memory, under an address that names their content.

The address changes when any of them does, so that browsers may keep them for good and a page never
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
    """One file, as it is and compressed.

    Attributes:
        content: The bytes of the file.
        compressed: The same by gzip.
        media_type: For the Content-Type header.
    """

    content: bytes
    compressed: bytes
    media_type: str


def compressed(content: bytes) -> bytes:
    """Compress by gzip; equal bytes give equal bytes, for no time is written."""
    return gzip.compress(content, mtime=0)


def asset(folder: str, name: str) -> Asset | None:
    """The file of this address, or None if this release has none there."""
    return assets().get(name) if folder == assets_folder() else None


@functools.cache
def assets() -> Mapping[str, Asset]:
    """Every file by its name, read once."""
    found = {
        path.name: Asset(content, compressed(content), _MEDIA_TYPES[path.suffix])
        for path in sorted(_FOLDER.iterdir())
        if path.suffix in _MEDIA_TYPES
        for content in (path.read_bytes(),)
    }
    return MappingProxyType(found)


@functools.cache
def assets_folder() -> str:
    """Digest of all names and contents: the folder in which browsers look for them."""
    digest = hashlib.sha256()
    for name, file in assets().items():
        digest.update(f"{name} {len(file.content)}\n".encode())
        digest.update(file.content)
    return digest.hexdigest()[:16]
