import pytest

from service.report.shaping import Line, lines


def only(text: str) -> Line:
    [line] = lines(text, 1000)
    return line


def glyphs(text: str) -> str:
    return "".join(glyph.character for cluster in only(text).clusters for glyph in cluster.glyphs)


def text_of(line: Line) -> str:
    return "".join(cluster.text for cluster in line.clusters)


def test_arabic_letters_take_the_form_of_their_place() -> None:
    # Initial, medial and final heh, from right to left.
    assert glyphs("\u0647" * 3) == "\ufeea\ufeec\ufeeb"


def test_devanagari_forms_syllables() -> None:
    # Ka, virama and ssa are one ligature; the vowel sign i is printed before its consonant.
    [cluster] = only("क्ष").clusters
    assert cluster.text == "क्ष"
    assert not cluster.is_plain
    assert glyphs("कि")[0] != "क"
    assert len(glyphs("कि")) == 2


def test_a_mark_takes_no_place_of_its_own() -> None:
    assert only("ที่").width == pytest.approx(only("ท").width)


def test_scripts_on_one_line_keep_their_order() -> None:
    line = only("Ana محمد 17")
    assert text_of(line) == "Ana 17 دمحم"
    assert not line.right_to_left
    assert only("محمد Ana").right_to_left
    places = [glyph.x for cluster in line.clusters for glyph in cluster.glyphs]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "text",
    [
        "अर्चना शर्मा अर्चना शर्मा अर्चना शर्मा",
        "王小明張偉田中王小明張偉田中",
        "محمد عبد الله محمد عبد الله محمد",
        "สมชายใจดีสมชายใจดีสมชายใจดี",
        "Ana " * 12 + "王",
    ],
)
def test_lines_fit_and_lose_nothing(text: str) -> None:
    broken = lines(text, 8)
    assert len(broken) > 1
    assert all(line.width <= 8 for line in broken)
    printed = "".join(map(text_of, broken)).replace(" ", "")
    assert sorted(printed) == sorted(text.replace(" ", ""))
