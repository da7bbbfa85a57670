"""The Structured Report says what the verdict says, in codes and in words."""

import dataclasses
from typing import Any

from highdicom.sr import Comprehensive3DSR, MeasurementReport
from pydicom import Dataset

from service.hospital.results.fhir import diagnostic_report
from service.i18n import texts
from service.inference import Metrics
from service.screening.prevalence import local_figures
from service.screening.verdict import Assessment, Verdict
from service.screening.wording import localise, summarise, warn
from tests.dicom_files import INSTANCE
from tests.hospital.results.making import AT, BUNDLE, RESULT, made


def report(**given: Any) -> Dataset:
    return made(kinds=("sr",), **given)["SR"]


def group(document: Dataset) -> list[Dataset]:
    """The items of the measurement group."""
    [measurements] = items(document, "Imaging Measurements")
    [found] = items(measurements, "Measurement Group")
    return list(found.ContentSequence)


def items(parent: Dataset | list[Dataset], name: str) -> list[Dataset]:
    sequence = parent if isinstance(parent, list) else parent.ContentSequence
    return [each for each in sequence if each.ConceptNameCodeSequence[0].CodeMeaning == name]


def numbers(document: Dataset, name: str) -> list[float]:
    found = items(group(document), name)
    return [float(each.MeasuredValueSequence[0].NumericValue) for each in found]


def test_its_numbers_are_those_of_the_verdict() -> None:
    document, verdict = report(), RESULT.verdict
    expected = [verdict.probability, *(member.probability for member in verdict.members)]
    assert numbers(document, "Probability") == expected
    assert numbers(document, "Threshold Value") == [verdict.threshold]
    assert verdict.lungs is not None
    evidence = [verdict.lungs.left_evidence, verdict.lungs.right_evidence]
    assert numbers(document, "Share of evidence for pneumonia") == evidence


def test_each_network_is_named_beside_its_number() -> None:
    combined, *members = items(group(report()), "Probability")
    assert "ContentSequence" not in combined
    names = [items(member, "Algorithm Name")[0].TextValue for member in members]
    assert names == [member.name for member in RESULT.verdict.members]


def test_the_assessment_is_a_code() -> None:
    expected: dict[Assessment, str] = {
        "pneumonia": "10828004",
        "normal": "260385009",
        "indeterminate": "82334004",
    }
    for assessment, code in expected.items():
        verdict = dataclasses.replace(RESULT.verdict, assessment=assessment)
        document = report(result=dataclasses.replace(RESULT, verdict=verdict))
        [evaluation] = items(group(document), "Pneumonia")
        [value] = evaluation.ConceptCodeSequence
        assert (value.CodingSchemeDesignator, value.CodeValue) == ("SCT", code)


def test_a_negative_result_lists_no_finding() -> None:
    assert not items(group(report()), "Finding")


def test_warnings_are_codes_and_sentences() -> None:
    verdict: Verdict = dataclasses.replace(
        RESULT.verdict, warnings=("far_from_training_data", "low_contrast")
    )
    content = group(report(result=dataclasses.replace(RESULT, verdict=verdict), language="es"))
    values = [each.ConceptCodeSequence[0] for each in items(content, "Warning on the result")]
    codes = [value.get("LongCodeValue") or value.CodeValue for value in values]
    assert codes == list(verdict.warnings)
    comments = [each.TextValue for each in items(content, "Comment")]
    assert summarise(verdict, "es") in comments
    assert all(warning["detail"] in comments for warning in warn(verdict, "es"))


def test_it_says_what_the_verdict_amounts_to_where_the_film_was_taken() -> None:
    local = local_figures(RESULT.verdict.probability, BUNDLE.manifest, 0.05)
    verdict = dataclasses.replace(RESULT.verdict, local=local)
    content = group(report(result=dataclasses.replace(RESULT, verdict=verdict), language="en"))
    comments = [each.TextValue for each in items(content, "Comment")]
    assert localise(verdict, "en") in comments
    notes = diagnostic_report(verdict, BUNDLE.manifest, request_id="r", issued=AT)["contained"][0]
    assert {"text": localise(verdict, "en")} in notes["note"]


def test_it_names_the_model_by_its_digest() -> None:
    model = RESULT.verdict.model
    content = group(report())
    assert items(content, "Algorithm Name")[0].TextValue == model.name
    assert items(content, "Algorithm Version")[0].TextValue == model.version
    parameters = [each.TextValue for each in items(content, "Algorithm Parameters")]
    assert f"model digest {model.digest}" in parameters


def test_it_states_the_measured_operating_point_and_only_what_was_measured() -> None:
    assert numbers(report(), "Case Sensitivity") == []
    figures = {
        "ensemble": {
            "sensitivity": {"value": 0.9624, "low": 0.95, "high": 0.97},
            "specificity": {"value": 0.9638, "low": 0.94, "high": 0.98},
        }
    }
    metrics = Metrics(protocol="out of fold", figures=figures)
    manifest = BUNDLE.manifest.model_copy(update={"metrics": metrics})
    document = report(bundle=dataclasses.replace(BUNDLE, manifest=manifest), language="en")
    assert numbers(document, "Case Sensitivity") == [0.9624]
    assert numbers(document, "Case Specificity") == [0.9638]
    points = [each.TextValue for each in items(group(document), "CAD Operating Point Description")]
    assert "96.2" in points[0]
    assert points[1] == "Protocol: out of fold."


def test_it_refers_to_the_image() -> None:
    document = report()
    [source] = items(group(document), "Source of Measurement")
    assert source.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == INSTANCE
    [evidence] = document.CurrentRequestedProcedureEvidenceSequence
    [series] = evidence.ReferencedSeriesSequence
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == INSTANCE


def test_it_is_complete_preliminary_and_verified_by_nobody() -> None:
    document = report(language="en")
    assert document.CompletionFlag == "COMPLETE"
    assert document.PreliminaryFlag == "PRELIMINARY"
    assert document.VerificationFlag == "UNVERIFIED"
    first, *_ = items(group(document), "Comment")
    assert first.TextValue == texts("en")["hospital"]["status"]


def test_highdicom_reads_it_as_a_measurement_report() -> None:
    content = Comprehensive3DSR.from_dataset(report()).content
    assert isinstance(content, MeasurementReport)
    [found] = content.get_image_measurement_groups()
    assert [float(each.value) for each in found.get_measurements()][:2] == [
        RESULT.verdict.probability,
        RESULT.verdict.threshold,
    ]
