"""A verdict as FHIR R4: a preliminary DiagnosticReport that contains its observation and the model.

The codes and what they stand for are listed in docs/hospital.md. It names no patient: who asked
knows whose film it was, and adds ``subject``.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from service import __version__
from service.i18n import Language, texts
from service.inference import Manifest
from service.screening.operating_point import operating_point
from service.screening.verdict import Assessment, Verdict
from service.screening.wording import assess, localise, next_step, scope, summarise, warn

MEDIA_TYPE: Final = "application/fhir+json"
VERSION: Final = "4.0"

Resource = dict[str, Any]

LOINC: Final = "http://loinc.org"
SNOMED: Final = "http://snomed.info/sct"
RADLEX: Final = "http://radlex.org"
DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
UCUM: Final = "http://unitsofmeasure.org"
_HL7: Final = "http://terminology.hl7.org/CodeSystem/"
_OWN: Final = "urn:pneumonia-xray:"

_INTERPRETATIONS: Final[dict[Assessment, tuple[str, str]]] = {
    "pneumonia": ("POS", "Positive"),
    "normal": ("NEG", "Negative"),
    "indeterminate": ("IND", "Indeterminate"),
}
"""Of a test "based on the established threshold", as HL7 defines them."""


def diagnostic_report(
    verdict: Verdict,
    manifest: Manifest,
    *,
    request_id: str,
    issued: datetime,
    language: Language = "en",
) -> Resource:
    """Put a verdict into the form in which health records take it.

    Args:
        verdict: The verdict.
        manifest: Of the bundle that gave it.
        request_id: ID of the request.
        issued: When it was given, with time zone.
        language: Of the sentences.

    Returns:
        A DiagnosticReport as JSON takes it.
    """
    return {
        "resourceType": "DiagnosticReport",
        "language": language,
        "contained": [_observation(verdict, language), _device(verdict, manifest)],
        "identifier": [{"system": f"{_OWN}request", "value": request_id}],
        "status": "preliminary",
        "category": [_concept((f"{_HL7}v2-0074", "RAD", "Radiology"))],
        "code": _concept(
            (LOINC, "36554-4", "XR Chest Single view"), (SNOMED, "399208008", "Plain chest X-ray")
        ),
        "issued": issued.isoformat(timespec="milliseconds"),
        "result": [{"reference": "#pneumonia"}],
        "conclusion": f"{summarise(verdict, language)} {texts(language)['hospital']['status']}",
    }


def _observation(verdict: Verdict, language: Language) -> Resource:
    code, display = _INTERPRETATIONS[verdict.assessment]
    image = verdict.image
    return {
        "resourceType": "Observation",
        "id": "pneumonia",
        "status": "preliminary",
        "category": [_concept((f"{_HL7}observation-category", "imaging", "Imaging"))],
        "code": _concept(
            (SNOMED, "233604007", "Pneumonia"),
            (RADLEX, "RID5350", "pneumonia"),
            text="Probability of pneumonia",
        ),
        "valueQuantity": _quantity(verdict.probability),
        "interpretation": [
            _concept(
                (f"{_HL7}v3-ObservationInterpretation", code, display),
                text=assess(verdict, language),
            )
        ],
        "note": [{"text": text} for text in _notes(verdict, language)],
        "bodySite": _concept((SNOMED, "39607008", "Lung structure")),
        "device": {"reference": "#model"},
        "referenceRange": [{"high": _quantity(verdict.threshold), "text": "The model's threshold"}],
        "derivedFrom": [
            {
                "type": "Media",
                "identifier": {"system": f"{_OWN}image-sha256", "value": image.sha256},
                "display": f"{image.format}, {image.width} x {image.height} pixels",
            }
        ],
        "component": list(_components(verdict)),
    }


def _notes(verdict: Verdict, language: Language) -> Iterable[str]:
    for warning in warn(verdict, language):
        yield f"{warning['code']}: {warning['detail']}"
    if local := localise(verdict, language):
        yield local
    yield next_step(verdict, language)
    yield scope(verdict, language)


def _components(verdict: Verdict) -> Iterable[Resource]:
    """What stands beside the result: the threshold, each network, each lung, each warning."""
    threshold = _concept((DICOM, "122411", "Threshold Value"))
    yield {"code": threshold, "valueQuantity": _quantity(verdict.threshold)}
    for member in verdict.members:
        probability = _concept((DICOM, "122157", "Probability"), text=f"Network {member.name}")
        yield {"code": probability, "valueQuantity": _quantity(member.probability)}
    lungs = verdict.lungs
    if lungs:
        for code, side, share in (
            ("44029006", "Left lung structure", lungs.left_evidence),
            ("3341006", "Right lung structure", lungs.right_evidence),
        ):
            if share is not None:
                evidence = _concept((SNOMED, code, side), text="Share of evidence for pneumonia")
                yield {"code": evidence, "valueQuantity": _quantity(share)}
    for warning in verdict.warnings:
        yield {
            "code": {"text": "Warning on the result"},
            "valueCodeableConcept": {"coding": [{"system": f"{_OWN}warning", "code": warning}]},
        }


def _device(verdict: Verdict, manifest: Manifest) -> Resource:
    model = verdict.model
    names = (("111088", "Case Sensitivity"), ("111090", "Case Specificity"))
    measured = [
        {"type": _concept((DICOM, *name)), "valueQuantity": [_quantity(share.value)]}
        for name, share in zip(names, operating_point(manifest) or (), strict=False)
    ]
    device: Resource = {
        "resourceType": "Device",
        "id": "model",
        "identifier": [{"system": f"{_OWN}model-digest", "value": model.digest}],
        "manufacturer": "pneumonia-xray",
        "deviceName": [{"name": model.name, "type": "model-name"}],
        "type": {"text": "Neural networks, as decision support; not a medical device"},
        "version": [
            {"type": {"text": "model"}, "value": model.version},
            {"type": {"text": "service"}, "value": __version__},
        ],
    }
    return device | ({"property": measured} if measured else {})


def _concept(*codings: tuple[str, str, str], text: str = "") -> Resource:
    coded = [
        {"system": system, "code": code, "display": display} for system, code, display in codings
    ]
    return {"coding": coded} | ({"text": text} if text else {})


def _quantity(value: float) -> Resource:
    return {"value": value, "unit": "1", "system": UCUM, "code": "1"}
