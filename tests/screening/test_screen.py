import hashlib
import io
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.errors import EmptyFileError
from service.imaging import TooManyPixelsError, UnsupportedFormatError
from service.inference import NotExplainableError
from service.screening.explanation import Unexplained
from service.screening.screen import SHOWN_SIDE, Screening
from tests.fake_engine import FakeEngine, fake_ensemble
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
