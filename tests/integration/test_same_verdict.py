"""One radiograph has one verdict, however it is stored."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from service.inference import load_ensemble
from service.screening.screen import Screening
from tests.dicom_files import dicom
from tests.drawn_film import drawn_film

MODELS = Path(__file__).parents[2] / "models"

Levels = NDArray[np.unsignedinteger[Any]]


@pytest.fixture(scope="module")
def screening() -> Screening:
    return Screening(load_ensemble(MODELS, threads=1), max_pixels=10**7)


@pytest.fixture(scope="module")
def film() -> Levels:
    return np.asarray(drawn_film(7, (640, 560), opacity=1.0))


def by_pillow(kind: str, mode: str = "L", **options: Any) -> Callable[[Levels], bytes]:
    def write(levels: Levels) -> bytes:
        picture = Image.fromarray(levels).convert(mode)
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        return buffer.getvalue()

    return write


def deep(bits: int) -> Callable[[Levels], Levels]:
    """The film in so many bits of 16."""
    return lambda levels: np.rint(levels * (((1 << bits) - 1) / 255)).astype(np.uint16)


def png(bits: int, channels: int) -> Callable[[Levels], bytes]:
    def write(levels: Levels) -> bytes:
        wide = deep(bits)(levels)
        planes = [wide] * (channels if channels % 2 else channels - 1)
        if channels % 2 == 0:
            planes.append(np.full_like(wide, (1 << bits) - 1))
        samples = wide if channels == 1 else np.stack(planes, axis=-1)
        return bytes(imagecodecs.png_encode(samples))

    return write


def tiff(bits: int, channels: int, **options: Any) -> Callable[[Levels], bytes]:
    def write(levels: Levels) -> bytes:
        samples: Levels = levels if bits == 8 else deep(bits)(levels)
        if channels == 4:
            top = (1 << bits) - 1
            ink = (top - samples).astype(samples.dtype)
            samples = np.stack([ink] * 3 + [np.zeros_like(ink)])
        elif channels == 3:
            samples = np.stack([samples] * 3)
        if channels > 1 and options.get("planarconfig") != "separate":
            samples = np.moveaxis(samples, 0, -1)
        meaning = {1: "minisblack", 3: "rgb", 4: "separated"}[channels]
        buffer = io.BytesIO()
        given = {"photometric": meaning, "metadata": None} | options
        tifffile.imwrite(buffer, samples, **given)
        return buffer.getvalue()

    return write


def jpeg2000(bits: int) -> Callable[[Levels], bytes]:
    def write(levels: Levels) -> bytes:
        samples: Levels = levels if bits == 8 else deep(bits)(levels)
        encoded = imagecodecs.jpeg2k_encode(samples, level=0, reversible=True, bitspersample=bits)
        return bytes(encoded)

    return write


def avif(bits: int, **options: Any) -> Callable[[Levels], bytes]:
    def write(levels: Levels) -> bytes:
        samples: Levels = levels if bits == 8 else deep(bits)(levels)
        return bytes(imagecodecs.avif_encode(samples, bitspersample=bits, speed=10, **options))

    return write


def of_ycck(levels: Levels) -> bytes:
    """A JPEG of luminance and black that lost the marker which says so."""
    planes = np.stack([levels] * 3 + [np.full_like(levels, 255)], axis=-1)
    data = imagecodecs.jpeg8_encode(planes, level=98, colorspace="CMYK", outcolorspace="YCCK")
    marker = data.index(b"\xff\xee")
    return bytes(data[:marker] + data[marker + 16 :])


def of_rgb(levels: Levels) -> bytes:
    """A JPEG whose components are red, green and blue."""
    planes = np.stack([levels] * 3, axis=-1)
    return bytes(imagecodecs.jpeg8_encode(planes, level=98, colorspace="RGB", outcolorspace="RGB"))


def with_a_sign(levels: Levels) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, deep(12)(levels).astype(np.int16), metadata=None)
    return buffer.getvalue()


def negative(bits: int, **options: Any) -> Callable[[Levels], bytes]:
    """A TIFF in which 0 is white."""
    return lambda levels: tiff(bits, 1, photometric="miniswhite", **options)(255 - levels)


def jpegs() -> Iterator[tuple[str, Callable[[Levels], bytes]]]:
    for mode in ("L", "RGB", "CMYK"):
        yield f"JPEG {mode}", by_pillow("JPEG", mode, quality=98)
    yield "JPEG progressive", by_pillow("JPEG", quality=98, progressive=True)
    yield "JPEG YCCK without a marker", of_ycck
    yield "JPEG RGB as it is", of_rgb


def encodings() -> Iterator[tuple[str, Callable[[Levels], bytes]]]:
    yield from jpegs()
    yield "TIFF with a sign", with_a_sign
    for bits in (8, 10, 12):
        yield f"AVIF {bits}", avif(bits)
    for mode in ("L", "LA", "RGB", "RGBA"):
        yield f"PNG {mode}", by_pillow("PNG", mode)
    for mode in ("L", "RGB", "RGBA"):
        yield f"BMP {mode}", by_pillow("BMP", mode)
    yield "WebP lossless", by_pillow("WEBP", "RGB", lossless=True)
    yield "WebP lossy", by_pillow("WEBP", "RGB", quality=98)
    for bits in (9, 10, 12, 14, 16):
        for channels in (1, 2, 3, 4):
            yield f"PNG {bits} of 16 bits, {channels}", png(bits, channels)
    for order in "<>":
        for bits, channels in ((8, 1), (12, 1), (16, 1), (16, 3), (16, 4)):
            yield f"TIFF {order}{bits} {channels}", tiff(bits, channels, byteorder=order)
        for channels in (3, 4):
            planes: dict[str, Any] = {"byteorder": order, "planarconfig": "separate"}
            yield f"TIFF {order}16 {channels} planes", tiff(16, channels, **planes)
            tiled = planes | {"tile": (64, 64), "compression": "zlib", "predictor": 2}
            yield f"TIFF {order}16 {channels} planes, tiles", tiff(16, channels, **tiled)
        yield f"TIFF {order} white is 0, 8", negative(8, byteorder=order)
        yield f"TIFF {order} white is 0, 16", negative(16, byteorder=order)
        yield f"BigTIFF {order}", tiff(16, 1, byteorder=order, bigtiff=True)
    yield "TIFF LZW", tiff(8, 1, compression="lzw", predictor=2)
    for bits in (8, 12, 16):
        yield f"JPEG 2000, {bits}", jpeg2000(bits)
    yield "DICOM", lambda levels: dicom(Image.fromarray(levels), PatientAge="004Y")


ENCODINGS = dict(encodings())


def test_there_are_at_least_thirty() -> None:
    assert len(ENCODINGS) >= 30


@pytest.mark.parametrize("name", ENCODINGS)
def test_it_is_the_same_however_the_film_is_stored(
    screening: Screening, film: Levels, name: str
) -> None:
    plain = screening.screen(by_pillow("PNG")(film))
    stored = screening.screen(ENCODINGS[name](film))
    assert stored.probability == pytest.approx(plain.probability, abs=1e-2)
    assert stored.predicted_class == plain.predicted_class
