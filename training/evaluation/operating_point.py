"""From scores to a bundle's calibration and operating point: gathers the worlds, fits, writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import JsonValue

from service.inference import MANIFEST_FILE, Manifest, Metrics
from training.data import DataError
from training.evaluation.calibration import (
    Worlds,
    choose_threshold,
    fit_platt,
    table_of_worlds,
)
from training.evaluation.external import MONTGOMERY, NIH, OLDER_CHILDREN, score_external
from training.evaluation.figures import figures, label_array
from training.evaluation.pipeline import Pipeline
from training.evaluation.scoring import answered, combined_probabilities
from training.evaluation.study import Study

TRAINING_SET = "chest_xray"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """All tables that calibration and threshold are chosen on.

    Attributes:
        clean: Out-of-fold scores.
        exchanged: The same films under frame exchange.
        suite: The same films under each perturbation.
        external: Scores of the served bundle on the sets that it never saw, by name.
    """

    clean: pd.DataFrame
    exchanged: pd.DataFrame
    suite: Mapping[str, pd.DataFrame]
    external: Mapping[str, pd.DataFrame]


def choose(
    data: Path,
    bundle: Path,
    folds: Path,
    run: Path,
    *,
    prevalence: float | None = None,
    masks: Path | None = None,
    sample: int | None = None,
    write: bool = True,
) -> dict[str, Any]:
    """Calibrate a bundle and choose its operating point.

    Args:
        data: Holds ``chest_xray`` and the sets of ``training.evaluation.external``.
        bundle: The served bundle.
        folds: A bundle for each fold.
        run: Folder for the results.
        prevalence: See ``fit_platt``.
        masks: Lung masks in place of the bundle's own network.
        sample: Films of each class that are perturbed, at most.
        write: Whether the bundle's manifest is rewritten, with the out-of-fold figures in it.

    Returns:
        What is written as ``calibration.json``.

    Raises:
        DataError: A set is missing, or nothing tells where the lungs are.
    """
    training_set = data / TRAINING_SET
    study = Study.out_of_fold(bundle, folds, training_set, run, masks)
    films = study.films(training_set, None, one_each=True)
    clean = study.clean(films)
    exchanged = study.exchanged(films, clean)
    if exchanged is None:
        raise DataError("Without the lungs' place no frames can be exchanged. Give --masks.")
    external = score_external(Pipeline.open(bundle), data, run / "scores")
    perturbed = study.suite(study.films(training_set, sample, one_each=True))
    scores = Scores(clean, exchanged, perturbed, external)
    manifest, found = decide(study.manifest, scores, prevalence)
    study.write(run, "calibration", found)
    if write:
        manifest.write(bundle / MANIFEST_FILE)
    return found


def decide(
    manifest: Manifest, scores: Scores, prevalence: float | None = None
) -> tuple[Manifest, dict[str, Any]]:
    """Fit the calibration, choose the threshold, and report every world at it.

    The calibration is fitted on the films as they are, under frame exchange and under each
    perturbation, every film counted alike: a probability that holds on clean films alone is too
    sure of itself elsewhere.

    Args:
        manifest: Of the served bundle.
        scores: The tables.
        prevalence: Share of pneumonia that the probability is for; that of the patients by default.

    Returns:
        The manifest with calibration, threshold and out-of-fold figures, and the findings.
    """
    everything = pd.concat([scores.clean, scores.exchanged, *scores.suite.values()])
    rows = answered(everything)
    share = float(answered(scores.clean)["label"].mean()) if prevalence is None else prevalence
    calibration = fit_platt(
        label_array(rows),
        combined_probabilities(rows, manifest),
        share,
        "out-of-fold films as they are, under frame exchange and under perturbation",
    )
    worlds = gather(manifest, scores).calibrated(calibration)
    threshold = choose_threshold(worlds)
    settled = manifest.model_copy(update={"calibration": calibration, "threshold": threshold})
    found = {
        "calibration": calibration.model_dump(mode="json"),
        "prevalence": round(share, 4),
        "rule": threshold.rule,
        **table_of_worlds(worlds, threshold.value),
    }
    measured = figures(scores.clean, settled) | {"folds": int(scores.clean["fold"].nunique())}
    worlds_found = {name: found[name] for name in ("sensitivity", "specificity")}
    return with_metrics(settled, measured, worlds_found), found


def gather(manifest: Manifest, scores: Scores) -> Worlds:
    """Sort scores into worlds, as uncalibrated combined probabilities."""

    def of(table: pd.DataFrame, keep: "pd.Series[bool]") -> Floats:
        return combined_probabilities(answered(table[keep]), manifest)

    def sick(table: pd.DataFrame) -> Floats:
        return of(table, table["label"] == 1)

    def normal(table: pd.DataFrame) -> "pd.Series[bool]":
        return table["label"] == 0

    clean, nih = scores.clean, scores.external[NIH]
    children, adults = scores.external[OLDER_CHILDREN], scores.external[MONTGOMERY]
    normals = {
        "out-of-fold normals": of(clean, normal(clean)),
        "hard blocks": of(clean, normal(clean) & clean["hard_block"]),
        "children of 11 to 17": of(children, normal(children)),
        "Montgomery adults": of(adults, normal(adults)),
        "NIH adults (PA)": of(nih, normal(nih) & (nih["view"] == "PA") & nih["odd"]),
    }
    watched = {
        "clean, out of fold": sick(clean),
        **{name: sick(table) for name, table in scores.suite.items()},
    }
    # A perturbation may leave no lungs to be found in any film of a small set.
    return Worlds(
        sick={
            "frame exchange": sick(scores.exchanged),
            "the perturbation suite": sick(pd.concat(scores.suite.values(), ignore_index=True)),
        },
        normal={name: values for name, values in normals.items() if len(values)},
        watched={name: values for name, values in watched.items() if len(values)},
    )


def with_metrics(
    manifest: Manifest, measured: Mapping[str, Any], worlds: JsonValue = None
) -> Manifest:
    """The manifest with the figures that the service shows beside a verdict.

    Args:
        manifest: With the calibration and threshold that were measured.
        measured: Figures out of fold, ``folds`` among them.
        worlds: Sensitivity and specificity in each world; None keeps those that are there.
    """
    members = measured["members"]
    if worlds is None:
        worlds = manifest.metrics.figures.get("worlds") if manifest.metrics else None
    kept = ("auc", "accuracy", "sensitivity", "specificity", "ece", "brier")
    return manifest.model_copy(
        update={
            "members": tuple(
                entry.model_copy(update={"metrics": members[entry.name]})
                for entry in manifest.members
            ),
            "metrics": Metrics(
                protocol=f"out of fold on {measured['folds']} contiguous blocks of patient "
                f"numbers, one film of each of {measured['patients']} patients",
                figures={
                    "ensemble": {name: measured[name] for name in kept},
                    "by_aetiology": measured["by_aetiology"],
                    "worlds": worlds,
                },
            ),
        }
    )
