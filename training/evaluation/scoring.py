"""The table of scores that every figure of an evaluation is a statistic of."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from service.imaging import ImagingError, Radiograph, decode
from service.inference import Manifest
from service.inference.probability import calibrate, combine
from training.evaluation.films import Film
from training.evaluation.nuisance import NUISANCES, nuisances
from training.evaluation.pipeline import LungFinder, Pipeline
from training.evaluation.suite import Perturbation

Condition = Callable[[Film, Image.Image], Image.Image | None]
"""Makes another picture of a film's; None where it cannot."""

FACTS: Final = ("source", "file", "label", "patient", "aetiology", "view", "hard_block", "odd")
LUNGS: Final = ("quality", "area", "left_area", "right_area")

CLEAN: Final = "clean"
LOGIT: Final = "logit:"
"""Prefix of the column of a member's raw logit."""

NOT_APPLICABLE: Final = "the condition does not apply"

_BATCH: Final = 16


def unchanged(_film: Film, picture: Image.Image) -> Image.Image:
    """The condition ``clean``."""
    return picture


def perturbed(change: Perturbation) -> Condition:
    """The condition that an entry of the perturbation suite makes."""

    def apply(_film: Film, picture: Image.Image) -> Image.Image:
        return change(picture)

    return apply


def score(
    pipeline: Pipeline,
    films: Sequence[Film],
    condition: Condition = unchanged,
    finder: LungFinder | None = None,
) -> pd.DataFrame:
    """Run films through a bundle under one condition.

    Args:
        pipeline: The bundle.
        films: In any order.
        condition: Changes each decoded picture first.
        finder: Finds the lungs for the table in place of the bundle's own network; what the members
            see is not changed by it.

    Returns:
        A row for each film, in order: ``source``, ``file``, ``label``, ``patient``, ``aetiology``,
        ``view``, ``hard_block``, ``odd``; ``refused`` (why there is no answer, or empty);
        ``logit:<member>`` before calibration; ``quality``, ``area``, ``left_area``, ``right_area``
        of the lungs; and the film's nuisances, the lungs' box among them.
    """
    rows: list[dict[str, Any]] = []
    for group in track(list(_batches(films)), description="Scoring", transient=True):
        found = [_decoded(film, condition) for film in group]
        readable = [one for one in found if isinstance(one, Radiograph)]
        readings = iter(pipeline.read(readable) if readable else [])
        for film, radiograph in zip(group, found, strict=True):
            facts = _facts(film)
            if isinstance(radiograph, str):
                rows.append(facts | {"refused": radiograph})
                continue
            reading = next(readings)
            lungs = finder.lungs(film.file, radiograph) if finder else reading.lungs
            facts["refused"] = reading.refused
            facts |= {
                f"{LOGIT}{name}": logit
                for name, logit in zip(pipeline.members, reading.logits, strict=False)
            }
            if lungs:
                facts |= {
                    "quality": lungs.field.quality,
                    "area": lungs.field.area_share,
                    "left_area": float(lungs.field.left.mean()),
                    "right_area": float(lungs.field.right.mean()),
                }
            box, size = lungs.box if lungs else None, film.path.stat().st_size
            rows.append(facts | nuisances(radiograph, box, size))
    logits = [f"{LOGIT}{name}" for name in pipeline.members]
    return pd.DataFrame(rows, columns=[*FACTS, "refused", *logits, *LUNGS, *NUISANCES])


def score_once(
    pipeline: Pipeline,
    films: Sequence[Film],
    name: str,
    condition: Condition,
    cache: Path,
    finder: LungFinder | None = None,
) -> pd.DataFrame:
    """``score``, or its table of an earlier run with the same networks, films and condition.

    Calibration and threshold may have changed since: the table holds raw logits.

    Args:
        pipeline: The bundle.
        films: Not none.
        name: Of the condition. Conditions of the same name must be the same.
        condition: See ``score``.
        cache: Folder of the tables.
        finder: See ``score``.
    """
    listing = "\n".join(f"{film.file} {film.path.stat().st_size}" for film in films)
    # The finder's own settings are not looked at: one cache folder belongs to one set of masks.
    kind = type(finder).__name__ if finder else ""
    key = f"{pipeline.networks_digest} {name} {kind} {listing}"
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    path = cache / f"{films[0].source}-{name}-{digest}.csv"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        score(pipeline, films, condition, finder).to_csv(partial, index=False, na_rep="nan")
        partial.replace(path)
    # Only "nan" is missing: a patient or a view may be called NA.
    return pd.read_csv(path, keep_default_na=False, na_values=["nan"])


def answered(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that hold an answer."""
    return table[table["refused"] == ""].reset_index(drop=True)


def probabilities(table: pd.DataFrame, manifest: Manifest) -> NDArray[np.float64]:
    """The ensemble's calibrated probability of each row that is answered: shape (rows,)."""
    return calibrate(combined_probabilities(table, manifest), manifest.calibration)


def combined_probabilities(table: pd.DataFrame, manifest: Manifest) -> NDArray[np.float64]:
    """The ensemble's probability of each row before calibration: shape (rows,)."""
    scores = 1 / (1 + np.exp(-member_logits(table, manifest)))
    return combine(scores, manifest.combine)


def member_probabilities(table: pd.DataFrame, manifest: Manifest) -> dict[str, NDArray[np.float64]]:
    """Each member's probability, by the ensemble's calibration: shape (rows,)."""
    scores = 1 / (1 + np.exp(-member_logits(table, manifest)))
    return {
        member.name: calibrate(scores[:, index], manifest.calibration)
        for index, member in enumerate(manifest.members)
    }


def member_logits(table: pd.DataFrame, manifest: Manifest) -> NDArray[np.float64]:
    """Raw logits: shape (rows, members)."""
    columns = [f"{LOGIT}{member.name}" for member in manifest.members]
    return table[columns].to_numpy(dtype=np.float64)


def _batches(films: Sequence[Film]) -> Iterator[Sequence[Film]]:
    return (films[start : start + _BATCH] for start in range(0, len(films), _BATCH))


def _decoded(film: Film, condition: Condition) -> Radiograph | str:
    """The film as it looks under the condition, or why it cannot be read."""
    try:
        radiograph = decode(film.path.read_bytes())
    except (ImagingError, OSError) as error:
        return type(error).__name__
    if condition is unchanged:
        return radiograph
    picture = condition(film, radiograph.picture)
    if picture is None:
        return NOT_APPLICABLE
    return Radiograph(picture, radiograph.format, radiograph.sha256)


def _facts(film: Film) -> dict[str, Any]:
    return {
        "source": film.source,
        "file": film.file,
        "label": film.label,
        "patient": film.patient,
        "aetiology": film.aetiology,
        "view": film.view,
        "hard_block": film.is_hard_block,
        "odd": film.is_odd,
    }
