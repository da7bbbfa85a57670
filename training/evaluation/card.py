"""The model card: written from a bundle's manifest and a run's JSON files, no figure by hand."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from service.inference import MANIFEST_FILE, Indeterminate, Manifest, SuitabilityEntry
from training.evaluation import sections
from training.evaluation.conformal import curve_table
from training.evaluation.outcome import Part, read_outcomes
from training.evaluation.pipeline import networks_digest
from training.evaluation.suitability import gate_table
from training.evaluation.tables import markdown, percent

CARD_FILE: Final = "MODEL_CARD.md"
SHEET: Final = "../docs/images/lungs-and-maps.png"
UNMEASURED: Final = "Not measured on these networks."

Figures = Mapping[str, Any]

_COMMANDS: Final[Mapping[Part, str]] = {
    "out_of_fold": "out-of-fold chest_xray --folds runs/folds --suite",
    "frame_exchange": "frame-exchange chest_xray --folds runs/folds",
    "audit": "audit chest_xray --folds runs/folds --sizes original_sizes.csv",
    "external": "external DATA --against OTHER",
    "segmentation": "segmentation chest_xray --masks lung_masks --block 0",
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
    # The project's own picture of drawn chests; a bundle that lies elsewhere has none.
    sheet = SHEET if (bundle / SHEET).exists() else None
    partial = path.with_suffix(".partial")
    partial.write_text(card(manifest, outcomes, sheet), encoding="utf-8")
    partial.replace(path)
    return path


def card(manifest: Manifest, outcomes: Mapping[Part, Figures], sheet: str | None = None) -> str:
    """The card's text. A section whose part was not measured says so.

    Args:
        manifest: Of the bundle.
        outcomes: What was measured.
        sheet: Path of a picture of outlines and maps, from the card's folder.
    """
    written: tuple[tuple[Part, str, Callable[[Figures], str]], ...] = (
        ("out_of_fold", "Out of fold", sections.out_of_fold),
        ("frame_exchange", "Frame exchange", sections.frame_exchange),
        ("external", "Other hospitals", sections.external),
        ("calibration", "Operating point", sections.operating_point),
        ("audit", "Shortcut audit", sections.audit),
        ("segmentation", "Lungs", sections.lungs),
    )
    parts = [_purpose(manifest), _data(manifest)]
    for part, title, write in written:
        found = outcomes.get(part)
        parts.append(f"## {title}\n\n{write(found) if found else UNMEASURED}")
    if sheet:
        parts.append(
            "Outlines and maps of drawn chests, clear above and clouded below (no patient):\n\n"
            f"![Outlines of the lungs, and maps that lie in them]({sheet})"
        )
    parts += [_gate(manifest), _indeterminate(manifest)]
    parts += [_limits(manifest, outcomes), _reproduce(outcomes)]
    return "\n\n".join(parts) + "\n"


def _gate(manifest: Manifest) -> str:
    entry = manifest.suitability
    if entry is None or entry.metrics is None:
        return "## Which pictures are read\n\nThe bundle has no gate: any pair of lungs is read."
    return f"""## Which pictures are read

A picture is refused when no pair of lungs is found, when its features lie further than
{entry.refuse_distance:g} from those of training films (Mahalanobis distance),{_otherness(entry)} or
when the segmentation is uncertain. No picture is in two of three parts: those that the gate was
fitted on, the films that its limits were chosen on, and those in these tables.

{gate_table(entry.model_dump(mode="json")).strip()}"""


def _otherness(entry: SuitabilityEntry) -> str:
    if entry.refuse_otherness is None:
        return ""
    return f""" when a
linear score of the features for other pictures (CT slices, lateral films, hands, text ...)
exceeds {entry.refuse_otherness:g},"""


def _indeterminate(manifest: Manifest) -> str:
    entry = manifest.indeterminate
    if entry is None:
        return "## Indeterminate\n\nThe bundle has none: each film is called one or the other."
    return f"""## Indeterminate

A probability from {entry.lower:g} to {entry.upper:g} is assessed as indeterminate: a radiologist
should decide. The range was chosen by conformal prediction within each class on
{entry.fitted_on}; {entry.coverage:.1%} of those films were assessed. Other hospitals' films may
exceed the stated error. {_stated_error(entry)}"""


def _stated_error(entry: Indeterminate) -> str:
    found: Mapping[str, Any] = entry.metrics
    if not found:
        return (
            f"Of either class {entry.error:.1%} at most is expected to be assessed as the other; "
            "what the worst block of films shows was not recorded."
        )
    normal, pneumonia = (
        f"{percent(found[name])}, by block from {100 * found[f'best_{name}']:.1f} to "
        f"{100 * found[f'worst_{name}']:.1f} %"
        for name in ("normal", "pneumonia")
    )
    return f"""It is the widest that any of {found["folds"]} blocks of patients asks for at a target
of {entry.target or entry.error:.1%}.

**Stated error: {entry.error:.1%}** of either class assessed as the other. Each block was assessed
with the range that the other blocks choose: of normals {normal} were called pneumonia; of
pneumonias {pneumonia} were called normal. Other targets, tried in the same way:

{curve_table(found["curve"]).strip()}"""


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
{_finder(manifest)}
Their {"mean logit" if manifest.combine == "mean_logit" else "mean"} is calibrated
({calibration.method}: slope {calibration.slope:g}, intercept {calibration.intercept:g}; fitted on
{calibration.fitted_on or "unknown data"}). A probability above {threshold.value:g} is a verdict of
{manifest.labels.positive}: {threshold.rule}.{_graphs(manifest)}"""


def _finder(manifest: Manifest) -> str:
    lungs = manifest.lungs
    if lungs is None:
        return ""
    return f"""
Before them, a segmentation network (`{lungs.file}`, {lungs.architecture or "U-Net"}, SHA-256
`{lungs.sha256[:12]}...`) finds the lungs at {lungs.side} x {lungs.side} pixels; the members see
their box with a margin of {100 * lungs.margin:g} % on each side, cut from the full picture. Without
two lungs there is no verdict.
"""


def _graphs(manifest: Manifest) -> str:
    compiled = manifest.compiled
    if compiled is None or compiled.agreement is None:
        return ""
    found = compiled.agreement
    text = (
        f"\n\nThe compiled graphs differ from Keras by at most {found.largest_difference:.1g} in "
        f"any probability of {found.images} radiographs, and in {found.verdicts_changed} verdicts."
    )
    if compiled.int8:
        narrow = compiled.int8.agreement
        lost = "not measured" if narrow.auc_loss is None else f"{narrow.auc_loss:.4f}"
        text += (
            f" The graphs in 8-bit integers change {narrow.verdicts_changed} of {narrow.images} "
            f"verdicts against the first; AUC lost: {lost}."
        )
        if compiled.int8.elsewhere:
            found_there = ", ".join(
                f"{each.verdicts_changed} of {each.images} ({name})"
                for name, each in compiled.int8.elsewhere.items()
            )
            text += f" On films of other hospitals they change {found_there}."
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
