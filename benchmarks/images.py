"""The files that are sent: real radiographs for speed, mixed files for memory."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

MAX_FILES = 24
SUFFIXES = frozenset({".jpeg", ".jpg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True)
class Item:
    """A file to send, its path on the server, and the expected status."""

    name: str
    data: bytes
    path: str = "/predict"
    status: int = 200


def radiographs(folder: Path) -> list[Item]:
    """Up to 24 radiographs, spread evenly over a folder.

    Raises:
        FileNotFoundError: The folder contains no image.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise FileNotFoundError(f"No image in {folder}.")
    chosen = found[:: max(1, len(found) // MAX_FILES)][:MAX_FILES]
    return [Item(f"radiograph-{number}", path.read_bytes()) for number, path in enumerate(chosen)]


def mixed_items(items: list[Item]) -> list[Item]:
    """Radiographs of many formats, sizes and bit depths, invalid files, every kind of response.

    Args:
        items: Radiographs that the service judges.
    """
    typical = items[0].data
    film = Image.open(io.BytesIO(typical)).convert("L")
    film.thumbnail((1100, 1100))
    large = film.resize((3 * film.width, 3 * film.height))
    return [
        *items[:4],
        *(Item(f"film.{kind}", data) for kind, data in _formats(film)),
        Item("large.jpeg", _encoded(large, "JPEG")),
        Item("text.jpeg", b"not an image", status=415),
        Item("truncated.jpeg", _encoded(film, "JPEG")[:5000], status=422),
        Item("empty.png", b"", status=422),
        Item("explain.jpeg", typical, path="/explain"),
        Item("report.jpeg", typical, path="/report"),
    ]


def _formats(film: Image.Image) -> Iterator[tuple[str, bytes]]:
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "TIFF"):
        yield kind.lower(), _encoded(film, kind)
    yield "colour.png", _encoded(film.convert("RGB"), "PNG")
    deep = Image.fromarray(np.asarray(film, dtype=np.uint16) * 257)
    yield "deep.png", _encoded(deep, "PNG")


def _encoded(image: Image.Image, image_format: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format)
    return buffer.getvalue()
