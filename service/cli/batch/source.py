"""What a source holds: files, or rows of Parquet, wherever fsspec reaches."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

PARQUET: Final = ".parquet"

ROWS_AT_ONCE: Final = 16
"""Rows of Parquet that are in memory together: each holds a file."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What a shard is made of: one file, or one row group of a Parquet file.

    Attributes:
        path: Path or URI, as fsspec opens it.
        row_group: Its number; None for a file that is a picture itself.
        films: How many films it holds.
    """

    path: str
    row_group: int | None = None
    films: int = 1

    def shard(self, count: int) -> int:
        """The shard that it belongs to, always the same one of as many."""
        name = f"{self.path}#{self.row_group}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.sha256(name).digest()[:8]) % count


@dataclass(frozen=True, slots=True)
class Item:
    """One film.

    Attributes:
        path: Its path; for a row of Parquet its column ``path``, or the file and its number.
        data: Its bytes; None if they could not be read.
    """

    path: str
    data: bytes | None


def find_remote(uri: str, suffixes: frozenset[str], *, apart: str = "") -> list[str]:
    """List a folder, a file or a pattern that fsspec reaches, in the order of its names.

    Args:
        uri: Where it is, such as ``s3://archive/films``.
        suffixes: Of files in folders that are taken, beside those without any.
        apart: A folder in it that is left out: that of the result.

    Raises:
        OSError: It cannot be listed.
    """
    files, root = fsspec.core.url_to_fs(uri)
    if files.exists(root):
        paths = [path for path in files.find(root) if _is_taken(path, root, suffixes)]
    else:
        paths = [path for path in files.glob(root) if not files.isdir(path)]
    if "://" in apart:
        paths = [path for path in paths if not path.startswith(_folder(apart))]
    return [files.unstrip_protocol(path) for path in sorted(paths)]


def _folder(uri: str) -> str:
    _, inner = fsspec.core.url_to_fs(uri)
    return f"{inner.rstrip('/')}/"


def units_of(paths: Iterable[str]) -> list[Unit]:
    """The units of files: of Parquet each row group, of others the file."""
    units: list[Unit] = []
    for path in paths:
        units.extend(_row_groups(path) if path.lower().endswith(PARQUET) else [Unit(path)])
    return units


def _row_groups(path: str) -> list[Unit]:
    try:
        with _open(path) as file:
            groups = pq.ParquetFile(file).metadata
            rows = [groups.row_group(number).num_rows for number in range(groups.num_row_groups)]
    except (OSError, pa.ArrowException):
        return [Unit(path)]  # a picture by its looks, as which it gets the row that says so
    return [Unit(path, number, count) for number, count in enumerate(rows)]


def read_items(unit: Unit, *, max_bytes: int) -> Iterator[Item]:
    """Read the films of a unit, a few at a time.

    Raises:
        OSError: A Parquet file cannot be read.
    """
    if unit.row_group is None:
        yield Item(storable(unit.path), _read(unit.path, max_bytes))
        return
    with _open(unit.path) as file:
        table = pq.ParquetFile(file)
        names = [name for name in ("path", "bytes") if name in table.schema_arrow.names]
        number = 0
        for batch in table.iter_batches(ROWS_AT_ONCE, row_groups=[unit.row_group], columns=names):
            for row in batch.to_pylist():
                own = storable(f"{unit.path}#{unit.row_group}.{number}")
                data = row.get("bytes")
                path = str(row.get("path") or own)
                yield Item(path, data if isinstance(data, bytes) else None)
                number += 1


def storable(path: str) -> str:
    """A path as Parquet can hold it: bytes of a name that are not UTF-8 are written out."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _read(path: str, max_bytes: int) -> bytes | None:
    """At most one byte more than is allowed: enough to see that it is too large."""
    try:
        with _open(path) as file:
            data: bytes = file.read(max_bytes + 1)
            return data
    except OSError:
        return None


def _open(path: str) -> Any:
    """Open a file for reading, if it is a regular file.

    Raises:
        OSError: It cannot be read, or is something else.
    """
    if "://" in path:
        files, inner = fsspec.core.url_to_fs(path)
        return files.open(inner, "rb")
    # Without O_NONBLOCK, opening a named pipe would block until something writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file")
    return os.fdopen(descriptor, "rb")


def _is_taken(path: str, root: str, suffixes: frozenset[str]) -> bool:
    if path == root:  # what is named is taken, whatever it is
        return True
    below = PurePosixPath(path.removeprefix(root))
    if any(part.startswith(".") for part in below.parts):
        return False
    return below.suffix.lower() in suffixes | {"", PARQUET}
