"""The PDF report as a DICOM object (Encapsulated PDF Storage, PS3.3 section A.45.1)."""

from pydicom import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from service.hospital.results.case import Case
from service.hospital.results.codes import CHEST_CAD_REPORT, item
from service.report import make_report


def encapsulated_pdf(case: Case) -> Dataset:
    """Make the report and wrap it. It names no patient; the object around it does."""
    document = make_report(
        case.result,
        case.bundle,
        lang=case.options.language,
        request_id=case.request_id,
        made_at=case.made_at,
    )
    made = Dataset()
    made.SOPClassUID = EncapsulatedPDFStorage
    made.ConversionType = "WSD"
    made.AcquisitionDateTime = None
    made.BurnedInAnnotation = "YES" if case.source.burned_in else "NO"
    made.DocumentTitle = case.texts["pdf.title"]
    made.ConceptNameCodeSequence = [item(CHEST_CAD_REPORT)]
    made.VerificationFlag = "UNVERIFIED"
    made.SourceInstanceSequence = [case.reference()]
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.EncapsulatedDocumentLength = len(document)
    made.EncapsulatedDocument = document + bytes(len(document) % 2)
    return case.complete(made, "pdf", "DOC")
