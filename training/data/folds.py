"""Cross-validation folds: contiguous blocks of patient numbers within each stream.

The official splits cut each stream into contiguous blocks; folds do the same, because a random
split would hide the shift in acquisition between blocks.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from training.data.records import Record

FOLDS: Final = 4
"""Folds of the members; another number where a caller gives one."""


def assign_folds(records: Iterable[Record], folds: int = FOLDS) -> dict[str, int]:
    """Give each patient a fold: block k of every stream, in the order of patient numbers.

    Returns:
        Fold, from 0 to ``folds - 1``, by patient key. Fold 0 holds the lowest numbers.
    """
    streams: dict[str, set[int]] = {}
    for record in records:
        streams.setdefault(record.stream, set()).add(record.number)
    assigned: dict[str, int] = {}
    for stream, numbers in streams.items():
        for rank, number in enumerate(sorted(numbers)):
            assigned[f"{stream}:{number}"] = rank * folds // len(numbers)
    return assigned


def folds_digest(assigned: dict[str, int]) -> str:
    """``sha256:...`` over the sorted list of patients and their folds."""
    lines = "\n".join(f"{patient}\t{fold}" for patient, fold in sorted(assigned.items()))
    return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()


def split(
    records: Sequence[Record], assigned: dict[str, int], fold: int | None
) -> tuple[list[Record], list[Record]]:
    """Training and held-out records of a fold; with None all train and none is held out."""
    training = [r for r in records if fold is None or assigned[r.patient] != fold]
    held_out = [r for r in records if fold is not None and assigned[r.patient] == fold]
    return training, held_out
