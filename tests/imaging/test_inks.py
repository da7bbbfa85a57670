"""JPEGs of four inks: marked or not, either way round, as inks or as luminance and black."""

from io import BytesIO

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from service.imaging import decode
from tests.phantom import phantom

LEVELS = np.asarray(phantom(3, (333, 257)))
BLANK = np.zeros_like(LEVELS)


def unmarked(data: bytes) -> bytes:
    """Take the Adobe marker out, as editors do that drop what they do not know."""
    at = data.index(b"\xff\xee")
    return data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]


def of_inks(
    inks: list[np.ndarray[tuple[int, int], np.dtype[np.uint8]]], *, inverted: bool
) -> bytes:
    stored = np.stack(inks, axis=-1)
    buffer = BytesIO()
    # Pillow writes the inverse and the marker, always.
    Image.fromarray(stored if inverted else 255 - stored, "CMYK").save(
        buffer, "JPEG", quality=96, subsampling=0
    )
    return buffer.getvalue()


@pytest.mark.parametrize("marked", [True, False], ids=["marked", "unmarked"])
@pytest.mark.parametrize("inverted", [True, False], ids=["255 is no ink", "0 is no ink"])
@pytest.mark.parametrize("black", [True, False], ids=["black ink only", "no black ink"])
def test_an_ink_that_is_nowhere_shows_which_way_round_they_are(
    marked: bool, inverted: bool, black: bool
) -> None:
    data = of_inks([BLANK] * 3 + [255 - LEVELS] if black else [255 - LEVELS] * 3 + [BLANK],
                   inverted=inverted)  # fmt: skip
    error = decode(data if marked else unmarked(data)).pixels - LEVELS.astype(int)
    assert np.abs(error).mean() < 2


@pytest.mark.parametrize("marked", [True, False], ids=["marked", "unmarked"])
@pytest.mark.parametrize("inverted", [True, False], ids=["255 is no ink", "0 is no ink"])
def test_luminance_and_black_are_no_inks(marked: bool, inverted: bool) -> None:
    if marked and not inverted:
        pytest.skip("the marker says that 255 is no ink")
    planes = [LEVELS, LEVELS, LEVELS, 255 - BLANK] if inverted else [255 - LEVELS] * 3 + [BLANK]
    stored = np.stack(planes, axis=-1)
    data = bytes(
        imagecodecs.jpeg8_encode(stored, level=96, colorspace="CMYK", outcolorspace="YCCK")
    )
    radiograph = decode(data if marked else unmarked(data))
    assert np.abs(radiograph.pixels - LEVELS.astype(int)).mean() < 2
    assert radiograph.chroma < 2


def test_red_green_and_blue_stored_as_they_are() -> None:
    colours = np.stack([LEVELS, LEVELS // 2, LEVELS // 3], axis=-1)
    data = bytes(imagecodecs.jpeg8_encode(colours, level=98, colorspace="RGB", outcolorspace="RGB"))
    wanted = Image.fromarray(imagecodecs.jpeg8_decode(data)).convert("L")
    radiograph = decode(data)
    assert np.abs(radiograph.pixels - np.asarray(wanted, dtype=int)).mean() < 1
    assert radiograph.chroma > 10
