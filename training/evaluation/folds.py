"""Which bundle reads a film: the one bundle, or that which was trained without its block."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from service.inference import MANIFEST_FILE
from training.data import FOLDS, DataError, Record, assign_folds, scan
from training.evaluation.films import Film
from training.evaluation.pipeline import LungFinder, Pipeline
from training.evaluation.scoring import Condition, score_once


class FoldBundles:
    """The bundles of a cross-validation, or one bundle that reads all films.

    Args:
        pipelines: The bundle of each fold; films of other folds are not read.
        assigned: Fold by patient; None if the one bundle reads whatever comes.

    Raises:
        DataError: The bundles' members differ.
    """

    def __init__(
        self, pipelines: Mapping[int, Pipeline], assigned: Mapping[str, int] | None
    ) -> None:
        if len({pipeline.members for pipeline in pipelines.values()}) != 1:
            raise DataError("The fold bundles do not have the same members.")
        self.pipelines = pipelines
        self.assigned = assigned

    @classmethod
    def open(cls, directory: Path, training_set: Path) -> "FoldBundles":
        """Open ``directory``/0, 1, ... and find each fold's patients as the training did.

        A fold whose bundle is not there is left out.

        Raises:
            BundleError: A bundle does not verify, or is not compiled.
            DataError: There are no bundles, or the training set cannot be read.
        """
        found = [fold for fold in range(FOLDS) if (directory / str(fold) / MANIFEST_FILE).exists()]
        if not found:
            raise DataError(f"{directory} holds no bundles 0/, 1/, ... of folds.")
        pipelines = {fold: Pipeline.open(directory / str(fold)) for fold in found}
        return cls(pipelines, blocks_of(training_set))

    @classmethod
    def of_all(cls, pipeline: Pipeline) -> "FoldBundles":
        """One bundle, for films of any origin."""
        return cls({0: pipeline}, None)

    @classmethod
    def of_one(cls, pipeline: Pipeline, training_set: Path) -> "FoldBundles":
        """One bundle in place of all: blocks as in a cross-validation, but nothing is held out."""
        return cls(dict.fromkeys(range(FOLDS), pipeline), blocks_of(training_set))

    @property
    def is_out_of_fold(self) -> bool:
        """Whether no film is read by networks that trained on its block."""
        if self.assigned is None:
            return False
        digests = {pipeline.networks_digest for pipeline in self.pipelines.values()}
        return len(digests) == len(self.pipelines)

    def reads(self, film: Film) -> bool:
        """Whether there is a bundle for a film's block."""
        return self.assigned is None or self.assigned.get(film.patient) in self.pipelines

    def pipeline_of(self, film: Film) -> Pipeline:
        """The bundle that reads a film."""
        return self.pipelines[0 if self.assigned is None else self.assigned[film.patient]]

    def score(
        self,
        films: Sequence[Film],
        name: str,
        condition: Condition,
        cache: Path,
        finder: LungFinder | None = None,
    ) -> pd.DataFrame:
        """``score_once`` for each fold's own films.

        Returns:
            The folds' tables, one below the other, with a column ``fold``; or the one table of the
            one bundle, without.

        Raises:
            DataError: A film is of no fold that has a bundle.
        """
        if self.assigned is None:
            return score_once(self.pipelines[0], films, name, condition, cache, finder)
        strangers = [film.file for film in films if not self.reads(film)]
        if strangers:
            raise DataError(
                f"{len(strangers)} films are of patients that no bundle holds out, such as "
                f"{strangers[0]}. Give the training set that the folds were made from."
            )
        parts = []
        for fold, pipeline in self.pipelines.items():
            own = [film for film in films if self.assigned[film.patient] == fold]
            if own:
                table = score_once(pipeline, own, name, condition, cache, finder)
                parts.append(table.assign(fold=fold))
        return pd.concat(parts, ignore_index=True)


def blocks_of(training_set: Path, blocks: int = FOLDS) -> dict[str, int]:
    """The block of each patient of the training set, as folds hold them out."""
    return assign_folds(_records(training_set), blocks)


def _records(training_set: Path) -> Sequence[Record]:
    inner = training_set / "train"
    return scan(inner if inner.is_dir() else training_set).records
