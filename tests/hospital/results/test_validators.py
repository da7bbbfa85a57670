"""Validators that others wrote find nothing wrong: dciodvfy of dicom3tools, and dcmtk's dumps."""

import shutil
import subprocess
from pathlib import Path

import pytest

from service.hospital.results import derived_uid
from service.i18n import LANGUAGES, Language
from tests.dicom_files import PATIENT, dicom, written
from tests.hospital.results.making import made

POOR = dicom(without=(*PATIENT, "StudyInstanceUID", "SeriesInstanceUID"))
SOURCES = {
    "CR": dicom(),
    "DX": dicom(SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1", PatientOrientation=["L", "F"]),
    "digitised film": dicom(SOPClassUID="1.2.840.10008.5.1.4.1.1.7", StudyID=None),
    "lossy": dicom(
        LossyImageCompression="01",
        LossyImageCompressionRatio="12.5",
        LossyImageCompressionMethod="ISO_10918_1",
    ),
    "poor": POOR,
    "Japanese": dicom(
        SpecificCharacterSet=["ISO 2022 IR 6", "ISO 2022 IR 87"],
        PatientName="Yamada^Tarou=山田^太郎",
        StudyDescription="Thorax",
    ),
}

EXPECTED = (
    "Unrecognized defined term = <99PNEUXR>",  # our own scheme, which is declared in the report
    "needed to build DICOMDIR",  # the source has no patient's ID, date or study ID either
)
"""Warnings that are explained in docs/hospital.md."""


def run(tool: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    return subprocess.run(
        [tool, *arguments], capture_output=True, encoding="utf-8", errors="replace", check=False
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("source", SOURCES)
def test_dciodvfy_finds_no_fault(source: str, language: Language, tmp_path: Path) -> None:
    for kind, result in made(SOURCES[source], language=language).items():
        file = tmp_path / f"{kind}.dcm"
        file.write_bytes(written(result))
        answer = run("dciodvfy", "-new", file)
        lines = (answer.stdout + answer.stderr).splitlines()
        assert not [line for line in lines if "Error" in line], kind
        warnings = [line for line in lines if "Warning" in line]
        assert not [line for line in warnings if not line.endswith(EXPECTED)], kind


@pytest.mark.parametrize("source", SOURCES)
def test_dcmtk_reads_every_result(source: str, tmp_path: Path) -> None:
    for kind, result in made(SOURCES[source]).items():
        file = tmp_path / f"{kind}.dcm"
        file.write_bytes(written(result))
        answer = run("dcmdump", "--max-read-length", "64", file)
        assert (answer.returncode, answer.stderr) == (0, ""), kind


def test_dsrdump_reads_the_report(tmp_path: Path) -> None:
    file = tmp_path / "report.dcm"
    file.write_bytes(written(made(language="en", kinds=("sr",))["SR"]))
    answer = run("dsrdump", file)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "Comprehensive 3D SR Document" in answer.stdout
    assert "UNVERIFIED" in answer.stdout
    assert '"Probability")="0.6611"' in answer.stdout


def test_a_uid_never_is_longer_than_it_may_be() -> None:
    for length in range(1, 19):
        uid = derived_uid(".".join("9" * length), "a", "b")
        assert len(uid) <= 64
