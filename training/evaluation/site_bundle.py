"""A bundle for one site: the old networks, what was fitted on its films, and what that is worth."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from service.inference import MANIFEST_FILE, Manifest, open_bundle
from service.inference.manifest import SCHEMA_FILE
from training.data import DataError
from training.evaluation.tables import markdown, number, percent, ratio

FOLDS: Final = 5
"""Parts of the cross-validation by which it was measured."""

TABLE_FILE: Final = "RECALIBRATION.md"


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """What was fitted on a site's films, and what it is worth there.

    Attributes:
        manifest: Of the new bundle.
        before: Figures of the old calibration, threshold and range on the same films.
        after: Figures of new ones by cross-validation.
        refused: Films that were not read, by reason.
    """

    manifest: Manifest
    before: dict[str, Any]
    after: dict[str, Any]
    refused: dict[str, int]

    def table(self) -> str:
        """Before and after, as Markdown."""
        shown = (
            ("AUC", "auc", ratio),
            ("sensitivity", "sensitivity", percent),
            ("specificity", "specificity", percent),
            ("Brier score", "brier", ratio),
            ("calibration error (ECE)", "ece", number),
            ("mean probability", "mean_probability", ratio),
            ("indeterminate", "indeterminate", percent),
            ("normal, assessed as pneumonia", "normal_wrong", percent),
            ("pneumonia, assessed as normal", "pneumonia_wrong", percent),
        )
        rows = [
            {"": title, "before": show(self.before[name]), "after": show(self.after[name])}
            for title, name, show in shown
        ]
        return markdown(rows)


def write_bundle(source: Path, found: Recalibrated, target: Path) -> None:
    """Write the new bundle: the files of the old one, compiled graphs too, and a new manifest.

    Raises:
        DataError: The target exists.
        BundleError: The old or the new bundle does not verify.
    """
    if target.exists():
        raise DataError(f"{target} exists. Give the new bundle a folder of its own.")
    files = open_bundle(source).contents
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
        staging = Path(folder) / target.name
        staging.mkdir()
        for name, data in files.items():
            (staging / name).write_bytes(data)
        if (source / SCHEMA_FILE).exists():
            shutil.copyfile(source / SCHEMA_FILE, staging / SCHEMA_FILE)
        found.manifest.write(staging / MANIFEST_FILE)
        (staging / TABLE_FILE).write_text(report(found), encoding="utf-8")
        open_bundle(staging)
        staging.rename(target)


def report(found: Recalibrated) -> str:
    """What was done and what it is worth, as Markdown."""
    manifest, counts = found.manifest, found.after
    refused = ", ".join(f"{count} {reason}" for reason, count in found.refused.items())
    between = manifest.indeterminate
    range_line = (
        f"Indeterminate: {between.lower:g} to {between.upper:g}, stated error {between.error:.1%}; "
        f"{between.fitted_on}."
        if between
        else "Nothing is indeterminate."
    )
    calibration = manifest.calibration
    return f"""# {manifest.name} {manifest.version}

The networks are unchanged; their model card is that of the version before the `+`.

{counts["films"]} films, one of each patient and class, {counts["positives"]} of them with
pneumonia; not read: {refused or "none"}. Platt: slope {calibration.slope:g}, intercept
{calibration.intercept:g}. Threshold {manifest.threshold.value:g}: {manifest.threshold.rule}.
{range_line}

Before: the calibration, threshold and range of the old version on these films. After: new ones,
each film answered with those fitted on the other parts of a {FOLDS}-fold cross-validation by
patient. Intervals are 95 %.

{found.table()}
"""
