"""What a DICOM file may lack, what is refused by its name, and what is left out."""

import dataclasses
import io
import subprocess
import sys
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    EncapsulatedPDFStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGExtended12Bit,
    RLELossless,
)

from service.api.problems import problem_of
from service.imaging import (
    CorruptImageError,
    DicomFacts,
    ImagingError,
    SeveralFramesError,
    TooManyPixelsError,
    UnsupportedFormatError,
    decode,
)
from service.imaging.dicom import read_header
from service.imaging.dicom.missing import not_installed
from tests.dicom_samples import data_set, dicom_file, stored_phantom, written

DEEP = stored_phantom(12)
WINDOW: dict[str, Any] = {"WindowCenter": 1800, "WindowWidth": 3000}


def levels(data: bytes) -> Any:
    return decode(data).pixels


def without_meta(data: bytes) -> bytes:
    return data[132 + 12 + int.from_bytes(data[140:144], "little") :]


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_the_meta_header_and_the_preamble_may_be_missing(syntax: Any) -> None:
    data = dicom_file(DEEP, 12, syntax, **WINDOW)
    expected = levels(data)
    assert np.array_equal(levels(without_meta(data)), expected)
    assert np.array_equal(levels(data[132:]), expected)
    assert np.array_equal(levels(b"II*\0" + data[4:]), expected), "a preamble of a TIFF"


def test_compressed_bytes_count_and_not_their_transfer_syntax() -> None:
    data = dicom_file(DEEP, 12, JPEGExtended12Bit, **WINDOW)
    mislabelled = data.replace(b"1.2.840.10008.1.2.4.51", b"1.2.840.10008.1.2.4.70")
    assert np.array_equal(levels(mislabelled), levels(data))


def test_overlays_in_unused_bits_are_left_out() -> None:
    drawn = DEEP.copy()
    drawn[20:40] |= 0x8000
    assert np.array_equal(levels(dicom_file(drawn, 12)), levels(dicom_file(DEEP, 12)))


def test_bits_are_taken_from_where_the_highest_is() -> None:
    shifted = DEEP << 4
    assert np.array_equal(levels(dicom_file(shifted, 12, HighBit=15)), levels(dicom_file(DEEP, 12)))


def test_padding_is_black_and_does_not_stretch_the_grey_levels() -> None:
    signed = stored_phantom(12, signed=True)
    padded = signed.copy()
    padded[:10] = -2048
    pixels = levels(dicom_file(padded, 12, PixelPaddingValue=-2048))
    assert not pixels[:10].any()
    negative = levels(
        dicom_file(padded, 12, PixelPaddingValue=-2048, PhotometricInterpretation="MONOCHROME1")
    )
    assert not negative[:10].any()
    assert pixels[10:].std() > 20


def test_a_lossy_picture_that_overshoots_its_bits_stays_bright() -> None:
    ramp = np.zeros((64, 64), dtype=np.uint16)
    ramp[:, 32:] = 1023
    data = dicom_file(ramp, 10, JPEGExtended12Bit)
    assert levels(data)[:, 40:].min() > 200


def test_a_presentation_that_is_inverse_is_a_negative() -> None:
    plain = levels(dicom_file(DEEP, 12, **WINDOW)).astype(int)
    inverse = levels(dicom_file(DEEP, 12, PresentationLUTShape="INVERSE", **WINDOW))
    assert np.abs(255 - plain - inverse).max() <= 1


def test_without_a_window_it_is_read_as_a_png_of_the_same_samples() -> None:
    png = bytes(imagecodecs.png_encode(DEEP))
    assert np.array_equal(levels(dicom_file(DEEP, 12)), levels(png))
    png = bytes(imagecodecs.png_encode(stored_phantom(8)))
    assert np.array_equal(levels(dicom_file(stored_phantom(8), 8)), levels(png))


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
def test_colours_become_luminance(syntax: Any, planar: int) -> None:
    colours = np.stack([stored_phantom(8)] * 3, axis=-1)
    colours[:, :, 2] //= 2
    stored = np.moveaxis(colours, -1, 0) if planar and syntax != RLELossless else colours
    data = data_set(
        colours, 8, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=planar
    )
    radiograph = decode(written(data, np.ascontiguousarray(stored), syntax))
    assert np.array_equal(radiograph.pixels, np.asarray(Image.fromarray(colours).convert("L")))
    assert radiograph.chroma > 2


class TestRefusals:
    def test_several_frames(self) -> None:
        frames = np.concatenate([DEEP, DEEP])
        data = dicom_file(frames, 12, Rows=80, NumberOfFrames=2)
        with pytest.raises(SeveralFramesError):
            decode(data)

    def test_a_document_is_called_one(self) -> None:
        dataset = Dataset()
        dataset.SOPClassUID = EncapsulatedPDFStorage
        dataset.SOPInstanceUID = "1.2.3"
        dataset.EncapsulatedDocument = b"%PDF-1.7"
        dataset.file_meta = dcmread(io.BytesIO(dicom_file(DEEP, 12))).file_meta
        dataset.file_meta.MediaStorageSOPClassUID = EncapsulatedPDFStorage
        buffer = io.BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        with pytest.raises(UnsupportedFormatError, match="document, such as a PDF"):
            decode(buffer.getvalue())

    def test_no_pixels_at_all(self) -> None:
        data = dicom_file(DEEP, 12)
        with pytest.raises(UnsupportedFormatError, match="without pixels"):
            decode(data[: data.index(b"\xe0\x7f\x10\x00OW")])

    @pytest.mark.parametrize("kept", [0.3, 0.6, 0.99])
    @pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEGExtended12Bit])
    def test_pixels_that_break_off(self, syntax: Any, kept: float) -> None:
        data = dicom_file(DEEP, 12, syntax)
        start = data.index(b"\xe0\x7f\x10\x00O") + 12
        with pytest.raises(CorruptImageError):
            decode(data[: start + int(kept * (len(data) - start))])

    def test_more_pixels_than_are_accepted(self) -> None:
        with pytest.raises(TooManyPixelsError):
            decode(dicom_file(DEEP, 12), max_pixels=96 * 80 - 1)

    def test_a_compressed_picture_of_another_size(self) -> None:
        data = data_set(DEEP, 12, Rows=81)
        with pytest.raises(CorruptImageError):
            decode(written(data, DEEP, JPEGExtended12Bit))

    def test_a_video_in_fragments(self) -> None:
        dataset = dcmread(io.BytesIO(dicom_file(DEEP, 12, RLELossless)))
        dataset.PixelData = encapsulate([b"\x00\x00\x01\xb3" + bytes(4000)])
        buffer = io.BytesIO()
        dataset.save_as(buffer)
        with pytest.raises(UnsupportedFormatError, match="video"):
            decode(buffer.getvalue())

    def test_32_bits(self) -> None:
        with pytest.raises(UnsupportedFormatError, match="32 bits"):
            decode(dicom_file(DEEP.astype(np.uint32), 12))


def facts(**others: Any) -> DicomFacts:
    """What the usual header says, but for what is given."""
    usual = DicomFacts("radiograph", "chest", "frontal")
    return dataclasses.replace(usual, **others)


def coded(value: str) -> Dataset:
    item = Dataset()
    item.CodeValue = value
    return item


class TestFacts:
    @pytest.mark.parametrize(
        ("elements", "expected"),
        [
            ({"Modality": "DX", "BodyPartExamined": "CHEST"}, facts()),
            ({"Modality": "CT", "ViewPosition": ""}, facts(modality="other", view=None)),
            ({"Modality": "OT", "BodyPartExamined": "Tórax"}, facts(modality="unclear")),
            ({"BodyPartExamined": "KNEE"}, facts(body_part="other")),
            ({"BodyPartExamined": "T SPINE"}, facts(body_part="other")),
            ({"ViewPosition": "LL"}, facts(view="lateral")),
            ({"ViewPosition": "RAO"}, facts(view="oblique")),
            ({"ViewPosition": "LLD"}, facts()),
            ({"ViewPosition": "", "ViewCodeSequence": [coded("399173006")]}, facts(view="lateral")),
            ({"ViewPosition": "", "ViewCodeSequence": [coded("SECRET")]}, facts(view=None)),
            ({"BodyPartExamined": "DOE^JANE"}, facts(body_part=None)),
            ({"BurnedInAnnotation": "YES"}, facts(burned_in=True)),
            ({"PatientAge": "030M"}, facts(ages_years=(2,))),
            ({"PatientAge": "81"}, facts(ages_years=(81,))),
            ({"PatientAge": "MANY"}, facts()),
            (
                {"PatientBirthDate": "20200315", "StudyDate": "20240314"},
                facts(ages_years=(3,)),
            ),
            ({"PatientBirthDate": "18000101", "StudyDate": "20240314"}, facts()),
            (
                {"PatientAge": "003Y", "PatientBirthDate": "19500101", "StudyDate": "20260101"},
                facts(ages_years=(3, 76)),
            ),
            (
                {"PatientAge": "005Y", "PatientBirthDate": "20190601", "StudyDate": "20260101"},
                facts(ages_years=(5,)),
            ),
            (
                {"PatientAge": "200Y", "PatientBirthDate": "20200101", "StudyDate": "20260101"},
                facts(ages_years=(6,)),
            ),
        ],
    )  # fmt: skip
    def test_they_are_a_few_words_and_a_number(
        self, elements: dict[str, Any], expected: DicomFacts
    ) -> None:
        assert decode(dicom_file(DEEP, 12, **elements)).header == expected

    def test_other_formats_have_none(self) -> None:
        assert decode(bytes(imagecodecs.png_encode(DEEP))).header is None


class TestHeader:
    def test_it_is_pydicoms_without_pixels(self) -> None:
        data = dicom_file(DEEP, 12, PatientName="Doe^Jane", StudyInstanceUID="1.2.3.4")
        header = read_header(data)
        assert (header.PatientName, header.StudyInstanceUID, header.Rows) == (
            "Doe^Jane",
            "1.2.3.4",
            80,
        )
        assert header.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert "PixelData" not in header

    @pytest.mark.parametrize("data", [b"", b"no DICOM", bytes(200), bytes(128) + b"DICM"])
    def test_what_is_no_dicom_is_refused(self, data: bytes) -> None:
        with pytest.raises(ImagingError):
            read_header(data)

    def test_the_class_may_be_anything(self) -> None:
        assert (
            read_header(dicom_file(DEEP, 12, SOPClassUID=CTImageStorage)).SOPClassUID
            == CTImageStorage
        )


def test_pydicom_is_not_needed_for_pixels() -> None:
    """The start of the service takes no longer, and only results need the library."""
    code = (
        "import sys; from service.imaging import decode;"
        "decode(sys.stdin.buffer.read()); assert 'pydicom' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], input=dicom_file(DEEP, 12), check=True)


def test_refusals_have_a_spanish_text_of_their_own() -> None:
    data = dicom_file(DEEP, 12)
    with pytest.raises(UnsupportedFormatError) as caught:
        decode(data[: data.index(b"\xe0\x7f\x10\x00OW")])
    assert "archivo DICOM" in problem_of(caught.value, "id", "es").detail
    assert "extra 'dicom'" in problem_of(not_installed("x"), "id", "es").detail
