"""The model card, written from a run's own figures and by no hand."""

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
import pandas as pd

from service.files import atomic_write
from service.inference.bundle import Bundle
from service.inference.manifest import Calibration, Manifest, Quantised, Threshold
from training.audit import LIMIT
from training.config import Recipe
from training.data import FOLDS, Scan
from training.eda import markdown

CARD_FILE: Final = "MODEL_CARD.md"

_GRAPHS: Final = re.compile(r"The compiled graph differs from Keras.+?(?=\n\n)", re.DOTALL)


@dataclass(frozen=True)
class Findings:
    """All that out-of-fold predictions tell of an ensemble."""

    calibration: Calibration
    threshold: Threshold
    figures: dict[str, Any]
    folds: Sequence[int]
    held_out_patients: int
    folds_digest: str
    scan: Scan
    further_copies: int
    summaries: Sequence[dict[str, Any]]

    @property
    def protocol(self) -> str:
        """How the figures came about, in one sentence."""
        return (
            f"out of fold on folds {list(self.folds)} of {FOLDS} contiguous blocks of patient "
            f"numbers, one image of each of {self.held_out_patients} patients; calibration and "
            "threshold were chosen on these same predictions"
        )


def write_card(
    findings: Findings,
    bundle: Bundle,
    recipes: Sequence[Recipe],
    path: Path,
) -> None:
    """Write the card of a bundle."""
    parts = [
        _purpose(bundle),
        _data(findings),
        _protocol(findings),
        _results(findings, recipes),
        _robustness(findings, recipes),
        _audit(findings),
        _limits(),
        _reproduce(findings, recipes),
    ]
    path.write_text("\n\n".join(parts) + "\n")


def renew_graphs(path: Path, manifest: Manifest) -> None:
    """Have a card tell of the graphs that its bundle holds now; all else in it stays.

    Args:
        path: The card. One that is missing, or that is not of ``write_card``, is left as it is.
        manifest: Of the bundle as it was compiled last.
    """
    if path.exists():
        renewed = _GRAPHS.sub(lambda _: _graphs(manifest), path.read_text(), count=1)
        with atomic_write(path) as temporary:
            temporary.write_text(renewed)


def _purpose(bundle: Bundle) -> str:
    manifest = bundle.manifest
    members = "\n".join(
        f"- `{m.file}`: {m.view}, {m.architecture}; SHA-256 `{m.sha256}`" for m in manifest.members
    )
    return f"""# Model card: {manifest.name} {manifest.version}

Written by `python -m training assemble` from the figures of its own run.

**Intended use.** Decision support for a frontal chest radiograph of a child of 1 to 5 years: does
it look like pneumonia? It supports a physician and does not replace one. It is no medical device,
it has been cleared by no authority, and it has not been tried on other ages, views or hospitals.

**What it is.** Two convolutional networks trained from scratch:

{members}

Their average is calibrated (Platt: slope {manifest.calibration.slope:g}, intercept
{manifest.calibration.intercept:g}) and called PNEUMONIA above {manifest.threshold.value:g}:
{manifest.threshold.rule}. {_graphs(manifest)}"""


def _graphs(manifest: Manifest) -> str:
    compiled = manifest.compiled
    if compiled is None or compiled.agreement is None:
        return ""
    agreement = compiled.agreement
    return f"""The compiled graph differs from Keras by at most
{agreement.largest_difference:.1g} in any probability of {agreement.images} radiographs, and in
{agreement.verdicts_changed} verdicts.{_int8(compiled.int8)}"""


def _int8(quantised: Quantised | None) -> str:
    if quantised is None:
        return ""
    found = quantised.agreement
    lost = round(found.auc_loss or 0.0, 4) + 0.0  # and never "-0.0000"
    return f""" A second graph computes in 8-bit integers where that is
faster: against the first one it changes {found.verdicts_changed} of {found.images} verdicts on
further radiographs of the training data and loses {lost:.4f} of the AUC
(`XRAY_PRECISION=fp32` rules it out)."""


def _data(findings: Findings) -> str:
    scan = findings.scan
    counts = pd.Series([record.aetiology for record in scan.records]).value_counts()
    listed = ", ".join(f"{count} {aetiology}" for aetiology, count in counts.items())
    return f"""## Data

{len(scan.records)} images ({listed}) of {len({r.patient for r in scan.records})} patients: the
official training split of *Chest X-Ray Images (Pneumonia)*, Kermany, Zhang, Goldbaum (2018),
*Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images for Classification*, Mendeley
Data, CC BY 4.0 (Guangzhou Women and Children's Medical Center). Left out: {len(scan.duplicates)}
exact duplicates, {len(scan.unreadable)} unreadable files. {findings.further_copies} of the images
took part in training in a second, larger copy at true aspect ratio as well; evaluation used none of
these copies. The official test split was not used in any way.

Data digest `{scan.digest}`; folds digest `{findings.folds_digest}`."""


def _protocol(findings: Findings) -> str:
    return f"""## Protocol

Figures are {findings.protocol}, so the operating point's own figures are slightly optimistic.
Intervals are 95 % bootstrap intervals over patients (that of the calibration error lies high, for
resampling can only add to it). Blocks, and not a random split, because the
official splits are blocks too: a random split hides the shift between them.

{_kept(findings)} The shipped members were then
trained on all images by the same recipe, without a held-out fold; the figures are those of the
recipe."""


def _kept(findings: Findings) -> str:
    """Which weights the folds' runs ended with: picked by the fold itself, or not."""
    parts = []
    by_average: dict[int, set[str]] = {}
    for summary in findings.summaries:
        recipe = summary["recipe"]
        by_average.setdefault(recipe["schedule"]["average"], set()).add(f"`{recipe['name']}`")
    for average, names in sorted(by_average.items()):
        runs = f"Runs of {' and '.join(sorted(names))}"
        parts.append(
            f"{runs} kept the weights of the epoch with the best mean AUC over clean and four "
            "perturbed versions of the held-out fold."
            if average == 1
            else f"{runs} ended in the mean of the weights after the last {average} epochs, "
            "whatever the held-out fold said."
        )
    return " ".join(parts)


def _results(findings: Findings, recipes: Sequence[Recipe]) -> str:
    names = ["ensemble", *(recipe.name for recipe in recipes)]
    rows = [
        {"figure": key, **{name: _interval(findings.figures[name][key]) for name in names}}
        for key in ("auc", "accuracy", "sensitivity", "specificity", "ece", "brier")
    ]
    rows.append(
        {
            "figure": "mean AUC over the perturbation suite",
            **{name: _interval(findings.figures[name]["suite"]["mean_auc"]) for name in names},
        }
    )
    rows.append(
        {
            "figure": "worst AUC of the suite",
            **{name: _worst(findings.figures[name]["suite"]["worst"]) for name in names},
        }
    )
    aetiology = [{"aetiology": name, **e} for name, e in findings.figures["by_aetiology"].items()]
    return f"""## Results, out of fold

At the threshold {findings.threshold.value:g}. Members are shown alone, with the ensemble's
calibration and threshold.

{markdown(pd.DataFrame(rows))}

Sensitivity of the ensemble by aetiology:

{markdown(pd.DataFrame(aetiology))}

Does the operating point hold on patients that had no part in choosing it? For each fold,
calibration and threshold from the other folds only:

{markdown(pd.DataFrame(findings.figures["transfer"]).astype({"fold": object}))}"""


def _robustness(findings: Findings, recipes: Sequence[Recipe]) -> str:
    names = ["ensemble", *(recipe.name for recipe in recipes)]
    unchanged = findings.figures["verdicts_unchanged"]
    rows = [
        {
            "perturbation": condition,
            **{f"AUC {n}": findings.figures[n]["suite"]["auc"][condition] for n in names},
            "verdicts unchanged": unchanged[condition],
        }
        for condition in unchanged
    ]
    return f"""## Under perturbation, out of fold

{markdown(pd.DataFrame(rows))}"""


def _audit(findings: Findings) -> str:
    rows = findings.figures["audit"]
    strong = [row for row in rows if abs(row["rank_correlation"]) > LIMIT]
    verdict = (
        "Above it: "
        + "; ".join(
            f"{row['property']} within {row['class']} ({row['rank_correlation']:+.2f})"
            for row in strong
        )
        + ". Such a rank may be a shortcut, or stand for something that is truly of the disease: "
        "opaque lungs have less texture, and make smaller files. The tables below tell them apart."
        if strong
        else "None is above it."
    )
    return f"""## Shortcut audit, out of fold

Spearman's rank correlation between the calibrated probability and properties of the file, within
each true class. Limit: {LIMIT:g}. {verdict}

{markdown(pd.DataFrame(rows))}

How well normals and pneumonias are told apart among files that are alike in the property:

{markdown(pd.DataFrame(findings.figures["among_like"]))}

By how much the probability moves when the property itself is changed, and nothing of the chest:

{markdown(pd.DataFrame(findings.figures["interventions"]))}"""


def _limits() -> str:
    return """## Limits

- One hospital, one age group, one way of labelling. Elsewhere expect worse.
- It knows two answers. A radiograph with another disease, or a picture of something else, gets one
  of them all the same.
- The probability is calibrated to the share of pneumonia among the training patients, which is far
  above that of a screening population. Predictive values must be worked out for the local
  prevalence (`python -m training evaluate --prevalence`).
- A class activation map shows where evidence was found, not where disease is."""


def _reproduce(findings: Findings, recipes: Sequence[Recipe]) -> str:
    rows = [
        {
            "recipe": summary["recipe"]["name"],
            "seed": summary["recipe"]["seed"],
            "held-out fold": "none" if summary["fold"] is None else summary["fold"],
            "epochs": summary["epochs"],
            "minutes": round(summary["seconds"] / 60, 1),
            "parameters": summary["parameters"],
        }
        for summary in findings.summaries
    ]
    machines = sorted({summary["machine"] for summary in findings.summaries})
    options = " ".join(f"training/recipes/{r.name.replace('-', '_')}.toml" for r in recipes)
    folds = " ".join(f"--fold {fold}" for fold in findings.folds)
    further = " --further LARGER_COPIES" if findings.further_copies else ""
    return f"""## How to reproduce

```
python -m training all {options} --data chest_xray{further} {folds} --target models
```

Trained on {", ".join(machines)}; Keras {keras.__version__}, Python {platform.python_version()}.
Runs are seeded; arithmetic in several threads keeps them from being equal to the last bit.

{markdown(pd.DataFrame(rows))}"""


def _interval(entry: dict[str, float]) -> str:
    return f"{entry['value']:.4f} ({entry['low']:.4f} to {entry['high']:.4f})"


def _worst(entry: dict[str, Any]) -> str:
    return f"{entry['auc']:.4f} ({entry['perturbation']})"
