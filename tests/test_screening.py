import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.imaging import TooManyPixelsError, UnsupportedFormatError
from service.refusals import EmptyFileError
from service.screening import Screening
from tests.fake_engine import fake_ensemble
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
