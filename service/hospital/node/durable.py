"""Writes that are still there after a power cut."""

import os
from pathlib import Path

from service.inference.atomic_write import atomic_write


def sync_folder(path: Path) -> None:
    """Flush a folder to disk: files that were made, renamed or removed in it stay so.

    ``atomic_write`` does not, because most of its callers can do without: after a power cut they
    find the old file or the new one, whole either way.

    Raises:
        OSError: The folder cannot be flushed.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, data: bytes) -> None:
    """Write a file that is there, and whole, after a power cut.

    Raises:
        OSError: The file cannot be written.
    """
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)
    sync_folder(path.parent)
