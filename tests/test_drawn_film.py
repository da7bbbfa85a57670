"""The drawn film is reproducible, and the shipped networks judge it as what it was drawn to be."""

import io
from pathlib import Path
from typing import Final

import pytest

from service.inference import load_ensemble
from service.screening.screen import Screening
from tests.drawn_film import drawn_film

MODELS: Final = Path(__file__).parents[1] / "models"


@pytest.fixture(scope="module")
def screening() -> Screening:
    return Screening(load_ensemble(MODELS, threads=1), max_pixels=10**8)


def test_equal_arguments_give_equal_pixels() -> None:
    assert drawn_film(5).tobytes() == drawn_film(5).tobytes()
    assert drawn_film(5).tobytes() != drawn_film(6).tobytes()


@pytest.mark.parametrize("size", [(1024, 900), (640, 560)])
@pytest.mark.parametrize("seed", [1, 3, 7])
@pytest.mark.parametrize(("opacity", "expected"), [(0.0, "NORMAL"), (1.0, "PNEUMONIA")])
def test_the_shipped_networks_judge_it(
    screening: Screening, seed: int, size: tuple[int, int], opacity: float, expected: str
) -> None:
    """It passes their input gate without a doubt; ``tests.phantom`` does not."""
    buffer = io.BytesIO()
    drawn_film(seed, size, opacity).save(buffer, "PNG")
    verdict = screening.screen(buffer.getvalue())
    assert verdict.predicted_class == expected
    assert verdict.warnings == ()
