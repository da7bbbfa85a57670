"""An even surround is cut away and laid back; nothing of a film is."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageDraw

from service.imaging import InputSpec, decode, film_of, prepare
from service.imaging.surround import PixelBox, find_film
from tests.phantom import phantom

FILM = phantom(3, (640, 500))
SHADES = (0, 18, 128, 250, 255)


def framed(
    size: tuple[int, int], at: tuple[int, int], shade: int, film: Image.Image = FILM
) -> tuple[Image.Image, PixelBox]:
    picture = Image.new("L", size, shade)
    picture.paste(film, at)
    return picture, (*at, at[0] + film.width, at[1] + film.height)


def phone(shade: int = 0) -> tuple[Image.Image, PixelBox]:
    """A tall screen: clock and battery on top, a title, buttons and the home bar below."""
    picture, box = framed((640, 1380), (0, 420), shade)
    ink = 255 if shade < 128 else 0
    draw = ImageDraw.Draw(picture)
    draw.text((40, 18), "09:41", ink, font_size=24)
    for left in (500, 530, 560):
        draw.rounded_rectangle((left, 20, left + 22, 38), 5, outline=ink, width=2)
    draw.rounded_rectangle((235, 12, 405, 48), 18, fill=90)
    draw.text((60, 90), "Radiografía de tórax", ink, font_size=30)
    for left in range(60, 600, 130):
        draw.ellipse((left, 1240, left + 40, 1280), outline=ink, width=3)
    draw.rounded_rectangle((200, 1350, 440, 1356), 3, fill=ink)
    return picture, box


def slide(shade: int = 255) -> tuple[Image.Image, PixelBox]:
    """A wide slide with a title, the film in a white margin, and black bars on both sides."""
    page, box = framed((1100, 720), (230, 120), shade)
    ink = 0 if shade > 127 else 255
    ImageDraw.Draw(page).text((60, 30), "Caso 3: niña de 4 años", ink, font_size=36)
    picture, _ = framed((1400, 720), (150, 0), 0, page)
    return picture, (box[0] + 150, box[1], box[2] + 150, box[3])


def encoded(picture: Image.Image, kind: str, **options: int) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


SURROUNDED = {
    **{f"16:9, {shade}": framed((1140, 640), (250, 70), shade) for shade in SHADES},
    **{f"9:16, {shade}": framed((640, 1140), (0, 333), shade) for shade in SHADES},
    **{f"square, {shade}": framed((1000, 1000), (0, 0), shade) for shade in SHADES},
    **{f"phone, {shade}": phone(shade) for shade in SHADES},
    **{f"slide, {shade}": slide(shade) for shade in (255, 240, 30)},
    "thin white margin": framed((660, 520), (10, 10), 255),
}


@pytest.mark.parametrize("name", SURROUNDED)
@pytest.mark.parametrize("quality", [None, 80, 30], ids=["PNG", "JPEG 80", "JPEG 30"])
def test_what_is_left_is_the_film(name: str, quality: int | None) -> None:
    picture, box = SURROUNDED[name]
    data = encoded(picture, "PNG") if quality is None else encoded(picture, "JPEG", quality=quality)
    found = find_film(decode(data).picture)
    assert found is not None
    left, top, right, bottom = np.subtract(found, box) * (1, 1, -1, -1)
    assert min(left, top, right, bottom) >= -8, "some of the surround is left"
    # The phantom's edge is even but for its noise, which strong compression takes away.
    lost = max(left, top, right, bottom)
    assert lost <= (0 if quality is None else 24), "it cut into the film"


@pytest.mark.parametrize("name", SURROUNDED)
def test_the_networks_see_the_film_as_if_it_were_alone(name: str) -> None:
    picture, _ = SURROUNDED[name]
    alone, surrounded = (
        prepare(film_of(decode(encoded(one, "PNG"))).radiograph, InputSpec(96, 96, scale=1))
        for one in (FILM, picture)
    )
    assert np.abs(alone - surrounded).mean() < 1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [(640, 500), (400, 640), (1200, 500)])
def test_a_film_without_surround_stays_whole(seed: int, size: tuple[int, int]) -> None:
    radiograph = decode(encoded(phantom(seed, size), "PNG"))
    film = film_of(radiograph)
    assert film.is_whole
    assert film.radiograph is radiograph


def test_black_collimation_stays() -> None:
    picture, _ = framed((700, 530), (30, 10), 0)
    assert find_film(picture) is None


def test_a_collimated_film_that_was_turned_stays() -> None:
    turned = phantom(3, (500, 500)).rotate(8, fillcolor=0)
    assert find_film(turned) is None


def test_two_pictures_side_by_side_stay() -> None:
    picture = Image.new("L", (1400, 500), 255)
    picture.paste(FILM, (0, 0))
    picture.paste(phantom(4, FILM.size), (760, 0))
    assert find_film(picture) is None


def test_what_would_be_too_small_or_too_long_stays() -> None:
    assert find_film(framed((3000, 3000), (900, 900), 0, phantom(1, (200, 160)))[0]) is None
    assert find_film(framed((1000, 1000), (0, 300), 0, phantom(1, (1000, 250)))[0]) is None


def test_an_even_picture_has_no_film() -> None:
    assert find_film(Image.new("L", (500, 400), 90)) is None


class TestFilm:
    @pytest.mark.parametrize("near", [None, 96])
    def test_sizes_are_those_of_the_file(self, near: int | None) -> None:
        large, box = framed((2280, 1280), (500, 140), 255, phantom(3, (1280, 1000)))
        radiograph = decode(encoded(large, "JPEG", quality=92), near=near)
        film = film_of(radiograph)
        assert (radiograph.width, radiograph.height) == large.size
        size = film.radiograph.width, film.radiograph.height
        assert np.abs(np.subtract(size, (1280, 1000))).max() <= 24
        shares = np.divide(box, (*large.size, *large.size))
        assert np.abs(np.subtract(film.box, shares)).max() < 0.01
        assert (near is None) == (film.radiograph.full_size is None)

    def test_boxes_and_maps_are_laid_back_into_the_frame(self) -> None:
        picture, _ = framed((1280, 1000), (320, 250), 255)
        film = film_of(decode(encoded(picture, "PNG")))
        assert film.in_frame((0, 0, 1, 1)) == (0.25, 0.25, 0.75, 0.75)
        assert film.in_frame((0.5, 0, 1, 0.5)) == (0.5, 0.25, 0.75, 0.5)
        maps = np.arange(32, dtype=np.float32).reshape(2, 4, 4)
        laid = film.laid_back(maps)
        assert laid.shape == (2, 8, 8)
        assert np.allclose(laid[:, 2:6, 2:6], maps)
        assert np.allclose(laid.sum(axis=(1, 2)), maps.sum(axis=(1, 2)))

    def test_the_sum_of_a_map_stays_where_cells_do_not_meet(self) -> None:
        picture, _ = framed((1140, 640), (233, 71), 255)
        film = film_of(decode(encoded(picture, "PNG")))
        maps = np.random.default_rng(0).normal(size=(2, 7, 5)).astype(np.float32)
        laid = film.laid_back(maps)
        assert np.allclose(laid.sum(axis=(1, 2)), maps.sum(axis=(1, 2)), atol=1e-4)
        assert not laid[:, :, 0].any()
