"""A site's own labelled films, as a bundle's gate and networks see them."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from service.imaging import ImagingError, Radiograph, decode, film_of
from service.inference import Ensemble, LungsEntry, load_ensemble
from service.lungs import (
    Limits,
    LungField,
    member_input,
    put_right,
    suitability_of,
)
from training.data import DataError
from training.evaluation.films import Film, read_folder
from training.evaluation.pipeline import raw_logit

MIN_CASES: Final = 40
"""Fewest patients of each class. With 40, the 95 % interval of a sensitivity of 90 % spans 20
points: with fewer, a threshold would be chosen on chance."""

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """Films that were read, at most one of each patient and class.

    Attributes:
        labels: Shape (N,), 0 or 1.
        logits: Shape (N,), of the combined probability before calibration.
        patients: Of each film.
        refused: How many films were not read, by reason.
    """

    labels: Labels
    logits: Floats
    patients: tuple[str, ...]
    refused: dict[str, int]

    def check(self) -> None:
        """Refuse too few cases.

        Raises:
            DataError: There are fewer than ``MIN_CASES`` of a class; the message says how many.
        """
        check_counts(self.labels.tolist(), sum(self.refused.values()))

    def folds(self, count: int) -> Labels:
        """Parts of about equal size and like classes; no patient is in two of them."""
        rng = np.random.default_rng(0)
        label_of: dict[str, int] = {}
        for patient, label in zip(self.patients, self.labels.tolist(), strict=True):
            label_of[patient] = max(label, label_of.get(patient, 0))
        fold_of: dict[str, int] = {}
        for label in (0, 1):
            members = sorted(patient for patient, own in label_of.items() if own == label)
            for place, index in enumerate(rng.permutation(len(members)).tolist()):
                fold_of[members[index]] = place % count
        return np.array([fold_of[patient] for patient in self.patients], dtype=np.int64)


def check_counts(labels: Iterable[int], refused: int = 0) -> None:
    """Refuse too few labels of a class.

    Args:
        labels: 0 or 1 each.
        refused: Films that were left out.

    Raises:
        DataError: The message says how many are needed.
    """
    counts = Counter(labels)
    missing = {label: MIN_CASES - counts[label] for label in (0, 1) if counts[label] < MIN_CASES}
    if missing:
        names = {0: "normal", 1: "with pneumonia"}
        needed = " and ".join(f"{count} more {names[label]}" for label, count in missing.items())
        left_out = f" ({refused} films were refused)" if refused else ""
        raise DataError(
            f"Too few cases: films of {counts[0]} patients are normal and of {counts[1]} with "
            f"pneumonia{left_out}. Each class needs {MIN_CASES}: {needed}."
        )


def read_cases(bundle: Path, folder: Path) -> Cases:
    """Let a bundle's gate and networks read a labelled folder, as the service would.

    Args:
        bundle: Compiled.
        folder: See ``training.evaluation.films.read_folder``.

    Raises:
        DataError: The folder has too few cases to begin with, or holds no class folder.
        BundleError: The bundle does not verify, or is not compiled.
    """
    films = _one_of_each(read_folder(folder).films)
    check_counts(film.label for film in films)
    threads = os.cpu_count() or 1
    ensemble = load_ensemble(bundle, threads=threads, engine="onnx", precision="fp32")
    kept: list[Film] = []
    logits: list[float] = []
    refused: Counter[str] = Counter()
    for film in track(films, description="Reading", transient=True):
        try:
            logits.append(_logit(ensemble, film.path.read_bytes()))
        except _RefusedError as error:
            refused[error.args[0]] += 1
            continue
        except ImagingError as error:
            refused[error.code] += 1
            continue
        kept.append(film)
    return Cases(
        np.array([film.label for film in kept], dtype=np.int64),
        np.array(logits, dtype=np.float64),
        tuple(film.patient for film in kept),
        dict(sorted(refused.items())),
    )


class _RefusedError(Exception):
    """The gate refuses a film; the argument is the reason."""


def _admitted(
    ensemble: Ensemble, film: Radiograph, entry: LungsEntry
) -> tuple[Radiograph, LungField]:
    """The film put right and its lungs, by the gate of the service."""
    lines = ensemble.bundle.manifest.suitability
    limits = Limits.of(lines) if lines else None
    look, upright = put_right(
        film, ensemble.look, limits, side=entry.side, threshold=entry.threshold
    )
    refusal = suitability_of(look, upright, limits).refusal
    if look.field is None or refusal:
        raise _RefusedError(refusal or "no_lungs")
    return upright, look.field


def _one_of_each(films: Sequence[Film]) -> list[Film]:
    """The first film of each patient and class, by name."""
    first: dict[tuple[str, int], Film] = {}
    for film in sorted(films, key=lambda each: each.file):
        first.setdefault((film.patient, film.label), film)
    return list(first.values())


def _logit(ensemble: Ensemble, data: bytes) -> float:
    manifest = ensemble.bundle.manifest
    spec, lungs = manifest.input, manifest.lungs
    near = max(spec.width, spec.height) * (2 if lungs else 1)
    radiograph, field = film_of(decode(data, near=near)).radiograph, None
    if lungs:
        radiograph, field = _admitted(ensemble, radiograph, lungs)
    margin = lungs.margin if lungs else 0.0
    batch = member_input(radiograph, field, spec, manifest.views, margin)[np.newaxis]
    [score] = ensemble.score(batch)
    return raw_logit(score.probability, manifest.calibration)
