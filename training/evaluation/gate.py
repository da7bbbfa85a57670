"""What the network that finds the lungs makes of sets of pictures, and limits chosen on that."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from service.imaging import ImagingError, Radiograph, decode, film_of
from service.inference import LungsEntry, Novelty, Segmenter
from service.lungs import (
    AS_RECEIVED,
    POSES,
    Limits,
    Look,
    LungField,
    Pose,
    Suitability,
    best_look,
    find_lungs,
    is_clear,
    segmentation_input,
    suitability_of,
)
from training.data import DataError

OTHERS_WEIGHT: Final = 0.4
"""Share of other hospitals' films in the mean and the covariance, however few they are. With their
true share of 5 % a fifth of such films would be warned of."""

RIDGE: Final = 1e-3
"""Added to each variance, as a share of the mean one: the covariance of few films is singular."""

STRENGTH: Final = 1e-3
"""Inverse of the penalty on the weights of the score for other pictures (``C`` of scikit-learn).
From 1e-4 to 0.1 it made no difference on halves of the pictures that were left out."""

WARNED: Final = (0.01, 0.03)
"""Share of true films beyond the line of a warning: of the kind of the training, and of others."""

TOO_FAR: Final = (0.001, 0.005)
OTHER: Final = (0.001, 0.004)
UNCERTAIN: Final = (0.001, 0.004)
BOTH_DOUBTS: Final = (0.001, 0.0125)
"""Shares of the same that are refused: together less than half a per cent of films of the kind of
the training, and less than two per cent of others. Both doubts together refuse only where no other
pictures were at hand."""

SLACK: Final = 1.25
"""Where other pictures were at hand, a film may be this much farther, and its lungs less certain,
before that alone refuses it."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One picture in all poses, or as it was received alone.

    Attributes:
        radiograph: The film in it.
        fields: The lungs in each pose that was looked at.
        features: The network's features in the same poses.
    """

    radiograph: Radiograph
    fields: tuple[LungField | None, ...]
    features: tuple[Floats, ...]

    def look(self, pose: Pose, novelty: Novelty, received: Pose = AS_RECEIVED) -> Look:
        """A look at the picture, had it been received in a pose and put into another."""
        turns = (pose.turns + received.turns) % 4
        place = POSES.index(Pose(turns, pose.inverted != received.inverted))
        features = self.features[place][None]
        [distance] = novelty.distances(features).tolist()
        others = novelty.otherness(features)
        return Look(
            pose, self.fields[place], distance, None if others is None else float(others[0])
        )


def see(
    segmenter: Segmenter, entry: LungsEntry, pictures: Iterable[bytes], *, poses: Sequence[Pose]
) -> list[Seen]:
    """Let the network look at pictures.

    Args:
        segmenter: Gives features.
        entry: The manifest's entry of the network.
        pictures: Files; those that the service would not read are left out.
        poses: The first of ``POSES``, or all of them.

    Raises:
        DataError: The network gives no features.
    """
    seen = []
    for data in pictures:
        try:
            film = film_of(decode(data, near=2 * entry.side)).radiograph
        except ImagingError:
            continue
        square = segmentation_input(film, entry.side)
        maps, features = segmenter.look(np.stack([pose.square(square) for pose in poses]))
        if features is None:
            raise DataError("The network that finds the lungs gives no features: port it again.")
        fields = tuple(
            find_lungs(found, *pose.size(film.width, film.height), entry.threshold)
            for pose, found in zip(poses, maps, strict=True)
        )
        seen.append(Seen(film, fields, tuple(features)))
    return seen


def fit_novelty(training: Floats, others: Floats) -> Novelty:
    """Mean and covariance of features.

    Args:
        training: Of training films, shape (N, n).
        others: Of films of other hospitals, shape (M, n); M may be 0.
    """
    weights = _film_weights(len(training), len(others))
    features = np.concatenate([training, others]) if len(others) else training
    features = features.astype(np.float64)
    mean = weights @ features
    centred = features - mean
    covariance = (centred * weights[:, None]).T @ centred
    covariance += RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    # inv(L) whitens: inv(L).T @ inv(L) is the inverse of L @ L.T.
    whitening = np.linalg.inv(np.linalg.cholesky(covariance))
    return Novelty(np.asarray(mean, np.float32), np.asarray(whitening, np.float32))


def fit_others(
    novelty: Novelty, training: Floats, others: Floats, kinds: Mapping[str, Floats]
) -> Novelty:
    """Add a score that tells films from other pictures: logistic regression of whitened features.

    Films weigh as in ``fit_novelty``, each kind of other pictures as much as the next.

    Args:
        novelty: As fitted on the films.
        training: Features of training films, shape (N, n).
        others: Of films of other hospitals, shape (M, n); M may be 0.
        kinds: Of other pictures, by kind; none of them empty.
    """
    if not kinds:
        return novelty
    films = np.concatenate([training, others]) if len(others) else training
    pictures = np.concatenate(list(kinds.values()))
    counts = [len(each) for each in kinds.values()]
    weights = np.concatenate(
        [
            _film_weights(len(training), len(others)),
            *(np.full(count, 1 / (len(counts) * count)) for count in counts),
        ]
    )
    model = LogisticRegression(C=STRENGTH, max_iter=2000).fit(
        novelty.whitened(np.concatenate([films, pictures])),
        np.repeat([0, 1], [len(films), len(pictures)]),
        sample_weight=weights * (len(films) + len(pictures)) / 2,
    )
    others_weights = np.concatenate([model.coef_[0], model.intercept_])
    return replace(novelty, others=others_weights.astype(np.float32))


def _film_weights(training: int, others: int) -> NDArray[np.float64]:
    share = OTHERS_WEIGHT if others else 0.0
    return np.concatenate(
        [np.full(training, (1 - share) / training), np.full(others, share / max(others, 1))]
    )


def choose_limits(children: Sequence[Look], others: Sequence[Look]) -> Limits:
    """Draw the lines where given shares of true films lie beyond them.

    Args:
        children: Looks at films like those of the training, that had no part in the fit.
        others: The same of films of other hospitals; may be empty.
    """
    groups = [looks for looks in (children, others) if looks]

    def line(shares: tuple[float, float], values: Sequence[NDArray[np.float64]]) -> float:
        return max(
            float(np.quantile(group, 1 - share, method="higher"))
            for share, group in zip(shares, values, strict=False)
        )

    distances = [np.array([look.distance or 0.0 for look in looks]) for looks in groups]
    doubts = [
        np.array([1 - look.field.quality if look.field else 1.0 for look in looks])
        for looks in groups
    ]
    warn_distance = line(WARNED, distances)
    # Of films that are far, few may be uncertain as well, for both together are refused.
    if_far = [
        np.where(distance > warn_distance, doubt, 0.0)
        for distance, doubt in zip(distances, doubts, strict=True)
    ]
    scores = [
        np.array([look.otherness for look in looks if look.otherness is not None])
        for looks in groups
    ]
    warn_doubt, warn_other, refuse_other = line(WARNED, doubts), None, None
    if all(map(len, scores)):
        refuse_doubt = SLACK * line(UNCERTAIN, doubts)
        refuse_distance = SLACK * line(TOO_FAR, distances)
        warn_other = _up(line(WARNED, scores), 2)
        refuse_other = max(warn_other, _up(line(OTHER, scores), 2))
    else:
        refuse_doubt = line(UNCERTAIN, doubts)
        refuse_distance = line(TOO_FAR, distances)
        warn_doubt = max(warn_doubt, line(BOTH_DOUBTS, if_far))
    return Limits(
        warn_distance=_up(warn_distance, 2),
        refuse_distance=_up(max(warn_distance, refuse_distance), 2),
        warn_quality=round(1 - _up(warn_doubt, 4), 4),
        refuse_quality=round(1 - _up(max(warn_doubt, min(refuse_doubt, 1.0)), 4), 4),
        warn_otherness=warn_other,
        refuse_otherness=refuse_other,
    )


def judge(
    seen: Seen, novelty: Novelty, limits: Limits, received: Pose = AS_RECEIVED
) -> Suitability:
    """Judge a picture as the service does.

    Args:
        seen: In all poses, or in its own alone, which is then the only one that is tried.
        novelty: The training films.
        limits: Of the bundle.
        received: The pose that the picture is supposed to have been received in.
    """
    look = seen.look(AS_RECEIVED, novelty, received)
    if not is_clear(look, limits) and len(seen.fields) == len(POSES):
        look = best_look(look, [seen.look(pose, novelty, received) for pose in POSES[1:]], limits)
    return suitability_of(look, look.pose.radiograph(received.radiograph(seen.radiograph)), limits)


def _up(value: float, decimals: int) -> float:
    return float(np.ceil(value * 10**decimals) / 10**decimals)
