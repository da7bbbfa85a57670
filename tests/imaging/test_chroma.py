"""Colour is measured, and grey pictures have none however they are stored."""

import io
from typing import Any

import pytest
from PIL import Image

from service.imaging import decode
from tests.phantom import phantom


def file(picture: Image.Image, kind: str, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **settings)
    return buffer.getvalue()


def tinted(strength: int) -> Image.Image:
    """A phantom with less blue, as a lamp or an old screen gives it."""
    grey = phantom(1, size=(500, 400))
    less = grey.point([max(0, level - strength) for level in range(256)])
    return Image.merge("RGB", (grey, grey, less))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_a_tint_is_measured(kind: str) -> None:
    """Cb falls by half of what is missing of the blue."""
    assert decode(file(tinted(24), kind)).chroma == pytest.approx(12, abs=2.5)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_grey_stored_as_colour_has_none(kind: str) -> None:
    assert decode(file(tinted(0), kind)).chroma < 1


@pytest.mark.parametrize(
    ("mode", "kind"), [("L", "JPEG"), ("L", "PNG"), ("I;16", "PNG"), ("LA", "PNG")]
)
def test_grey_has_none(mode: str, kind: str) -> None:
    picture = phantom(1).convert("I").point(lambda level: level * 256) if mode == "I;16" else None
    chosen = (picture or phantom(1)).convert(mode)
    assert decode(file(chosen, kind)).chroma == 0


def test_palettes_and_inks_count() -> None:
    assert decode(file(tinted(60).quantize(64), "PNG")).chroma > 15
    assert decode(file(tinted(60).convert("CMYK"), "JPEG")).chroma > 15


def test_a_reduced_jpeg_has_the_colour_of_the_whole() -> None:
    data = file(tinted(40).resize((2000, 1600)), "JPEG")
    assert decode(data, near=128).chroma == pytest.approx(decode(data).chroma)
