"""One shard: a part of the source, screened into one Parquet file that is written at once."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from service.cli.batch.source import Item, Unit, read_items, storable
from service.errors import FileTooLargeError, InternalError, OutOfMemoryError, ServiceError
from service.inference.atomic_write import atomic_write
from service.screening.screen import Screening
from service.screening.verdict import Verdict

log = logging.getLogger(__name__)

Row = dict[str, Any]

SCHEMA: Final = pa.schema(
    [
        ("path", pa.string()),
        ("sha256", pa.string()),
        ("predicted_class", pa.string()),
        ("probability", pa.float64()),
        ("threshold", pa.float64()),
        ("assessment", pa.string()),
        ("warnings", pa.list_(pa.string())),
        ("image_format", pa.string()),
        ("image_width", pa.int32()),
        ("image_height", pa.int32()),
        ("error", pa.string()),
        ("message", pa.string()),
        ("model_name", pa.string()),
        ("model_version", pa.string()),
        ("model_digest", pa.string()),
    ]
)
"""One row for each film: a verdict, or an error; digests say of which file and by which model."""


class ShardScreening:
    """Screens shards: one in each process that does.

    Args:
        load: Loads the model.
        out: Folder or URI of the parts.
        shards: How many shards there are.
        max_bytes: Largest file that is read.
    """

    def __init__(
        self, load: Callable[[], Screening], *, out: str, shards: int, max_bytes: int
    ) -> None:
        self._screening = load()
        self._out = out
        self._shards = shards
        self._max_bytes = max_bytes
        bundle = self._screening.ensemble.bundle
        manifest = bundle.manifest
        self._model = {
            "model_name": manifest.name,
            "model_version": manifest.version,
            "model_digest": bundle.digest,
        }

    def screen(self, number: int, units: Sequence[Unit]) -> dict[str, int]:
        """Screen a shard and write its part, in place of an earlier one.

        Rows of an earlier part are kept where path, content and model are the same; what failed is
        tried again. A shard may be screened twice, also at the same time: both write the same.

        Returns:
            How many rows there are, how many of them failed, and how many were kept.
        """
        path = part_path(self._out, number, self._shards)
        known = {
            (row["path"], row["sha256"]): row
            for row in read_part(path)
            if not row["error"] and row["model_digest"] == self._model["model_digest"]
        }
        rows, kept = [], 0
        for item in self._items(units):
            digest = hashlib.sha256(item.data).hexdigest() if item.data is not None else None
            row = known.get((item.path, digest))
            kept += row is not None
            rows.append(row or self._row(item, digest))
        rows.sort(key=lambda row: row["path"])
        write_part(path, rows)
        failed = sum(row["error"] is not None for row in rows)
        return {"rows": len(rows), "failed": failed, "kept": kept}

    def _items(self, units: Sequence[Unit]) -> Iterator[Item]:
        for unit in units:
            try:
                yield from read_items(unit, max_bytes=self._max_bytes)
            except (OSError, pa.ArrowException, KeyError):
                yield Item(storable(f"{unit.path}#{unit.row_group}"), None)

    def _row(self, item: Item, digest: str | None) -> Row:
        empty: Row = dict.fromkeys(SCHEMA.names)
        row = {**empty, **self._model, "path": item.path, "sha256": digest}
        if item.data is None:
            return {**row, "error": "unreadable_file", "message": "The file cannot be read."}
        try:
            if len(item.data) > self._max_bytes:
                raise FileTooLargeError("The file is larger than is accepted.")
            return row | _of_verdict(self._screening.screen(item.data))
        except ServiceError as error:
            return {**row, "error": error.code, "message": error.message}
        except MemoryError:
            message = "There was not enough memory for this file."
            return {**row, "error": OutOfMemoryError.code, "message": message}
        except Exception as error:
            # A bug must not cost the other films their verdicts.
            log.exception("Unexpected error")
            message = f"Unexpected error: {type(error).__name__}."
            return {**row, "error": InternalError.code, "message": message}


def part_path(out: str, number: int, shards: int) -> str:
    """Where a shard's part is."""
    return f"{out.rstrip('/')}/part-{number:05d}-of-{shards:05d}.parquet"


def read_part(path: str) -> list[Row]:
    """The rows of a part; none if there is no such part, or if it is damaged."""
    files, inner = fsspec.core.url_to_fs(path)
    if not files.exists(inner):
        return []
    try:
        with files.open(inner) as file:
            rows: list[Row] = pq.read_table(file, schema=SCHEMA).to_pylist()
    except pa.ArrowException:
        log.warning("A part cannot be read; its films are screened again")
        return []
    return rows


def write_part(path: str, rows: Sequence[Row]) -> None:
    """Write a part: others see the earlier one or all of this one."""
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), buffer, compression="zstd")
    write_whole(path, buffer.getvalue().to_pybytes())


def write_whole(path: str, content: bytes) -> None:
    """Write a file at once; object stores do so by themselves."""
    files, inner = fsspec.core.url_to_fs(path)
    if "://" not in path:
        with atomic_write(Path(inner)) as temporary:
            temporary.write_bytes(content)
    else:
        files.pipe_file(inner, content)


def _of_verdict(verdict: Verdict) -> Row:
    return {
        "predicted_class": verdict.predicted_class,
        "probability": verdict.probability,
        "threshold": verdict.threshold,
        "assessment": verdict.assessment,
        "warnings": list(verdict.warnings),
        "image_format": verdict.image.format,
        "image_width": verdict.image.width,
        "image_height": verdict.image.height,
    }
