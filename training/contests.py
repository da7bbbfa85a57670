"""Two recipes against each other over several seeds: what the choice between them rests on."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from training.config import Recipe
from training.data import DataError
from training.judged import Judged, common_folds, judge
from training.metrics import Interval
from training.results import difference

OVER: Final = ">"


@dataclass(frozen=True)
class Contest:
    """How one recipe does against another on the same patients.

    Attributes:
        seeds: Seeds that both recipes have finished.
        folds: Folds that all of these runs have finished.
        ours: The first recipe, a figure for each seed.
        theirs: The second recipe, likewise.
        gain: Difference of the mean AUC over the suite, averaged over the seeds, with its paired
            bootstrap interval over patients.
    """

    seeds: tuple[int, ...]
    folds: tuple[int, ...]
    ours: tuple[Judged, ...]
    theirs: tuple[Judged, ...]
    gain: Interval

    @property
    def noise(self) -> float:
        """Standard error of the gain from seed to seed; nan for a single seed."""
        gains = [
            mine.mean.value - other.mean.value
            for mine, other in zip(self.ours, self.theirs, strict=True)
        ]
        if len(gains) < 2:
            return float("nan")
        return float(np.std(gains, ddof=1) / np.sqrt(len(gains)))

    @property
    def verdict(self) -> str:
        """Better or worse only where patients and seeds both say so; one seed never does."""
        if self.gain.low > 0 and self.gain.value > self.noise:
            return "better"
        if self.gain.high < 0 and -self.gain.value > self.noise:
            return "worse"
        return "level"


def contest(runs: Path, recipes: Mapping[str, Recipe], question: str) -> Contest:
    """Compare two recipes over every seed and fold that both have finished.

    Args:
        runs: Folder of the runs.
        recipes: Every recipe with a finished fold, by name.
        question: ``A>B``, the names of two of them; recipes that differ from A or from B in nothing
            but the seed are taken with them.

    Raises:
        DataError: The question is not of two recipes, one of them has no finished fold, or they
            have no seed or no fold in common.
    """
    first, _, second = question.partition(OVER)
    if not first or not second:
        raise DataError(f"A contest is between two recipes, 'A{OVER}B'. Received: {question!r}.")
    teams = [_by_seed(recipes, name) for name in (first, second)]
    seeds = tuple(sorted(teams[0].keys() & teams[1].keys()))
    if not seeds:
        raise DataError(f"{first} and {second} have no seed in common.")
    names = [[team[seed] for seed in seeds] for team in teams]
    folds = common_folds(runs, *names[0], *names[1])
    if not folds:
        raise DataError(f"{first} and {second} have no finished fold in common.")
    ours, theirs = (tuple(judge(runs, name, folds) for name in team) for team in names)
    # Seeds stand beside each other as the perturbations do: the mean runs over both.
    gain = difference(
        ours[0].labels,
        np.concatenate([judged.perturbed for judged in ours], axis=1),
        np.concatenate([judged.perturbed for judged in theirs], axis=1),
        ours[0].patients,
    )
    return Contest(seeds, folds, ours, theirs, gain)


def contest_row(runs: Path, recipes: Mapping[str, Recipe], question: str) -> dict[str, Any]:
    """A contest as a row of the page."""
    first, _, second = question.partition(OVER)
    found = contest(runs, recipes, question)
    return {
        "recipe": f"`{first}`",
        "against": f"`{second}`",
        "seeds": listed(found.seeds),
        "folds": listed(found.folds),
        "clean, mean": " / ".join(
            f"{np.mean([judged.clean.value for judged in team]):.4f}"
            for team in (found.ours, found.theirs)
        ),
        "perturbed, each seed": " / ".join(
            " ".join(f"{judged.mean.value:.4f}" for judged in team)
            for team in (found.ours, found.theirs)
        ),
        "worst, mean": " / ".join(
            f"{np.mean([judged.worst[1] for judged in team]):.4f}"
            for team in (found.ours, found.theirs)
        ),
        "difference, perturbed": found.gain,
        "standard error over seeds": f"{found.noise:.4f}",
        "it is": found.verdict,
    }


def seedless(recipe: Recipe) -> str:
    """A recipe as text, without what may differ from seed to seed."""
    links = [
        link.model_dump(mode="json", exclude={"name", "seed", "start"}) for link in recipe.chain
    ]
    return json.dumps(links, sort_keys=True)


def _by_seed(recipes: Mapping[str, Recipe], name: str) -> dict[int, str]:
    if name not in recipes:
        raise DataError(f"No fold of the recipe {name!r} is finished.")
    kind = seedless(recipes[name])
    alike = {recipe.seed: other for other, recipe in recipes.items() if seedless(recipe) == kind}
    # Of two names for the same recipe and seed, the one that was asked for counts.
    return alike | {recipes[name].seed: name}


def listed(values: Iterable[int]) -> str:
    """Seeds or folds in words."""
    return ", ".join(map(str, values))
