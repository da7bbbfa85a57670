import dataclasses
import hashlib
import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.errors import EmptyFileError, NotAChestRadiographError
from service.imaging import TooManyPixelsError, UnsupportedFormatError, decode
from service.inference import Ensemble, NotExplainableError
from service.lungs import find_lungs, segmentation_input, views
from service.screening.explanation import Unexplained
from service.screening.overlay import as_png
from service.screening.screen import SHOWN_SIDE, Screening
from tests.fake_engine import FakeEngine, FakeSegmenter, fake_ensemble
from tests.phantom import phantom
from tests.serving import radiograph


@pytest.fixture
def screening() -> Screening:
    return Screening(fake_ensemble(), max_pixels=100_000)


def test_bytes_become_a_verdict(screening: Screening) -> None:
    data = radiograph(1)
    verdict = screening.screen(data)
    assert verdict.predicted_class in {"NORMAL", "PNEUMONIA"}
    assert [member.name for member in verdict.members] == ["checksum", "mean"]
    assert verdict.image.sha256 == hashlib.sha256(data).hexdigest()
    assert (verdict.image.format, verdict.image.width, verdict.image.height) == ("PNG", 320, 256)
    assert verdict.model.name == "fake"


def test_the_same_bytes_get_the_same_verdict(screening: Screening) -> None:
    assert screening.screen(radiograph(1)) == screening.screen(radiograph(1))


def test_nothing_at_all_is_told_from_a_damaged_file(screening: Screening) -> None:
    with pytest.raises(EmptyFileError):
        screening.screen(b"")


def test_what_is_no_image_is_refused(screening: Screening) -> None:
    with pytest.raises(UnsupportedFormatError):
        screening.screen(b"%PDF-1.7")


def test_the_limit_on_pixels_is_handed_on() -> None:
    with pytest.raises(TooManyPixelsError):
        Screening(fake_ensemble(), max_pixels=1024).screen(radiograph(1))


def test_threads_do_not_mix_up_images(screening: Screening) -> None:
    images = [radiograph(seed) for seed in range(24)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(screening.screen, images)) == [*map(screening.screen, images)]


def large_jpeg() -> bytes:
    buffer = io.BytesIO()
    phantom(3, size=(2400, 1800), opacity=0.5).save(buffer, "JPEG")
    return buffer.getvalue()


class TestExplain:
    def test_the_verdict_is_that_of_screening(self) -> None:
        screening = Screening(fake_ensemble(), max_pixels=30_000_000)
        for data in (radiograph(1), radiograph(2, "JPEG"), large_jpeg()):
            verdict = screening.screen(data)
            assert screening.explain(data).verdict == verdict
            assert screening.explain_if_possible(data).verdict == verdict

    def test_there_is_a_map_for_each_member(self, screening: Screening) -> None:
        explanation = screening.explain(radiograph(1))
        assert len(explanation.maps) == len(explanation.verdict.members)

    def test_the_radiograph_has_pixels_enough_for_a_screen(self) -> None:
        screening = Screening(fake_ensemble(), max_pixels=30_000_000)
        radiograph = screening.explain(large_jpeg()).radiograph
        assert (radiograph.width, radiograph.height) == (2400, 1800)
        assert max(radiograph.pixels.shape) >= SHOWN_SIDE

    def test_networks_without_maps_are_said_to_have_none(self) -> None:
        screening = Screening(fake_ensemble(FakeEngine(explains=False)), max_pixels=10**6)
        with pytest.raises(NotExplainableError):
            screening.explain(radiograph(1))

    def test_without_a_map_there_is_still_a_verdict(self) -> None:
        screening = Screening(fake_ensemble(FakeEngine(explains=False)), max_pixels=10**6)
        unexplained = screening.explain_if_possible(radiograph(1))
        assert isinstance(unexplained, Unexplained)
        assert unexplained.reason == "These networks are made of numpy."
        assert unexplained.verdict == screening.screen(radiograph(1))

    def test_what_is_no_image_is_refused(self, screening: Screening) -> None:
        for work in (screening.explain, screening.explain_if_possible):
            with pytest.raises(UnsupportedFormatError):
                work(b"%PDF-1.7")


class TestLungs:
    def test_the_verdict_says_where_the_lungs_are(self) -> None:
        verdict = screening_of(lungs=True).screen(radiograph(1))
        assert verdict.lungs is not None
        box = verdict.lungs.box
        found = (box.left / 320, box.top / 256, box.right / 320, box.bottom / 256)
        np.testing.assert_allclose(found, (0.19, 0.2, 0.81, 0.75), atol=0.05)
        assert 0.1 < verdict.lungs.area_share < 0.3
        assert verdict.lungs.quality == pytest.approx(0.96, abs=0.01)

    def test_without_lungs_there_is_no_verdict(self) -> None:
        with pytest.raises(NotAChestRadiographError, match="No pair of lungs was found"):
            screening_of(lungs=True).screen(hand())

    def test_a_bundle_that_looks_for_no_lungs_judges_the_frame(self) -> None:
        assert screening_of().screen(hand()).lungs is None

    def test_the_members_see_the_views_of_the_lungs(self) -> None:
        engine = RememberingEngine()
        screening_of(engine, lungs=True).screen(radiograph(2))
        seen = decode(radiograph(2))
        [probabilities] = FakeSegmenter().probabilities(segmentation_input(seen, 64)[None])
        field = find_lungs(probabilities, seen.width, seen.height)
        assert field is not None
        assert np.array_equal(engine.batch[0], views(seen, field, 32, margin=0.1))

    def test_the_frame_around_the_chest_changes_nothing(self) -> None:
        """The same chest in a frame that is wider by a black border: the same verdict, nearly."""
        chest = phantom(3, size=(640, 512))
        wide = Image.new("L", (800, 640))
        wide.paste(chest, (80, 64))
        member = [
            screening_of(lungs=True).screen(as_png(picture)).members[1].probability
            for picture in (chest, wide)
        ]
        assert member[0] == pytest.approx(member[1], abs=0.02)

    def test_evidence_is_split_between_the_lungs(self) -> None:
        lungs = screening_of(lungs=True).screen(radiograph(1)).lungs
        assert lungs is not None
        assert lungs.left_evidence is not None
        assert lungs.right_evidence is not None
        assert 0 < lungs.left_evidence + lungs.right_evidence <= 1

    def test_networks_without_maps_give_no_evidence(self) -> None:
        lungs = screening_of(FakeEngine(explains=False), lungs=True).screen(radiograph(1)).lungs
        assert lungs is not None
        assert (lungs.left_evidence, lungs.right_evidence) == (None, None)

    def test_an_explanation_lies_on_the_lungs_box_with_its_margin(self) -> None:
        explanation = screening_of(lungs=True).explain(radiograph(1))
        assert explanation.lungs is not None
        left, top, right, bottom = explanation.lungs.field.box
        across, down = (right - left) / 10, (bottom - top) / 10
        expected = (left - across, top - down, right + across, bottom + down)
        assert explanation.covers == pytest.approx(expected)
        assert [lung for lung, _ in explanation.lungs.outlines] == ["left", "right"]
        x = [np.mean([point[0] for point in points]) for _, points in explanation.lungs.outlines]
        assert x[0] > 0.5 > x[1]

    def test_members_that_see_different_parts_have_no_common_map(self) -> None:
        ensemble = fake_ensemble(lungs=True)
        manifest = ensemble.bundle.manifest
        first = manifest.members[0].model_copy(update={"view": "frame"})
        changed = manifest.model_copy(update={"members": (first, manifest.members[1])})
        bundle = dataclasses.replace(ensemble.bundle, manifest=changed)
        mixed = Screening(
            Ensemble(bundle, FakeEngine(), segmenter=FakeSegmenter()), max_pixels=10**6
        )
        with pytest.raises(NotExplainableError, match="different parts of the frame"):
            mixed.explain(radiograph(1))
        assert mixed.screen(radiograph(1)).lungs is not None

    def test_reduced_decoding_leaves_enough_pixels_for_the_lungs(self) -> None:
        """A JPEG that is decoded reduced gets nearly the verdict of all its pixels."""
        picture = phantom(5, size=(1600, 1280))
        jpeg = io.BytesIO()
        picture.save(jpeg, "JPEG", quality=95)
        answers = [
            screening_of(lungs=True).screen(data).members[1].probability
            for data in (jpeg.getvalue(), as_png(picture))
        ]
        assert answers[0] == pytest.approx(answers[1], abs=0.005)


class RememberingEngine(FakeEngine):
    """Keeps the batch that it was given last."""

    batch: NDArray[np.float32]

    def explain(
        self, batch: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        self.batch = batch
        return super().explain(batch)


def screening_of(engine: FakeEngine | None = None, *, lungs: bool = False) -> Screening:
    return Screening(fake_ensemble(engine, lungs=lungs), max_pixels=10**7)


def hand() -> bytes:
    """Five bright fingers on black: no lungs."""
    picture = Image.new("L", (320, 256))
    for finger in range(5):
        picture.paste(200, (40 + 50 * finger, 30, 70 + 50 * finger, 240))
    return as_png(picture)
