"""Small HEIF files that hold nothing but some items of another."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_ESSENTIAL: Final = 0x80
_CODEC_SETUP: Final = b"av1C"


@dataclass(frozen=True, slots=True)
class NewItem:
    """What is written of an item.

    Attributes:
        kind: Four letters.
        properties: Kind and content of each.
        content: Its bytes.
        references: Kind, and to which items, counted from 1.
    """

    kind: bytes
    properties: Sequence[tuple[bytes, bytes]]
    content: bytes
    references: Sequence[tuple[bytes, Sequence[int]]] = ()


def write_avif(items: Sequence[NewItem]) -> list[bytes]:
    """Write an AVIF file that shows its first item. Joined, the pieces are the file."""
    located = _head(items, [0] * len(items))
    places, at = [], len(located) + 8
    for item in items:
        places.append(at)
        at += len(item.content)
    contents = [item.content for item in items]
    data = struct.pack(">I4s", 8 + sum(map(len, contents)), b"mdat")
    return [_head(items, places), data, *contents]


def _head(items: Sequence[NewItem], places: Sequence[int]) -> bytes:
    """All but the items' bytes, which are at those places; as long whatever they are."""
    numbered = list(enumerate(items, 1))
    properties: dict[tuple[bytes, bytes], int] = {}
    for item in items:
        for one in item.properties:
            properties.setdefault(one, len(properties) + 1)
    count = struct.pack(">xxxxH", len(items))
    meta = (
        _box(b"hdlr", struct.pack(">xxxx4x4s13x", b"pict")),
        _box(b"pitm", struct.pack(">xxxxH", 1)),
        _box(
            b"iloc",
            struct.pack(">xxxxHH", 0x4400, len(items)),
            *(
                struct.pack(">HHHII", number, 0, 1, places[number - 1], len(item.content))
                for number, item in numbered
            ),
        ),
        _box(
            b"iinf",
            count,
            *(
                _box(b"infe", struct.pack(">BxxxHH4sx", 2, number, 0, item.kind))
                for number, item in numbered
            ),
        ),
        _box(
            b"iref",
            bytes(4),
            *(
                _box(kind, struct.pack(f">HH{len(to)}H", number, len(to), *to))
                for number, item in numbered
                for kind, to in item.references
            ),
        ),
        _box(
            b"iprp",
            _box(b"ipco", *(_box(kind, content) for kind, content in properties)),
            _box(
                b"ipma",
                struct.pack(">xxxxI", len(items)),
                *(
                    struct.pack(">HB", number, len(item.properties))
                    + bytes(_marked(one, properties[one]) for one in item.properties)
                    for number, item in numbered
                ),
            ),
        ),
    )
    start = _box(b"ftyp", b"avif\x00\x00\x00\x00avifmif1miaf")
    return start + _box(b"meta", bytes(4), *meta)


def _marked(one: tuple[bytes, bytes], number: int) -> int:
    return number | _ESSENTIAL if one[0] == _CODEC_SETUP else number


def _box(kind: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), kind) + content
