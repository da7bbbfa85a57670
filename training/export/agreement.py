"""How two engines of one bundle agree on the same images, and how far 8 bits may disagree."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.inference.bundle import Bundle
from service.inference.engines import Engine
from service.inference.ensemble import Ensemble
from service.inference.errors import NotExplainableError
from service.inference.manifest import Agreement
from training.data import Record
from training.evaluation.statistics import auc
from training.export.inputs import Images

Judged = tuple[Images, Sequence[Record]]
"""Images as the members take them, and the records that they are of."""

INT8_MAX_CHANGED: Final = 0.005
"""Largest share of verdicts that 8 bits may change."""

INT8_MAX_AUC_LOSS: Final = 0.001

ELSEWHERE_MAX_CHANGED: Final = 0.01
"""The same in each set of another hospital, of which one verdict may change in any case: such sets
have a hundred films or so."""

ELSEWHERE_MAX_AUC_LOSS: Final = 0.005

_BATCH: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Of N images: members' probabilities (N, members), the ensemble's (N,), and maps if any."""

    members: NDArray[np.float64]
    ensemble: NDArray[np.float64]
    maps: NDArray[np.float32] | None


def answers_of(bundle: Bundle, engine: Engine, images: Images) -> Answers:
    """What an engine answers for a bundle."""
    ensemble = Ensemble(bundle, engine)
    batches = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
    try:
        explained = [each for batch in batches for each in ensemble.explain(batch)]
    except NotExplainableError:
        scores, maps = [score for batch in batches for score in ensemble.score(batch)], None
    else:
        scores, maps = [e.score for e in explained], np.stack([e.maps for e in explained])
    return Answers(
        members=np.array([[member.probability for member in s.members] for s in scores]),
        ensemble=np.array([score.probability for score in scores]),
        maps=maps,
    )


def compare(one: Answers, other: Answers, threshold: float) -> Agreement:
    """The figures of a gate."""
    verdicts = [answers.ensemble.round(4) > threshold for answers in (one, other)]
    maps = None
    if one.maps is not None and other.maps is not None:
        maps = float(np.abs(one.maps - other.maps).max())
    return Agreement(
        images=len(one.ensemble),
        largest_difference=float(np.abs(one.members - other.members).max()),
        largest_map_difference=maps,
        verdicts_changed=int((verdicts[0] != verdicts[1]).sum()),
    )


def compare_precisions(bundle: Bundle, wide: Engine, narrow: Engine, judged: Judged) -> Agreement:
    """The figures of the gate of 8 bits; the AUC's only where there are both classes."""
    images, records = judged
    one, other = (answers_of(bundle, engine, images) for engine in (wide, narrow))
    agreement = compare(one, other, bundle.manifest.threshold.value)
    labels = np.array([record.label for record in records])
    if len(set(labels)) < 2:
        return agreement
    loss = auc(labels, one.ensemble) - auc(labels, other.ensemble)
    return agreement.model_copy(update={"auc_loss": round(loss, 6)})


def refusal_of(agreement: Agreement, elsewhere: Mapping[str, Agreement]) -> str:
    """Why 8 bits are not good enough, in a sentence; empty when they are.

    Args:
        agreement: On films of the training set.
        elsewhere: On films of other hospitals, by the name of the set.
    """
    allowed = INT8_MAX_CHANGED * agreement.images
    reason = _why_not(agreement, allowed, INT8_MAX_AUC_LOSS)
    for name, found in elsewhere.items():
        allowed = max(1, math.floor(ELSEWHERE_MAX_CHANGED * found.images))
        further = _why_not(found, allowed, ELSEWHERE_MAX_AUC_LOSS)
        reason = reason or (further and f"{further} That is on the films of {name}.")
    return reason


def _why_not(agreement: Agreement, allowed: float, max_loss: float) -> str:
    loss = agreement.auc_loss or 0.0
    if agreement.verdicts_changed <= allowed and loss <= max_loss:
        return ""
    return (
        f"In 8 bits the graphs change {agreement.verdicts_changed} of {agreement.images} verdicts "
        f"(at most {math.floor(allowed)} may change) and lose {loss:.4f} of the AUC (at most "
        f"{max_loss:g} may be lost)."
    )
