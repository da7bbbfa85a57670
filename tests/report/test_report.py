import dataclasses
import gc
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pypdf
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from service.i18n import LANGUAGES, Language
from service.imaging import Radiograph
from service.report import MAX_NOTE, MAX_REFERENCE, make_report
from service.screening.explanation import Explanation
from service.screening.verdict import IndeterminateRange
from tests.explaining import explanation, unexplained
from tests.fake_engine import fake_bundle

AT = datetime(2026, 3, 1, 9, 5, tzinfo=UTC)


def made(result: Any = None, **given: Any) -> bytes:
    arguments: dict[str, Any] = {"lang": "en", "request_id": "r1", "made_at": AT} | given
    return make_report(result or explanation(), fake_bundle(), **arguments)


def opened(document: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(document), strict=True)


def root_of(reader: pypdf.PdfReader) -> Any:
    return reader.trailer["/Root"]


def text_of(document: bytes) -> str:
    [page] = opened(document).pages
    return " ".join(page.extract_text().split())


class TestPage:
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_it_is_one_a4_page_with_two_pictures(self, language: Language) -> None:
        [page] = opened(made(lang=language)).pages
        assert (round(page.mediabox.width), round(page.mediabox.height)) == (595, 842)
        assert len(page.images) == 2

    def test_its_text_can_be_searched_in_english(self) -> None:
        verdict = explanation().verdict
        text = text_of(made())
        for sought in (
            "bove the model's threshold for pneumonia",
            "Decision support, not a diagnosis.",
            f"{verdict.probability:.4f}",
            f"{verdict.threshold:.4f}",
            *(f"Network “{member.name}”: {member.probability:.4f}" for member in verdict.members),
            verdict.image.sha256,
            verdict.model.digest,
            "fake 1.2.3",
            "2026-03-01 09:05:00 (UTC+00:00)",
            "Request r1",
        ):
            assert sought in text

    def test_its_text_can_be_searched_in_spanish_with_accents(self) -> None:
        text = text_of(made(lang="es", reference="Núñez", note="Fiebre; ¿infiltrado? Żółć"))
        for sought in (
            "upera el umbral del modelo para neumonía",
            "Apoyo a la decisión, no un diagnóstico.",
            "Referencia: Núñez",
            "¿infiltrado? Żółć",
        ):
            assert sought in text

    @pytest.mark.parametrize(
        ("language", "label"),
        [
            ("en", "hatched: indeterminate, 0.2356 to 0.9413"),
            ("es", "rayado: indeterminado, de 0,2356 a 0,9413"),
        ],
    )
    def test_the_range_that_is_indeterminate_is_named(self, language: Language, label: str) -> None:
        source = explanation()
        verdict = dataclasses.replace(
            source.verdict, indeterminate=IndeterminateRange(0.2356, 0.9413)
        )
        hatched = Explanation(verdict, source.radiograph, source.maps)
        assert label in text_of(made(hatched, lang=language))
        assert label.split(maxsplit=1)[0] not in text_of(made(source, lang=language))

    def test_without_a_map_it_has_one_picture_and_the_reason(self) -> None:
        document = made(unexplained())
        assert len(opened(document).pages[0].images) == 1
        assert "These networks are made of numpy." in text_of(document)

    def test_user_input_is_not_parsed_as_markup(self) -> None:
        assert "<b>x</b> & <img src=y>" in text_of(made(note="<b>x</b> & <img src=y>"))

    def test_unprintable_characters_are_marked_and_explained(self) -> None:
        assert "\ufffd 17" in (text := text_of(made(reference="🩻 17")))
        assert "Characters that cannot be printed" in text
        assert "Characters that cannot be printed" not in text_of(made(reference="17"))

    @pytest.mark.parametrize(
        "name", ["王小明", "김철수", "田中さん", "Արմեն Պետրոսյան", "გიორგი", "SpO₂ ≥ 92 % ↑ ♀ ✓"]
    )
    def test_names_and_signs_can_be_searched(self, name: str) -> None:
        assert name in text_of(made(reference=name, note=f"x {name}"))

    @pytest.mark.parametrize(
        "typed", [["Fever", "since Monday", "mother ill"], ["高烧", "咳嗽", "张"]]
    )
    def test_a_note_is_printed_with_its_line_breaks(self, typed: list[str]) -> None:
        [page] = opened(made(note="{}\n{}\n\n{}".format(*typed))).pages
        lines = [line.strip() for line in page.extract_text().splitlines()]
        place = lines.index(typed[0])
        assert [line for line in lines[place:] if line][:3] == typed

    def test_a_note_of_very_many_lines_shows_where_they_ended(self) -> None:
        assert "a ↵ b ↵ a ↵ b" in text_of(made(note="a\nb\n" * 20))

    @pytest.mark.parametrize(
        "note",
        [
            "W" * MAX_NOTE,
            "\n" * MAX_NOTE,
            "a\n" * (MAX_NOTE // 2),
            "ñ " * (MAX_NOTE // 2),
            "漢" * MAX_NOTE,
            "م" * MAX_NOTE,
        ],
    )
    def test_the_longest_note_leaves_it_one_page(self, note: str) -> None:
        document = made(note=note, reference="W" * MAX_REFERENCE, request_id="r" * 64)
        assert len(opened(document).pages) == 1

    @pytest.mark.parametrize("note", ["", "word " * (MAX_NOTE // 5)])
    def test_what_is_set_smaller_still_fills_the_width(self, note: str) -> None:
        source = explanation()
        square = Radiograph(Image.new("L", (300, 300), 9), "PNG", "0" * 64)
        told = Explanation(source.verdict, square, source.maps)
        [page] = opened(made(told, note=note, reference="W" * MAX_REFERENCE)).pages
        ends: list[float] = []

        def on_operator(operator: bytes, operands: Any, cm: Any, *_: Any) -> None:
            if operator == b"l":
                ends.append(float(operands[0]) * cm[0] + cm[4])

        page.extract_text(visitor_operand_before=on_operator)
        assert max(ends) == pytest.approx(595.3 - 15 / 25.4 * 72, abs=1)

    @pytest.mark.parametrize("shape", [(40, 3000), (3000, 40)])
    def test_a_radiograph_of_any_proportions_fits(self, shape: tuple[int, int]) -> None:
        source = explanation()
        pixels = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
        odd = Explanation(
            source.verdict, Radiograph(Image.fromarray(pixels), "PNG", "0" * 64), source.maps
        )
        assert len(opened(made(odd)).pages) == 1


class TestFile:
    def test_equal_arguments_give_equal_bytes(self) -> None:
        assert made() == made()

    def test_reports_made_at_the_same_time_do_not_mix(self) -> None:
        references = [f"Nº {number}" for number in range(8)]
        one_by_one = [made(reference=reference) for reference in references]
        with ThreadPoolExecutor(4) as pool:
            at_once = list(pool.map(lambda reference: made(reference=reference), references))
        assert at_once == one_by_one

    def test_no_picture_outlives_its_report(self) -> None:
        def pictures() -> int:
            return sum(type(each) is JpegImageFile for each in gc.get_objects())

        gc.collect()
        before = pictures()
        gc.disable()
        try:
            made()
            assert pictures() == before
        finally:
            gc.enable()

    def test_it_is_small_even_for_a_picture_that_cannot_be_compressed(self) -> None:
        noise = np.random.default_rng(0).integers(0, 255, (1500, 1500), dtype=np.uint8)
        source = explanation()
        worst = Explanation(
            source.verdict, Radiograph(Image.fromarray(noise), "PNG", "0" * 64), source.maps
        )
        assert len(made(worst)) < 400_000

    def test_its_metadata_name_the_document_and_nothing_of_the_user(self) -> None:
        reader = opened(made(lang="es", reference="Jane Doe", note="Jane Doe"))
        metadata = reader.metadata
        assert metadata is not None
        assert metadata.title == "Radiografía de tórax: apoyo a la decisión"
        assert metadata.creation_date == AT
        assert str(metadata.author).startswith("pneumonia-xray ")
        assert "ReportLab" in str(metadata.producer)
        assert "Jane" not in str(metadata)
        assert root_of(reader)["/Lang"] == "es"

    def test_it_embeds_only_the_glyphs_that_it_prints(self) -> None:
        plain, named = len(made()), len(made(reference="王小明", note="محمد ≥ अर्चना"))
        assert plain < named < plain + 40_000

    def test_a_text_does_not_change_the_next_report(self) -> None:
        before = made(reference="محمد")
        made(note="क्षत्रिय علي")
        assert made(reference="محمد") == before

    def test_its_fonts_are_embedded(self) -> None:
        [page] = opened(made()).pages
        resources: Any = page["/Resources"]
        fonts = [font.get_object() for font in resources["/Font"].values()]
        noto = [font for font in fonts if "NotoSans" in font["/BaseFont"]]
        assert len(noto) >= 2
        for font in noto:
            assert "/FontFile2" in font["/FontDescriptor"]


class TestArguments:
    @pytest.mark.parametrize(
        "given", [{"reference": "x" * (MAX_REFERENCE + 1)}, {"note": "x" * (MAX_NOTE + 1)}]
    )
    def test_a_text_that_is_too_long_is_an_error(self, given: dict[str, str]) -> None:
        with pytest.raises(ValueError, match="at most"):
            made(**given)

    def test_a_time_without_zone_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="time zone"):
            made(made_at=datetime(2026, 3, 1))  # noqa: DTZ001
