import csv
from pathlib import Path

import pytest

from service.cli.names import shown


def test_an_ordinary_path_stays_as_it_is() -> None:
    assert shown(Path("/data/niña 1/IM-0001.jpeg")) == "/data/niña 1/IM-0001.jpeg"


@pytest.mark.parametrize("name", ["=1+1.png", "+1.png", "-1.png", "@SUM(A1).png"])
def test_a_name_that_looks_like_a_formula_becomes_a_path_to_the_same_file(name: str) -> None:
    assert shown(Path(name)) == f"./{name}"
    assert Path(shown(Path(name))) == Path(name)


def test_what_would_break_a_line_or_command_a_terminal_is_escaped() -> None:
    name = shown(Path("a\nb\x1b[31m\u2028c\r.png"))
    assert name == "a\\x0ab\\x1b[31m\\u2028c\\x0d.png"
    assert next(csv.reader([name])) == [name]


def test_a_name_that_is_no_utf8_can_be_written() -> None:
    assert shown(Path("caf\udce9.png")).encode() == b"caf\\xe9.png"
