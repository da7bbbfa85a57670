import pytest

from service.i18n import Language, negotiate_language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("es", "es"),
        ("ES", "es"),
        ("es-AR", "es"),
        ("en-GB,en;q=0.9,es;q=0.8", "en"),
        ("es-ES,es;q=0.9,en;q=0.8", "es"),
        ("en;q=0.2, es;q=0.7", "es"),
        ("fr, es;q=0.3", "es"),
        ("fr, de", "en"),
        ("es;q=0", "en"),
        ("es;q=0.5, *;q=0.4", "es"),
        ("es;q=0.5, *", "en"),
        ("es ; q=1.000", "es"),
        ("es;q=2", "en"),
        ("es;q=nan", "en"),
        ("estonian-but-much-too-long", "en"),
        ("est", "en"),
        (";;;,,,es", "es"),
        ("x" * 5000 + ",es", "en"),
    ],
)
def test_the_language_with_the_greatest_weight_is_chosen(
    header: str | None, language: Language
) -> None:
    assert negotiate_language(header) == language


@pytest.mark.parametrize("header", [None, "*", "fr"])
def test_without_a_preference_the_default_is_chosen(header: str | None) -> None:
    assert negotiate_language(header, default="es") == "es"


def test_of_equal_languages_the_first_is_chosen() -> None:
    assert negotiate_language("en, es") == "en"
    assert negotiate_language("es, en") == "es"
