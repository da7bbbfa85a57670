import dataclasses

import pytest

from service.i18n import Language
from service.screening.wording import describe_map, figure, summarise
from tests.explaining import explanation

VERDICT = dataclasses.replace(explanation().verdict, threshold=0.5)


@pytest.mark.parametrize(
    ("probability", "language", "sentence"),
    [
        (
            0.98,
            "en",
            "Above the model's threshold for pneumonia: probability 0.9800, threshold 0.5000. "
            "Decision support, not a diagnosis.",
        ),
        (
            0.5,
            "en",
            "Not above the model's threshold for pneumonia: probability 0.5000, threshold 0.5000. "
            "This does not rule out pneumonia. Decision support, not a diagnosis.",
        ),
        (
            0.98,
            "es",
            "Supera el umbral del modelo para neumonía: probabilidad 0,9800, umbral 0,5000. "
            "Apoyo a la decisión, no un diagnóstico.",
        ),
        (
            0.02,
            "es",
            "No supera el umbral del modelo para neumonía: probabilidad 0,0200, umbral 0,5000. "
            "Esto no descarta la neumonía. Apoyo a la decisión, no un diagnóstico.",
        ),
    ],
)
def test_a_summary_states_threshold_and_probability(
    probability: float, language: Language, sentence: str
) -> None:
    assert summarise(dataclasses.replace(VERDICT, probability=probability), language) == sentence


def test_a_threshold_of_many_decimals_never_contradicts_the_verdict() -> None:
    verdict = dataclasses.replace(VERDICT, probability=0.4988, threshold=0.49876)
    summary = summarise(verdict, "en")
    assert summary.startswith("Above ")
    assert "probability 0.4988, threshold 0.49876" in summary


@pytest.mark.parametrize(
    ("value", "decimals", "text"), [(1.0, 4, "1.0000"), (97.1, 1, "97.1"), (0.12345, 4, "0.12345")]
)
def test_a_figure_has_at_least_its_decimals(value: float, decimals: int, text: str) -> None:
    assert figure(value, "en", decimals) == text
    assert figure(value, "es", decimals) == text.replace(".", ",")


def test_a_map_is_described_as_no_finding() -> None:
    told = describe_map(explanation(), "en")
    assert "4 x 4 cells" in told
    assert "not a segmentation" in told
    assert "nothing is coloured" not in told


def test_an_empty_map_is_described_as_empty() -> None:
    assert "nothing is coloured" in describe_map(explanation([[-1, 0], [-2, -1]]), "en")
