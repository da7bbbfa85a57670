"""JPEG 2000, compared with an independent reader, cut short and damaged."""

import struct
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.imaging import (
    CorruptImageError,
    ImagingError,
    SeveralFramesError,
    TooManyPixelsError,
    UnsupportedFormatError,
    decode,
)
from tests.phantom import phantom

LEVELS = np.asarray(phantom(3, (333, 257)))


def encoded(samples: NDArray[Any], **options: Any) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(samples, **{"level": 0, "reversible": True} | options))


@pytest.mark.parametrize("boxes", ["j2k", "jp2"])
@pytest.mark.parametrize("bits", range(8, 17))
def test_grey_of_any_depth(boxes: str, bits: int) -> None:
    kind = np.uint8 if bits == 8 else np.uint16
    samples = np.rint(LEVELS * (((1 << bits) - 1) / 255)).astype(kind)
    data = encoded(samples, codecformat=boxes, bitspersample=bits)
    radiograph = decode(data)
    assert radiograph.format == "JPEG2000"
    wanted = imagecodecs.jpeg2k_decode(data) / ((1 << bits) - 1) * 255
    assert np.abs(radiograph.pixels - wanted).max() <= 1.01


def test_tiles() -> None:
    buffer = BytesIO()
    Image.fromarray(LEVELS).save(buffer, "JPEG2000", tile_size=(64, 64))
    assert np.array_equal(decode(buffer.getvalue()).pixels, LEVELS)


@pytest.mark.parametrize("options", [{}, {"resolutions": 3}])
def test_colours_become_luminance(options: dict[str, Any]) -> None:
    colours = np.stack([LEVELS, LEVELS // 2, 255 - LEVELS], axis=-1)
    data = encoded(colours, **options)
    wanted = np.asarray(Image.fromarray(imagecodecs.jpeg2k_decode(data)).convert("L"))
    assert np.abs(decode(data).pixels.astype(int) - wanted).max() <= 1


def test_lossy() -> None:
    data = encoded(LEVELS, level=60, reversible=False)
    error = decode(data).pixels.astype(int) - imagecodecs.jpeg2k_decode(data)
    assert np.abs(error).max() <= 1


@pytest.mark.parametrize("boxes", ["j2k", "jp2"])
def test_one_that_breaks_off_is_damaged(boxes: str) -> None:
    data = encoded(LEVELS, codecformat=boxes)
    for share in range(1, 20):
        with pytest.raises(CorruptImageError):
            decode(data[: len(data) * share // 20])
    with pytest.raises(CorruptImageError):
        decode(data[:-2])


def test_two_codestreams_are_several() -> None:
    stream = encoded(LEVELS, codecformat="j2k")
    box = struct.pack(">I4s", 8 + len(stream), b"jp2c") + stream
    with pytest.raises(SeveralFramesError):
        decode(encoded(LEVELS, codecformat="jp2") + box)


@pytest.mark.parametrize(
    ("samples", "named"),
    [
        (np.dstack([LEVELS, LEVELS]), "2 components"),
        (np.dstack([LEVELS] * 4), "4 components"),
        (LEVELS.astype(np.int16), "with a sign"),
        (np.dstack([LEVELS.astype(np.uint16)] * 3), "16 bits"),
    ],
)
def test_what_is_not_read_is_named(samples: NDArray[Any], named: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=named):
        decode(encoded(samples))


def test_other_colours_and_palettes_are_refused_by_name() -> None:
    buffer = BytesIO()
    Image.fromarray(LEVELS).convert("RGB").save(buffer, "JPEG2000", irreversible=False)
    data = buffer.getvalue()
    colours = struct.pack(">4sBBBI", b"colr", 1, 0, 0, 16)
    assert colours in data
    with pytest.raises(UnsupportedFormatError, match="other colours"):
        decode(data.replace(colours, struct.pack(">4sBBBI", b"colr", 1, 0, 0, 18)))
    with pytest.raises(UnsupportedFormatError, match="palette"):
        decode(data.replace(b"colr", b"pclr"))


def test_damage_is_refused_or_read_and_never_an_accident() -> None:
    generator = np.random.default_rng(7)
    whole = [encoded(LEVELS[:96, :96], codecformat=boxes) for boxes in ("j2k", "jp2")]
    for number in range(400):
        data = bytearray(whole[number % 2])
        for at in generator.integers(0, min(len(data), 300 if number % 4 else 9999), 3):
            data[at] = generator.integers(0, 256)
        try:
            assert decode(bytes(data), max_pixels=10**6).pixels.dtype == np.uint8
        except ImagingError:
            continue


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_tiles_that_are_missing_are_damage(kind: type) -> None:
    data = encoded(LEVELS.astype(kind), codecformat="j2k")
    with pytest.raises(CorruptImageError):
        decode(data[:8] + struct.pack(">II", 666, 514) + data[16:])


def test_deep_ones_that_take_too_much_memory_are_refused_unread() -> None:
    data = encoded(np.zeros((3600, 4500), dtype=np.uint16))
    with pytest.raises(TooManyPixelsError, match="stored in this way"):
        decode(data)
