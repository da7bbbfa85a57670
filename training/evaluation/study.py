"""One bundle, or the bundles of a cross-validation, on one set of films."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from service.imaging import decode
from service.inference import Manifest
from training.data import FOLDS, DataError
from training.evaluation.audit import audit
from training.evaluation.figures import figures, under_conditions
from training.evaluation.films import Film, draw, one_per_patient, read_folder
from training.evaluation.folds import FoldBundles, blocks_of
from training.evaluation.frame_exchange import FrameExchange, exchange_figures
from training.evaluation.nuisance import BOX
from training.evaluation.outcome import Part, read_outcome, write_outcome
from training.evaluation.pipeline import LungFinder, MaskFolder, Pipeline
from training.evaluation.scoring import (
    CLEAN,
    Condition,
    answered,
    perturbed,
    probabilities,
    unchanged,
)
from training.evaluation.segmentation import compare, contact_sheet, dice_figures
from training.evaluation.statistics import proportion
from training.evaluation.suite import SUITE


class Study:
    """What the commands measure.

    Args:
        pipeline: The served bundle: its calibration and threshold count.
        reader: What reads the films.
        cache: Folder for tables of scores.
        masks: Folder of lung masks that say where the lungs are, in place of the bundle.
    """

    def __init__(
        self, pipeline: Pipeline, reader: FoldBundles, cache: Path, masks: Path | None = None
    ) -> None:
        self.manifest: Manifest = pipeline.manifest
        self._digest = pipeline.networks_digest
        self._reader = reader
        self._cache = cache
        self._finder = MaskFolder(masks) if masks else None

    @classmethod
    def of_bundle(
        cls, bundle: Path, run: Path, masks: Path | None = None, finder: Path | None = None
    ) -> "Study":
        """One bundle reads all films; with ``finder``, that bundle does in its place."""
        pipeline = Pipeline.open(bundle)
        reader = FoldBundles.of_all(Pipeline.open(finder) if finder else pipeline)
        return cls(pipeline, reader, run / "scores", masks)

    @classmethod
    def out_of_fold(
        cls, bundle: Path, folds: Path | None, data: Path, run: Path, masks: Path | None = None
    ) -> "Study":
        """Each film is read by its fold's bundle; without ``folds``, all by the one bundle.

        Raises:
            DataError: The fold bundles' members are not those of the bundle.
        """
        pipeline = Pipeline.open(bundle)
        reader = FoldBundles.open(folds, data) if folds else FoldBundles.of_one(pipeline, data)
        if next(iter(reader.pipelines.values())).members != pipeline.members:
            raise DataError(f"The bundles in {folds} have other members than {bundle}.")
        return cls(pipeline, reader, run / "scores", masks)

    def films(
        self,
        folder: Path,
        sample: int | None = None,
        *,
        one_each: bool = False,
        block: int | None = None,
        blocks: int = FOLDS,
    ) -> list[Film]:
        """The films of a folder that are read.

        Args:
            folder: See ``read_folder``.
            sample: How many of each class at most, drawn at random; all by default.
            one_each: Whether only the first of each patient.
            block: Only those of this block of the training set, if one is given.
            blocks: Into how many the training set is cut.

        Raises:
            DataError: There are none.
        """
        films = [film for film in read_folder(folder).films if self._reader.reads(film)]
        if block is not None:
            assigned = blocks_of(folder, blocks)
            films = [film for film in films if assigned.get(film.patient) == block]
        if not films:
            raise DataError(f"No film of {folder} is read by these bundles.")
        films = one_per_patient(films) if one_each else films
        return draw(films, sample) if sample else films

    def table(self, films: Sequence[Film], name: str, condition: Condition) -> pd.DataFrame:
        """Scores of films under one condition."""
        return self._reader.score(films, name, condition, self._cache, self._finder)

    def clean(self, films: Sequence[Film]) -> pd.DataFrame:
        """Scores of films as they are."""
        return self.table(films, CLEAN, unchanged)

    def suite(self, films: Sequence[Film]) -> dict[str, pd.DataFrame]:
        """Scores under each entry of the perturbation suite."""
        return {name: self.table(films, name, perturbed(change)) for name, change in SUITE.items()}

    def exchanged(self, films: Sequence[Film], clean: pd.DataFrame) -> pd.DataFrame | None:
        """Scores under frame exchange; None where the lungs of one class are not known at all."""
        known = clean[clean[list(BOX)].notna().all(axis=1)]
        if known["label"].nunique() < 2:
            return None
        exchange = FrameExchange(clean)
        return self.table(films, exchange.name, exchange)

    def measure(self, films: Sequence[Film], *, suite: bool) -> dict[str, Any]:
        """Figures of a set; with ``suite``, under perturbations and frame exchange too."""
        clean = self.clean(films)
        found = figures(clean, self.manifest)
        if "fold" in clean:
            found["folds"] = int(clean["fold"].nunique())
            found["out_of_fold"] = self._reader.is_out_of_fold
        if suite and 0 < found["positives"] < found["films"]:
            conditions = self.suite(films)
            exchanged = self.exchanged(films, clean)
            found["suite"] = under_conditions(clean, conditions, self.manifest)
            if exchanged is not None:
                found["frame_exchange"] = exchange_figures(clean, exchanged, self.manifest)
        return found

    def exchange(self, films: Sequence[Film]) -> dict[str, Any]:
        """Figures of the frame exchange.

        Raises:
            DataError: Nothing tells where the lungs are.
        """
        clean = self.clean(films)
        exchanged = self.exchanged(films, clean)
        if exchanged is None:
            raise DataError(
                "Where the lungs are is not known: the bundle has no network that finds them. "
                "Give --masks."
            )
        return exchange_figures(clean, exchanged, self.manifest) | {
            "out_of_fold": self._reader.is_out_of_fold
        }

    def answers(self, films: Sequence[Film]) -> pd.DataFrame:
        """Calibrated answers as they are and under frame exchange, as ``conformal`` reads them.

        Returns:
            Columns ``label``, ``probability``, ``fold`` and ``world``.
        """
        clean = self.clean(films)
        worlds = {CLEAN: clean, "frame exchange": self.exchanged(films, clean)}
        return pd.concat(
            [
                found[["label", "fold"]].assign(
                    probability=probabilities(found, self.manifest), world=world
                )
                for world, table in worlds.items()
                if table is not None and len(found := answered(table))
            ],
            ignore_index=True,
        )

    def audit(self, films: Sequence[Film], sizes: Path | None, maps: int) -> dict[str, Any]:
        """Figures of the audit, the evidence inside the lungs among them.

        Args:
            films: Of the training set.
            sizes: CSV with ``file``, ``width`` and ``height`` of films that were squashed since.
            maps: Films of each class whose maps are looked at, drawn at random.
        """
        clean = self.clean(films)
        if sizes:
            clean = clean.assign(aspect=_aspects(clean, sizes))
        inside = self._evidence(draw(films, maps)) if maps else None
        return {
            **audit(clean, self.manifest),
            "evidence_inside_lungs": inside,
            "out_of_fold": self._reader.is_out_of_fold,
        }

    def _evidence(self, films: Sequence[Film]) -> dict[str, Any] | None:
        shares = []
        for film in films:
            pipeline = self._reader.pipeline_of(film)
            radiograph = decode(film.path.read_bytes())
            lungs = (self._finder or pipeline).lungs(film.file, radiograph)
            share = pipeline.evidence(radiograph, lungs) if lungs else None
            if share is not None:
                shares.append(share)
        if not shares:
            return None
        values = np.array(shares)
        return {
            "films": len(values),
            "mean": round(float(values.mean()), 4),
            "median": round(float(np.median(values)), 4),
            "low": round(float(np.percentile(values, 5)), 4),
            "mostly_inside": proportion(values > 0.5),
        }

    def finder_of(self, film: Film) -> LungFinder:
        """What finds the lungs of a film."""
        return self._reader.pipeline_of(film)

    def earlier(self, run: Path, part: Part) -> dict[str, Any]:
        """What an earlier command wrote of these networks; empty if there is nothing."""
        return read_outcome(run, part, self._digest) or {}

    def write(self, run: Path, name: str, found: dict[str, Any]) -> Path:
        """Write a command's figures; see ``write_outcome``."""
        return write_outcome(run, name, found, self._digest)


def compare_lungs(
    study: Study, films: Sequence[Film], masks: Path, run: Path, *, without_heart: bool
) -> tuple[dict[str, Any], Path]:
    """Dice of a set's films, written beside that of other sets, and the sheet of the worst.

    Args:
        study: What finds the lungs.
        films: Of one set.
        masks: The truth.
        run: Folder for ``segmentation.json`` and the sheet.
        without_heart: See ``compare``.

    Returns:
        The set's figures and the path of the sheet.

    Raises:
        DataError: No film could be compared.
    """
    truth = MaskFolder(masks)
    overlaps, left_out = compare(films, study.finder_of, truth, without_heart=without_heart)
    if not overlaps:
        raise DataError(f"None of the films has a mask in {masks}.")
    found = dice_figures(overlaps, left_out) | {"without_heart": without_heart}
    sheet = run / f"worst-lungs-{films[0].source}.png"
    contact_sheet(overlaps, study.finder_of, truth, sheet)
    sets = study.earlier(run, "segmentation").get("sets", {})
    study.write(run, "segmentation", {"sets": {**sets, films[0].source: found}})
    return found, sheet


def _aspects(table: pd.DataFrame, sizes: Path) -> "pd.Series[float]":
    known = pd.read_csv(sizes).set_index("file")
    if not {"width", "height"} <= set(known):
        raise DataError(f"{sizes} needs the columns file, width and height.")
    aspects = known["width"] / known["height"]
    names = table["file"].str.split("/").str[-1]
    return names.map(aspects).fillna(table["file"].map(aspects)).fillna(table["aspect"])
