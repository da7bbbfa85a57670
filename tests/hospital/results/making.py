"""Results of a drawn chest, made once and read back as a PACS would."""

from datetime import UTC, datetime
from typing import Any

from pydicom import Dataset

from service.hospital.results import ResultOptions, results_of
from service.inference import Bundle
from service.screening.explanation import Explanation, Unexplained
from tests.dicom_files import dicom, read_back
from tests.explaining import screening
from tests.serving import radiograph

AT = datetime(2026, 3, 1, 9, 5, tzinfo=UTC)
SCREENING = screening(lungs=True)
RESULT = SCREENING.explain(radiograph(1))
BUNDLE: Bundle = SCREENING.ensemble.bundle


def made(
    source: bytes | None = None,
    result: Explanation | Unexplained = RESULT,
    bundle: Bundle = BUNDLE,
    at: datetime = AT,
    **options: Any,
) -> dict[str, Dataset]:
    """The results by the modality of their series, after they were written and read back."""
    results = results_of(source or dicom(), result, bundle, ResultOptions(**options), made_at=at)
    return {each.Modality: read_back(each) for each in results}
