"""Members' probabilities to one calibrated probability, and the way from a folder to that."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

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
from service.inference.manifest import Calibration, Manifest

__all__ = [
    "Engine",
    "Ensemble",
    "EnsembleScore",
    "Explained",
    "MemberScore",
    "calibrate",
    "combine",
    "load_ensemble",
]

_LOGIT_CLIP: Final = 1e-7
"""Probabilities nearer to 0 or 1 count as this near: a 32-bit sigmoid resolves no more."""


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
        return self._combined(_sound(self._engine.scores(batch), len(batch), self._bundle.manifest))

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
        scores = _sound(scores, len(batch), manifest)
        if maps.shape[:2] != scores.shape or not np.isfinite(maps).all():
            raise BundleError("The engine does not give one map for each network and image.")
        return [
            Explained(score, heat) for score, heat in zip(self._combined(scores), maps, strict=True)
        ]

    def _combined(self, scores: NDArray[np.float32]) -> list[EnsembleScore]:
        manifest = self._bundle.manifest
        final = calibrate(combine(scores, manifest.combine), manifest.calibration)
        members = calibrate(scores, manifest.calibration)
        names = [member.name for member in manifest.members]
        return [
            EnsembleScore(float(probability), _named(names, row))
            for probability, row in zip(final, members, strict=True)
        ]


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


def combine(
    scores: NDArray[np.floating], rule: Literal["mean", "mean_logit"]
) -> NDArray[np.float64]:
    """Make one probability of the members'.

    Args:
        scores: Shape (N, members), from 0 to 1.
        rule: ``mean`` of the probabilities, or ``mean_logit``: the sigmoid of the mean logit.

    Returns:
        Shape (N,), from 0 to 1; never falls when a member's probability rises.
    """
    members = np.asarray(scores, dtype=np.float64)
    if rule == "mean":
        return np.asarray(members.mean(axis=1))
    return _sigmoid(_logit(members).mean(axis=1))


def calibrate(probabilities: NDArray[np.floating], calibration: Calibration) -> NDArray[np.float64]:
    """Correct combined probabilities as the bundle's calibration says.

    Args:
        probabilities: From 0 to 1, of any shape.
        calibration: Its slope is positive, so the order of the probabilities stays.

    Returns:
        Array of the same shape, from 0 to 1.
    """
    combined = np.asarray(probabilities, dtype=np.float64)
    if calibration.method == "none":
        return combined
    return _sigmoid(calibration.slope * _logit(combined) + calibration.intercept)


def _logit(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(probabilities, _LOGIT_CLIP, 1 - _LOGIT_CLIP)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    # exp of a negative number only: a steep calibration cannot overflow.
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1 / (1 + small), small / (1 + small))


def _named(names: Sequence[str], row: NDArray[np.float64]) -> tuple[MemberScore, ...]:
    return tuple(
        MemberScore(name, float(probability)) for name, probability in zip(names, row, strict=True)
    )


def _sound(scores: NDArray[np.float32], images: int, manifest: Manifest) -> NDArray[np.float32]:
    if scores.shape != (images, len(manifest.members)):
        raise BundleError("The engine does not give one score for each network and image.")
    # A comparison with NaN is false, so this refuses NaN as well.
    sound = np.all((scores >= 0) & (scores <= 1), axis=0)
    for member, is_sound in zip(manifest.members, sound, strict=True):
        if not is_sound:
            raise BundleError(
                f"The network {member.file} gave a score that is not a probability from 0 to 1."
            )
    return scores


def _check_golden(engine: Engine, manifest: Manifest) -> None:
    inputs = golden_inputs(manifest.input)
    answers = _sound(engine.scores(np.stack(list(inputs.values()))), len(inputs), manifest)
    by_kind = dict(zip(inputs, answers, strict=True))
    quantised = manifest.compiled.int8 if manifest.compiled else None
    own = quantised.golden if quantised and engine.precision == "int8" else manifest.golden
    for golden in own:
        expected = np.asarray(golden.probabilities)
        differences = np.abs(by_kind[golden.kind] - expected)
        worst = int(np.argmax(differences))
        if differences[worst] > golden.tolerance:
            raise BundleError(
                f"The network {manifest.members[worst].file} answers the test image "
                f"{golden.kind!r} with {by_kind[golden.kind][worst]:.4f} where the manifest "
                f"expects {expected[worst]:.4f}."
            )
