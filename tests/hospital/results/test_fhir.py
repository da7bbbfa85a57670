"""The FHIR answer is valid R4 and says what the verdict says."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fhir.resources.R4B.diagnosticreport import DiagnosticReport

from service.api.accept import prefers
from service.hospital.results.fhir import DICOM, MEDIA_TYPE, SNOMED, diagnostic_report
from service.i18n import LANGUAGES, Language
from service.inference import Manifest, Metrics
from service.screening.verdict import Assessment, Verdict
from service.screening.wording import warn
from tests.dicom_files import dicom
from tests.hospital.results.making import BUNDLE, RESULT
from tests.serving import assert_problem, radiograph

AT = datetime(2026, 3, 1, 9, 5, tzinfo=UTC)
FIGURES = {
    "ensemble": {
        "sensitivity": {"value": 0.9624, "low": 0.95, "high": 0.97},
        "specificity": {"value": 0.9638, "low": 0.94, "high": 0.98},
    }
}
MEASURED = BUNDLE.manifest.model_copy(
    update={"metrics": Metrics(protocol="out of fold", figures=FIGURES)}
)


def report(
    verdict: Verdict = RESULT.verdict, manifest: Manifest = MEASURED, language: Language = "en"
) -> dict[str, Any]:
    made = diagnostic_report(verdict, manifest, request_id="r1", issued=AT, language=language)
    DiagnosticReport.model_validate(made)
    return made


def contained(made: dict[str, Any], kind: str) -> dict[str, Any]:
    [found] = [each for each in made["contained"] if each["resourceType"] == kind]
    assert isinstance(found, dict)
    return found


def codes(concept: dict[str, Any]) -> set[tuple[str, str]]:
    return {(coding["system"], coding["code"]) for coding in concept["coding"]}


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_valid_in_each_language(language: Language) -> None:
    made = report(language=language)
    parsed = DiagnosticReport.model_validate(made)
    assert parsed.status == "preliminary"
    assert parsed.language == language
    assert report(manifest=BUNDLE.manifest, language=language) != made


def test_its_figures_are_those_of_the_verdict() -> None:
    verdict = RESULT.verdict
    observation = contained(report(), "Observation")
    assert observation["valueQuantity"]["value"] == verdict.probability
    assert observation["referenceRange"][0]["high"]["value"] == verdict.threshold
    values = [
        part["valueQuantity"]["value"]
        for part in observation["component"]
        if "valueQuantity" in part
    ]
    assert verdict.lungs is not None
    assert values == [
        verdict.threshold,
        *(member.probability for member in verdict.members),
        verdict.lungs.left_evidence,
        verdict.lungs.right_evidence,
    ]
    assert observation["derivedFrom"][0]["identifier"]["value"] == verdict.image.sha256
    assert (SNOMED, "233604007") in codes(observation["code"])


@pytest.mark.parametrize(
    ("assessment", "code"), [("pneumonia", "POS"), ("normal", "NEG"), ("indeterminate", "IND")]
)
def test_the_assessment_is_an_interpretation(assessment: Assessment, code: str) -> None:
    made = report(dataclasses.replace(RESULT.verdict, assessment=assessment))
    [interpretation] = contained(made, "Observation")["interpretation"]
    assert {each for _, each in codes(interpretation)} == {code}


def test_warnings_are_notes_and_codes() -> None:
    verdict = dataclasses.replace(RESULT.verdict, warnings=("rotated", "low_contrast"))
    observation = contained(report(verdict, language="es"), "Observation")
    notes = [note["text"] for note in observation["note"]]
    assert [f"{each['code']}: {each['detail']}" for each in warn(verdict, "es")] == notes[:2]
    values = [
        part["valueCodeableConcept"]["coding"][0]["code"]
        for part in observation["component"]
        if "valueCodeableConcept" in part
    ]
    assert values == ["rotated", "low_contrast"]


def test_the_device_is_the_model_with_its_measured_operating_point() -> None:
    device = contained(report(), "Device")
    assert device["identifier"][0]["value"] == RESULT.verdict.model.digest
    assert device["version"][0]["value"] == RESULT.verdict.model.version
    measured = {
        code: entry["valueQuantity"][0]["value"]
        for entry in device["property"]
        for code in codes(entry["type"])
    }
    assert measured == {(DICOM, "111088"): 0.9624, (DICOM, "111090"): 0.9638}
    assert "property" not in contained(report(manifest=BUNDLE.manifest), "Device")


def test_it_says_that_nobody_verified_it() -> None:
    assert "Not verified" in report()["conclusion"]
    assert "Sin verificar" in report(language="es")["conclusion"]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, False),
        ("*/*", False),
        ("application/json", False),
        ("application/fhir+json", True),
        ("application/fhir+json; fhirVersion=4.0", True),
        ("Application/FHIR+json;q=0.5, */*;q=0.1", True),
        ("application/json, application/fhir+json;q=0.9", False),
        ("application/json;q=0.8, application/fhir+json", True),
        ("application/fhir+json;q=0", False),
        ("application/fhir+xml", False),
        (";;,,q=", False),
    ],
)
def test_only_who_asks_for_it_gets_it(accept: str | None, expected: bool) -> None:
    assert prefers(accept, MEDIA_TYPE) is expected


@pytest.mark.anyio
@pytest.mark.parametrize("data", [radiograph(1), dicom()], ids=["PNG", "DICOM"])
async def test_predict_answers_with_it(client: httpx.AsyncClient, data: bytes) -> None:
    headers = {"Accept": MEDIA_TYPE, "Accept-Language": "es"}
    answer = await client.post("/predict", files={"file": data}, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/fhir+json; fhirVersion=4.0"
    assert answer.headers["content-language"] == "es"
    made = answer.json()
    DiagnosticReport.model_validate(made)
    verdict = (await client.post("/predict", files={"file": data})).json()
    observation = contained(made, "Observation")
    assert observation["valueQuantity"]["value"] == verdict["probability"]
    assert made["identifier"][0]["value"] == answer.headers["x-request-id"]
    assert "Núñez" not in answer.text


@pytest.mark.anyio
async def test_a_refusal_is_a_problem_as_always(client: httpx.AsyncClient) -> None:
    answer = await client.post("/predict", files={"file": b""}, headers={"Accept": MEDIA_TYPE})
    assert_problem(answer, 422, "empty_file")
