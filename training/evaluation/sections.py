"""The sections of the model card that hold measured figures, each from one JSON file."""

from collections.abc import Callable, Mapping
from typing import Any

from training.evaluation.external import external_table
from training.evaluation.reports import SHARES
from training.evaluation.tables import markdown, number, percent, ratio

Figures = Mapping[str, Any]


def out_of_fold(found: Figures) -> str:
    """The ensemble and each member on films that they did not train on."""
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


def frame_exchange(found: Figures) -> str:
    """Verdicts under exchanged frames."""
    return f"""{_how_read(found)} Each of {found["films"]} films was cropped or padded until its
lungs lay in the frame as those of a film of the other class, drawn at random. Verdicts changed:
{percent(found["changed"])}; of normals {percent(found["changed_normal"])}, of pneumonias
{percent(found["changed_pneumonia"])}. AUC {ratio(found["auc_before"])} before,
{ratio(found["auc_after"])} after."""


def external(found: Figures) -> str:
    """The cross-hospital table, and what each member adds there."""
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


def operating_point(found: Figures) -> str:
    """Every world at the one threshold."""
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


def audit(found: Figures) -> str:
    """Nuisances, ranks, and where the evidence lies."""
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


def lungs(found: Figures) -> str:
    """Dice by set and group."""
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


def _how_read(found: Figures) -> str:
    if found.get("out_of_fold"):
        return "Each film was read by networks that were trained without its block of patients."
    return "**Not out of fold**: the networks may have trained on these very films."
