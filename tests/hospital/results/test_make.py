import dataclasses
import io
import subprocess
import sys
from typing import Any

import pypdf
import pytest

from service.hospital.results import KINDS
from service.imaging import UnsupportedFormatError
from service.screening.prevalence import local_figures
from tests.dicom_files import INSTANCE, PATIENT, SERIES, STUDY, dicom, written
from tests.explaining import unexplained
from tests.hospital.results.making import AT, BUNDLE, RESULT, made
from tests.serving import ROOT


class TestIdentity:
    def test_it_is_the_patient_and_the_study_of_the_source(self) -> None:
        for result in made().values():
            for keyword, value in PATIENT.items():
                assert result[keyword].value == value, keyword
            assert result.StudyInstanceUID == STUDY

    def test_every_kind_has_a_series_of_its_own(self) -> None:
        results = made()
        for keyword in ("SeriesInstanceUID", "SOPInstanceUID"):
            uids = {result[keyword].value for result in results.values()}
            assert len(uids) == len(results)
            assert not uids & {STUDY, SERIES, INSTANCE}

    def test_made_again_it_has_the_same_uids(self) -> None:
        first, later = made(), made(at=AT.replace(hour=12))
        for kind, result in first.items():
            assert result.SOPInstanceUID == later[kind].SOPInstanceUID
            assert result.SeriesInstanceUID == later[kind].SeriesInstanceUID

    def test_made_again_at_the_same_time_it_is_the_same_file(self) -> None:
        for first, again in zip(made().values(), made().values(), strict=True):
            assert written(first) == written(again)

    @pytest.mark.parametrize("other", [{"language": "es"}, {"uid_root": "1.2.3"}])
    def test_made_otherwise_it_has_others(self, other: dict[str, Any]) -> None:
        uids = {result.SOPInstanceUID for result in made().values()}
        assert not uids & {result.SOPInstanceUID for result in made(**other).values()}

    def test_at_another_prevalence_it_has_others(self) -> None:
        local = local_figures(RESULT.verdict.probability, BUNDLE.manifest, 0.05)
        there = dataclasses.replace(
            RESULT, verdict=dataclasses.replace(RESULT.verdict, local=local)
        )
        uids = {result.SOPInstanceUID for result in made().values()}
        assert not uids & {result.SOPInstanceUID for result in made(result=there).values()}

    def test_another_image_has_others(self) -> None:
        uids = {result.SOPInstanceUID for result in made().values()}
        neighbour = made(dicom(SOPInstanceUID=f"{INSTANCE}4"))
        assert not uids & {result.SOPInstanceUID for result in neighbour.values()}

    @pytest.mark.parametrize("root", ["2.25", "1.2.826.0.1.3680043.10.1234", "1." + "2" * 38])
    def test_uids_are_under_the_root_and_valid(self, root: str) -> None:
        for result in made(uid_root=root).values():
            for uid in (result.SOPInstanceUID, result.SeriesInstanceUID):
                assert uid.startswith(f"{root}.")
                assert uid.is_valid

    def test_only_the_kinds_asked_for_are_made(self) -> None:
        assert list(made(kinds=("pdf",))) == ["DOC"]
        assert list(made(kinds=("seg", "sr"))) == ["SR", "SEG"]
        assert len(made()) == len(KINDS)

    def test_without_a_map_there_is_no_segmentation(self) -> None:
        assert list(made(result=unexplained())) == ["SR", "DOC", "OT"]


class TestPoorSources:
    def test_what_the_source_lacks_is_empty(self) -> None:
        source = dicom(without=tuple(PATIENT))
        for result in made(source).values():
            assert result.PatientName == ""
            assert result.StudyDate == ""
            assert "PatientAge" not in result

    def test_a_source_without_uids_has_results_all_the_same(self) -> None:
        lacking = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
        results = list(made(dicom(without=lacking), kinds=("sr", "pdf")).values())
        assert len({result.StudyInstanceUID for result in results}) == 1
        assert (
            results[0].StudyInstanceUID
            == made(dicom(without=lacking), kinds=("pdf",))["DOC"].StudyInstanceUID
        )

    @pytest.mark.parametrize(
        ("keyword", "broken"), [("StudyDate", "2026.3.1"), ("PatientSex", "female")]
    )
    def test_what_no_reader_could_parse_is_empty(self, keyword: str, broken: str) -> None:
        elements: dict[str, Any] = {keyword: broken}
        for result in made(dicom(**elements)).values():
            assert result[keyword].value == ""

    def test_an_identity_that_is_too_long_is_kept_whole(self) -> None:
        for result in made(dicom(PatientID="7" * 70)).values():
            assert result.PatientID == "7" * 70

    @pytest.mark.parametrize(
        ("declared", "name", "expected"),
        [
            ("ISO_IR 100", "Núñez^Ana", "ISO_IR 100"),
            ("ISO_IR 192", "Núñez^Ana", "ISO_IR 192"),
            ("ISO_IR 144", "Лениа", "ISO_IR 192"),  # the study's description is Spanish
            (["ISO 2022 IR 6", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎", "ISO_IR 192"),
        ],
    )
    def test_names_are_kept_in_every_alphabet(
        self, declared: Any, name: str, expected: str
    ) -> None:
        source = dicom(SpecificCharacterSet=declared, PatientName=name, StudyDescription="Thorax")
        for result in made(source, language="es").values():
            assert result.PatientName == name
            assert result.SpecificCharacterSet == expected

    def test_what_may_be_left_out_and_is_broken_is_left_out(self) -> None:
        source = dicom(PatientAge="81", PatientSize="1.23").replace(b"1.23", b"tall")
        for result in made(source).values():
            assert "PatientAge" not in result
            assert "PatientSize" not in result

    def test_a_value_of_a_type_that_there_is_not_is_left_out(self) -> None:
        source = dicom(StudyID="Q17").replace(b"SH\x04\x00Q17 ", b"XX\x04\x00Q17 ")
        for result in made(source).values():
            assert result.StudyID == ""

    def test_how_a_source_was_compressed_is_said_as_far_as_it_is_known(self) -> None:
        source = dicom(LossyImageCompression="01", LossyImageCompressionRatio="12.5")
        for result in made(source.replace(b"12.5", b"12,5"), kinds=("sc", "seg")).values():
            assert result.LossyImageCompression == "01"
            assert "LossyImageCompressionRatio" not in result

    def test_the_class_of_a_source_may_be_private(self) -> None:
        results = made(dicom(SOPClassUID="1.2.3.4"))
        [reference] = results["OT"].SourceImageSequence
        assert reference.ReferencedSOPClassUID == "1.2.3.4"
        [study] = results["SR"].CurrentRequestedProcedureEvidenceSequence
        [image] = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
        assert (image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID) == (
            "1.2.3.4",
            INSTANCE,
        )

    def test_nothing_of_a_broken_identity_is_logged_or_warned_of(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(0)
        made(
            dicom(
                PatientName="=" * 9 + "Jane\x07Doe^^^^^^^^", PatientID="Jane\x07", StudyDate="Jane"
            )
        )
        assert "Jane" not in caplog.text


class TestPackages:
    def test_the_service_starts_without_them(self) -> None:
        program = (
            "import sys, service.api.app, service.cli.app, service.hospital.results.fhir;"
            "print(*({'pydicom', 'highdicom'} & set(sys.modules)))"
        )
        answer = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert answer.stdout.strip() == ""

    def test_where_they_are_missing_the_refusal_says_what_to_install(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "highdicom", None)
        with pytest.raises(UnsupportedFormatError, match="the extra 'dicom'"):
            made()


class TestPdf:
    def test_it_is_our_report(self) -> None:
        result = made(language="en", kinds=("pdf",))["DOC"]
        document = result.EncapsulatedDocument[: result.EncapsulatedDocumentLength]
        [page] = pypdf.PdfReader(io.BytesIO(document), strict=True).pages
        text = " ".join(page.extract_text().split())
        assert f"Probability of pneumonia {RESULT.verdict.probability:.4f}" in text
        assert RESULT.verdict.model.digest in text
        assert "Núñez" not in text

    def test_it_says_that_nobody_verified_it_and_what_it_is_about(self) -> None:
        result = made(language="en", kinds=("pdf",))["DOC"]
        assert result.VerificationFlag == "UNVERIFIED"
        assert "not verified" in result.DocumentTitle
        assert result.SourceInstanceSequence[0].ReferencedSOPInstanceUID == INSTANCE

    @pytest.mark.parametrize(
        ("declared", "expected"), [({}, "YES"), ({"BurnedInAnnotation": "NO"}, "NO")]
    )
    def test_its_picture_may_name_the_patient_unless_the_source_denies_it(
        self, declared: dict[str, Any], expected: str
    ) -> None:
        assert made(dicom(**declared), kinds=("pdf",))["DOC"].BurnedInAnnotation == expected
