"""The synthetic chest is reproducible, varied, and shows an opacity where one is asked for."""

import numpy as np

from tests.phantom import phantom


def test_equal_arguments_give_equal_pixels() -> None:
    assert phantom(5).tobytes() == phantom(5).tobytes()
    assert phantom(5).tobytes() != phantom(6).tobytes()


def test_an_opacity_brightens_one_lung() -> None:
    clear, cloudy = (np.asarray(phantom(5, opacity=value), dtype=float) for value in (0.0, 1.0))
    assert (cloudy - clear).max() > 40
    assert abs(np.median(cloudy - clear)) < 1
