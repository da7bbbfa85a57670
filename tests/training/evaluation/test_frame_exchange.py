"""Frames are exchanged between the classes, exactly."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.evaluation.made_up import manifest, table
from training.evaluation.films import Film
from training.evaluation.frame_exchange import FrameExchange, exchange_figures, reframe

FRAME = (0.25, 0.25, 0.75, 0.75)


def block(size: tuple[int, int] = (80, 60), ground: int = 50) -> Image.Image:
    """A picture with a white block in the middle half of each axis."""
    picture = Image.new("L", size, ground)
    width, height = size
    picture.paste(255, (width // 4, height // 4, 3 * width // 4, 3 * height // 4))
    return picture


def box_of_white(picture: Image.Image) -> tuple[float, ...]:
    found = picture.point([0] * 255 + [255]).getbbox()
    assert found
    return tuple(
        value / side for value, side in zip(found, (picture.width, picture.height) * 2, strict=True)
    )


@pytest.mark.parametrize(
    "wanted",
    [
        FRAME,
        (0.1, 0.2, 0.9, 0.95),
        (0.4, 0.3, 0.6, 0.55),
        (0.0, 0.0, 1.0, 1.0),
        (0.6, 0.1, 0.9, 0.3),
    ],
)
def test_the_box_lies_where_the_other_films_box_lies(wanted: tuple[float, ...]) -> None:
    framed = reframe(block((160, 120)), FRAME, wanted)
    assert box_of_white(framed) == pytest.approx(wanted, abs=0.02)


def test_the_pixels_inside_the_box_are_the_same() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (60, 80)).astype(np.uint8)
    framed = np.asarray(reframe(Image.fromarray(pixels), FRAME, (0.4, 0.4, 0.6, 0.6)))
    inside = pixels[15:45, 20:60]
    top, left = round(0.4 * framed.shape[0]), round(0.4 * framed.shape[1])
    assert np.array_equal(framed[top : top + 30, left : left + 40], inside)


def test_beyond_the_film_there_is_black_or_its_edge_side_by_side() -> None:
    framed = np.asarray(
        reframe(block(), FRAME, (0.45, 0.45, 0.55, 0.55), (True, False, False, True))
    )
    middle_row, middle_column = framed.shape[0] // 2, framed.shape[1] // 2
    assert framed[middle_row, 0] == 0
    assert framed[middle_row, -1] == 50
    assert framed[0, middle_column] == 50
    assert framed[-1, middle_column] == 0


def films(count: int) -> list[Film]:
    return [Film(Path(f"film-{n}"), f"film-{n}", n % 2, f"p{n}", "made-up") for n in range(count)]


def test_each_film_takes_a_frame_of_the_other_class() -> None:
    normal, sick = (0.3, 0.3, 0.7, 0.7), (0.1, 0.1, 0.9, 0.9)
    labels = [0, 1] * 4
    boxes = np.array([sick if label else normal for label in labels])
    columns = dict(zip(("left", "top", "right", "bottom"), boxes.T, strict=True))
    exchange = FrameExchange(table(labels, [0.5] * 8, columns))
    for film in films(8):
        picture = Image.new("L", (100, 100), 50)
        own, other = (sick, normal) if film.label else (normal, sick)
        left, top, right, bottom = (round(100 * part) for part in own)
        picture.paste(255, (left, top, right, bottom))
        framed = exchange(film, picture)
        assert framed
        assert box_of_white(framed) == pytest.approx(other, abs=0.02)


def test_a_film_whose_lungs_are_not_known_keeps_out() -> None:
    boxes = {"left": [0.1, np.nan, 0.1], "top": 0.1, "right": 0.9, "bottom": 0.9}
    exchange = FrameExchange(table([0, 0, 1], [0.5] * 3, boxes))
    known, unknown, _ = films(3)
    assert exchange(known, block()) is not None
    assert exchange(unknown, block()) is None


def test_exchanges_with_other_partners_have_other_names() -> None:
    def name(left: float) -> str:
        boxes = {"left": left, "top": 0.1, "right": 0.9, "bottom": 0.9}
        return FrameExchange(table([0, 1], [0.5] * 2, boxes)).name

    assert name(0.1) == name(0.1) != name(0.2)


def test_figures_count_changed_verdicts_among_films_answered_twice() -> None:
    labels = [0, 0, 1, 1, 1]
    clean = table(labels, [0.1, 0.2, 0.8, 0.9, 0.9])
    after = table(labels, [0.6, 0.2, 0.8, 0.3, 0.9], {"refused": ["", "", "", "", "no lungs"]})
    found = exchange_figures(clean, after, manifest())
    assert found["films"] == 4
    assert found["changed"]["value"] == 0.5
    assert found["changed_normal"]["value"] == 0.5
    assert found["auc_before"]["value"] == 1.0
    assert found["auc_after"]["value"] == 0.75
    assert found["refused_after"] == 1
