"""Words over the lungs are found; side markers and bare films are not."""

import pytest
from PIL import Image, ImageDraw, ImageFont

from service.imaging import Radiograph
from service.lungs.lettering import longest_line
from tests.phantom import phantom

WHOLE = (0.0, 0.0, 1.0, 1.0)


def film(text: str, at: tuple[int, int] = (180, 300), size: int = 26) -> Radiograph:
    picture = phantom(2, size=(640, 800))
    ImageDraw.Draw(picture).text(at, text, fill=255, font=ImageFont.load_default(size))
    return Radiograph(picture, "PNG", "")


@pytest.mark.parametrize(("text", "size"), [("PORTABLE", 26), ("PORTABLE", 40), ("12/03/2021", 40)])
def test_a_word_is_found(text: str, size: int) -> None:
    assert longest_line(film(text, size=size), WHOLE) >= 5


@pytest.mark.parametrize("text", ["", "R", "L AP"])
def test_a_side_marker_is_no_text(text: str) -> None:
    assert longest_line(film(text, size=40), WHOLE) < 5


def test_letters_beside_the_box_do_not_count() -> None:
    below = film("PORTABLE", at=(180, 740))
    assert longest_line(below, (0.1, 0.1, 0.9, 0.85)) == 0
    assert longest_line(below, (0.1, 0.1, 0.9, 1.2)) >= 5


def test_a_reduced_film_is_searched_in_the_same_place() -> None:
    whole = film("PORTABLE", size=40)
    half = Radiograph(
        whole.picture.resize((320, 400), Image.Resampling.BOX), "JPEG", "", full_size=(640, 800)
    )
    assert longest_line(half, (0.2, 0.3, 0.9, 0.5)) >= 5
    assert longest_line(half, (0.2, 0.55, 0.9, 0.9)) == 0
