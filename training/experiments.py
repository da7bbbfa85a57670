"""What was tried and what came of it: a page written from the folders of finished runs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from service.files import atomic_write
from training.alike import alike
from training.config import Recipe
from training.contests import contest_row, listed, seedless
from training.data import DataError
from training.eda import markdown
from training.fit import RunFolder
from training.judged import JOIN, Judged, common_folds, judge
from training.out_of_fold import finished_folds
from training.results import difference


@dataclass(frozen=True)
class Question:
    """What the page shall answer.

    Attributes:
        runs: Folder of the runs.
        base: Name of the recipe that the others' fields are compared with.
        pairs: ``A+B``: two recipes whose mean is judged.
        controls: Recipes or pairs that each pair is compared with, beside its own members.
        contests: ``A>B``: two recipes that are compared over all seeds that both were run with.
        masks: Folder of lung masks; with them pairs are compared among like framings as well.
    """

    runs: Path
    base: str
    pairs: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    contests: tuple[str, ...] = ()
    masks: Path | None = None


@dataclass(frozen=True)
class Tried:
    """A recipe with at least one finished fold."""

    name: str
    recipe: Recipe
    folds: Mapping[int, dict[str, Any]]

    @property
    def minutes(self) -> float:
        """Wall time of the finished folds."""
        return round(sum(float(summary["seconds"]) for summary in self.folds.values()) / 60, 1)


def write(question: Question, recipes: Path, out: Path) -> None:
    """Write the page.

    Args:
        question: What to compare.
        recipes: Folder of recipe files, whose notes are repeated.
        out: The page.

    Raises:
        DataError: There is no finished run, or a recipe that was asked for has none.
    """
    page = render(question, _notes(recipes))
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(out) as path:
        path.write_text(page)


def render(question: Question, notes: Mapping[str, str]) -> str:
    """The page as Markdown; ``notes`` are remarks by recipe."""
    tried = list(find(question.runs))
    by_name = {one.name: one for one in tried}
    if question.base not in by_name:
        raise DataError(
            f"No fold of the recipe {question.base} is finished in {question.runs}. "
            "Name another one with --base."
        )
    parts = [
        _head(question),
        _recipes(question, tried, by_name[question.base].recipe, notes),
        _by_fold(question, tried),
        _seeds(question, tried),
        _contests(question, tried) if question.contests else "",
        _pairs(question) if question.pairs else "",
        alike(question.runs, question.pairs, question.controls, question.masks)
        if question.pairs and question.masks
        else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def find(runs: Path) -> Iterator[Tried]:
    """Recipes with finished folds, by name.

    Raises:
        DataError: A summary does not hold a recipe.
    """
    for folder in sorted(path for path in runs.iterdir() if path.is_dir()):
        folds = {
            fold: json.loads(RunFolder(runs, folder.name, fold).summary.read_text())
            for fold in finished_folds(runs, folder.name)
        }
        if folds:
            first = next(iter(folds.values()))
            try:
                # Fields that recipes have gained since the run are filled in.
                recipe = Recipe.model_validate(first["recipe"])
            except ValidationError as error:
                raise DataError(f"The summaries in {folder} hold no recipe: {error}.") from error
            yield Tried(folder.name, recipe, folds)


def changes(recipe: Recipe, base: Recipe) -> str:
    """In which fields a recipe differs: from the one that it refines, or from the base recipe."""
    ours = _flat(recipe.model_dump(mode="json"))
    theirs = _flat((recipe.start or base).model_dump(mode="json"))
    parts = [
        f"{name.rpartition('.')[2]} {_words(theirs.get(name))} → {_words(value)}"
        for name, value in ours.items()
        if value != theirs.get(name) and name not in ("name", "seed")
    ]
    listed = ", ".join(parts)
    if recipe.start:
        return f"refines `{recipe.start.name}`: {listed or 'nothing else'}"
    return listed or "the base recipe"


def _head(question: Question) -> str:
    options = [f"--base {question.base}"]
    options += [f"--pair {pair}" for pair in question.pairs]
    options += [f"--control {control}" for control in question.controls]
    options += [f"--contest '{contest}'" for contest in question.contests]
    options += ["--masks LUNG_MASKS"] if question.masks else []
    return f"""# Experiments

Written from the folders of finished runs. Only the remarks are by hand: they stand in the recipe
files.

```
python -m training experiments {" ".join(options)}
```

Every figure is out of fold: folds are contiguous blocks of patient numbers, and each patient counts
with one image. Over several folds, the predictions are pooled. *Clean* is the AUC on the images as
they are; *perturbed* is the mean AUC over the perturbation suite; *worst* the lowest AUC in it.
Intervals are 95 % bootstrap intervals over patients. Compare only figures of the same folds."""


def _recipes(
    question: Question, tried: Sequence[Tried], base: Recipe, notes: Mapping[str, str]
) -> str:
    rows = [
        {
            "recipe": f"`{one.name}`",
            "differs in": changes(one.recipe, base),
            "seed": one.recipe.seed,
            "folds": listed(one.folds),
            **_cells(judge(question.runs, one.name, tuple(one.folds))),
            "minutes": one.minutes,
            "remark": notes.get(one.name, ""),
        }
        for one in tried
    ]
    return f"## Recipes\n\n{markdown(pd.DataFrame(rows))}"


def _by_fold(question: Question, tried: Sequence[Tried]) -> str:
    rows = [
        {
            "recipe": f"`{one.name}`",
            "fold": fold,
            **_cells(judge(question.runs, one.name, (fold,))),
            "epochs": summary["epochs"],
            "minutes": round(summary["seconds"] / 60, 1),
        }
        for one in tried
        for fold, summary in one.folds.items()
    ]
    return f"## Fold by fold\n\n{markdown(pd.DataFrame(rows))}"


def _seeds(question: Question, tried: Sequence[Tried]) -> str:
    """Recipes that are alike but for their seed, and how far apart they end."""
    groups: dict[str, list[Tried]] = {}
    for one in tried:
        groups.setdefault(seedless(one.recipe), []).append(one)
    rows = []
    for group in groups.values():
        common = common_folds(question.runs, *(one.name for one in group))
        if len(group) > 1 and common:
            means = [judge(question.runs, one.name, common).mean.value for one in group]
            rows.append(
                {
                    "recipes": ", ".join(f"`{one.name}`" for one in group),
                    "seeds": listed(one.recipe.seed for one in group),
                    "folds": listed(common),
                    "perturbed, each": ", ".join(f"{mean:.4f}" for mean in means),
                    "mean": f"{np.mean(means):.4f}",
                }
            )
    if not rows:
        return ""
    return f"""## From seed to seed

Recipes that differ in nothing but their seed, on the folds that all of them have finished.

{markdown(pd.DataFrame(rows))}"""


def _contests(question: Question, tried: Sequence[Tried]) -> str:
    recipes = {one.name: one.recipe for one in tried}
    rows = [contest_row(question.runs, recipes, text) for text in question.contests]
    return f"""## Over several seeds

Figures stand as *recipe / against*. The difference is the mean over seeds and perturbations; its
interval is a paired bootstrap over patients, the standard error is that from seed to seed. *Better*
and *worse* ask both: an interval without zero, and more than one standard error.

{markdown(pd.DataFrame(rows))}"""


def _pairs(question: Question) -> str:
    rows = []
    for pair in question.pairs:
        for other in dict.fromkeys([*pair.split(JOIN), *question.controls]):
            if other == pair:
                continue
            folds = common_folds(question.runs, pair, other)
            if not folds:
                raise DataError(f"{pair} and {other} have no finished fold in common.")
            ours, theirs = (judge(question.runs, name, folds) for name in (pair, other))
            gain = difference(ours.labels, ours.perturbed, theirs.perturbed, ours.patients)
            rows.append(
                {
                    "pair": f"`{pair}`",
                    "against": f"`{other}`",
                    "folds": listed(folds),
                    "pair, clean": ours.clean,
                    "pair, perturbed": ours.mean,
                    "other, clean": theirs.clean,
                    "other, perturbed": theirs.mean,
                    "difference, perturbed": gain,
                    "pair is": "better" if gain.low > 0 else "worse" if gain.high < 0 else "level",
                }
            )
    return f"""## Pairs

A pair answers with the mean of its members' probabilities. The interval of a difference is paired:
both see the same draws of patients. *Better* and *worse* say that it does not contain zero.

{markdown(pd.DataFrame(rows))}"""


def _cells(judged: Judged) -> dict[str, Any]:
    name, auc = judged.worst
    return {
        "clean": judged.clean,
        "perturbed": judged.mean,
        "worst": f"{auc:.4f} ({name})",
    }


def _notes(folder: Path) -> dict[str, str]:
    read = (Recipe.read(path) for path in sorted(folder.glob("*.toml")))
    return {recipe.name: " ".join(recipe.note.split()) for recipe in read}


def _flat(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping) and name != "start":
            flat |= _flat(value, f"{prefix}{name}.")
        elif name != "start":
            flat[f"{prefix}{name}"] = value
    return flat


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
