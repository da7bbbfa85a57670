"""The one way in which files are written: whole, or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file so that others see either its old content or all of the new.

    Yields a temporary path in the same folder, whose name ends alike. When the block ends, its
    content is flushed to disk and replaces ``path``; when it raises, ``path`` is left as it was.
    Several threads and processes may write the same path.

    Args:
        path: The file to create or replace.

    Raises:
        OSError: The file cannot be written.
    """
    # Some writers choose a format by the end of the name; all of it might be too long.
    temporary = path.with_name(f".{secrets.token_hex(8)}-{path.name[-40:]}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
