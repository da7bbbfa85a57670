"""What the commands show on the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from training.evaluation.tables import number, percent, ratio

Figures = Mapping[str, Any]

SHARES = ("accuracy", "sensitivity", "specificity")


def print_figures(figures: Figures, console: Console) -> None:
    """A set's figures, a column for the ensemble and each member; then what changes do to them."""
    _say_what_was_read(figures, console)
    columns = {"ensemble": figures, **figures["members"]}
    table = _table(
        f"{figures['films']} films of {figures['patients']} patients, {figures['positives']} with "
        f"a finding; threshold {figures['threshold']:g}",
        ("", *columns),
    )
    table.add_row("AUC", *(ratio(column["auc"]) for column in columns.values()))
    for name in SHARES:
        table.add_row(name, *(percent(column[name]) for column in columns.values()))
    for name in ("ece", "brier"):
        table.add_row(name, *(number(column[name]) for column in columns.values()))
    console.print(table)
    for reason, group in figures["refused"].items():
        console.print(f"No answer: {reason}, {group['films']} films, {group['files'][:5]}")
    for name, share in figures["by_aetiology"].items():
        console.print(f"Sensitivity, {name}: {percent(share)}")
    if figures["hard_blocks"]:
        console.print(f"Specificity on the hard blocks: {percent(figures['hard_blocks'])}")
    if "suite" in figures:
        _print_suite(figures["suite"], console)
    if "frame_exchange" in figures:
        print_exchange(figures["frame_exchange"], console)


def print_exchange(figures: Figures, console: Console) -> None:
    """The frame exchange in three lines."""
    _say_what_was_read(figures, console)
    console.print(
        f"Frame exchange, {figures['films']} films: verdicts changed "
        f"{percent(figures['changed'])}; of normals {percent(figures['changed_normal'])}, of "
        f"pneumonias {percent(figures['changed_pneumonia'])}; AUC "
        f"{ratio(figures['auc_before'])} before, {ratio(figures['auc_after'])} after; "
        f"{figures['refused_after']} refused after."
    )


def print_audit(figures: Figures, console: Console) -> None:
    """What nuisances tell, the strongest ranks, and where the evidence lies."""
    _say_what_was_read(figures, console)
    console.print(
        f"{figures['films']} films. AUC of nuisances alone {ratio(figures['nuisance_auc'])}; of "
        f"the bundle {ratio(figures['auc'])}, among films that are alike in them "
        f"{ratio(figures['alike_auc'])}."
    )
    table = _table(
        f"Rank correlation with the probability; limit {figures['limit']:g}",
        ("class", "nuisance", "films", "rank"),
    )
    for row in figures["ranks"][:12]:
        strong = abs(row["rank_correlation"]) > figures["limit"]
        cells = (_class(row["label"]), row["nuisance"], row["films"], row["rank_correlation"])
        table.add_row(*map(str, cells), style="bold" if strong else None)
    console.print(table)
    inside = figures["evidence_inside_lungs"]
    if inside:
        console.print(
            f"Evidence inside the lungs, {inside['films']} films: mean {100 * inside['mean']:.1f} "
            f"%, 5th percentile {100 * inside['low']:.1f} %."
        )


def print_dice(figures: Figures, console: Console) -> None:
    """Dice by group."""
    groups = {name: found for name, found in figures.items() if isinstance(found, dict)}
    table = _table("Dice", ("", "films", "mean", "median", "5th percentile", "no lungs found"))
    for name, found in groups.items():
        if "mean" in found:
            cells = (found["films"], found["mean"], found["median"], found["low"])
            table.add_row(name, *map(str, cells), str(found["not_found"]))
    console.print(table)
    console.print(f"Left out: {figures['left_out'] or 'none'}")


def print_worlds(figures: Figures, console: Console) -> None:
    """Every world at the chosen threshold."""
    calibration = figures["calibration"]
    console.print(
        f"Platt: slope {calibration['slope']:g}, intercept {calibration['intercept']:g}; "
        f"{calibration['fitted_on']}. Threshold {figures['threshold']:g}: {figures['rule']}."
    )
    table = _table("Pneumonias", ("world", "films", "sensitivity"))
    for name, share in figures["sensitivity"].items():
        table.add_row(name, str(share["n"]), percent(share))
    console.print(table)
    asked = f"threshold for {100 * figures['asked_specificity']:.0f} %"
    table = _table("Without pneumonia", ("world", "films", "specificity", asked))
    for name, share in figures["specificity"].items():
        table.add_row(name, str(share["n"]), percent(share), number(share["own_threshold"], 4))
    console.print(table)


def _print_suite(suite: Figures, console: Console) -> None:
    worst = suite["worst"] or {"auc": None, "condition": "no condition"}
    table = _table(
        f"Under perturbation: mean AUC {ratio(suite['mean_auc'])}, worst {number(worst['auc'])} "
        f"({worst['condition']})",
        ("condition", "AUC", "sensitivity", "specificity", "verdicts changed", "refused"),
    )
    for name, found in suite["each"].items():
        shares = (found[key] for key in ("sensitivity", "specificity", "changed"))
        table.add_row(name, number(found["auc"], 4), *map(percent, shares), str(found["lost"]))
    console.print(table)


def _say_what_was_read(figures: Figures, console: Console) -> None:
    if not figures.get("out_of_fold", True):
        console.print("[yellow]Not out of fold: the bundle may have trained on these films.[/]")


def _class(label: int) -> str:
    return ("normal", "pneumonia")[label]


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title)
    for column in columns:
        table.add_column(column)
    return table
