"""The codes of the results, from public schemes where one fits; docs/hospital.md lists them."""

from typing import Final

from pydicom import Dataset
from pydicom.sr.coding import Code

from service.screening.verdict import Assessment

CHEST_CAD_REPORT: Final = Code("112000", "DCM", "Chest CAD Report")
PLAIN_CHEST_XRAY: Final = Code("399208008", "SCT", "Plain chest X-ray")
PNEUMONIA: Final = Code("233604007", "SCT", "Pneumonia")
CHEST: Final = Code("816094009", "SCT", "Chest")
LUNG: Final = Code("39607008", "SCT", "Lung")
LEFT: Final = Code("7771000", "SCT", "Left")
RIGHT: Final = Code("24028007", "SCT", "Right")
ANATOMICAL_STRUCTURE: Final = Code("91723000", "SCT", "Anatomical Structure")
ARTIFICIAL_INTELLIGENCE: Final = Code("123110", "DCM", "Artificial Intelligence")

PROBABILITY: Final = Code("122157", "DCM", "Probability")
THRESHOLD: Final = Code("122411", "DCM", "Threshold Value")
SENSITIVITY: Final = Code("111088", "DCM", "Case Sensitivity")
SPECIFICITY: Final = Code("111090", "DCM", "Case Specificity")
OPERATING_POINT: Final = Code("111081", "DCM", "CAD Operating Point Description")
COMMENT: Final = Code("121106", "DCM", "Comment")
SOURCE_IMAGE: Final = Code("121322", "DCM", "Source image for image processing operation")
NO_UNITS: Final = Code("1", "UCUM", "no units")

ASSESSMENTS: Final[dict[Assessment, Code]] = {
    "pneumonia": Code("10828004", "SCT", "Positive"),
    "normal": Code("260385009", "SCT", "Negative"),
    "indeterminate": Code("82334004", "SCT", "Indeterminate"),
}
"""Of the test against its threshold, not of the patient."""

OWN_SCHEME: Final = "99PNEUXR"
"""For what no public scheme names; local schemes begin with 99 (PS3.16 section 8.2)."""

OWN_SCHEME_NAME: Final = "pneumonia-xray: warnings and shares of evidence"
WARNING: Final = Code("warning", OWN_SCHEME, "Warning on the result")
EVIDENCE_SHARE: Final = Code("evidence_share", OWN_SCHEME, "Share of evidence for pneumonia")

LANGUAGES: Final = {
    "en": Code("en", "RFC5646", "English"),
    "es": Code("es", "RFC5646", "Spanish"),
}


def warning_value(code: str) -> Code:
    """A warning of a verdict: its code in the API, and the same in words."""
    return Code(code, OWN_SCHEME, code.replace("_", " ").capitalize())


def item(code: Code) -> Dataset:
    """A code as an item of a code sequence."""
    made = Dataset()
    made.CodeValue = code.value
    made.CodingSchemeDesignator = code.scheme_designator
    made.CodeMeaning = code.meaning
    return made
