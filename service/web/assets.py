"""The static files of the page, served under an address that names their content.

The address changes when any of them does, so that browsers may cache them for good and a page never
runs with the scripts of another release.
"""

import functools
import hashlib
from pathlib import Path
from typing import Final

ASSETS: Final = Path(__file__).parent / "static"


def asset_names() -> list[str]:
    """The name of every file."""
    return sorted(path.name for path in ASSETS.iterdir() if path.is_file())


@functools.cache
def assets_digest() -> str:
    """Digest of all names and contents: the folder in which browsers look for them."""
    digest = hashlib.sha256()
    for name in asset_names():
        content = (ASSETS / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]
