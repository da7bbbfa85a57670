import pytest

from service.i18n import LANGUAGES, Language, texts
from service.report.fonts import REPLACEMENT, printable


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


def test_combining_accents_are_composed() -> None:
    assert printable("Nu\u0301n\u0303ez") == "Núñez"


@pytest.mark.parametrize("text", ["漢", "م", "🩻", "\x00", "\u202e"])
def test_what_the_fonts_lack_is_replaced_visibly(text: str) -> None:
    assert printable(f"a{text}b") == f"a{REPLACEMENT}b"


def test_white_space_becomes_one_space() -> None:
    assert printable("  a\n\n\t b\r\nc ") == "a b c"


def test_a_no_break_space_is_kept() -> None:
    assert printable("97,1\u00a0%") == "97,1\u00a0%"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_report_can_be_printed(language: Language) -> None:
    for part in ("report", "verdict"):
        for key, text in texts(language)[part].items():
            assert printable(text) == text, key
