"""The results on disk: JSON that the documents' figures are made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Generic, TypeVar

from pydantic import TypeAdapter

from benchmarks.contenders import ROOT
from benchmarks.machine import describe
from service.inference.atomic_write import atomic_write

RESULTS: Final = ROOT / "benchmarks" / "results"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Measured(Generic[T]):
    """Figures, and what they were measured on.

    Attributes:
        made_at: When.
        machine: Lines that describe the machine.
        setup: Lines that describe the measurement.
        figures: The figures.
    """

    made_at: datetime
    machine: Sequence[str]
    setup: Sequence[str]
    figures: T


def now(setup: Sequence[str], figures: T) -> Measured[T]:
    """Figures that were measured on this machine now."""
    return Measured(datetime.now(UTC), describe(), setup, figures)


def save(name: str, measured: Measured[T], kind: type[T], folder: Path = RESULTS) -> Path:
    """Write figures; the file's path."""
    path = folder / f"{name}.json"
    folder.mkdir(parents=True, exist_ok=True)
    text = TypeAdapter(Measured[kind]).dump_json(measured, indent=2)  # type: ignore[valid-type]
    with atomic_write(path) as temporary:
        temporary.write_bytes(text + b"\n")
    return path


def load(name: str, kind: type[T], folder: Path = RESULTS) -> Measured[T] | None:
    """Read figures; None if there are none.

    Raises:
        pydantic.ValidationError: The file holds something else.
    """
    path = folder / f"{name}.json"
    if not path.exists():
        return None
    found: Measured[T] = TypeAdapter(Measured[kind]).validate_json(  # type: ignore[valid-type]
        path.read_bytes()
    )
    return found
