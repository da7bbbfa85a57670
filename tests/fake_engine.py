"""An ensemble without TensorFlow: scores that depend on every pixel, made by numpy alone."""

import threading
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.imaging import InputSpec
from service.inference import (
    Bundle,
    Calibration,
    Ensemble,
    Indeterminate,
    LungsEntry,
    Manifest,
    MemberEntry,
    Metrics,
    NotExplainableError,
    Precision,
    Threshold,
    TrainingData,
)
from service.inference.manifest import ViewName


class FakeEngine:
    """Two "networks": a checksum of the pixels, so that no two images score alike, and their mean.

    Args:
        delay_s: How long each image takes, in seconds.
        error: Raised instead of an answer.
        explains: Whether there are maps: brightness over a grid of 4 x 4 cells, and its reverse.
    """

    name = "fake"
    precision: Precision = "fp32"

    def __init__(
        self, *, delay_s: float = 0.0, error: BaseException | None = None, explains: bool = True
    ) -> None:
        self._delay_s = delay_s
        self.error = error
        self._explains = explains
        self._lock = threading.Lock()
        self.calls = 0
        self.at_once = 0
        self.most_at_once = 0

    def scores(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score a batch of shape (N, height, width, channels)."""
        with self._lock:
            self.calls += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            time.sleep(self._delay_s * len(batch))
            if self.error is not None:
                raise self.error
            rows = [[zlib.crc32(image.tobytes()) / 2**32, image.mean()] for image in batch]
            return np.clip(np.asarray(rows, dtype=np.float32), 0, 1)
        finally:
            with self._lock:
                self.at_once -= 1

    def explain(
        self, batch: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score a batch, and give two maps for each image."""
        if not self._explains:
            raise NotExplainableError("These networks are made of numpy.")
        scores = self.scores(batch)
        n, height, width, _ = batch.shape
        plane = batch[..., 0]
        cells = plane.reshape(n, 4, height // 4, 4, width // 4).mean(axis=(2, 4))
        cells = 8 * (cells - np.float32(0.4))  # so large that the brightest has the full colour
        return scores, np.stack([cells, -cells[..., ::-1] / 2], axis=1)


class FakeSegmenter:
    """Finds the lungs of phantoms as ``tests.tiny_bundle.dark_finder`` does, by numpy alone."""

    name = "fake"
    precision: Precision = "fp32"

    def probabilities(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Call dark what is darker than the body and not black, away from the rim."""
        plane, side = batch[..., 0], batch.shape[1]
        around = [np.roll(plane, (y, x), (1, 2)) for y in (-1, 0, 1) for x in (-1, 0, 1)]
        mean = np.mean(around, axis=0)
        rim = side // 8
        found = np.full(plane.shape, 0.02, dtype=np.float32)
        inner = np.s_[:, rim:-rim, rim:-rim]
        found[inner] = np.where((mean > 0.19) & (mean < 0.41), 0.98, 0.02)[inner]
        return found

    def look(
        self, batch: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Find the lungs; there are no features."""
        return self.probabilities(batch), None


def fake_bundle(
    *, lungs: bool = False, version: str = "1.2.3", between: tuple[float, float] | None = None
) -> Bundle:
    """A bundle whose manifest fills every field and whose files are nowhere.

    Args:
        lungs: Whether its members see the lungs.
        version: Its version.
        between: The probabilities that are indeterminate.
    """
    views: tuple[ViewName, ...] = ("lung_field", "lungs_only") if lungs else ("frame", "frame")
    entry = LungsEntry(file="lungs.keras", sha256="e" * 64, side=64, margin=0.1)
    members = tuple(
        MemberEntry(
            name=name,
            file=f"{name}.keras",
            sha256=digit * 64,
            architecture="a checksum" if name == "checksum" else "a mean",
            view=view,
            metrics={"auc": 0.5},
        )
        for name, digit, view in zip(("checksum", "mean"), "ab", views, strict=True)
    )
    manifest = Manifest(
        name="fake",
        version=version,
        input=InputSpec(height=32, width=32),
        members=members,
        lungs=entry if lungs else None,
        combine="mean",
        calibration=Calibration(method="platt", slope=1.1, intercept=0.1, fitted_on="nothing"),
        threshold=Threshold(value=0.5, rule="the middle"),
        indeterminate=Indeterminate(lower=between[0], upper=between[1], error=0.05, coverage=0.5)
        if between
        else None,
        training_data=TrainingData(
            digest="sha256:" + "c" * 64, description="none", images=0, patients=0
        ),
        metrics=Metrics(protocol="guessed", figures={"auc": 0.5}),
    )
    return Bundle(
        directory=Path("nowhere"),
        manifest=manifest,
        digest="sha256:" + "d" * 64,
        provenance="manifest",
    )


def fake_ensemble(
    engine: FakeEngine | None = None, *, lungs: bool = False, **given: Any
) -> Ensemble:
    """The fake bundle with a fake engine, as ``create_app(load=fake_ensemble)`` takes it."""
    segmenter = FakeSegmenter() if lungs else None
    bundle = fake_bundle(lungs=lungs, **given)
    return Ensemble(bundle, engine or FakeEngine(), segmenter=segmenter)
