"""The verdict as a Structured Report: TID 1500 "Measurement Report" in a Comprehensive 3D SR.

Document class and template are those of the IHE profile AI Results.
"""

from collections.abc import Iterator
from typing import Any, Final

from highdicom import UID
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    LanguageOfContentItemAndDescendants,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes as standard
from pydicom.sr.coding import Code

from service import __version__
from service.hospital.results import codes
from service.hospital.results.case import Case
from service.hospital.results.uids import MANUFACTURER
from service.report.content import measured
from service.screening.operating_point import operating_point
from service.screening.wording import localise, next_step, scope, summarise, warn


def structured_report(case: Case) -> Dataset:
    """Write the verdict, how it came to be, and what its reader should know."""
    document = MeasurementReport(
        observation_context=ObservationContext(_observer(case)),
        procedure_reported=codes.PLAIN_CHEST_XRAY,
        imaging_measurements=[_group(case)],
        title=standard.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(
            CodedConcept.from_code(codes.LANGUAGES[case.options.language])
        ),
    )
    made = Comprehensive3DSR(
        evidence=[case.stand_in()],
        content=document,
        series_instance_uid=UID(case.uid("series", "sr")),
        series_number=1,
        sop_instance_uid=UID(case.uid("instance", "sr")),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=False,
        is_verified=False,
        coding_schemes=[
            CodingSchemeIdentificationItem(
                codes.OWN_SCHEME, name=codes.OWN_SCHEME_NAME, responsible_organization=MANUFACTURER
            )
        ],
    )
    return case.complete(made, "sr", "SR")


MOST_CHARACTERS: Final = 1024
"""Of a parameter of the algorithm; what manifests say of themselves has no limit."""


def _observer(case: Case) -> ObserverContext:
    return ObserverContext(
        observer_type=standard.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=case.uid_of_model,
            name=MANUFACTURER,
            manufacturer_name=MANUFACTURER,
            model_name=case.model_name,
            serial_number=case.device_serial,
        ),
    )


def _group(case: Case) -> MeasurementsAndQualitativeEvaluations:
    verdict = case.verdict
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=UID(case.uid("group")), identifier="Probability of pneumonia"
        ),
        # No "Finding" of pneumonia: a viewer would list it for negative results as well.
        finding_sites=[FindingSite(codes.CHEST)],
        algorithm_id=_algorithm(case),
        measurements=list(_measurements(case)),
        qualitative_evaluations=[
            QualitativeEvaluation(codes.PNEUMONIA, codes.ASSESSMENTS[verdict.assessment]),
            *(
                QualitativeEvaluation(codes.WARNING, codes.warning_value(code))
                for code in verdict.warnings
            ),
        ],
        source_images=[SourceImageForMeasurementGroup.from_source_image(case.stand_in())],
    )
    for concept, text in _sentences(case):
        group[0].ContentSequence.append(
            TextContentItem(concept, text, RelationshipTypeValues.CONTAINS)
        )
    return group


def _algorithm(case: Case) -> AlgorithmIdentification:
    manifest, model = case.bundle.manifest, case.verdict.model
    parameters = (
        f"model digest {model.digest}",
        f"pneumonia-xray {__version__}",
        f"threshold {manifest.threshold.value}: {manifest.threshold.rule}",
        f"calibration {manifest.calibration.method}",
    )
    return AlgorithmIdentification(
        name=model.name,
        version=model.version,
        parameters=[parameter[:MOST_CHARACTERS] for parameter in parameters],
        family=codes.ARTIFICIAL_INTELLIGENCE,
        manufacturer=MANUFACTURER,
    )


def _measurements(case: Case) -> Iterator[Measurement]:
    verdict = case.verdict
    yield _number(codes.PROBABILITY, verdict.probability)
    yield _number(codes.THRESHOLD, verdict.threshold)
    for member in verdict.members:
        network = AlgorithmIdentification(name=member.name, version=verdict.model.version)
        yield _number(codes.PROBABILITY, member.probability, algorithm_id=network)
    point = operating_point(case.bundle.manifest) or ()
    for concept, measured_share in zip((codes.SENSITIVITY, codes.SPECIFICITY), point, strict=False):
        yield _number(concept, measured_share.value)
    if verdict.lungs:
        evidence = (verdict.lungs.left_evidence, verdict.lungs.right_evidence)
        for side, share in zip((codes.LEFT, codes.RIGHT), evidence, strict=True):
            if share is not None:
                site = FindingSite(codes.LUNG, laterality=side)
                yield _number(codes.EVIDENCE_SHARE, share, finding_sites=[site])


def _number(concept: Code, value: float, **context: Any) -> Measurement:
    return Measurement(name=concept, value=value, unit=codes.NO_UNITS, **context)


def _sentences(case: Case) -> Iterator[tuple[Code, str]]:
    """What a person should read, in the order of reading."""
    verdict, language = case.verdict, case.options.language
    yield codes.COMMENT, case.texts["status"]
    yield codes.COMMENT, summarise(verdict, language)
    for warning in warn(verdict, language):
        yield codes.COMMENT, warning["detail"]
    if local := localise(verdict, language):
        yield codes.COMMENT, local
    yield codes.COMMENT, next_step(verdict, language)
    yield codes.COMMENT, scope(verdict, language)
    for sentence in measured(case.bundle.manifest, language):
        yield codes.OPERATING_POINT, sentence
