"""Damaged files without end: seeded mutations of sound files of every format."""

import io
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.faults.exchange import PLANTED
from tests.phantom import phantom

SIZE = (96, 80)
_ARTIST = 315
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def sound_files() -> list[tuple[str, bytes]]:
    """Small valid files of every format and of several pixel types, some with a name planted."""
    grey = phantom(1, SIZE)
    colour = grey.convert("RGB")
    exif = Image.Exif()
    exif[_ARTIST] = PLANTED
    text = PngInfo()
    text.add_text("Patient", PLANTED, zip=True)
    text.add_itxt("Title", PLANTED)
    wide = grey.point([level * 257 for level in range(256)], "I").convert("I;16")
    variants: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (grey, "JPEG", {"exif": exif, "comment": PLANTED}),
        (colour, "JPEG", {"progressive": True, "exif": exif}),
        (colour.convert("CMYK"), "JPEG", {}),
        (grey, "PNG", {"pnginfo": text, "exif": exif}),
        (wide, "PNG", {}),
        (colour.convert("RGBA"), "PNG", {}),
        (grey.convert("P"), "PNG", {"transparency": 3}),
        (grey, "WEBP", {"exif": exif}),
        (grey, "WEBP", {"lossless": True}),
        (colour.convert("RGBA"), "WEBP", {}),
        (grey, "BMP", {}),
        (colour, "BMP", {}),
        (grey.convert("1"), "BMP", {}),
        (grey, "TIFF", {"artist": PLANTED}),
        (wide, "TIFF", {"compression": "tiff_adobe_deflate"}),
        (colour, "TIFF", {"compression": "tiff_lzw"}),
        (grey, "TIFF", {"compression": "jpeg"}),
        (grey.convert("1"), "TIFF", {"compression": "group4"}),
        (grey, "TIFF", {"big_tiff": True}),
        (colour.convert("RGBA"), "TIFF", {"compression": "packbits"}),
        (colour.convert("CMYK"), "TIFF", {}),
        (grey.convert("LA"), "PNG", {}),
        (grey, "JPEG2000", {}),
        (colour, "JPEG2000", {"irreversible": True}),
        (grey, "AVIF", {"speed": 10}),
        (colour.convert("RGBA"), "AVIF", {"speed": 10, "subsampling": "4:4:4"}),
    ]
    named = [
        (" ".join([kind, image.mode, *options]), encoded(image, kind, **options))
        for image, kind, options in variants
    ]
    return [*named, *_unusual_files(grey)]


def _unusual_files(grey: Image.Image) -> list[tuple[str, bytes]]:
    """Files that Pillow does not write: planes of 16 bits, tiles, pyramids, 12 bits in 16."""
    levels = np.asarray(grey)
    deep = levels.astype(np.uint16) * 16
    colours = np.stack([deep] * 3, axis=-1)
    planes = np.moveaxis(colours, -1, 0)
    tiffs: dict[str, tuple[Any, dict[str, Any]]] = {
        "planes": (planes, {"photometric": "rgb", "planarconfig": "separate", "byteorder": ">"}),
        "tiles": (colours, {"photometric": "rgb", "tile": (32, 48), "compression": "lzw"}),
        "predictor": (deep, {"photometric": "miniswhite", "compression": "zlib", "predictor": 2}),
        "big": (deep, {"photometric": "minisblack", "bigtiff": True, "byteorder": ">"}),
    }
    files = []
    for name, (samples, options) in tiffs.items():
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, samples, metadata=None, **options)
        files.append((f"TIFF of {name}", buffer.getvalue()))
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(levels[::2, ::2], subfiletype=1, metadata=None)
        writer.write(levels, metadata=None)
    files.append(("TIFF with a thumbnail", buffer.getvalue()))
    files.append(("PNG of 12-bit colour", bytes(imagecodecs.png_encode(colours))))
    inks = np.stack([levels] * 3 + [np.full_like(levels, 255)], axis=-1)
    ycck = imagecodecs.jpeg8_encode(inks, colorspace="CMYK", outcolorspace="YCCK")
    files.append(("JPEG of YCCK", bytes(ycck)))
    signed = io.BytesIO()
    tifffile.imwrite(signed, deep.astype(np.int16), metadata=None)
    files.append(("TIFF of numbers with a sign", signed.getvalue()))
    files.append(("JPEG without its end", encoded(grey, "JPEG")[:-2]))
    return files


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """A picture as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def mutations(
    count: int, seed: int = 0, files: Sequence[tuple[str, bytes]] = ()
) -> Iterator[tuple[str, bytes]]:
    """So many damaged files, each with the name of what it was and what was done to it.

    Equal arguments give equal files. Without ``files``, those of ``sound_files`` are damaged.
    """
    rng = random.Random(seed)
    files = files or sound_files()
    for number in range(count):
        name, data = files[number % len(files)]
        damage = rng.choice(_DAMAGES)
        damaged = bytearray(data)
        damage(rng, damaged)
        if rng.random() < 0.2:
            rng.choice(_DAMAGES)(rng, damaged)
        yield f"{name}: {damage.__name__.strip('_')}", bytes(damaged)


def _flip_bits(rng: random.Random, data: bytearray) -> None:
    for _ in range(rng.choice((1, 2, 8, 64))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _break_off(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(16, len(data)) :]


def _lose_a_piece(rng: random.Random, data: bytearray) -> None:
    start = rng.randrange(len(data) - 12)
    del data[start : start + rng.randrange(1, max(2, (len(data) - start) // 2))]


def _repeat_a_piece(rng: random.Random, data: bytearray) -> None:
    start = rng.randrange(len(data))
    piece = data[start : start + rng.randrange(1, 400)]
    data[start:start] = piece * rng.choice((1, 2, 50))


def _insert_noise(rng: random.Random, data: bytearray) -> None:
    start = rng.randrange(len(data))
    data[start:start] = rng.randbytes(rng.choice((1, 2, 4, 100)))


def _overwrite(rng: random.Random, data: bytearray) -> None:
    start = rng.randrange(len(data))
    length = min(rng.choice((4, 32, 256)), len(data) - start)
    data[start : start + length] = bytes([rng.choice((0x00, 0xFF, 0x41))]) * length


def _put_an_extreme_number(rng: random.Random, data: bytearray) -> None:
    width = rng.choice((1, 2, 4))
    value = rng.choice(_EXTREMES) & (256**width - 1)
    at = rng.randrange(min(len(data) - 4, rng.choice((64, 512))))
    data[at : at + width] = value.to_bytes(width, rng.choice(("little", "big")))


def _swap_pieces(rng: random.Random, data: bytearray) -> None:
    middle = rng.randrange(8, len(data))
    data[8:] = data[middle:] + data[8:middle]


_DAMAGES: tuple[Callable[[random.Random, bytearray], None], ...] = (
    _flip_bits,
    _break_off,
    _lose_a_piece,
    _repeat_a_piece,
    _insert_noise,
    _overwrite,
    _put_an_extreme_number,
    _swap_pieces,
)
