"""Members' probabilities to one calibrated probability, and the way from a folder to that."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from service.inference.bundle import Bundle, open_bundle
from service.inference.engines import Engine, EngineChoice, load_engine
from service.inference.errors import BundleError
from service.inference.golden import golden_inputs
from service.inference.manifest import Calibration, Manifest

__all__ = [
    "Engine",
    "Ensemble",
    "EnsembleScore",
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
        manifest = self._bundle.manifest
        scores = _member_scores(self._engine, batch, manifest)
        final = calibrate(combine(scores, manifest.combine), manifest.calibration)
        members = calibrate(scores, manifest.calibration)
        names = [member.name for member in manifest.members]
        return [
            EnsembleScore(float(probability), _named(names, row))
            for probability, row in zip(final, members, strict=True)
        ]


def load_ensemble(directory: Path, *, threads: int, engine: EngineChoice = "auto") -> Ensemble:
    """Open, verify, load and try out a models folder. Blocks for seconds.

    Args:
        directory: The models folder.
        threads: Processor threads that one call of the engine may use.
        engine: See ``load_engine``.

    Raises:
        BundleError: The folder does not verify, a network does not fit the manifest, or one does
            not answer the synthetic radiographs as it should.
    """
    bundle = open_bundle(directory)
    loaded = load_engine(bundle, threads=threads, choice=engine)
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


def _member_scores(
    engine: Engine, batch: NDArray[np.float32], manifest: Manifest
) -> NDArray[np.float32]:
    scores = engine.scores(batch)
    if scores.shape != (len(batch), len(manifest.members)):
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
    answers = _member_scores(engine, np.stack(list(inputs.values())), manifest)
    by_kind = dict(zip(inputs, answers, strict=True))
    for golden in manifest.golden:
        expected = np.asarray(golden.probabilities)
        differences = np.abs(by_kind[golden.kind] - expected)
        worst = int(np.argmax(differences))
        if differences[worst] > golden.tolerance:
            raise BundleError(
                f"The network {manifest.members[worst].file} answers the test image "
                f"{golden.kind!r} with {by_kind[golden.kind][worst]:.4f} where the manifest "
                f"expects {expected[worst]:.4f}."
            )
