"""Folders of runs that never trained, and the tables of the page that is written from them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from training.config import Recipe
from training.suite import SUITE

CONDITIONS = ("clean", *SUITE)
PATIENTS = 40


def write_run(
    runs: Path, recipe: Recipe, fold: int, *, noise: float, seconds: int = 90
) -> pd.DataFrame:
    """A finished fold whose predictions are right but for some noise."""
    folder = runs / recipe.name / f"fold-{fold}"
    folder.mkdir(parents=True)
    rng = np.random.default_rng([fold, recipe.seed])
    labels = np.arange(PATIENTS) % 2
    table = pd.DataFrame(
        {
            "name": [f"image-{fold}-{index}" for index in range(PATIENTS)],
            "patient": [f"patient:{fold}-{index}" for index in range(PATIENTS)],
            "label": labels,
            "aetiology": np.where(labels, "viral", "normal"),
        }
    )
    for name in CONDITIONS:
        table[name] = np.clip(0.25 + 0.5 * labels + noise * rng.standard_normal(PATIENTS), 0, 1)
    table.to_csv(folder / "predictions.csv", index=False)
    summary = {"recipe": recipe.model_dump(mode="json"), "epochs": 3, "seconds": seconds}
    (folder / "summary.json").write_text(json.dumps(summary))
    return table


def table_rows(page: str, heading: str) -> list[dict[str, str]]:
    """The rows of the table under a heading."""
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]
