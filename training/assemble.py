"""Trained members to a verified bundle: calibration, operating point, manifest and model card."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from service.inference.bundle import describe_members, file_sha256, open_bundle
from service.inference.engines import load_engine
from service.inference.ensemble import load_ensemble
from service.inference.golden import make_golden
from service.inference.manifest import (
    MANIFEST_FILE,
    SCHEMA_FILE,
    Manifest,
    MemberEntry,
    Metrics,
    TrainingData,
    write_schema,
)
from service.inference.probability import Rule, calibrate
from training.audit import auc_among_like, audit, interventions, tabulate
from training.calibrate import choose_threshold, fit_platt, transfer
from training.card import CARD_FILE, Findings, write_card
from training.compile import GRAPH_FILES, compile_bundle
from training.config import Recipe
from training.data import DataError, folds_digest
from training.dataset import Dataset
from training.fit import RunFolder
from training.out_of_fold import OutOfFold, collect
from training.results import by_aetiology, operating_figures, stability, suite_figures

MEMBER_FILES: Final = ("modelo_afinado_tuning.keras", "modelo_2_ensamble.keras")
COMBINE: Final[Rule] = "mean"
NAME: Final = "pneumonia-xray"
_THREADS: Final = 2


@dataclass(frozen=True)
class Source:
    """What a bundle is made from."""

    dataset: Dataset
    recipes: Sequence[Recipe]
    runs: Path


def assemble(source: Source, target: Path, *, version: str) -> Manifest:
    """Write the bundle and its card into ``target``, file by file, only after it verifies.

    Raises:
        DataError: A fold or a final fit is missing.
        BundleError: What was made does not verify.
    """
    _member_names(source.recipes)  # refuses two of one view, before minutes of work
    names = [recipe.name for recipe in source.recipes]
    finals = [RunFolder(source.runs, name, None) for name in names]
    for folder in finals:
        if not folder.summary.exists():
            raise DataError(
                f"The recipe {folder.recipe} is not fitted on all images. Run `fit` without --fold."
            )
    findings = find(source, collect(source.runs, names))
    return _publish(source, findings, [folder.member for folder in finals], target, version)


def recalibrate(source: Source, target: Path) -> tuple[Findings, Manifest]:
    """Calibrate a bundle's networks anew and write what comes of it into bundle and card.

    The graph is compiled again, because its gate compares verdicts at the operating point.

    Returns:
        What the out-of-fold predictions tell, and the bundle's new manifest.

    Raises:
        DataError: A recipe has no finished fold, or the bundle's networks come from other recipes.
        BundleError: The bundle does not verify, before or after.
    """
    old = open_bundle(target)
    names = [recipe.name for recipe in source.recipes]
    members = _member_names(source.recipes)
    if old.provenance != "manifest" or [member.name for member in old.manifest.members] != members:
        raise DataError(f"The networks in {target} do not come from {' and '.join(names)}.")
    for member, name in zip(old.manifest.members, names, strict=True):
        final = RunFolder(source.runs, name, None).member
        if final.exists() and file_sha256(final) != member.sha256:
            raise DataError(
                f"{target / member.file} is not the network that {final} holds. "
                "Run `assemble` to make the bundle from it."
            )
    findings = find(source, collect(source.runs, names))
    files = [target / member.file for member in old.manifest.members]
    return findings, _publish(source, findings, files, target, old.manifest.version)


def _publish(
    source: Source, findings: Findings, networks: Sequence[Path], target: Path, version: str
) -> Manifest:
    """Make the bundle beside its place, verify it, and move it there."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as scratch:
        staging = Path(scratch)
        for network, file in zip(networks, MEMBER_FILES, strict=True):
            shutil.copyfile(network, staging / file)
        manifest = _manifest(source, findings, staging, version)
        manifest.write(staging / MANIFEST_FILE)
        write_schema(staging / SCHEMA_FILE)
        loaded = load_engine(open_bundle(staging), threads=_THREADS)
        golden = make_golden(loaded.engine, manifest.input)
        manifest.model_copy(update={"golden": golden}).write(staging / MANIFEST_FILE)
        compile_bundle(staging, source.dataset.scan.records)
        bundle = load_ensemble(staging, threads=_THREADS).bundle
        write_card(findings, bundle, source.recipes, staging / CARD_FILE)
        # The manifest goes last: until it lands, the old one refuses the new networks.
        for file in (*MEMBER_FILES, *GRAPH_FILES, SCHEMA_FILE, CARD_FILE, MANIFEST_FILE):
            if (staging / file).exists():
                (staging / file).replace(target / file)
            else:  # no graph in 8 bits passed its gate
                (target / file).unlink(missing_ok=True)
    return bundle.manifest


def find(source: Source, predictions: OutOfFold) -> Findings:
    """Calibrate, choose the operating point, and work out every figure that is reported."""
    labels, patients, conditions = predictions.labels, predictions.patients, predictions.conditions
    clean = conditions.index("clean")
    raw = predictions.combined(COMBINE)
    folds = sorted({int(fold) for fold in predictions.facts["fold"]})
    calibration = fit_platt(
        labels, raw[:, clean], f"clean out-of-fold predictions of folds {folds}"
    )
    calibrated = calibrate(raw, calibration)
    threshold = choose_threshold(labels, calibrated[:, clean])
    members = {n: calibrate(p, calibration) for n, p in predictions.members.items()}
    named = {"ensemble": calibrated, **members}
    figures: dict[str, Any] = {}
    for name, probabilities in named.items():
        figures[name] = {
            **operating_figures(labels, probabilities[:, clean], patients, threshold.value),
            "suite": suite_figures(labels, probabilities, conditions, patients),
        }
    figures["by_aetiology"] = by_aetiology(predictions.facts, calibrated[:, clean], threshold.value)
    figures["transfer"] = transfer(
        labels, raw[:, clean], predictions.facts["fold"].to_numpy(dtype=np.int64)
    )
    figures["verdicts_unchanged"] = stability(calibrated, conditions, threshold.value)
    records = {record.name: record for record in source.dataset.scan.records}
    files = tabulate(source.dataset, [records[name] for name in predictions.facts["name"]])
    figures["audit"] = audit(files, calibrated[:, clean])
    figures["among_like"] = auc_among_like(files, calibrated[:, clean])
    figures["interventions"] = interventions(labels, calibrated, conditions)
    return Findings(
        calibration=calibration,
        threshold=threshold,
        figures=figures,
        folds=folds,
        held_out_patients=len(labels),
        folds_digest=folds_digest(source.dataset.folds),
        scan=source.dataset.scan,
        further_copies=len(source.dataset.store) - len(source.dataset.scan.records),
        summaries=_summaries(source, folds),
    )


def _member_names(recipes: Sequence[Recipe]) -> list[str]:
    names = [recipe.member for recipe in recipes]
    if len(set(names)) < len(names):
        raise DataError("Two members have the same view. Give recipes with different views.")
    return names


def _summaries(source: Source, folds: Sequence[int]) -> list[dict[str, Any]]:
    """Facts of every run that the members come from, those they started from included."""
    found = []
    for recipe in (link for last in source.recipes for link in last.chain):
        for fold in (*folds, None):
            path = RunFolder(source.runs, recipe.name, fold).summary
            if path.exists():
                summary = json.loads(path.read_text())
                # Fields that recipes have gained since the run are filled in.
                complete = Recipe.model_validate(summary["recipe"]).model_dump(mode="json")
                found.append(summary | {"recipe": complete})
    return found


def _manifest(source: Source, findings: Findings, staging: Path, version: str) -> Manifest:
    names = _member_names(source.recipes)
    entries = describe_members(staging, dict(zip(names, MEMBER_FILES, strict=True)))
    scan = findings.scan
    return Manifest(
        name=NAME,
        version=version,
        input=source.recipes[0].input,
        members=tuple(
            _described(entry, recipe, findings)
            for entry, recipe in zip(entries, source.recipes, strict=True)
        ),
        combine=COMBINE,
        calibration=findings.calibration,
        threshold=findings.threshold,
        training_data=TrainingData(
            digest=scan.digest,
            description="Chest X-Ray Images (Pneumonia), official training split: Kermany, Zhang, "
            "Goldbaum 2018, CC BY 4.0; children of 1 to 5 years",
            images=len(scan.records),
            patients=len({record.patient for record in scan.records}),
        ),
        metrics=Metrics(
            protocol=findings.protocol,
            figures={
                key: findings.figures[key]
                for key in ("ensemble", "by_aetiology", "transfer", "verdicts_unchanged")
            },
        ),
    )


def _described(entry: MemberEntry, recipe: Recipe, findings: Findings) -> MemberEntry:
    shape = recipe.architecture
    return entry.model_copy(
        update={
            "architecture": f"residual CNN, widths {list(shape.widths)}, depths "
            f"{list(shape.depths)}{', squeeze-and-excitation' if shape.squeeze else ''}",
            "metrics": findings.figures[recipe.name],
        }
    )
