"""The model card: written from a bundle's manifest and a run's JSON files, no figure by hand."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from service.inference import MANIFEST_FILE, Manifest
from training.evaluation.external import external_table
from training.evaluation.outcome import Part, read_outcomes
from training.evaluation.pipeline import networks_digest
from training.evaluation.reports import SHARES
from training.evaluation.tables import markdown, number, percent, ratio

CARD_FILE: Final = "MODEL_CARD.md"
UNMEASURED: Final = "Not measured on these networks."

Figures = Mapping[str, Any]

_COMMANDS: Final[Mapping[Part, str]] = {
    "out_of_fold": "out-of-fold chest_xray --folds runs/folds --suite",
    "frame_exchange": "frame-exchange chest_xray --folds runs/folds",
    "audit": "audit chest_xray --folds runs/folds --sizes original_sizes.csv",
    "external": "external DATA --against OTHER",
    "segmentation": "segmentation chest_xray --masks lung_masks --finder runs/folds/0 --block 0",
    "calibration": "calibrate DATA --folds runs/folds",
}


def write_card(bundle: Path, run: Path) -> Path:
    """Write the card into a bundle's folder.

    Args:
        bundle: The models folder.
        run: Where the evaluation's commands wrote their JSON files.

    Raises:
        BundleError: The manifest cannot be read.
        DataError: A JSON file was measured on other networks.
    """
    manifest = Manifest.read(bundle / MANIFEST_FILE)
    outcomes = read_outcomes(run, networks_digest(manifest))
    path = bundle / CARD_FILE
    partial = path.with_suffix(".partial")
    partial.write_text(card(manifest, outcomes), encoding="utf-8")
    partial.replace(path)
    return path


def card(manifest: Manifest, outcomes: Mapping[Part, Figures]) -> str:
    """The card's text. A section whose part was not measured says so."""
    sections: tuple[tuple[Part, str, Callable[[Figures], str]], ...] = (
        ("out_of_fold", "Out of fold", _out_of_fold),
        ("frame_exchange", "Frame exchange", _frame_exchange),
        ("external", "Other hospitals", _external),
        ("calibration", "Operating point", _operating_point),
        ("audit", "Shortcut audit", _audit),
        ("segmentation", "Lungs", _lungs),
    )
    parts = [_purpose(manifest), _data(manifest)]
    for part, title, write in sections:
        found = outcomes.get(part)
        parts.append(f"## {title}\n\n{write(found) if found else UNMEASURED}")
    parts += [_limits(manifest, outcomes), _reproduce(outcomes)]
    return "\n\n".join(parts) + "\n"


def _purpose(manifest: Manifest) -> str:
    members = markdown(
        [
            {
                "member": member.name,
                "sees": member.view.replace("_", " "),
                "architecture": member.architecture or "-",
                "file": f"`{member.file}`",
                "SHA-256": f"`{member.sha256[:12]}...`",
            }
            for member in manifest.members
        ]
    )
    calibration, threshold = manifest.calibration, manifest.threshold
    return f"""# Model card: {manifest.name} {manifest.version}

Written by `python -m training evaluation card` from the figures of its own run.

**Intended use.** Decision support for a frontal chest radiograph of a child of 1 to 5 years: is the
model's probability of pneumonia above its threshold? It supports a physician and does not replace
one. It is not a medical device and has not been cleared by any authority.

**What it is.** {len(manifest.members)} convolutional networks:

{members}

Their {"mean logit" if manifest.combine == "mean_logit" else "mean"} is calibrated
({calibration.method}: slope {calibration.slope:g}, intercept {calibration.intercept:g}; fitted on
{calibration.fitted_on or "unknown data"}). A probability above {threshold.value:g} is a verdict of
{manifest.labels.positive}: {threshold.rule}.{_graphs(manifest)}"""


def _graphs(manifest: Manifest) -> str:
    compiled = manifest.compiled
    if compiled is None or compiled.agreement is None:
        return ""
    found = compiled.agreement
    text = (
        f"\n\nThe compiled graph differs from Keras by at most {found.largest_difference:.1g} in "
        f"any probability of {found.images} radiographs, and in {found.verdicts_changed} verdicts."
    )
    if compiled.int8:
        narrow = compiled.int8.agreement
        lost = "not measured" if narrow.auc_loss is None else f"{narrow.auc_loss:.4f}"
        text += (
            f" The graph in 8-bit integers changes {narrow.verdicts_changed} of {narrow.images} "
            f"verdicts against the first; AUC lost: {lost}."
        )
    return text


def _data(manifest: Manifest) -> str:
    data = manifest.training_data
    trained = (
        f"Trained on {data.images} images of {data.patients} patients: {data.description}. Data "
        f"digest `{data.digest}`."
        if data
        else UNMEASURED
    )
    return f"""## Data and credits

{trained} The official test split was not used in any way.

- *Chest X-Ray Images (Pneumonia)*: Kermany, Zhang, Goldbaum (2018), *Labeled Optical Coherence
  Tomography (OCT) and Chest X-Ray Images for Classification*, Mendeley Data, CC BY 4.0; children of
  1 to 5 years, Guangzhou Women and Children's Medical Center.
- Lung masks of these images: V7 Labs, *COVID-19 X-ray dataset*, CC BY 4.0.
- ChestX-ray14: Wang et al. (2017), *ChestX-ray8*, NIH Clinical Center; free with attribution.
- Montgomery County set: Jaeger et al. (2014), National Library of Medicine; for measuring only."""


def _out_of_fold(found: Figures) -> str:
    columns = {"ensemble": found, **found["members"]}
    shown: tuple[tuple[str, Callable[[Any], str]], ...] = (
        ("auc", ratio),
        *((name, percent) for name in SHARES),
        ("ece", number),
        ("brier", number),
    )
    rows = [
        {"": name, **{column: show(each[name]) for column, each in columns.items()}}
        for name, show in shown
    ]
    causes = [
        {"aetiology": name, "films": share["n"], "sensitivity": percent(share)}
        for name, share in found["by_aetiology"].items()
    ]
    text = f"""{_how_read(found)} {found["films"]} films, one of each of {found["patients"]}
patients, at the threshold {found["threshold"]:g}. Each member alone is shown with the ensemble's
calibration: the difference between columns is what the other member adds. Intervals are 95 %:
bootstrap over patients for the AUC, Wilson for shares.

{markdown(rows)}

{markdown(causes) if causes else ""}

Specificity on the hard blocks (normals NORMAL2-IM-0635 to 0741 and 1302 to 1423, which resemble
other hospitals' films): {percent(found["hard_blocks"])}."""
    if "suite" in found:
        text += f"\n\n### Under perturbation\n\n{_suite(found['suite'])}"
    return text


def _suite(suite: Figures) -> str:
    worst = suite["worst"] or {"auc": None, "condition": "no condition"}
    rows = [
        {
            "condition": name,
            "AUC": number(each["auc"]),
            "sensitivity": percent(each["sensitivity"]),
            "specificity": percent(each["specificity"]),
            "verdicts changed": percent(each["changed"]),
            "refused": each["lost"],
        }
        for name, each in suite["each"].items()
    ]
    return f"""Mean AUC {ratio(suite["mean_auc"])}; the worst is {number(worst["auc"])}
({worst["condition"]}).

{markdown(rows)}"""


def _frame_exchange(found: Figures) -> str:
    return f"""{_how_read(found)} Each of {found["films"]} films was cropped or padded until its
lungs lay in the frame as those of a film of the other class, drawn at random. Verdicts changed:
{percent(found["changed"])}; of normals {percent(found["changed_normal"])}, of pneumonias
{percent(found["changed_pneumonia"])}. AUC {ratio(found["auc_before"])} before,
{ratio(found["auc_after"])} after."""


def _external(found: Figures) -> str:
    own = found["bundles"][0]
    rows = []
    for each in own["rows"].values():
        columns = {"ensemble": each, **each["members"]}
        rows.append(
            {
                "films": each["title"],
                **{f"AUC, {name}": ratio(one["auc"]) for name, one in columns.items()},
                **{
                    f"false positives, {name}": percent(one["false_positives"])
                    for name, one in columns.items()
                },
            }
        )
    return f"""Films that served to choose between recipes and to set the operating point, and
never to fit weights, except that the even patient numbers of the NIH adults may have been trained
on: the rows of odd numbers are the held-out ones. Tuberculosis is not pneumonia; the row shows
whether an opacity is ranked above a normal chest of the same device.

{external_table(found["bundles"])}

What each member adds:

{markdown(rows)}"""


def _operating_point(found: Figures) -> str:
    sick = [
        {"pneumonias": name, "films": share["n"], "sensitivity": percent(share)}
        for name, share in found["sensitivity"].items()
    ]
    asked = f"threshold for {100 * found['asked_specificity']:.0f} %"
    normal = [
        {
            "without pneumonia": name,
            "films": share["n"],
            "specificity": percent(share),
            asked: number(share["own_threshold"], 4),
        }
        for name, share in found["specificity"].items()
    ]
    return f"""Threshold {found["threshold"]:g}: {found["rule"]}. The probability is calibrated for
a share of pneumonia of {100 * found["prevalence"]:.0f} %, far above that of a screening population:
predictive values must be worked out for the local prevalence. All worlds at this one threshold:

{markdown(sick)}

{markdown(normal)}"""


def _audit(found: Figures) -> str:
    strong = [
        f"{row['nuisance']} within {('normal', 'pneumonia')[row['label']]} "
        f"({row['rank_correlation']:+.2f})"
        for row in found["above_limit"]
    ]
    rows = [
        {
            "class": ("normal", "pneumonia")[row["label"]],
            "nuisance": row["nuisance"],
            "films": row["films"],
            "rank correlation": row["rank_correlation"],
        }
        for row in found["ranks"][:16]
    ]
    inside = found["evidence_inside_lungs"]
    evidence = (
        f"Of the evidence for pneumonia in the maps of {inside['films']} films, "
        f"{100 * inside['mean']:.1f} % lies inside the lungs (5th percentile "
        f"{100 * inside['low']:.1f} %)."
        if inside
        else "Where the evidence lies was not measured."
    )
    return f"""{_how_read(found)} A model that sees how a film was taken (place and size of the
lungs in the frame, border, corners, global tone, aspect ratio) and no pixel of the lungs reaches an
AUC of {ratio(found["nuisance_auc"])} out of fold. The networks reach {ratio(found["auc"])} on the
same films, and {ratio(found["alike_auc"])} among films that are alike to that model. {evidence}

Spearman's rank correlation of the probability with each nuisance within a true class; limit
{found["limit"]:g}. Above it: {"; ".join(strong) or "none"}. A rank may be a shortcut or stand for
the disease: an opaque lung brightens the picture and has less texture.

{markdown(rows) if rows else ""}"""


def _lungs(found: Figures) -> str:
    rows = []
    for source, each in found["sets"].items():
        groups = {name: one for name, one in each.items() if isinstance(one, dict)}
        rows += [
            {
                "films": f"{source}, {name}",
                "number": one["films"],
                "mean Dice": number(one["mean"]),
                "median": number(one["median"]),
                "5th percentile": number(one["low"]),
                "no lungs found": one["not_found"],
            }
            for name, one in groups.items()
            if "mean" in one
        ]
    return f"""Dice coefficient with masks that people drew, on films that the network did not
train on. Where the masks leave the heart out, the gap between the lungs is not counted, row by row.

{markdown(rows)}"""


def _limits(manifest: Manifest, outcomes: Mapping[Part, Figures]) -> str:
    missing = [part.replace("_", " ") for part in _COMMANDS if part not in outcomes]
    unmeasured = f"\n- Not measured on these networks: {', '.join(missing)}." if missing else ""
    return f"""## Limits

- The pneumonias are children's of one hospital, labelled in one way. Elsewhere expect worse: the
  tables above show by how much.
- It knows two answers, {manifest.labels.negative} and {manifest.labels.positive}. Another disease
  gets one of them all the same.
- The sets of other hospitals helped to choose the operating point, so their figures are slightly
  optimistic.
- A map shows where the networks found evidence, not where disease is.{unmeasured}"""


def _reproduce(outcomes: Mapping[Part, Figures]) -> str:
    lines = [f"python -m training evaluation {command}" for command in _COMMANDS.values()]
    dates = [f"{part.replace('_', ' ')} {found['written']}" for part, found in outcomes.items()]
    commands = "\n".join([*lines, "python -m training evaluation card"])
    return f"""## How to measure again

```sh
{commands}
```

Measured: {"; ".join(dates) or "nothing yet"}."""


def _how_read(found: Figures) -> str:
    if found.get("out_of_fold"):
        return "Each film was read by networks that were trained without its block of patients."
    return "**Not out of fold**: the networks may have trained on these very films."
