"""What the network that finds the lungs makes of sets of pictures, and limits chosen on that."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

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

CHILDREN_WARNED: Final = 0.01
OTHERS_WARNED: Final = 0.05
CHILDREN_REFUSED: Final = 0.002
OTHERS_REFUSED: Final = 0.01
"""Shares of true films, of the kind of the training and of other hospitals, beyond each limit."""

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
        [distance] = novelty.distances(self.features[place][None]).tolist()
        return Look(pose, self.fields[place], distance)


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
    share = OTHERS_WEIGHT if len(others) else 0.0
    weights = np.concatenate(
        [
            np.full(len(training), (1 - share) / len(training)),
            np.full(len(others), share / max(len(others), 1)),
        ]
    )
    features = np.concatenate([training, others]) if len(others) else training
    features = features.astype(np.float64)
    mean = weights @ features
    centred = features - mean
    covariance = (centred * weights[:, None]).T @ centred
    covariance += RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    # inv(L) whitens: inv(L).T @ inv(L) is the inverse of L @ L.T.
    whitening = np.linalg.inv(np.linalg.cholesky(covariance))
    return Novelty(np.asarray(mean, np.float32), np.asarray(whitening, np.float32))


def choose_limits(children: Sequence[Look], others: Sequence[Look]) -> Limits:
    """Draw the lines where given shares of true films lie beyond them.

    Args:
        children: Looks at films like those of the training, that had no part in the fit.
        others: The same of films of other hospitals; may be empty.
    """

    def line(share: float, of_others: float, values: str) -> float:
        groups = [(share, children), (of_others, others)]
        tails = [
            np.quantile([_value(look, values) for look in looks], 1 - beyond)
            for beyond, looks in groups
            if looks
        ]
        return float(max(tails))

    warn_distance = line(CHILDREN_WARNED, OTHERS_WARNED, "distance")
    warn_doubt = line(CHILDREN_WARNED, OTHERS_WARNED, "doubt")
    return Limits(
        warn_distance=round(warn_distance, 2),
        refuse_distance=round(line(CHILDREN_REFUSED, OTHERS_REFUSED, "distance"), 2),
        warn_quality=round(1 - warn_doubt, 4),
        refuse_quality=round(1 - line(CHILDREN_REFUSED, OTHERS_REFUSED, "doubt"), 4),
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


def _value(look: Look, name: str) -> float:
    if name == "distance":
        return look.distance or 0.0
    return 1 - look.field.quality if look.field else 1.0
