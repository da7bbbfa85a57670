import string

import pytest

from service.i18n import LANGUAGES, Catalogue, Language, texts

ENGLISH_IS_IN_THE_CODE = {"problems"}
PARTS = sorted({part for language in LANGUAGES for part in texts(language)})


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("part", [part for part in PARTS if part not in ENGLISH_IS_IN_THE_CODE])
def test_every_part_has_the_same_texts_with_the_same_placeholders_in_each_language(
    part: str,
) -> None:
    english, spanish = texts("en")[part], texts("es")[part]
    assert list(english) == list(spanish)
    for key, text in english.items():
        assert placeholders(text) == placeholders(spanish[key]), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty(language: Language) -> None:
    for part, content in texts(language).items():
        for key, text in content.items():
            assert isinstance(text, str), (part, key)
            assert text.strip() == text != "", (part, key)


def test_keys_are_joined_with_dots() -> None:
    assert "{probability}" in texts("en")["verdict"]["summary.positive"]


def test_a_part_without_texts_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        texts("en")["../es/verdict"]


def test_a_file_is_read_once() -> None:
    catalogue = Catalogue("en")
    assert catalogue["verdict"] is catalogue["verdict"]
    assert texts("en") is texts("en")


def test_texts_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        texts("en")["verdict"]["summary.positive"] = ""  # type: ignore[index]


def test_a_catalogue_counts_its_parts() -> None:
    assert len(texts("es")) == len(list(texts("es"))) >= 2
