import dataclasses
from pathlib import Path
from typing import get_args

import pytest

from service.i18n import LANGUAGES, Language, texts
from service.inference import MANIFEST_FILE, Manifest
from service.screening.operating_point import Estimate
from service.screening.prevalence import LocalFigures
from service.screening.verdict import Assessment, Caution, IndeterminateRange, Verdict
from service.screening.wording import (
    assess,
    describe_data,
    describe_map,
    figure,
    localise,
    next_step,
    scope,
    summarise,
    warn,
)
from tests.explaining import explanation

VERDICT = dataclasses.replace(explanation().verdict, threshold=0.5)


def verdict(probability: float, assessment: Assessment) -> Verdict:
    return dataclasses.replace(VERDICT, probability=probability, assessment=assessment)


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
    assert (
        summarise(verdict(probability, "pneumonia" if probability > 0.5 else "normal"), language)
        == sentence
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_indeterminate_verdict_is_handed_to_a_radiologist(language: Language) -> None:
    between = IndeterminateRange(0.25, 0.875)
    doubtful = dataclasses.replace(verdict(0.4, "indeterminate"), indeterminate=between)
    summary = summarise(doubtful, language)
    point = "," if language == "es" else "."
    assert all(f"0{point}{digits}" in summary for digits in ("2500", "8750"))
    assert summary.startswith(assess(verdict(0.4, "indeterminate"), language))
    assert "radi" in next_step(verdict(0.4, "indeterminate"), language)
    for assessment in ("pneumonia", "normal"):
        assert not summary.startswith(assess(verdict(0.4, assessment), language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_warning_has_its_words(language: Language) -> None:
    codes = get_args(Caution)
    told = warn(dataclasses.replace(VERDICT, warnings=codes), language)
    assert [each["code"] for each in told] == list(codes)
    assert len({each["detail"] for each in told}) == len(codes)
    assert all(each["detail"].endswith(".") for each in told)


def test_the_scope_names_the_training_data() -> None:
    known = dataclasses.replace(VERDICT, trained_on="phantoms of one drawer.")
    assert scope(known, "en").startswith("Trained on: phantoms of one drawer. For other patients")
    assert "not documented" in scope(dataclasses.replace(VERDICT, trained_on=""), "en")


def test_a_threshold_of_many_decimals_never_contradicts_the_verdict() -> None:
    close = dataclasses.replace(verdict(0.4988, "pneumonia"), threshold=0.49876)
    summary = summarise(close, "en")
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


def test_a_map_too_faint_to_be_seen_is_described_as_empty() -> None:
    assert "nothing is coloured" in describe_map(explanation([[1e-4, 0], [-2, -1]]), "en")


LOCAL = LocalFigures(0.1, 0.2143, Estimate(0.7412, 0.6, 0.85), Estimate(0.9954, 0.99, 0.998))


@pytest.mark.parametrize(
    ("probability", "language", "expected"),
    [
        (0.9, "en", ("10.0\xa0%", "0.2143", "74.1\xa0% (60.0\xa0% to 85.0\xa0%)", "above the")),
        (0.1, "en", ("10.0\xa0%", "0.2143", "99.5\xa0% (99.0\xa0% to 99.8\xa0%)", "not above the")),
        (0.9, "es", ("10,0\xa0%", "0,2143", "74,1\xa0% (60,0\xa0% a 85,0\xa0%)", "por encima")),
    ],
)
def test_the_local_figures_are_those_of_the_result(
    probability: float, language: Language, expected: tuple[str, ...]
) -> None:
    local = dataclasses.replace(verdict(probability, "normal"), local=LOCAL)
    for part in expected:
        assert part in localise(local, language)


def test_an_indeterminate_result_is_given_no_predictive_value() -> None:
    local = dataclasses.replace(verdict(0.1, "indeterminate"), local=LOCAL)
    assert "0.2143" in localise(local, "en")
    assert "free of pneumonia" not in localise(local, "en")


def test_what_cannot_be_said_of_the_local_prevalence_has_its_reason() -> None:
    unknown = dataclasses.replace(VERDICT, local=LocalFigures(0.1, None, None, None))
    said = localise(unknown, "en")
    assert "does not say for which prevalence" in said
    assert "without measured sensitivity" in said
    assert localise(VERDICT, "en") == ""


def test_known_training_data_are_described_in_the_readers_language() -> None:
    key = "data.children_and_adults"
    known = dataclasses.replace(VERDICT, trained_on=texts("en")["verdict"][key])
    assert texts("es")["verdict"][key] in scope(known, "es")
    assert "inglés" not in scope(known, "es")
    assert texts("en")["verdict"][key] in scope(known, "en")


def test_other_training_data_are_quoted_in_english() -> None:
    other = dataclasses.replace(VERDICT, trained_on="films of one clinic.")
    assert "(en inglés) «films of one clinic»" in scope(other, "es")
    assert "films of one clinic. For" in scope(other, "en")


def test_the_shipped_bundle_says_in_spanish_what_it_was_trained_on() -> None:
    """A new description in its manifest needs its counterpart in ``verdict.toml``."""
    manifest = Manifest.read(Path(__file__).parents[2] / "models" / MANIFEST_FILE)
    assert manifest.training_data is not None
    assert "inglés" not in describe_data(manifest.training_data.description, "es")
