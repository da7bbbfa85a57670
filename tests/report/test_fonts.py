import pytest

from service.i18n import LANGUAGES, Language, texts
from service.report.fonts import REPLACEMENT, printable, printable_lines


@pytest.mark.parametrize(
    "text",
    [
        "Núñez-Ávila",
        "¿Infiltrado? ¡Sí!",
        "Łukasz Đorđević",
        "Ἀλέξης",
        "Ольга",
        "Nguyễn",
        "5 µg · 3 °C",
    ],
)
def test_european_letters_can_be_printed(text: str) -> None:
    assert printable(text) == text.replace("Ἀ", REPLACEMENT)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("39\u2103", "39°C"),
        ("5 \u338e", "5 mg"),
        ("\ufb01n", "fin"),
        ("\u2163", "IV"),
        ("\U0001d400", "A"),
    ],
)
def test_signs_without_a_glyph_are_printed_in_their_plain_form(text: str, plain: str) -> None:
    assert printable(text) == plain


def test_combining_accents_are_composed() -> None:
    assert printable("Nu\u0301n\u0303ez") == "Núñez"


@pytest.mark.parametrize(
    "text",
    [
        "SpO\u2082 \u2265 92 %, \u2264 3 d, \u2260, \u2248, \u221e",
        "\u2191 \u2192 \u2193 \u2190 \u21d2",
        "\u2640 \u2642 \u2713 \u2717 \u2610 \u2611 \u25cf \u25a0",
        "محمد عبد الله",
        "דוד בן־גוריון",
        "王小明 張偉 田中さん タナカ",
        "김철수",
        "अर्चना शर्मा",
        "สมชาย ใจดี",
        "Արմեն Պետրոսյան",
        "გიორგი",
    ],
)
def test_signs_and_names_of_other_scripts_can_be_printed(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("text", ["\U00020bb7", "🩻", "ᚠ", "\ue001", "\udc80", "\U0010ffff"])
def test_what_the_fonts_lack_is_replaced_visibly(text: str) -> None:
    assert printable(f"a{text}b") == f"a{REPLACEMENT}b"


@pytest.mark.parametrize(
    "text",
    [
        "\u200b",
        "\u200d",
        "\u202e",
        "\u2066",
        "\u00ad",
        "\ufeff",
        "\x00",
        "\x1b",
        "\ufe0f",
        "\u3164",
    ],
)
def test_invisible_characters_are_dropped(text: str) -> None:
    assert printable(f"a{text}b{text}") == "ab"


def test_a_joiner_that_belongs_to_the_spelling_is_kept() -> None:
    word = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    assert printable(word) == word


def test_lines_are_kept_as_they_were_typed() -> None:
    assert printable_lines("\n a\tb \r\nc\rd\n\n\n\ne\u2028f\n\n") == [
        "a b",
        "c",
        "d",
        "",
        "e",
        "f",
    ]
    assert printable_lines(" \n ") == []


def test_white_space_becomes_one_space() -> None:
    assert printable("  a\n\n\t b\r\nc ") == "a b c"


def test_a_no_break_space_is_kept() -> None:
    assert printable("97,1\u00a0%") == "97,1\u00a0%"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_report_can_be_printed(language: Language) -> None:
    for part in ("report", "verdict"):
        for key, text in texts(language)[part].items():
            assert printable(text) == text, key
