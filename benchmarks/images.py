"""The files that are sent: radiographs of a typical size for speed, mixed files for memory."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from tests.phantom import phantom

TYPICAL_SIZE = (1416, 800)
"""Width and height in pixels: close to the median of the public data set."""

TYPICAL_QUALITY = 85
"""JPEG quality: gives files of about 100 kB, like those of the data set."""

MAX_FILES = 24
SUFFIXES = frozenset({".jpeg", ".jpg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True)
class Item:
    """A file to send, its path on the server, and the expected status."""

    name: str
    data: bytes
    path: str = "/predict"
    status: int = 200


def radiographs(folder: Path | None) -> list[Item]:
    """Four synthetic chests, or up to 24 radiographs spread evenly over a folder.

    Raises:
        FileNotFoundError: The folder contains no image.
    """
    if folder is None:
        return [
            Item(
                f"phantom-{seed}.jpeg",
                _encoded(_typical_chest(seed), "JPEG", quality=TYPICAL_QUALITY),
            )
            for seed in range(4)
        ]
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise FileNotFoundError(f"No image in {folder}.")
    chosen = found[:: max(1, len(found) // MAX_FILES)][:MAX_FILES]
    return [Item(f"radiograph-{number}", path.read_bytes()) for number, path in enumerate(chosen)]


def mixed_items() -> list[Item]:
    """Radiographs of many formats, sizes and bit depths, invalid files, every kind of response."""
    chests = radiographs(None)
    typical = chests[0].data
    return [
        *chests,
        *(Item(f"phantom.{kind}", data) for kind, data in _formats()),
        Item("large.jpeg", _encoded(_typical_chest(3).resize((3000, 2400)), "JPEG")),
        Item("text.jpeg", b"not an image", status=415),
        Item("truncated.jpeg", typical[: len(typical) // 2], status=422),
        Item("empty.png", b"", status=422),
        Item("explain.jpeg", typical, path="/explain"),
        Item("report.jpeg", typical, path="/report"),
    ]


def _formats() -> Iterator[tuple[str, bytes]]:
    chest = _typical_chest(2).resize((1100, 900))
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "TIFF"):
        yield kind.lower(), _encoded(chest, kind)
    yield "colour.png", _encoded(chest.convert("RGB"), "PNG")
    deep = Image.fromarray(np.asarray(chest, dtype=np.uint16) * 257)
    yield "deep.png", _encoded(deep, "PNG")


@cache
def _typical_chest(seed: int) -> Image.Image:
    return phantom(seed, TYPICAL_SIZE, opacity=seed / 3)


def _encoded(image: Image.Image, image_format: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()
