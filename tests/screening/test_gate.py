"""A film that is turned or a negative is put right; what is no film is refused, with the reason."""

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from service.api.problems import problem_of
from service.errors import NotAChestRadiographError
from service.imaging import Radiograph
from service.inference import Ensemble, Indeterminate, Novelty, SuitabilityEntry
from service.lungs import segmentation_input
from service.screening.overlay import as_png
from service.screening.screen import Screening
from tests.fake_engine import FakeEngine, FakeSegmenter, fake_bundle
from tests.phantom import grained, phantom

SIDE = 64
LIMITS = SuitabilityEntry(
    file="suitability.npz",
    sha256="0" * 64,
    warn_distance=8,
    refuse_distance=16,
    warn_quality=0.9,
    refuse_quality=0.5,
)


class QuarterSegmenter(FakeSegmenter):
    """Its features are the mean grey levels of the four quarters."""

    def look(
        self, batch: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        half = batch.shape[1] // 2
        parts = [
            batch[:, rows, columns].mean(axis=(1, 2, 3))
            for rows in (slice(half), slice(half, None))
            for columns in (slice(half), slice(half, None))
        ]
        return self.probabilities(batch), np.stack(parts, axis=1)


def film(seed: int = 1) -> Image.Image:
    """A chest above a bright belly, so that it has an upper end."""
    picture = grained(phantom(seed, size=(640, 512)))
    belly = picture.crop((0, 440, 640, 512)).point([min(255, level + 100) for level in range(256)])
    picture.paste(belly, (0, 440))
    return picture


def screening(bundle_changes: dict[str, object] | None = None) -> Screening:
    segmenter = QuarterSegmenter()
    square = segmentation_input(Radiograph(film(), "PNG", ""), SIDE)
    _, [mean] = segmenter.look(square[None])  # type: ignore[misc]
    novelty = Novelty(mean, 100 * np.eye(4, dtype=np.float32))
    bundle = fake_bundle(lungs=True)
    changes = {"suitability": LIMITS} | (bundle_changes or {})
    described = dataclasses.replace(bundle, manifest=bundle.manifest.model_copy(update=changes))
    ensemble = Ensemble(described, FakeEngine(), segmenter=segmenter, novelty=novelty)
    return Screening(ensemble, max_pixels=10**7)


def warnings_of(picture: Image.Image) -> set[str]:
    """All but what the members' answers give rise to."""
    found: set[str] = set(screening().screen(as_png(picture)).warnings)
    return found - {"members_disagree"}


def refusal_of(picture: Image.Image) -> NotAChestRadiographError:
    with pytest.raises(NotAChestRadiographError) as caught:
        screening().screen(as_png(picture))
    return caught.value


def test_a_film_of_the_usual_kind_is_judged_without_a_warning() -> None:
    for seed in (1, 2):
        assert warnings_of(film(seed)) == set()


@pytest.mark.parametrize(
    ("change", "warnings"),
    [
        (ImageOps.invert, {"negative"}),
        (lambda picture: picture.rotate(180), {"upside_down"}),
        (lambda picture: picture.rotate(90, expand=True), {"rotated"}),
        (
            lambda picture: ImageOps.invert(picture).rotate(-90, expand=True),
            {"negative", "rotated"},
        ),
    ],
)
def test_a_film_is_put_right(change, warnings) -> None:  # type: ignore[no-untyped-def]
    upright = screening().screen(as_png(film()))
    found = screening().screen(as_png(change(film())))
    assert set(found.warnings) - {"members_disagree"} == warnings
    # The mean of the view is that of the film as it should be; the checksum depends on each pixel.
    assert found.members[1].probability == pytest.approx(upright.members[1].probability, abs=0.005)


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_what_is_found_lies_on_the_picture_received(angle: int) -> None:
    picture = film().rotate(angle, expand=True)
    explanation = screening().explain(as_png(picture))
    lungs = explanation.verdict.lungs
    assert lungs is not None
    inside = picture.crop(dataclasses.astuple(lungs.box))
    assert (explanation.radiograph.width, explanation.radiograph.height) == picture.size
    upright = screening().explain(as_png(film()))
    ours, theirs = np.array(explanation.heat), np.array(upright.heat)
    np.testing.assert_allclose(ours, np.rot90(theirs, angle // 90), atol=0.05)
    assert explanation.lungs is not None
    [(first, points), (second, _)] = explanation.lungs.outlines
    assert (first, second) == ("left", "right")
    assert all(-0.01 <= value <= 1.01 for point in points for value in point)
    expected = film().crop(dataclasses.astuple(upright.verdict.lungs.box))  # type: ignore[union-attr]
    assert np.asarray(inside).mean() == pytest.approx(np.asarray(expected).mean(), abs=2)


def test_a_picture_far_from_the_training_films_is_warned_of() -> None:
    brighter = film().point([min(255, level + 15) for level in range(256)])
    assert warnings_of(brighter) == {"far_from_training_data"}


@pytest.mark.parametrize("language", ["en", "es"])
def test_a_refusal_says_why(language: str) -> None:
    framed = Image.new("L", (900, 900), 128)
    framed.paste(film().resize((700, 700)), (100, 100))
    noise = Image.effect_noise((640, 512), 90)
    details = {
        problem_of(refusal_of(picture), "r1", language).detail  # type: ignore[arg-type]
        for picture in (noise, brighten(film(), 60))
    }
    assert len(details) == 2


def brighten(picture: Image.Image, levels: int) -> Image.Image:
    """Only above and below the lungs, which stay what they are."""
    bright = picture.copy()
    for band in ((0, 0, 640, 70), (0, 440, 640, 512)):
        part = bright.crop(band).point([(level + levels) % 256 for level in range(256)])
        bright.paste(part, band[:2])
    return bright


def test_probabilities_in_the_range_are_indeterminate() -> None:
    always = Indeterminate(lower=0, upper=1, error=0.05, coverage=0)
    verdict = screening({"indeterminate": always}).screen(as_png(film()))
    assert verdict.assessment == "indeterminate"
    assert verdict.predicted_class in {"NORMAL", "PNEUMONIA"}
    threshold = Indeterminate(lower=0.5, upper=0.5, error=0.05, coverage=1)
    verdict = screening({"indeterminate": threshold}).screen(as_png(film()))
    assert verdict.assessment == verdict.predicted_class.lower()
