"""Results as DICOM objects for the PACS, and as FHIR.

pydicom and highdicom are imported when a result is made, never before: the service starts and
answers without them.
"""

from service.hospital.results.make import (
    KINDS,
    Kind,
    ResultOptions,
    as_file,
    check_is_dicom,
    results_of,
)
from service.hospital.results.related import related
from service.hospital.results.uids import ANY_ROOT, derived_uid

__all__ = [
    "ANY_ROOT",
    "KINDS",
    "Kind",
    "ResultOptions",
    "as_file",
    "check_is_dicom",
    "derived_uid",
    "related",
    "results_of",
]
