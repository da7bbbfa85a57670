"""What is sent: radiographs of the usual size for speed, and a mixture of everything for memory."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from tests.phantom import phantom

USUAL_SIZE = (1416, 800)
"""Width and height in pixels: near the median of the public data set."""

USUAL_QUALITY = 85
"""Of the JPEG: files of about 100 kB, like those of the data set."""

MOST_FILES = 24
SUFFIXES = frozenset({".jpeg", ".jpg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True)
class Item:
    """A file to send: where to, and the status of a right answer."""

    name: str
    data: bytes
    path: str = "/predict"
    status: int = 200


def radiographs(folder: Path | None) -> list[Item]:
    """Four synthetic chests, or up to 24 evenly chosen radiographs of a folder.

    Raises:
        FileNotFoundError: The folder holds no image.
    """
    if folder is None:
        return [
            Item(f"phantom-{seed}.jpeg", _encoded(_usual(seed), "JPEG", quality=USUAL_QUALITY))
            for seed in range(4)
        ]
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise FileNotFoundError(f"No image in {folder}.")
    chosen = found[:: max(1, len(found) // MOST_FILES)][:MOST_FILES]
    return [Item(f"radiograph-{number}", path.read_bytes()) for number, path in enumerate(chosen)]


def mixture() -> list[Item]:
    """Radiographs of many formats, sizes and depths, files to refuse, every kind of answer."""
    some = radiographs(None)
    usual = some[0].data
    return [
        *some,
        *(Item(f"phantom.{kind}", data) for kind, data in _formats()),
        Item("large.jpeg", _encoded(_usual(3).resize((3000, 2400)), "JPEG")),
        Item("text.jpeg", b"not an image", status=415),
        Item("truncated.jpeg", usual[: len(usual) // 2], status=422),
        Item("empty.png", b"", status=422),
        Item("explain.jpeg", usual, path="/explain"),
        Item("report.jpeg", usual, path="/report"),
    ]


def _formats() -> Iterator[tuple[str, bytes]]:
    chest = _usual(2).resize((1100, 900))
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "TIFF"):
        yield kind.lower(), _encoded(chest, kind)
    yield "colour.png", _encoded(chest.convert("RGB"), "PNG")
    deep = Image.fromarray(np.asarray(chest, dtype=np.uint16) * 257)
    yield "deep.png", _encoded(deep, "PNG")


@cache
def _usual(seed: int) -> Image.Image:
    return phantom(seed, USUAL_SIZE, opacity=seed / 3)


def _encoded(image: Image.Image, image_format: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()
