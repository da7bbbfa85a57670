"""What a source holds: files, or rows of Parquet, wherever fsspec reaches."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

import fsspec
import pyarrow.parquet as pq

ROWS_AT_ONCE: Final = 16
"""Rows of Parquet that are in memory together: each holds a file."""


class EmptySourceError(Exception):
    """There is nothing in a source; the message says so."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What a shard is made of: one file, or one row group of a Parquet file.

    Attributes:
        path: Path or URI, as fsspec opens it.
        row_group: Its number; None for a file that is a picture itself.
    """

    path: str
    row_group: int | None = None

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


def find_units(source: str, suffixes: frozenset[str]) -> list[Unit]:
    """List a source in the order of its paths.

    Args:
        source: A folder, a file, a pattern, or any of them as a URI (``s3://...``). A file of
            Parquet has the column ``bytes``, and perhaps ``path``.
        suffixes: Of files in folders that are taken, beside those without any.

    Raises:
        EmptySourceError: There is nothing to read.
        OSError: The source cannot be listed.
    """
    files, root = fsspec.core.url_to_fs(source)
    if any(sign in root for sign in "*?["):
        paths = [path for path in files.glob(root) if not files.isdir(path)]
    elif files.isdir(root):
        paths = [path for path in files.find(root) if _is_taken(path, root, suffixes)]
    else:
        paths = [root] if files.exists(root) else []
    units: list[Unit] = []
    for path in sorted(paths):
        uri = files.unstrip_protocol(path) if _is_remote(files) else path
        if path.endswith(".parquet"):
            with files.open(path) as file:
                count = pq.ParquetFile(file).num_row_groups
            units.extend(Unit(uri, number) for number in range(count))
        else:
            units.append(Unit(uri))
    if not units:
        raise EmptySourceError(f"There is no picture in {source}.")
    return units


def read_items(unit: Unit, *, max_bytes: int) -> Iterator[Item]:
    """Read the films of a unit, a few at a time.

    Raises:
        OSError: A Parquet file cannot be read.
    """
    files, path = fsspec.core.url_to_fs(unit.path)
    if unit.row_group is None:
        yield Item(unit.path, _read(files, path, max_bytes))
        return
    with files.open(path) as file:
        table = pq.ParquetFile(file)
        names = [name for name in ("path", "bytes") if name in table.schema_arrow.names]
        number = 0
        for batch in table.iter_batches(ROWS_AT_ONCE, row_groups=[unit.row_group], columns=names):
            for row in batch.to_pylist():
                own = f"{unit.path}#{unit.row_group}.{number}"
                yield Item(row.get("path") or own, row["bytes"])
                number += 1


def _read(files: Any, path: str, max_bytes: int) -> bytes | None:
    """At most one byte more than is allowed: enough to see that it is too large."""
    try:
        with files.open(path, "rb") as file:
            data: bytes = file.read(max_bytes + 1)
            return data
    except OSError:
        return None


def _is_remote(files: Any) -> bool:
    return "file" not in (files.protocol if isinstance(files.protocol, tuple) else [files.protocol])


def _is_taken(path: str, root: str, suffixes: frozenset[str]) -> bool:
    below = PurePosixPath(path.removeprefix(root))
    if any(part.startswith(".") for part in below.parts):
        return False
    return below.suffix.lower() in suffixes | {"", ".parquet"}
