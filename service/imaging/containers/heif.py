"""Items of HEIF files (ISO/IEC 23008-12): what each is, how it is shown and where its bytes are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from service.imaging.containers.boxes import boxes
from service.imaging.layout import DamagedError

MAX_ITEMS: Final = 1_000
MAX_EXTENTS: Final = 4_000

_FULL: Final = 4
"""Bytes of version and flags, with which most boxes begin."""

_IN_FILE, _IN_META = 0, 1


@dataclass(slots=True)
class Item:
    """A picture, a tile of one, or metadata.

    Attributes:
        kind: Four letters.
        properties: Kind and content, in the order in which they apply.
        extents: Offset and length of each piece of its bytes; the length 0 is up to the end.
        inside: Whether the offsets count in the box of metadata, not in the file.
    """

    kind: bytes = b""
    properties: list[tuple[bytes, memoryview]] = field(default_factory=list)
    extents: list[tuple[int, int]] = field(default_factory=list)
    inside: bool = False

    def property(self, kind: bytes) -> memoryview:
        """The content of its first property of a kind; empty where there is none."""
        return next((content for name, content in self.properties if name == kind), memoryview(b""))


@dataclass(frozen=True, slots=True)
class Items:
    """The items of a file.

    Attributes:
        primary: Number of the picture that is to be shown.
        numbered: Each item by its number.
        references: Kind, from which item, to which.
    """

    primary: int
    numbered: Mapping[int, Item]
    references: Sequence[tuple[bytes, int, tuple[int, ...]]]
    _file: memoryview
    _inside: memoryview

    def referred(self, kind: bytes, number: int) -> tuple[int, ...]:
        """The items that an item refers to."""
        found = (to for name, start, to in self.references if (name, start) == (kind, number))
        return next(found, ())

    def content(self, item: Item) -> bytes:
        """The bytes of an item.

        Raises:
            DamagedError: They are not in the file.
        """
        source = self._inside if item.inside else self._file
        pieces = []
        for offset, length in item.extents:
            end = offset + length if length else len(source)
            if not offset < end <= len(source):
                raise DamagedError("an item that is not in the file")
            pieces.append(source[offset:end])
        # Overlapping pieces would make a small file as much work as a large one.
        if sum(map(len, pieces)) > len(source):
            raise DamagedError("an item longer than the file")
        return b"".join(pieces)


class _Fields:
    """Numbers of a box, one after the other; those of most follow its version and flags."""

    def __init__(self, content: memoryview, *, after: int = _FULL) -> None:
        self._content, self._at = content, after
        self.version = content[0] if content else 0
        self.flags = int.from_bytes(content[1:_FULL], "big")

    def skip(self, count: int) -> None:
        self._at += count

    def number(self, width: int) -> int:
        end = self._at + width
        if end > len(self._content):
            raise DamagedError("a box that breaks off")
        value = int.from_bytes(self._content[self._at : end], "big")
        self._at = end
        return value

    def rest(self) -> memoryview:
        return self._content[self._at :]


def read_items(meta: memoryview, file: bytes) -> Items:
    """Read the items that a box of metadata describes.

    Raises:
        DamagedError: It contradicts itself or the file's length.
    """
    content = dict(reversed(list(boxes(meta[_FULL:]))))
    if b"pitm" not in content or b"iloc" not in content:
        raise DamagedError("no picture")
    numbered: dict[int, Item] = {}
    for number, kind in _kinds(_Fields(content.get(b"iinf", memoryview(b"")))):
        numbered[number] = Item(kind)
    for number, item in _places(_Fields(content[b"iloc"])):
        if number in numbered:
            numbered[number].extents, numbered[number].inside = item.extents, item.inside
    _add_properties(numbered, content.get(b"iprp", memoryview(b"")))
    primary = _Fields(content[b"pitm"])
    return Items(
        primary=primary.number(4 if primary.version else 2),
        numbered=numbered,
        references=list(_references(content.get(b"iref", memoryview(b"")))),
        _file=memoryview(file),
        _inside=content.get(b"idat", memoryview(b"")),
    )


def _kinds(fields: _Fields) -> Iterator[tuple[int, bytes]]:
    fields.skip(4 if fields.version else 2)
    for kind, content in boxes(fields.rest()):
        entry = _Fields(content)
        if kind == b"infe" and entry.version >= 2:
            number = entry.number(4 if entry.version > 2 else 2)
            entry.skip(2)  # protection
            yield number, bytes(entry.rest()[:4])


def _places(fields: _Fields) -> Iterator[tuple[int, Item]]:
    widths = fields.number(2)
    offset_width, length_width, base_width, index_width = (
        widths >> shift & 15 for shift in (12, 8, 4, 0)
    )
    long = fields.version == 2
    left = MAX_EXTENTS
    for _ in range(_bounded(fields.number(4 if long else 2), MAX_ITEMS)):
        number = fields.number(4 if long else 2)
        method = fields.number(2) & 15 if fields.version else _IN_FILE
        source = fields.number(2)
        base = fields.number(base_width)
        extents = []
        count = _bounded(fields.number(2), left)
        left -= count
        for _ in range(count):
            fields.skip(index_width if fields.version else 0)
            offset = base + fields.number(offset_width)
            extents.append((offset, fields.number(length_width)))
        # What lies in another file or another item is left out.
        if method in {_IN_FILE, _IN_META} and source == 0:
            yield number, Item(extents=extents, inside=method == _IN_META)


def _add_properties(numbered: Mapping[int, Item], content: memoryview) -> None:
    known: list[tuple[bytes, memoryview]] = []
    for kind, inner in boxes(content):
        if kind == b"ipco":
            known = list(boxes(inner))
        elif kind == b"ipma":
            for number, index in _associations(_Fields(inner)):
                if number in numbered and 1 <= index <= len(known):
                    numbered[number].properties.append(known[index - 1])


def _associations(fields: _Fields) -> Iterator[tuple[int, int]]:
    for _ in range(_bounded(fields.number(4), MAX_ITEMS)):
        number = fields.number(4 if fields.version else 2)
        for _ in range(fields.number(1)):
            wide = fields.flags & 1
            yield number, fields.number(2) & 0x7FFF if wide else fields.number(1) & 0x7F


def _references(content: memoryview) -> Iterator[tuple[bytes, int, tuple[int, ...]]]:
    width = 4 if content and content[0] else 2
    for kind, inner in boxes(content[_FULL:]):
        fields = _Fields(inner, after=0)
        start = fields.number(width)
        count = _bounded(fields.number(2), MAX_ITEMS)
        yield kind, start, tuple(fields.number(width) for _ in range(count))


def _bounded(count: int, most: int) -> int:
    if count > most:
        raise DamagedError("too many items")
    return count
