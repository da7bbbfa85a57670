"""The trials of a tuning study as a table: one CSV file, and one page to read."""

from pathlib import Path
from typing import Any, Final

import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from service.files import atomic_write
from training.eda import markdown
from training.results import difference
from training.search import MAX_GFLOP, MAX_PARAMETERS, SPACE, point_of
from training.suite import QUICK_SUITE
from training.tune import CONDITIONS, TOO_LARGE, Study

CSV_FILE: Final = "trials.csv"
PAGE_FILE: Final = "TUNING.md"

_STATES: Final = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "interrupted",
}


def trials_table(study: Study) -> pd.DataFrame:
    """A row for each trial that has ended: figures, parameters, cost, time.

    ``mean`` is the mean AUC over the quick suite after the last epoch that the trial reached.
    """
    seed = study.protocol.base.seed
    ended = study.trials.get_trials(states=tuple(_STATES))
    return pd.DataFrame([_row(trial, seed) for trial in ended])


def write_trials(study: Study, folder: Path) -> Path:
    """Write CSV and page, each as one step; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    table = trials_table(study)
    _replace(folder / CSV_FILE, table.to_csv(index=False))
    _replace(folder / PAGE_FILE, _page(study, table))
    return folder / PAGE_FILE


def _row(trial: FrozenTrial, seed: int) -> dict[str, Any]:
    facts = trial.user_attrs
    aucs = facts.get("auc", {})
    remark = facts.get("remark", "")
    known = [aucs[name] for name in QUICK_SUITE if name in aucs]
    return {
        "trial": trial.number,
        "state": TOO_LARGE if remark == TOO_LARGE else _STATES[trial.state],
        "mean": round(sum(known) / len(known), 4) if known else "",
        **{name: round(aucs[name], 4) if name in aucs else "" for name in CONDITIONS},
        **{name: _short(trial.params.get(name, "")) for name in SPACE},
        "parameters": facts.get("parameters", ""),
        "gflop": facts.get("gflop", ""),
        "epochs": facts.get("epochs", 0),
        "seconds": facts.get("seconds", 0),
        "seed": seed,
        "remark": "" if remark == TOO_LARGE else remark,
    }


def _page(study: Study, table: pd.DataFrame) -> str:
    protocol = study.protocol
    return f"""# Tuning study

Written by `python -m training tune`. The same table is in `{CSV_FILE}`.

Every trial starts from the recipe `{protocol.base.name}` and changes the parameters named below:
`width` multiplies each channel count, `blocks` is added to the depth of each stage but the first,
`strength` multiplies the ranges of gamma, contrast, brightness, noise, blur and compression.
Networks over {MAX_PARAMETERS} parameters or {MAX_GFLOP:g} GFLOP at full size are not trained.

**Short schedule, reduced size**: {protocol.epochs} epochs of {protocol.images_per_epoch} images at
{protocol.side} x {protocol.side} pixels; held out: fold {", ".join(map(str, protocol.folds))}.
Figures are AUC on one image of each held-out patient after the last epoch; `mean`, the objective,
is over {", ".join(QUICK_SUITE)}. Proposals: TPE, seed {protocol.seed}; pruning: median rule, from
the second epoch on. All trials train with one seed.

{markdown(table) if len(table) else "No trial has ended yet."}

{_verdict(study)}
"""


def _verdict(study: Study) -> str:
    done = study.trials.get_trials(states=(TrialState.COMPLETE,))
    # Once interrupted, the base recipe was tried again under another number.
    point = point_of(study.protocol.base)
    first = next((trial for trial in done if trial.params == point), None)
    if first is None:
        return "The recipe that the study starts from has not finished yet."
    best = study.trials.best_trial
    name = study.protocol.base.name
    if best.number == first.number:
        return f"No trial beats the recipe `{name}` (trial {first.number})."
    ours, theirs = study.predictions(best.number), study.predictions(first.number)
    conditions = list(QUICK_SUITE)
    gain = difference(
        ours["label"].to_numpy(),
        ours[conditions].to_numpy(),
        theirs[conditions].to_numpy(),
        [str(patient) for patient in ours["patient"]],
    )
    certain = "does not contain" if gain.low > 0 else "contains"
    return (
        f"The best trial is {best.number}. It exceeds the recipe `{name}` (trial {first.number}) "
        f"by {gain.value:.4f} in mean AUC; the 95 % interval, {gain.low:.4f} to {gain.high:.4f} "
        f"(paired bootstrap over patients), {certain} zero. Being the best of {len(done)} finished "
        "trials flatters it: only a full run on other folds decides."
    )


def _short(value: Any) -> Any:
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _replace(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text)
