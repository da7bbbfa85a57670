"""Radiographs to calibrated probabilities, and the way from a models folder to that."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.inference.bundle import Bundle, open_bundle
from service.inference.engines import (
    Engine,
    EngineChoice,
    Precision,
    PrecisionChoice,
    load_engine,
)
from service.inference.errors import BundleError
from service.inference.golden import golden_inputs
from service.inference.manifest import Manifest
from service.inference.probability import calibrated, combined

__all__ = [
    "Engine",
    "Ensemble",
    "EnsembleScore",
    "Explained",
    "MemberScore",
    "load_ensemble",
]


@dataclass(frozen=True, slots=True)
class MemberScore:
    """What one network says.

    Attributes:
        name: The member's name in the manifest.
        probability: Of the positive class, on the scale of the ensemble's: corrected by the same
            calibration, so that the ensemble's own lies between its members'.
    """

    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class EnsembleScore:
    """What the ensemble says about one radiograph.

    Attributes:
        probability: Of the positive class, combined and calibrated.
        members: What each network said, in the manifest's order.
    """

    probability: float
    members: tuple[MemberScore, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """A score, and where on the frame it comes from.

    Attributes:
        score: The same as ``Ensemble.score`` gives.
        maps: Class activation maps, shape (members, h, w), on one grid that covers the whole
            prepared frame. A value is what its cell adds to the member's logit: above 0 it speaks
            for the positive label. All values of a map add up to the member's logit before
            calibration.
    """

    score: EnsembleScore
    maps: NDArray[np.float32]


class Ensemble:
    """A verified bundle and the engine that computes it. Safe to use from several threads."""

    def __init__(self, bundle: Bundle, engine: Engine, *, warning: str = "") -> None:
        self._bundle = bundle
        self._engine = engine
        self._warning = warning

    @property
    def bundle(self) -> Bundle:
        """The bundle that answers."""
        return self._bundle

    @property
    def engine_name(self) -> str:
        """Which engine computes it."""
        return self._engine.name

    @property
    def precision(self) -> Precision:
        """The arithmetic of the networks' convolutions."""
        return self._engine.precision

    @property
    def warning(self) -> str:
        """What the operator should know of that choice; empty when there is nothing."""
        return self._warning

    def score(self, batch: NDArray[np.float32]) -> list[EnsembleScore]:
        """Score prepared radiographs.

        Args:
            batch: Shape (N, height, width, channels), each image as ``prepare`` gives it.

        Returns:
            One score for each image, in order.

        Raises:
            BundleError: A network gave something that is not a probability.
        """
        rows = _sound(self._engine.scores(batch), len(batch), self._bundle.manifest)
        return [self._combined(row) for row in rows]

    def explain(self, batch: NDArray[np.float32]) -> list[Explained]:
        """Score prepared radiographs, and split each score over the frame.

        Args:
            batch: As for ``score``.

        Returns:
            For each image, in order, its score and its maps.

        Raises:
            BundleError: A network gave something that is not a probability or a map.
            NotExplainableError: Not all networks allow a map.
        """
        manifest = self._bundle.manifest
        scores, maps = self._engine.explain(batch)
        rows = _sound(scores, len(batch), manifest)
        if maps.shape[:2] != scores.shape or not np.isfinite(maps).all():
            raise BundleError("The engine does not give one map for each network and image.")
        return [Explained(self._combined(row), heat) for row, heat in zip(rows, maps, strict=True)]

    def _combined(self, row: Sequence[float]) -> EnsembleScore:
        manifest = self._bundle.manifest
        together = combined(row, manifest.combine)
        return EnsembleScore(
            calibrated(together, manifest.calibration),
            tuple(
                MemberScore(member.name, calibrated(probability, manifest.calibration))
                for member, probability in zip(manifest.members, row, strict=True)
            ),
        )


def load_ensemble(
    directory: Path,
    *,
    threads: int,
    engine: EngineChoice = "auto",
    precision: PrecisionChoice = "auto",
) -> Ensemble:
    """Open, verify, load and try out a models folder. Blocks for seconds.

    Args:
        directory: The models folder.
        threads: Processor threads that one call of the engine may use.
        engine: See ``load_engine``.
        precision: See ``load_engine``.

    Raises:
        BundleError: The folder does not verify, a network does not fit the manifest, or one does
            not answer the synthetic radiographs as it should.
    """
    bundle = open_bundle(directory)
    loaded = load_engine(bundle, threads=threads, choice=engine, precision=precision)
    _check_golden(loaded.engine, bundle.manifest)
    return Ensemble(bundle.without_contents(), loaded.engine, warning=loaded.warning)


def _sound(scores: NDArray[np.float32], images: int, manifest: Manifest) -> list[list[float]]:
    """The scores as Python's own figures, a row for each image, once nothing is wrong with them."""
    if scores.shape != (images, len(manifest.members)):
        raise BundleError("The engine does not give one score for each network and image.")
    rows: list[list[float]] = scores.tolist()
    for row in rows:
        for member, score in zip(manifest.members, row, strict=True):
            if not 0 <= score <= 1:  # which refuses NaN as well
                raise BundleError(
                    f"The network {member.file} gave a score that is not a probability from 0 to 1."
                )
    return rows


def _check_golden(engine: Engine, manifest: Manifest) -> None:
    inputs = golden_inputs(manifest.input)
    answers = _sound(engine.scores(np.stack(list(inputs.values()))), len(inputs), manifest)
    by_kind = dict(zip(inputs, answers, strict=True))
    quantised = manifest.compiled.int8 if manifest.compiled else None
    own = quantised.golden if quantised and engine.precision == "int8" else manifest.golden
    for golden in own:
        expected = np.asarray(golden.probabilities)
        differences = np.abs(np.subtract(by_kind[golden.kind], expected))
        worst = int(np.argmax(differences))
        if differences[worst] > golden.tolerance:
            raise BundleError(
                f"The network {manifest.members[worst].file} answers the test image "
                f"{golden.kind!r} with {by_kind[golden.kind][worst]:.4f} where the manifest "
                f"expects {expected[worst]:.4f}."
            )
