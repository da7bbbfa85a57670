"""What a DICOM header says against a verdict, and when the picture has the last word."""

import dataclasses
from typing import Any

import imagecodecs
import pytest

from service.errors import NotAChestRadiographError
from service.imaging import DicomFacts
from service.inference import Ages, Ensemble, TrainingData
from service.screening.header_check import check_kind, header_cautions
from service.screening.screen import Screening
from tests.dicom_samples import dicom_file, stored_phantom
from tests.fake_engine import FakeEngine, FakeSegmenter, fake_ensemble

CHILDREN = Ages(youngest=1, oldest=5)
SAMPLES = stored_phantom(12, size=(320, 256))


def facts(**others: Any) -> DicomFacts:
    return dataclasses.replace(DicomFacts("radiograph", "chest", "frontal"), **others)


@pytest.mark.parametrize(
    ("header", "cautions"),
    [
        (None, ()),
        (DicomFacts(), ()),
        (facts(ages_years=(3,)), ()),
        (facts(ages_years=(1,)), ()),
        (facts(ages_years=(5,)), ()),
        (facts(ages_years=(0,)), ("outside_population",)),
        (facts(ages_years=(6,)), ("outside_population",)),
        (facts(ages_years=(3, 76)), ("outside_population",)),
        (facts(view="lateral"), ("header_disagrees",)),
        (facts(view="oblique"), ("header_disagrees",)),
        (facts(body_part="other", ages_years=(62,)), ("header_disagrees", "outside_population")),
        (facts(burned_in=True), ("burned_in_text",)),
        (facts(burned_in=False), ()),
        (facts(modality="unclear", body_part=None, view=None), ()),
    ],
)
def test_a_picture_without_doubts_has_the_last_word(
    header: DicomFacts | None, cautions: tuple[str, ...]
) -> None:
    assert header_cautions(header, (), CHILDREN) == cautions


@pytest.mark.parametrize("header", [facts(view="lateral"), facts(body_part="other")])
def test_with_a_doubt_of_the_picture_it_is_refused(header: DicomFacts) -> None:
    with pytest.raises(NotAChestRadiographError, match="another view or another part") as caught:
        header_cautions(header, ("low_contrast",), CHILDREN)
    assert caught.value.text_key == "header_disagrees"
    assert header_cautions(facts(), ("low_contrast",), CHILDREN) == ()


def test_letters_are_warned_of_once() -> None:
    assert header_cautions(facts(burned_in=True), ("text_overlay",), CHILDREN) == ()


def test_an_age_means_nothing_where_the_population_is_unknown() -> None:
    assert header_cautions(facts(ages_years=(80,)), (), None) == ()


def test_another_kind_of_image_is_refused_whatever_it_looks_like() -> None:
    check_kind(None)
    check_kind(facts(modality="unclear"))
    with pytest.raises(NotAChestRadiographError, match="another kind of image") as caught:
        check_kind(facts(modality="other"))
    assert caught.value.text_key == "header_modality"


def screening(*, lungs: bool) -> Screening:
    ensemble = fake_ensemble(lungs=lungs)
    data = TrainingData(digest="sha256:0", description="films", images=1, patients=1, ages=CHILDREN)
    manifest = ensemble.bundle.manifest.model_copy(update={"training_data": data})
    bundle = dataclasses.replace(ensemble.bundle, manifest=manifest)
    segmenter = FakeSegmenter() if lungs else None
    return Screening(Ensemble(bundle, FakeEngine(), segmenter=segmenter), max_pixels=10**6)


@pytest.mark.parametrize("lungs", [False, True])
class TestScreen:
    def test_the_verdict_is_that_of_a_png_of_the_same_samples(self, *, lungs: bool) -> None:
        judge = screening(lungs=lungs)
        png = judge.screen(bytes(imagecodecs.png_encode(SAMPLES)))
        dicom = judge.screen(dicom_file(SAMPLES, 12, PatientAge="003Y"))
        assert (dicom.image.format, png.image.format) == ("DICOM", "PNG")
        assert dataclasses.replace(dicom, image=png.image) == png

    def test_its_warnings_come_first(self, *, lungs: bool) -> None:
        verdict = screening(lungs=lungs).screen(
            dicom_file(SAMPLES, 12, PatientAge="062Y", ViewPosition="LL")
        )
        assert verdict.warnings[:2] == ("header_disagrees", "outside_population")

    def test_a_ct_is_refused(self, *, lungs: bool) -> None:
        with pytest.raises(NotAChestRadiographError, match="another kind of image"):
            screening(lungs=lungs).screen(dicom_file(SAMPLES, 12, Modality="CT"))
