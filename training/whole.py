"""Files that are there whole or not at all."""

from collections.abc import Callable
from pathlib import Path


def save_whole(save: Callable[[Path], object], path: Path) -> None:
    """Write beside the target, then rename: a full disk leaves what was there before.

    Args:
        save: Writes the file that it is given; the name ends as that of ``path`` does.
        path: The target.
    """
    partial = path.with_name(f"partial-{path.name}")
    try:
        save(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
