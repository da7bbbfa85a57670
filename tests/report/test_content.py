import dataclasses
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from service.i18n import Language
from service.inference import Bundle, Calibration, Metrics, TrainingData
from service.report.content import Content
from service.screening.explanation import Explanation, Unexplained
from service.screening.prevalence import LocalFigures
from service.screening.verdict import Assessment
from tests.explaining import explanation, unexplained
from tests.fake_engine import fake_bundle

MEASURED = {
    "sensitivity": {"value": 0.9713, "low": 0.9626, "high": 0.9794},
    "specificity": {"value": 0.9545, "low": 0.9378, "high": 0.9686},
}


def bundle_with(**fields: Any) -> Bundle:
    bundle = fake_bundle()
    return dataclasses.replace(bundle, manifest=bundle.manifest.model_copy(update=fields))


def content(
    result: Explanation | Unexplained | None = None,
    bundle: Bundle | None = None,
    *,
    language: Language = "en",
    made_at: datetime = datetime(2026, 3, 1, 9, 5, tzinfo=UTC),
    reference: str = "",
    note: str = "",
) -> Content:
    return Content.of(
        result or explanation(),
        bundle or fake_bundle(),
        language=language,
        request_id="r1",
        made_at=made_at,
        reference=reference,
        note=note,
    )


def test_the_time_is_printed_with_its_zone() -> None:
    zone = timezone(-timedelta(hours=4, minutes=30))
    made = content(made_at=datetime(2026, 3, 1, 9, 5, 7, tzinfo=zone)).made
    assert "2026-03-01 09:05:07 (UTC-04:30)" in made


@pytest.mark.parametrize(
    ("probability", "assessment", "headline"),
    [
        (0.51, "pneumonia", "Above the model's threshold for pneumonia"),
        (0.5, "normal", "Not above the model's threshold for pneumonia"),
        (0.51, "indeterminate", "Indeterminate: a radiologist should decide"),
    ],
)
def test_the_headline_is_the_assessment(
    probability: float, assessment: Assessment, headline: str
) -> None:
    made = explanation()
    verdict = dataclasses.replace(made.verdict, probability=probability, assessment=assessment)
    told = content(Explanation(verdict, made.radiograph, made.maps))
    assert told.headline == headline
    assert ("does not rule out pneumonia" in told.sentence) == (probability == 0.5)
    # A class beside "indeterminate" would be read as the answer.
    assert ("class " in told.sentence) == (assessment != "indeterminate")


def test_warnings_next_step_and_scope_stand_beside_the_verdict() -> None:
    made = explanation()
    verdict = dataclasses.replace(made.verdict, warnings=("lungs_cut_off",), trained_on="drawings")
    told = content(Explanation(verdict, made.radiograph, made.maps))
    assert told.warnings == (
        "The lungs reach the edge of the image; parts of them may be missing.",
    )
    assert told.advice[0].startswith("Next: ")
    assert told.advice[1].startswith("Trained on: drawings.")


def test_measured_performance_is_printed_with_intervals_and_protocol() -> None:
    metrics = Metrics(protocol="out of fold.", figures={"ensemble": MEASURED})
    figures, protocol, _ = content(bundle=bundle_with(metrics=metrics)).trust
    assert figures == (
        "At this threshold: sensitivity 97.1\u00a0% "
        "(95\u00a0% interval 96.3\u00a0% to 97.9\u00a0%), "
        "specificity 95.5\u00a0% (95\u00a0% interval 93.8\u00a0% to 96.9\u00a0%)."
    )
    assert protocol == "Protocol: out of fold."


@pytest.mark.parametrize(
    "metrics",
    [
        None,
        Metrics(protocol="guessed", figures={"auc": 0.5}),
        Metrics(protocol="guessed", figures={"ensemble": {"sensitivity": 0.97}}),
        Metrics(protocol="guessed", figures={"ensemble": MEASURED | {"specificity": None}}),
        Metrics(
            protocol="guessed",
            figures={"ensemble": MEASURED | {"specificity": {"value": 0.9, "low": "x"}}},
        ),
    ],
)
def test_without_figures_it_states_that_accuracy_is_unknown(metrics: Metrics | None) -> None:
    told = content(bundle=bundle_with(metrics=metrics)).trust
    assert told[0].startswith("This model comes without performance figures")
    assert "guessed" not in " ".join(told)


@pytest.mark.parametrize(
    ("calibration", "words"),
    [
        (Calibration(), "is not calibrated"),
        (
            Calibration(method="platt", slope=2, intercept=1, fitted_on="folds."),
            "Fitted on: folds.",
        ),
    ],
)
def test_the_calibration_is_described(calibration: Calibration, words: str) -> None:
    assert words in content(bundle=bundle_with(calibration=calibration)).trust[-1]


def test_the_training_data_is_described_or_undocumented() -> None:
    data = TrainingData(digest="d", description="Chests.", images=7, patients=5)
    told = content(bundle=bundle_with(training_data=data)).use[-1]
    assert told.startswith("Trained on: Chests (7 images of 5 patients).")
    assert "not documented" in content(bundle=bundle_with(training_data=None)).use[-1]


def test_image_and_model_are_identified() -> None:
    made = explanation()
    facts = dict(content(made).facts)
    assert facts["SHA-256 of the file"] == made.verdict.image.sha256
    assert facts["Image"] == "PNG, 320 x 256 pixels"
    assert facts["Model"] == "fake 1.2.3"
    assert facts["Model digest"] == made.verdict.model.digest
    assert facts["Threshold"] == "0.5000: the middle"


def test_without_a_map_the_reason_is_printed() -> None:
    told = content(unexplained())
    assert told.captions[1] == "No class activation map"
    assert "These networks are made of numpy." in told.map_note
    assert told.scale is None


def test_figures_in_spanish_have_a_decimal_comma() -> None:
    told = content(language="es")
    for text in (told.sentence, told.probability, told.threshold, *told.members):
        assert "0," in text
        assert "0." not in text


def test_the_footer_names_user_input() -> None:
    assert "entered by the user" not in content(note="  ").footer
    assert "entered by the user" in content(note="Fever.").footer
    assert "entered by the user" in content(reference="17").footer
    assert "Not reviewed by a person" in content().footer


def test_the_local_prevalence_stands_beside_the_verdict() -> None:
    assert content().local == ""
    plain = explanation()
    figures = LocalFigures(0.1, 0.2143, None, None)
    local = dataclasses.replace(plain, verdict=dataclasses.replace(plain.verdict, local=figures))
    text = content(local, language="es")
    assert "10,0" in text.local
    assert "0,2143" in text.local
    assert text.sentence == content(plain, language="es").sentence
