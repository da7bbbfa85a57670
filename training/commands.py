"""What the commands that fit networks do, behind ``python -m training``."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from service.inference import MANIFEST_FILE, load_ensemble
from training.data import FOLDS, DataError, assign_folds
from training.data.collection import SOURCES, Collection
from training.data.fields import Fields, cut_fields
from training.data.squares import read_squares
from training.export.assemble import Parts, assemble
from training.fit.lungs import fit_lungs, load_lungs, segment
from training.fit.member import fit_member
from training.fit.recipe import LungsRecipe, MemberRecipe
from training.fit.runs import RunFolder
from training.fit.sampler import Sources

_THREADS = 2

AnyRecipe = TypeVar("AnyRecipe", LungsRecipe, MemberRecipe)


def lungs(
    collection: Collection, recipe: Path, runs: Path, fold: int | None, seed: int | None
) -> RunFolder:
    """Fit the segmentation network."""
    console = Console()
    read = seeded(LungsRecipe.read(recipe), seed)
    found = collection.scan("train")
    assert found is not None  # noqa: S101  # a collection without it is refused
    squares = read_squares(found.records, collection.masks, collection.original_sizes())
    console.print(squares.report())
    other = collection.scan("adults_montgomery")
    further = read_squares(other.records, collection.montgomery_masks) if other else None
    folder = RunFolder.of(runs, read, known_fold(fold, read.folds))
    fit_lungs(read, squares, assign_folds(found.records, read.folds), fold, folder, further)
    return folder


def fields(collection: Collection, run: RunFolder, runs: Path) -> None:
    """Cut the lung fields of every source that is there, by the network of a run or a bundle."""
    if (run.path / MANIFEST_FILE).exists():
        ensemble = load_ensemble(run.path, threads=_THREADS)
        entry = ensemble.bundle.manifest.lungs
        if entry is None:
            raise DataError(f"{run.path} has no network that finds the lungs.")
        side, find = entry.side, ensemble.segment
    else:
        side = LungsRecipe.model_validate(run.facts()["recipe"]).side
        find = partial(segment, load_lungs(run.network))
    for source in SOURCES:
        found = collection.scan(source)
        if found is None:
            Console().print(f"{source}: not there.")
            continue
        cut = cut_fields(
            found.records,
            find,
            runs / "fields" / source,
            side=side,
            folds=assign_folds(found.records) if source == "train" else None,
            projections=collection.projections() if source == "adults_nih" else None,
        )
        Console().print(f"{source}: {cut.report()}")


def open_fields(runs: Path) -> Sources:
    """Open the lung fields of every source that was cut."""
    return {
        source: Fields.open(runs / "fields" / source)
        for source in SOURCES
        if source == "train" or (runs / "fields" / source / "films.csv").exists()
    }


def member(
    recipe: Path,
    runs: Path,
    fold: int | None,
    seed: int | None,
) -> RunFolder:
    """Fit a member of the ensemble."""
    read = seeded(MemberRecipe.read(recipe), seed)
    folder = RunFolder.of(runs, read, known_fold(fold))
    fit_member(read, open_fields(runs), fold, folder)
    return folder


def fold_bundles(lungs_run: Path, members: Sequence[Path], target: Path) -> list[int]:
    """Write a bundle of each fold's networks, so that every film has one that never saw it.

    Args:
        lungs_run: Run of the segmentation network.
        members: Folders that hold the members' runs ``fold-0``, ``fold-1``, ..., one or several of
            each member.
        target: Folder of the bundles ``0``, ``1``, ...

    Returns:
        The folds for which every member has a network.
    """
    folds = [
        fold
        for fold in range(FOLDS)
        if all(RunFolder(runs / f"fold-{fold}").network.exists() for runs in members)
    ]
    if not folds:
        raise DataError("There is no fold for which all of these have a network.")
    for fold in folds:
        runs = [RunFolder(path / f"fold-{fold}") for path in members]
        assemble(Parts(RunFolder(lungs_run), runs), target / str(fold), f"fold-{fold}")
    return folds


def seeded(recipe: AnyRecipe, seed: int | None) -> AnyRecipe:
    """A recipe with another seed, if one is given."""
    return recipe if seed is None else recipe.model_copy(update={"seed": seed})


def known_fold(fold: int | None, folds: int = FOLDS) -> int | None:
    """The fold, if it is one.

    Raises:
        DataError: There is no such fold.
    """
    if fold is not None and not 0 <= fold < folds:
        raise DataError(f"There is no fold {fold}: folds are 0 to {folds - 1}.")
    return fold
