"""Files that are whole or not there."""

from collections.abc import Callable
from pathlib import Path


def save_whole(save: Callable[[Path], None], path: Path) -> None:
    """Write beside the target, then rename: a full disk leaves no half a network."""
    partial = path.with_name(f"partial-{path.name}")
    try:
        save(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
