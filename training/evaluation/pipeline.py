"""From a radiograph to a bundle's answer, by the service's own functions and ONNX Runtime."""

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging import Box, Film, Radiograph, film_of
from service.inference import (
    Calibration,
    Ensemble,
    EnsembleScore,
    Manifest,
    NotExplainableError,
    PrecisionChoice,
    load_ensemble,
)
from service.lungs import (
    LungField,
    enlarged,
    evidence_shares,
    find_lungs,
    member_input,
    segmentation_input,
)

NO_LUNGS: Final = "no lungs found"
"""Why a bundle that looks for the lungs gives no answer."""


@dataclass(frozen=True, slots=True, eq=False)
class Lungs:
    """The lungs of a file's picture.

    Attributes:
        field: Where they are on the film.
        box: Around both, as shares of the file's picture.
        film: Where the film is in the picture: all of it, but for an even surround.
    """

    field: LungField
    box: Box
    film: Box = (0.0, 0.0, 1.0, 1.0)

    def mask(self, side: int) -> NDArray[np.bool_]:
        """Both lungs in the picture, squashed to a square: shape (side, side)."""
        left, top, right, bottom = (round(part * side) for part in self.film)
        picture = Image.new("1", (side, side))
        size = (right - left, bottom - top)
        small = Image.fromarray(self.field.mask).resize(size, Image.Resampling.NEAREST)
        picture.paste(small, (left, top))
        return np.asarray(picture)


class LungFinder(Protocol):
    """Finds the lungs of a film, with a network or in a drawn mask."""

    def lungs(self, file: str, radiograph: Radiograph) -> Lungs | None:
        """The lungs, or None where they are not found or not known."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What a bundle answers for one radiograph.

    Attributes:
        logits: Of each member, before calibration, in the manifest's order; empty where refused.
        lungs: Where the lungs are; None where the bundle has no network that finds them.
        refused: Why there is no answer, or empty.
    """

    logits: tuple[float, ...]
    lungs: Lungs | None = None
    refused: str = ""


class Pipeline:
    """A verified bundle that reads radiographs as the service does.

    Args:
        ensemble: Loaded and verified.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        self._ensemble = ensemble

    @classmethod
    def open(cls, directory: Path, precision: PrecisionChoice = "fp32") -> "Pipeline":
        """Load a bundle's compiled graphs.

        Raises:
            BundleError: The bundle does not verify, or is not compiled.
        """
        threads = os.cpu_count() or 1
        return cls(load_ensemble(directory, threads=threads, engine="onnx", precision=precision))

    @property
    def manifest(self) -> Manifest:
        """Of the bundle."""
        return self._ensemble.bundle.manifest

    @property
    def members(self) -> tuple[str, ...]:
        """Names of the networks, in the order of ``Reading.logits``."""
        return tuple(member.name for member in self.manifest.members)

    @property
    def networks_digest(self) -> str:
        """See ``networks_digest``."""
        return networks_digest(self.manifest)

    def read(self, radiographs: Sequence[Radiograph]) -> list[Reading]:
        """Score radiographs by the steps of the service: film, lungs, views, networks.

        The input gate is left out: it turns or refuses pictures, and is measured by itself.

        Returns:
            One reading for each, in order.
        """
        films = [film_of(radiograph) for radiograph in radiographs]
        fields = [self._find(film) for film in films]
        answered = [place for place, field in enumerate(fields) if field or not self.manifest.lungs]
        readings = [Reading((), refused=NO_LUNGS)] * len(films)
        if not answered:
            return readings
        batch = np.stack([self._input(films[place], fields[place]) for place in answered])
        for place, score in zip(answered, self._ensemble.score(batch), strict=True):
            field = fields[place]
            readings[place] = Reading(self._logits(score), _in_frame(field, films[place]))
        return readings

    def lungs(self, file: str, radiograph: Radiograph) -> Lungs | None:
        """Find the lungs; None where there are none, or the bundle does not look for them."""
        film = film_of(radiograph)
        return _in_frame(self._find(film), film)

    def evidence(self, radiograph: Radiograph, lungs: Lungs) -> float | None:
        """Share of the evidence for pneumonia that lies inside the lungs.

        A cell of the members' mean map that lies partly inside counts in proportion. The lungs are
        taken with the rim of two cells that the views keep.

        Args:
            radiograph: What is read.
            lungs: Where its lungs are, for a bundle that does not look for them.

        Returns:
            From 0 to 1; None where the networks allow no map, or nothing speaks for pneumonia.
        """
        film, entry = film_of(radiograph), self.manifest.lungs
        found = self._find(film)
        views = set(self.manifest.views)
        if entry and (found is None or ("frame" in views and len(views) > 1)):
            return None  # no lungs, or maps that do not cover the same part of the film
        batch = self._input(film, found)[np.newaxis]
        try:
            [explained] = self._ensemble.explain(batch)
        except NotExplainableError:
            return None
        heat = explained.maps.mean(axis=0)
        if entry and found and views != {"frame"}:
            shares = evidence_shares(heat, found, enlarged(found.box, entry.margin))
        else:
            shares = evidence_shares(film.laid_back(heat), lungs.field, (0.0, 0.0, 1.0, 1.0))
        return sum(shares) if shares else None

    def _find(self, film: Film) -> LungField | None:
        entry = self.manifest.lungs
        if entry is None:
            return None
        radiograph = film.radiograph
        batch = segmentation_input(radiograph, entry.side)[np.newaxis]
        [probabilities] = self._ensemble.segment(batch)
        return find_lungs(probabilities, radiograph.width, radiograph.height, entry.threshold)

    def _input(self, film: Film, field: LungField | None) -> NDArray[np.float32]:
        manifest = self.manifest
        margin = manifest.lungs.margin if manifest.lungs else 0.0
        return member_input(film.radiograph, field, manifest.input, manifest.views, margin)

    def _logits(self, score: EnsembleScore) -> tuple[float, ...]:
        calibration = self.manifest.calibration
        return tuple(raw_logit(member.probability, calibration) for member in score.members)


def networks_digest(manifest: Manifest) -> str:
    """Digest of all that raw logits depend on.

    Calibration, threshold and recorded figures are left out: they change when a bundle is
    calibrated anew, and the scores do not.
    """
    content = manifest.model_dump(mode="json", exclude={"lungs": {"metrics", "compiled", "golden"}})
    members = [(member.file, member.sha256, member.channels) for member in manifest.members]
    text = f"{content['input']} {members} {content.get('lungs')}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class MaskFolder:
    """Lungs as people drew them: ``<name of the film>.png``, white where the lungs are.

    Args:
        folder: Where the masks lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def lungs(self, file: str, radiograph: Radiograph) -> Lungs | None:
        """The lungs of the film's mask; None where there is no mask, or it shows no two lungs."""
        truth = self.mask(file)
        if truth is None:
            return None
        # As sure as a network can be: the same function makes the field of both.
        field = find_lungs(truth.astype(np.float32), radiograph.width, radiograph.height)
        return Lungs(field, field.box) if field else None

    def mask(self, file: str, side: int = 192) -> NDArray[np.bool_] | None:
        """A film's mask squashed to a square, shape (side, side); None where there is none."""
        path = self._folder / f"{Path(file).stem}.png"
        if not path.exists():
            return None
        with Image.open(path, formats=("PNG",)) as picture:
            small = picture.convert("L").resize((side, side), Image.Resampling.BOX)
        return np.asarray(small) > 127


def _in_frame(field: LungField | None, film: Film) -> Lungs | None:
    return None if field is None else Lungs(field, film.in_frame(field.box), film.box)


def raw_logit(probability: float, calibration: Calibration) -> float:
    """Undo a calibration: the logit that a member's network gave.

    Args:
        probability: Calibrated, from 0 to 1.
        calibration: That of the bundle.
    """
    tiny = 1e-300
    logit = math.log(max(probability, tiny)) - math.log(max(1 - probability, tiny))
    return (logit - calibration.intercept) / calibration.slope
