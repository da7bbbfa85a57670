"""Each perturbation changes the picture, the same way every time, and keeps it a frame."""

import numpy as np
import pytest

from tests.phantom import phantom
from training.audit import laplacian_variance
from training.suite import QUICK_SUITE, SUITE, perturb

FRAME = np.asarray(phantom(2, (260, 224)))


@pytest.mark.parametrize("name", SUITE)
def test_a_perturbation_is_deterministic_and_does_something(name: str) -> None:
    once, twice = perturb(FRAME, name), perturb(FRAME, name)
    assert once.dtype == np.uint8
    assert np.array_equal(once, twice)
    assert once.shape != FRAME.shape or not np.array_equal(once, FRAME)


def test_clean_is_the_frame_itself() -> None:
    assert perturb(FRAME, "clean") is FRAME


def test_the_quick_suite_is_part_of_the_suite() -> None:
    assert set(QUICK_SUITE) < set(SUITE)


def test_blur_and_sharpening_move_sharpness_apart() -> None:
    assert laplacian_variance(perturb(FRAME, "blur")) < laplacian_variance(FRAME)
    assert laplacian_variance(perturb(FRAME, "sharpen")) > laplacian_variance(FRAME)


def test_a_border_is_black_and_a_crop_is_smaller() -> None:
    assert perturb(FRAME, "border-8")[0].max() == 0
    assert perturb(FRAME, "crop-6").size < FRAME.size
