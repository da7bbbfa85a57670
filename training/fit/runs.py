"""Where a fit keeps what it makes, so that it can be resumed, averaged and exported."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.inference.atomic_write import atomic_write
from training.data import DataError
from training.fit.recipe import Recipe

Row = dict[str, float]


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run: ``run.json``, ``log.csv``, ``checkpoint.pt`` and ``network.pt``.

    Attributes:
        path: The folder.
    """

    path: Path

    @classmethod
    def of(cls, runs: Path, recipe: Recipe, fold: int | None) -> "RunFolder":
        """``<runs>/<recipe>/seed-<seed>/fold-<k>``, or ``all`` in place of the fold."""
        part = "all" if fold is None else f"fold-{fold}"
        return cls(runs / recipe.name / f"seed-{recipe.seed}" / part)

    @property
    def log(self) -> Path:
        """A row for each epoch: its loss and the figures of the averaged network."""
        return self.path / "log.csv"

    @property
    def checkpoint(self) -> Path:
        """All that resuming needs; it is removed when the run is complete."""
        return self.path / "checkpoint.pt"

    @property
    def network(self) -> Path:
        """Weights of the averaged network, as of the last epoch."""
        return self.path / "network.pt"

    def claim(self, facts: dict[str, Any]) -> None:
        """Take the folder for a run, or make sure that the run in it is the same one.

        Raises:
            DataError: Another recipe, fold or data set was fitted here.
        """
        text = json.dumps(facts, indent=2, sort_keys=True) + "\n"
        path = self.path / "run.json"
        if path.exists():
            if path.read_text() != text:
                raise DataError(
                    f"{self.path} holds a run of another recipe or of other data. Remove it, or "
                    "name the recipe otherwise."
                )
            return
        self.path.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_text(text)

    def facts(self) -> dict[str, Any]:
        """What the run was claimed for.

        Raises:
            DataError: There is no run.
        """
        try:
            facts: dict[str, Any] = json.loads((self.path / "run.json").read_text())
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path} holds no run.") from error
        return facts

    def write_log(self, rows: list[Row]) -> None:
        """Replace the log."""
        with atomic_write(self.log) as path:
            _write(rows, path)

    def read_log(self) -> list[Row]:
        """The rows of the log; none before the first epoch ended."""
        if not self.log.exists():
            return []
        with self.log.open(newline="", encoding="utf-8") as file:
            return [
                {name: float(value) for name, value in row.items()} for row in csv.DictReader(file)
            ]

    def is_complete(self, epochs: int) -> bool:
        """Whether so many epochs are done."""
        return self.network.exists() and len(self.read_log()) >= epochs


def _write(rows: list[Row], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({name: f"{value:.5g}" for name, value in row.items()} for row in rows)
