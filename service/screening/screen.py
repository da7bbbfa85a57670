"""The use case: the bytes of a radiograph come in, a verdict goes out. Knows no HTTP."""

import dataclasses
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.errors import (
    EmptyFileError,
    InternalError,
    NotAChestRadiographError,
    OutOfMemoryError,
    ServiceError,
)
from service.imaging import Box, Film, ImagingError, Radiograph, decode, film_of
from service.inference import Ensemble, EnsembleScore, Manifest, NotExplainableError
from service.lungs import (
    AS_RECEIVED,
    LungField,
    Pose,
    WarningCode,
    enlarged,
    evidence_shares,
    member_input,
)
from service.observability.record import (
    VerdictRecord,
    note_image,
    note_refusal,
    note_verdict,
    stage,
)
from service.screening.decision import decide
from service.screening.explanation import WHOLE_FRAME, Explanation, LungsOnFrame, Unexplained
from service.screening.gate import examine
from service.screening.header_check import check_kind, header_cautions
from service.screening.prevalence import local_figures
from service.screening.verdict import ImageFacts, LungFacts, Verdict

SHOWN_SIDE: Final = 1024
"""Pixels of the longer side that a picture for people has at least, where its file has as many."""


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A radiograph, and what the networks see of it.

    Attributes:
        radiograph: As it was decoded.
        film: The film in it.
        batch: What the engine takes.
        field: Where the lungs are on the film, if the bundle looks for them.
        covers: What all members see, as shares of the film; None if they see different parts.
        pose: How the film was put right before it was judged; ``field`` and ``covers`` are of the
            film as it was received.
        warnings: Of what its reader should be warned.
    """

    radiograph: Radiograph
    film: Film
    batch: NDArray[np.float32]
    field: LungField | None
    covers: Box | None
    pose: Pose = AS_RECEIVED
    warnings: tuple[WarningCode, ...] = ()


class Screening:
    """Screens radiographs with one ensemble. Holds no state between calls; safe for many threads.

    Args:
        ensemble: Loaded and verified networks.
        max_pixels: Most pixels of an image that are decoded.
        prevalence: Share of pneumonia among the films that are sent, where the caller gives none;
            None if it is not known.
    """

    def __init__(
        self, ensemble: Ensemble, *, max_pixels: int, prevalence: float | None = None
    ) -> None:
        self.ensemble = ensemble
        self._max_pixels = max_pixels
        self._prevalence = prevalence

    def view(self, data: bytes, *, near: int | None = None) -> Radiograph:
        """Decode alone, by the rules of ``screen``; ``near`` is that of ``decode``.

        Raises:
            EmptyFileError: There are no bytes.
            ImagingError: The bytes cannot be read as one usable radiograph.
        """
        if not data:
            raise EmptyFileError("The file is empty. Please check that it was exported completely.")
        with stage("decode"):
            try:
                radiograph = decode(data, max_pixels=self._max_pixels, near=near)
            except ImagingError:
                note_image(hashlib.sha256(data).hexdigest(), len(data))
                raise
        note_image(radiograph.sha256, len(data))
        return radiograph

    def screen(self, data: bytes, *, prevalence: float | None = None) -> Verdict:
        """Decode, find the lungs, score and decide. Blocks for as long as that takes.

        Args:
            data: The file.
            prevalence: Local share of pneumonia, in place of the one this was made with.

        Raises:
            EmptyFileError: There are no bytes.
            ImagingError: The bytes cannot be read as one usable radiograph.
            NotAChestRadiographError: The picture is not a frontal chest film.
        """
        with _refusal_noted(data):
            seen = self._look(data)
            # A map costs next to nothing, and says how the evidence is shared between the lungs.
            result = self._explained(seen) if seen.field else self._scored(seen)
        return self._localised(result.verdict, prevalence)

    def explain(self, data: bytes, *, prevalence: float | None = None) -> Explanation:
        """Screen, and say where the networks found what they rest on.

        Raises:
            EmptyFileError: As ``screen``; so do ImagingError and NotAChestRadiographError.
            NotExplainableError: The networks allow no map.
        """
        result = self.explain_if_possible(data, prevalence=prevalence)
        if isinstance(result, Unexplained):
            raise NotExplainableError(result.reason)
        return result

    def explain_if_possible(
        self, data: bytes, *, prevalence: float | None = None
    ) -> Explanation | Unexplained:
        """Explain, or screen alone where the networks allow no map.

        Raises:
            EmptyFileError: As ``screen``; so do ImagingError and NotAChestRadiographError.
        """
        with _refusal_noted(data):
            result = self._explained(self._look(data))
        return dataclasses.replace(
            result,
            verdict=self._localised(result.verdict, prevalence),
            radiograph=self._for_people(result.radiograph, data),
        )

    def _look(self, data: bytes) -> _Seen:
        """Bytes to the film in them, its lungs, and the batch of one that the ensemble takes."""
        bundle = self.ensemble.bundle
        manifest = bundle.manifest
        spec, lungs, data_set = manifest.input, manifest.lungs, manifest.training_data
        ages = data_set.ages if data_set else None
        # The lung field is a part of the picture: more pixels are needed for the same view.
        near = max(spec.width, spec.height) * (2 if lungs else 1)
        # What reduced decoding and cutting do to the answer was measured on networks that came with
        # their measurements; those of one's own see what they saw with the predecessor.
        measured = bundle.provenance == "manifest"
        radiograph = self.view(data, near=near if measured else None)
        check_kind(radiograph.header)
        with stage("prepare"):
            film = film_of(radiograph) if measured else Film(radiograph)
        if lungs is None:
            with stage("prepare"):
                batch = member_input(film.radiograph, None, spec, manifest.views)[None]
            cautions = header_cautions(radiograph.header, (), ages)
            return _Seen(radiograph, film, batch, None, WHOLE_FRAME, warnings=cautions)
        with stage("lungs"):
            found = examine(self.ensemble, film.radiograph, lungs)
        cautions = header_cautions(radiograph.header, found.warnings, ages)
        with stage("prepare"):
            views, margin = manifest.views, lungs.margin
            batch = member_input(found.radiograph, found.field, spec, views, margin)[None]
        size = film.radiograph.width, film.radiograph.height
        field = found.pose.field_back(found.field, *size)
        covers = _covered(manifest, field, margin)
        warnings = (*cautions, *found.warnings)
        return _Seen(radiograph, film, batch, field, covers, found.pose, warnings)

    def _scored(self, seen: _Seen, reason: str = "") -> Unexplained:
        with stage("inference"):
            [score] = self.ensemble.score(seen.batch)
        return Unexplained(self._verdict(score, seen, None), seen.radiograph, reason)

    def _explained(self, seen: _Seen) -> Explanation | Unexplained:
        if seen.covers is None:
            return self._scored(seen, "The networks see different parts of the frame.")
        try:
            with stage("inference"):
                [explained] = self.ensemble.explain(seen.batch)
        except NotExplainableError as error:
            return self._scored(seen, error.message)
        maps, film, field = seen.pose.maps_back(explained.maps), seen.film, seen.field
        if field is None:
            verdict = self._verdict(explained.score, seen, None)
            return Explanation(verdict, seen.radiograph, film.laid_back(maps))
        shares = evidence_shares(maps.mean(axis=0), field, seen.covers)
        verdict = self._verdict(explained.score, seen, shares)
        lungs = LungsOnFrame(field, film.box)
        return Explanation(verdict, seen.radiograph, maps, lungs, film.in_frame(seen.covers))

    def _localised(self, verdict: Verdict, prevalence: float | None) -> Verdict:
        share = prevalence or self._prevalence
        if share is None:
            return verdict
        local = local_figures(verdict.probability, self.ensemble.bundle.manifest, share)
        return dataclasses.replace(verdict, local=local)

    def _for_people(self, radiograph: Radiograph, data: bytes) -> Radiograph:
        """The same with more pixels, if it was decoded reduced to what the networks need."""
        if radiograph.full_size is None:
            return radiograph
        with stage("decode"):
            return decode(data, max_pixels=self._max_pixels, near=SHOWN_SIDE // 2)

    def _verdict(
        self, score: EnsembleScore, seen: _Seen, evidence: tuple[float, float] | None
    ) -> Verdict:
        bundle, radiograph, field = self.ensemble.bundle, seen.radiograph, seen.field
        image = ImageFacts(
            format=radiograph.format,
            width=radiograph.width,
            height=radiograph.height,
            sha256=radiograph.sha256,
        )
        lungs = LungFacts.of(field, seen.film, image, evidence) if field else None
        verdict = decide(score, bundle.manifest, bundle.digest, image, lungs, seen.warnings)
        note_verdict(image.sha256, _noted(verdict))
        return verdict


@contextmanager
def _refusal_noted(data: bytes) -> Iterator[None]:
    """Note the reason if there is no verdict on a file."""
    try:
        yield
    except Exception as error:
        kind = OutOfMemoryError if isinstance(error, MemoryError) else InternalError
        code = error.code if isinstance(error, ServiceError) else kind.code
        reason = error.text_key if isinstance(error, NotAChestRadiographError) else None
        note_refusal(hashlib.sha256(data).hexdigest(), len(data), code, reason)
        raise


def _covered(manifest: Manifest, field: LungField, margin: float) -> Box | None:
    """What all members see, as shares of the film; None if they see different parts of it."""
    if manifest.views == ("frame",):
        return WHOLE_FRAME
    return None if "frame" in manifest.views else enlarged(field.box, margin)


def _noted(verdict: Verdict) -> VerdictRecord:
    return VerdictRecord(
        model_digest=verdict.model.digest,
        predicted_class=verdict.predicted_class,
        assessment=verdict.assessment,
        probability=verdict.probability,
        warnings=verdict.warnings,
    )
