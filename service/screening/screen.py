"""The use case: the bytes of a radiograph come in, a verdict goes out. Knows no HTTP."""

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.errors import EmptyFileError
from service.imaging import Film, ImagingError, Radiograph, decode, film_of, prepare
from service.inference import Ensemble, EnsembleScore, NotExplainableError
from service.observability.record import note_image, note_verdict, stage
from service.screening.explanation import Explanation, Unexplained
from service.screening.verdict import ImageFacts, Verdict, decide

SHOWN_SIDE: Final = 1024
"""Pixels of the longer side that a picture for people has at least, where its file has as many."""


class Screening:
    """Screens radiographs with one ensemble. Holds no state between calls; safe for many threads.

    Args:
        ensemble: Loaded and verified networks.
        max_pixels: Most pixels of an image that are decoded.
    """

    def __init__(self, ensemble: Ensemble, *, max_pixels: int) -> None:
        self.ensemble = ensemble
        self._max_pixels = max_pixels

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

    def screen(self, data: bytes) -> Verdict:
        """Decode, prepare, score and decide. Blocks for as long as that takes.

        Raises:
            EmptyFileError: There are no bytes.
            ImagingError: The bytes cannot be read as one usable radiograph.
        """
        radiograph, _, batch = self._read(data)
        return self._verdict(self._score(batch), radiograph)

    def explain(self, data: bytes) -> Explanation:
        """Screen, and say where the networks found what they rest on.

        Raises:
            EmptyFileError: As ``screen``; so does ImagingError.
            NotExplainableError: The networks allow no map.
        """
        radiograph, film, batch = self._read(data)
        verdict, maps = self._explain(radiograph, batch)
        return Explanation(verdict, self._for_people(radiograph, data), film.laid_back(maps))

    def explain_if_possible(self, data: bytes) -> Explanation | Unexplained:
        """Explain, or screen alone where the networks allow no map.

        Raises:
            EmptyFileError: As ``screen``; so does ImagingError.
        """
        radiograph, film, batch = self._read(data)
        try:
            verdict, maps = self._explain(radiograph, batch)
        except NotExplainableError as error:
            verdict = self._verdict(self._score(batch), radiograph)
            return Unexplained(verdict, self._for_people(radiograph, data), error.message)
        return Explanation(verdict, self._for_people(radiograph, data), film.laid_back(maps))

    def _read(self, data: bytes) -> tuple[Radiograph, Film, NDArray[np.float32]]:
        """Bytes to a radiograph, the film in it and the batch of one that the ensemble takes."""
        bundle = self.ensemble.bundle
        spec = bundle.manifest.input
        # What reduced decoding and cutting do to the answer was measured on networks that came with
        # their measurements; those of one's own see what they saw with the predecessor.
        measured = bundle.provenance == "manifest"
        radiograph = self.view(data, near=max(spec.width, spec.height) if measured else None)
        with stage("prepare"):
            film = film_of(radiograph) if measured else Film(radiograph)
            return radiograph, film, prepare(film.radiograph, spec)[None]

    def _score(self, batch: NDArray[np.float32]) -> EnsembleScore:
        with stage("inference"):
            [score] = self.ensemble.score(batch)
        return score

    def _explain(
        self, radiograph: Radiograph, batch: NDArray[np.float32]
    ) -> tuple[Verdict, NDArray[np.float32]]:
        with stage("inference"):
            [explained] = self.ensemble.explain(batch)
        return self._verdict(explained.score, radiograph), explained.maps

    def _for_people(self, radiograph: Radiograph, data: bytes) -> Radiograph:
        """The same with more pixels, if it was decoded reduced to what the networks need."""
        if radiograph.full_size is None:
            return radiograph
        with stage("decode"):
            return decode(data, max_pixels=self._max_pixels, near=SHOWN_SIDE // 2)

    def _verdict(self, score: EnsembleScore, radiograph: Radiograph) -> Verdict:
        bundle = self.ensemble.bundle
        image = ImageFacts(
            format=radiograph.format,
            width=radiograph.width,
            height=radiograph.height,
            sha256=radiograph.sha256,
        )
        verdict = decide(score, bundle.manifest, bundle.digest, image)
        note_verdict(image.sha256, verdict.predicted_class, bundle.digest)
        return verdict
