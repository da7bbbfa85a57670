"""Prepared radiographs to calibrated probabilities."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.inference.bundle import Bundle
from service.inference.engines import Engine, Precision, Segmenter
from service.inference.errors import BundleError
from service.inference.manifest import Manifest
from service.inference.novelty import Novelty
from service.inference.probability import calibrated, combined


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
    """A score, and where in the members' views it comes from.

    Attributes:
        score: The same as ``Ensemble.score`` gives.
        maps: Class activation maps, shape (members, h, w), on one grid that covers the whole of
            what the members see. A value is what its cell adds to the member's logit: above 0 it
            speaks for the positive label. All values of a map add up to the member's logit before
            calibration.
    """

    score: EnsembleScore
    maps: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Segmented:
    """What the network that finds the lungs makes of one picture.

    Attributes:
        probabilities: Of lung, shape (side, side).
        distance: Mahalanobis distance of the picture's features to those of training films; None
            if the network gives no features or the bundle does not say how they are distributed.
        otherness: Log odds of being no such film; None if the bundle knows no other pictures.
    """

    probabilities: NDArray[np.float32]
    distance: float | None
    otherness: float | None = None


class Ensemble:
    """A verified bundle and the engine that computes it. Safe to use from several threads.

    Attributes:
        bundle: The bundle that answers.
        warning: What the operator should know of the engine's choice; empty if there is nothing.
    """

    def __init__(
        self,
        bundle: Bundle,
        engine: Engine,
        *,
        segmenter: Segmenter | None = None,
        novelty: Novelty | None = None,
        warning: str = "",
    ) -> None:
        self.bundle = bundle
        self.warning = warning
        self._engine = engine
        self._segmenter = segmenter
        self._novelty = novelty

    @property
    def engine_name(self) -> str:
        """Which engine computes it."""
        return self._engine.name

    @property
    def precision(self) -> Precision:
        """The arithmetic of the networks' convolutions."""
        return self._engine.precision

    def segment(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Find lung tissue, with a bundle that has a network for that.

        Args:
            batch: Shape (N, side, side, 1), float32 from 0 to 1: whole frames, squashed to the
                side that the manifest's ``lungs`` entry names.

        Returns:
            Shape (N, side, side), the probability of lung for each pixel.

        Raises:
            BundleError: There is no such network, or it gave something that is no probability.
        """
        if self._segmenter is None:
            raise BundleError("The bundle has no network that finds the lungs.")
        return _sound_maps(self._segmenter.probabilities(batch), batch.shape[:3])

    def look(self, batch: NDArray[np.float32]) -> list[Segmented]:
        """Find lung tissue, and say how far each picture is from those of the training.

        Args:
            batch: As for ``segment``.

        Returns:
            One for each picture, in order.

        Raises:
            BundleError: As ``segment``; or the features are not those that the bundle describes.
        """
        if self._segmenter is None or self._novelty is None:
            return [Segmented(each, None) for each in self.segment(batch)]
        found, features = self._segmenter.look(batch)
        maps = _sound_maps(found, batch.shape[:3])
        if features is None:
            return [Segmented(each, None) for each in maps]
        if features.shape != (len(batch), len(self._novelty.mean)):
            raise BundleError("The network that finds the lungs gave features of another number.")
        distances = self._novelty.distances(features).tolist()
        if not all(map(math.isfinite, distances)):
            raise BundleError("The network that finds the lungs gave features that are no numbers.")
        scores = self._novelty.otherness(features)
        others = [None] * len(batch) if scores is None else scores.tolist()
        return [Segmented(*each) for each in zip(maps, distances, others, strict=True)]

    def score(self, batch: NDArray[np.float32]) -> list[EnsembleScore]:
        """Score prepared radiographs.

        Args:
            batch: Shape (N, *manifest.shape): one channel for each of the manifest's ``views``.

        Returns:
            One score for each image, in order.

        Raises:
            BundleError: A network gave something that is not a probability.
        """
        rows = sound_scores(self._engine.scores(batch), len(batch), self.bundle.manifest)
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
        manifest = self.bundle.manifest
        scores, maps = self._engine.explain(batch)
        rows = sound_scores(scores, len(batch), manifest)
        if maps.shape[:2] != scores.shape or not np.isfinite(maps).all():
            raise BundleError("The engine does not give one map for each network and image.")
        return [Explained(self._combined(row), heat) for row, heat in zip(rows, maps, strict=True)]

    def _combined(self, row: Sequence[float]) -> EnsembleScore:
        manifest = self.bundle.manifest
        together = combined(row, manifest.combine)
        return EnsembleScore(
            calibrated(together, manifest.calibration),
            tuple(
                MemberScore(member.name, calibrated(probability, manifest.calibration))
                for member, probability in zip(manifest.members, row, strict=True)
            ),
        )


def sound_scores(scores: NDArray[np.float32], images: int, manifest: Manifest) -> list[list[float]]:
    """The scores as Python's own figures, a row for each image, once nothing is wrong with them.

    Raises:
        BundleError: There are too many or too few, or one is no probability.
    """
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


def _sound_maps(maps: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    if maps.shape != shape or not ((maps >= 0) & (maps <= 1)).all():  # which refuses NaN as well
        raise BundleError("The network that finds the lungs gave no probability for each pixel.")
    return maps
