"""AVIF: one AV1 picture, or a grid of them, in a HEIF file (AV1 Image File Format 1.1)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import AvifImagePlugin, Image, features

from service.imaging.containers.av1 import Sequence as Av1Sequence
from service.imaging.containers.av1 import read_sequence
from service.imaging.containers.boxes import boxes
from service.imaging.containers.heif import Item, Items, read_items
from service.imaging.containers.heif_writer import NewItem, write_avif
from service.imaging.errors import UnsupportedFormatError
from service.imaging.layout import DamagedError, Layout, unsupported_pixels
from service.imaging.orientation import turn_upright

MAX_TILES: Final = 64
"""Most pictures of a grid: Pillow's decoder sets memory aside for each."""

_TILE_BYTES: Final = 1_000_000
"""Memory for one decoder, beside its picture."""

_GREY_PIXEL_BYTES: Final = 2
_COLOUR_PIXEL_BYTES: Final = 8
"""Memory for each pixel, measured: what the decoder gives and Pillow's picture of it."""

_FILE_COPIES: Final = 2
"""Copies of a file beside the one that is counted for all formats: its pieces, and Pillow's."""

_AV1, _GRID = b"av01", b"grid"
_SIZE, _MIRROR, _ROTATION = b"ispe", b"imir", b"irot"
_KEPT: Final = frozenset({_SIZE, b"pixi", b"av1C", b"auxC"})
_COLOUR, _WRITTEN_COLOUR = b"colr", b"nclx"
_ALPHA: Final = (
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
    b"urn:mpeg:hevc:2015:auxid:1",
)
_HOLDING_TRACKS: Final = frozenset({b"trak", b"mdia", b"minf", b"stbl"})

# One thread for a file, as for all others: the service works on several files at once.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


@dataclass(frozen=True, slots=True)
class _Picture:
    """An item with its tiles, which is itself where it is no grid."""

    item: Item
    size: tuple[int, int]
    tiles: Sequence[Item]
    sequences: Sequence[Av1Sequence]


def read_layout(data: bytes) -> Layout:
    """Find the picture and its opacity; check them by the AV1 streams' own headers.

    Orientation is what the container's properties say: EXIF must not turn an AVIF.
    """
    if not features.check("avif"):
        raise UnsupportedFormatError(
            "The file is an AVIF image, which the installed Pillow cannot read. "
            "Save it as JPEG or PNG.",
            reason="avif",
        )
    content = dict(reversed(list(boxes(data))))
    if b"meta" not in content:
        if b"moov" in content:
            raise unsupported_pixels("as a video, without a still picture")
        raise DamagedError("no picture")
    items = read_items(content[b"meta"], data)
    main = _picture(items, items.primary)
    if _frames(content.get(b"moov", memoryview(b""))) > 1:
        return Layout(*main.size, working_bytes=0, pieces=(), several=True)
    alpha = _alpha(items)
    return Layout(
        *main.size,
        working_bytes=_FILE_COPIES * len(data)
        + _working_bytes(main)
        + (_working_bytes(alpha) if alpha else 0),
        pieces=write_avif(_items(items, main, alpha)),
        orientation=_orientation(main.item),
    )


def _frames(movie: memoryview) -> int:
    """Pictures of the longest track of an animation."""
    most = 0
    for kind, content in boxes(movie):
        if kind in _HOLDING_TRACKS:
            most = max(most, _frames(content))
        elif kind == b"stsz":
            most = max(most, int.from_bytes(content[8:12], "big"))
    return most


def _picture(items: Items, number: int) -> _Picture:
    item = items.numbered.get(number)
    if item is None:
        raise DamagedError("no picture")
    tiles = [item]
    size = _size(item)
    if item.kind == _GRID:
        numbers = items.referred(b"dimg", number)
        tiles = [items.numbered[one] for one in numbers if one in items.numbered]
        _check_grid(items.content(item), size, tiles)
    if any(tile.kind != _AV1 for tile in tiles):
        raise unsupported_pixels("in a HEIF file in another way than AV1")
    sequences = [read_sequence(items.content(tile)) for tile in tiles]
    for tile, sequence in zip(tiles, sequences, strict=True):
        if _size(tile) != (sequence.width, sequence.height):
            raise DamagedError("a picture of another size than announced")
    return _Picture(item, size, tiles, sequences)


def _size(item: Item) -> tuple[int, int]:
    width, height = struct.unpack_from(">4xII", item.property(_SIZE))
    return width, height


def _check_grid(grid: bytes, size: tuple[int, int], tiles: Sequence[Item]) -> None:
    """Rows and columns of equal tiles, whose edges right and below may be cut."""
    _, long, rows, columns = struct.unpack_from(">BBBB", grid)
    rows, columns = rows + 1, columns + 1
    announced = struct.unpack_from(">II" if long & 1 else ">HH", grid, 4)
    if len(tiles) > MAX_TILES:
        raise unsupported_pixels(f"as a grid of {len(tiles)} pictures")
    if announced != size or len(tiles) != rows * columns:
        raise DamagedError("a grid of too few pictures")
    width, height = _size(tiles[0])
    covers = (columns - 1) * width < size[0] <= columns * width and (
        (rows - 1) * height < size[1] <= rows * height
    )
    if not covers or any(_size(tile) != (width, height) for tile in tiles):
        raise DamagedError("a grid with gaps")


def _alpha(items: Items) -> _Picture | None:
    """The opacity of the picture; None where all is opaque."""
    for kind, number, to in items.references:
        item = items.numbered.get(number)
        if kind == b"auxl" and items.primary in to and item is not None:
            name = bytes(item.property(b"auxC")[4:]).split(b"\x00")[0]
            if name in _ALPHA:
                return _picture(items, number)
    return None


def _working_bytes(picture: _Picture) -> int:
    """Frames of all tiles, the whole put together of them, and what Pillow makes of it."""
    width, height = picture.size
    sequences = picture.sequences
    frames = sum(one.frame_pixels * one.pixel_samples * (1 + one.high) for one in sequences)
    first = sequences[0]
    whole = first.pixel_samples * (1 + first.high) if len(sequences) > 1 else 0
    made = _GREY_PIXEL_BYTES if first.monochrome else _COLOUR_PIXEL_BYTES
    return int(frames + (whole + made) * width * height) + len(sequences) * _TILE_BYTES


def _items(items: Items, main: _Picture, alpha: _Picture | None) -> list[NewItem]:
    """What is written again: pictures and their opacity, without anything else."""
    written: list[NewItem] = []
    shown = [main] if alpha is None else [main, alpha]
    grids = [picture.item.kind == _GRID for picture in shown]
    firsts = [1, 1 + len(main.tiles) * grids[0] + 1]
    for picture, is_grid, first in zip(shown, grids, firsts, strict=False):
        tiles = range(first + 1, first + 1 + len(picture.tiles))
        references: list[tuple[bytes, Sequence[int]]] = [(b"dimg", tiles)] if is_grid else []
        if picture is alpha:
            references.append((b"auxl", [1]))
        for item in [picture.item, *(picture.tiles if is_grid else [])]:
            written.append(NewItem(item.kind, _kept(item), items.content(item), references))
            references = []
    return written


def _kept(item: Item) -> list[tuple[bytes, bytes]]:
    return [
        (kind, bytes(content))
        for kind, content in item.properties
        if kind in _KEPT or (kind == _COLOUR and content[:4] == _WRITTEN_COLOUR)
    ]


def _orientation(item: Item) -> int:
    """The EXIF orientation that does what an item's turns and mirrors do, in their order."""
    upright = np.arange(6, dtype=np.uint8).reshape(2, 3)
    turned = upright
    for kind, content in item.properties:
        if kind == _ROTATION:
            turned = np.rot90(turned, content[0] & 3)
        elif kind == _MIRROR:
            turned = np.flip(turned, axis=content[0] & 1)
    picture = Image.fromarray(upright)
    return next(
        one for one in range(1, 9) if np.array_equal(np.asarray(turn_upright(picture, one)), turned)
    )
