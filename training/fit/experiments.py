"""What was tried, as a page: the last row of every run's log, and its mean over runs of a recipe.

One run proves little: two seeds of one recipe differ by more than most ideas gain. So a recipe is
judged by the mean and the worst of its runs, and by other hospitals before held-out films.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from service.inference.atomic_write import atomic_write
from training.data import DataError
from training.fit.runs import Row, RunFolder

_COLUMNS: Final = {
    "adults_montgomery_auc": ("Montgomery AUC", True),
    "adults_montgomery_false_positives": ("Montgomery false positives", False),
    "children_11_to_17_false_positives": ("older children false positives", False),
    "adults_nih_PA_auc": ("NIH PA AUC", True),
    "adults_nih_AP_auc": ("NIH AP AUC", True),
    "hard_block_false_positives": ("hard block false positives", False),
    "block_auc": ("held-out AUC", True),
    "dice": ("Dice", True),
    "dice_montgomery": ("Dice, Montgomery", True),
}
"""Figure of a log, its heading, and whether more is better; in the order of their weight."""


def write_experiments(runs: Path, target: Path) -> int:
    """Write the page from the logs of all runs under a folder.

    Args:
        runs: Folder of the runs.
        target: The Markdown file.

    Returns:
        How many runs are on it.

    Raises:
        DataError: There are no runs with a finished epoch.
    """
    recipes: dict[str, list[tuple[str, Row]]] = {}
    for claim in sorted(runs.glob("*/seed-*/*/run.json")):
        folder = RunFolder(claim.parent)
        log = folder.read_log()
        if log:
            label = f"{folder.path.parent.name}, {folder.path.name}"
            recipes.setdefault(folder.path.parent.parent.name, []).append((label, log[-1]))
    if not recipes:
        raise DataError(f"{runs} holds no run with a finished epoch.")
    parts = [_HEAD, *(_section(name, rows) for name, rows in recipes.items())]
    with atomic_write(target) as path:
        path.write_text("\n\n".join(parts) + "\n")
    return sum(len(rows) for rows in recipes.values())


_HEAD: Final = """# Experiments

Written by `python -m training experiments` from the logs of the runs. Figures are those of the last
epoch, at a probability of 0.5 before calibration. They are in the order of their weight: other
hospitals first, held-out films of the training set last, because framing gives the label away
there. `worst` is the least favourable run."""


def _section(name: str, rows: Sequence[tuple[str, Row]]) -> str:
    columns = [key for key in _COLUMNS if any(key in row for _, row in rows)]
    headings = ["run", "epochs", *(_COLUMNS[key][0] for key in columns)]
    lines = [headings, ["---"] * len(headings)]
    for label, row in rows:
        lines.append([label, f"{row.get('epoch', math.nan) + 1:g}", *_cells(row, columns)])
    if len(rows) > 1:
        known = {key: [row[key] for _, row in rows if key in row] for key in columns}
        mean = {key: math.fsum(values) / len(values) for key, values in known.items()}
        worst = {
            key: min(values) if _COLUMNS[key][1] else max(values) for key, values in known.items()
        }
        lines.append(["**mean**", "", *_cells(mean, columns)])
        lines.append(["**worst**", "", *_cells(worst, columns)])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"## {name}\n\n{table}"


def _cells(row: Row, columns: Sequence[str]) -> list[str]:
    return [f"{row[key]:.3f}" if key in row else "" for key in columns]
