"""What a DICOM file says of a patient comes out nowhere: in no answer, log, metric or file."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import httpx
import pydicom
import pytest
from pydicom.datadict import dictionary_VR
from pypdf import PdfReader

from tests.dicom_samples import data_set, stored_phantom, written
from tests.serving import LiveService

SECRET: Final = "Zyx9Secret"
"""Planted in every text; no word of the service's own holds it."""

UID: Final = "1.2.840.99999.31337.31337"
DATES: Final = {"PatientBirthDate": "19710203", "StudyDate": "20110405", "StudyTime": "061728"}

TEXTS: Final = (
    "AccessionNumber", "AcquisitionComments", "AdditionalPatientHistory", "AdmissionID",
    "AdmittingDiagnosesDescription", "Allergies", "BodyPartExamined", "BranchOfService",
    "ConfidentialityConstraintOnPatientDataDescription", "ContrastBolusAgent",
    "CountryOfResidence", "CurrentPatientLocation", "DerivationDescription", "DetectorID",
    "DeviceSerialNumber", "EthnicGroup", "FillerOrderNumberImagingServiceRequest",
    "ImageComments", "InstitutionAddress", "InstitutionName", "InstitutionalDepartmentName",
    "InsurancePlanIdentification", "IssuerOfPatientID", "Manufacturer", "ManufacturerModelName",
    "MedicalAlerts", "MedicalRecordLocator", "MilitaryRank", "NameOfPhysiciansReadingStudy",
    "Occupation", "OperatorsName", "OtherPatientIDs", "OtherPatientNames", "PatientAddress",
    "PatientBirthName", "PatientComments", "PatientID", "PatientInstitutionResidence",
    "PatientInsurancePlanCodeSequence", "PatientMotherBirthName", "PatientName",
    "PatientReligiousPreference", "PatientState", "PatientTelephoneNumbers",
    "PerformedProcedureStepDescription", "PerformedProcedureStepID", "PerformingPhysicianName",
    "PhysiciansOfRecord", "PlacerOrderNumberImagingServiceRequest", "PlateID", "ProtocolName",
    "ReasonForStudy", "ReferringPhysicianAddress", "ReferringPhysicianName",
    "ReferringPhysicianTelephoneNumbers", "RegionOfResidence", "RequestedProcedureDescription",
    "RequestedProcedureID", "RequestingPhysician", "RequestingService", "ResponsiblePerson",
    "SeriesDescription", "SoftwareVersions", "SpecialNeeds", "StationName", "StudyDescription",
    "StudyID", "ViewPosition", "VisitComments",
)  # fmt: skip


def planted(**others: Any) -> bytes:
    """A DICOM file whose every identifier says so, private tags and a sequence included."""
    samples = stored_phantom(12, size=(320, 256))
    dataset = data_set(samples, 12, WindowCenter=1800, WindowWidth=3000, **DATES, **others)
    for keyword in TEXTS:
        if dictionary_VR(keyword) != "SQ" and keyword not in others:
            with pydicom.config.disable_value_validation():
                dataset.add_new(keyword, dictionary_VR(keyword), f"{SECRET} {keyword}"[:60])
    for keyword in (
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SOPInstanceUID",
        "FrameOfReferenceUID",
    ):
        setattr(dataset, keyword, f"{UID}.{len(keyword)}")
    private = dataset.private_block(0x0099, SECRET, create=True)
    for number in range(8):
        private.add_new(number, "LO", f"{SECRET}{number}")
    item = pydicom.Dataset()
    item.PatientName, item.PatientID = f"{SECRET}^Nested", SECRET
    dataset.RequestAttributesSequence = [item]
    return written(dataset, samples, pydicom.uid.ExplicitVRLittleEndian)


def files() -> dict[str, bytes]:
    """Files that are judged, refused and damaged, all full of identifiers."""
    sound = planted()
    broken = bytearray(sound)
    broken[-5000:] = b""
    middle = sound.index(SECRET.encode())
    return {
        "sound": sound,
        "other modality": planted(Modality="CT"),
        "secret modality": planted(Modality=SECRET),
        "another part": planted(BodyPartExamined="KNEE", ViewPosition="LL"),
        "cut": bytes(broken),
        "cut in the header": sound[: middle + 5],
        "wrong lengths": sound[:middle] + sound[middle + 3 :],
        "without pixels": sound[: sound.index(b"\xe0\x7f\x10\x00OW")],
        "secret photometric": planted(PhotometricInterpretation=SECRET),
        "secret window": planted(VOILUTFunction=SECRET, PresentationLUTShape=SECRET),
        "no length": sound.replace(b"\x28\x00\x10\x00US", b"\x28\x00\x10\x00LO"),
    }


FILES: Final = files()


def clean(where: str, said: bytes) -> None:
    for secret in (SECRET, SECRET.upper(), UID, *DATES.values()):
        assert secret.encode() not in said, f"{secret} in {where}"


def test_as_many_identifiers_as_promised_are_planted() -> None:
    with pydicom.config.disable_value_validation():
        dataset = pydicom.dcmread(io.BytesIO(FILES["sound"]))
        texts = sum(SECRET in str(element.value) for element in dataset.iterall())
    assert texts >= 60


@pytest.mark.skipif(sys.platform != "linux", reason="looks at the process's folders")
def test_no_identifier_is_in_any_answer_log_metric_or_file(tmp_path: Path) -> None:
    environment = {"XRAY_LOG_LEVEL": "debug", "TMPDIR": str(tmp_path), "XRAY_THREADS": "1"}
    with (
        LiveService(environment=environment) as service,
        httpx.Client(base_url=service.url, timeout=120) as client,
    ):
        service.wait_until_ready()
        for name, data in FILES.items():
            for path in ("predict", "preview", "explain?format=json", "explain", "report"):
                answer = client.post(f"/{path}", files={"file": ("film.dcm", data)})
                assert answer.status_code < 500, (name, path)
                assert name != "sound" or answer.status_code == 200, path
                clean(f"{path} of {name}", answer.content + str(answer.headers).encode())
                if answer.headers["content-type"] == "application/pdf":
                    reader = PdfReader(io.BytesIO(answer.content))
                    text = "".join(page.extract_text() for page in reader.pages)
                    clean(f"the PDF of {name}", f"{text}{reader.metadata}".encode())
            raw = client.post(
                "/predict", content=data, headers={"content-type": "application/dicom"}
            )
            clean(f"the raw body of {name}", raw.content)
            assert raw.status_code == client.post("/predict", files={"file": data}).status_code
        batch = client.post("/predict/batch", files=[("files", data) for data in FILES.values()])
        assert batch.status_code == 200
        clean("the batch", batch.content)
        clean("the metrics", client.get("/metrics").content)
        for file in tmp_path.rglob("*"):
            if file.is_file():
                clean(file.name, file.read_bytes())
    clean("the log", service.log.encode())


def test_no_identifier_is_in_what_the_command_line_prints(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    for number, data in enumerate(FILES.values()):
        (folder / f"{number}.dcm").write_bytes(data)
    reports = tmp_path / "reports"
    for options in (["--json"], ["--report", str(reports)]):
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", "predict", str(folder), *options],
            capture_output=True,
            env=os.environ | {"XRAY_LOG_LEVEL": "debug"},
            check=False,
        )
        assert b"films/" in done.stdout
        assert b"Traceback" not in done.stderr
        clean(f"the command line with {options}", done.stdout + done.stderr)
    for report in reports.glob("*"):
        clean(report.name, report.read_bytes())
