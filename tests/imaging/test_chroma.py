"""Colour is measured, and grey pictures have none however they are stored."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.imaging import decode
from tests.phantom import phantom


def file(picture: Image.Image, kind: str, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **settings)
    return buffer.getvalue()


def wide_png(levels: NDArray[np.uint16]) -> bytes:
    """A PNG of three times 16 bits, which Pillow reads and does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    height, width = levels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tinted(strength: int) -> Image.Image:
    """A phantom with less blue, as a lamp or an old screen gives it."""
    grey = phantom(1, size=(500, 400))
    less = grey.point([max(0, level - strength) for level in range(256)])
    return Image.merge("RGB", (grey, grey, less))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
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


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_a_compressed_tiff_has_its_colour(compression: str) -> None:
    data = file(tinted(40).resize((700, 900)), "TIFF", compression=compression)
    assert decode(data).chroma == pytest.approx(20, abs=4)


def test_palettes_and_inks_of_a_tiff_count() -> None:
    assert decode(file(tinted(60).quantize(64), "TIFF")).chroma > 15
    assert decode(file(tinted(60).convert("CMYK"), "TIFF")).chroma > 15


@pytest.mark.parametrize("top", [255, 4095, 65535])
def test_colour_of_16_bits_counts_by_the_depth_in_use(top: int) -> None:
    wide = np.asarray(tinted(40)).astype(np.float64) * (top / 255)
    assert decode(wide_png(wide.astype(np.uint16))).chroma == pytest.approx(20, abs=5)
    grey = np.asarray(tinted(0)).astype(np.float64) * (top / 255)
    assert decode(wide_png(grey.astype(np.uint16))).chroma < 1


def test_a_reduced_jpeg_has_the_colour_of_the_whole() -> None:
    data = file(tinted(40).resize((2000, 1600)), "JPEG")
    assert decode(data, near=128).chroma == pytest.approx(decode(data).chroma)
