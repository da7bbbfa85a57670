import pytest

from service.report.bidi import base_level, levels, visual_runs


def printed(text: str, base: int) -> str:
    """The characters from left to right."""
    runs = visual_runs(text, levels(text, base), base)
    return "".join(
        text[start:end][::-1] if level % 2 else text[start:end] for start, end, level in runs
    )


@pytest.mark.parametrize(
    ("text", "level"), [("Ana", 0), ("12 אב", 1), ("(محمد) Ana", 1), ("a אב", 0), ("12", 0)]
)
def test_a_paragraph_starts_where_its_first_letter_is_read(text: str, level: int) -> None:
    assert base_level(text) == level


# Expected by hand, by the rules of Unicode Standard Annex 9.
@pytest.mark.parametrize(
    ("text", "base", "expected"),
    [
        ("Ana 12", 0, "Ana 12"),
        ("אבג", 0, "גבא"),
        ("a אבג b", 0, "a גבא b"),
        ("a אב גד b", 0, "a דג בא b"),
        ("אב 12 גד", 1, "דג 12 בא"),
        ("אב 12-34 ab", 1, "ab 12-34 בא"),
        ("مح 39.5% ab", 0, "39.5 حم% ab"),
        ("ab אב.", 0, "ab בא."),
        ("אב ab.", 1, ".ab בא"),
        ("ab (אב) 1", 0, "ab (בא) 1"),
        ("אב (ab) גד", 1, "דג )ab( בא"),
        ("אב (גד) 1", 0, "1 )דג( בא"),
        ("אב  ", 0, "בא  "),
        ("א\u05b0ב", 0, "ב\u05b0א"),
        ("", 0, ""),
    ],
)
def test_a_line_is_printed_in_order(text: str, base: int, expected: str) -> None:
    assert printed(text, base) == expected
