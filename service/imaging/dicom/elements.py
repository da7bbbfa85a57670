"""DICOM data sets (PS3.5, chapter 7): a bounded walk over elements, without reading their values.

A library that reads whole data sets makes objects of every element that anybody sends: of 40 MiB of
empty ones, five million. This walk skips all but what is asked for, and counts.
"""

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from service.imaging.layout import DamagedError

MAX_ELEMENTS: Final = 200_000
"""Most elements and items that are walked over, those in sequences of unknown length included."""

MAX_DEPTH: Final = 16

PIXEL_DATA: Final = 0x7FE00010
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED: Final = 0xFFFFFFFF
_LONG: Final = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
"""Value representations whose length takes four bytes, after two that are reserved."""

_LETTERS: Final = re.compile(rb"[A-Z]{2}")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a data set is written.

    Attributes:
        explicit: Whether elements carry their value representation.
        order: Byte order, as ``struct`` writes it: ``<`` or ``>``.
    """

    explicit: bool
    order: str


IMPLICIT: Final = Encoding(explicit=False, order="<")
EXPLICIT: Final = Encoding(explicit=True, order="<")
BIG_ENDIAN: Final = Encoding(explicit=True, order=">")


@dataclass(frozen=True, slots=True)
class Element:
    """Where an element is in its file.

    Attributes:
        tag: Group x 65,536 + number.
        vr: Its value representation; empty where the file does not give it.
        start: Offset of its tag.
        value: Offset of its value.
        length: Bytes of its value; None where that is not said, as for encapsulated pixels.
        stop: Offset of what follows, which may lie beyond the end of a file that is cut short.
    """

    tag: int
    vr: bytes
    start: int
    value: int
    length: int | None
    stop: int


class Walk:
    """Walks over the data sets of one file, within the limits of this module."""

    def __init__(self, data: bytes | memoryview, encoding: Encoding) -> None:
        self.data = data
        self.encoding = encoding
        self._left = MAX_ELEMENTS

    def elements(self, at: int) -> list[Element]:
        """The elements from an offset on, to the end of the file.

        Pixel data of unknown length ends the walk: what it holds are fragments, not elements.

        Raises:
            DamagedError: An element other than the pixel data does not end within the file, or
                there are more than any file needs.
        """
        return self._elements(self.encoding, at, len(self.data), 0)[0]

    def leading(self, at: int, group: int) -> Iterator[Element]:
        """The elements from an offset on that belong to one group."""
        while len(self.data) - at >= 8:
            element = self._element(self.encoding, at, 0)
            if element.tag >> 16 != group or element.stop > len(self.data):
                return
            yield element
            at = element.stop

    def items(self, sequence: Element) -> list[list[Element]]:
        """The elements of each item of a sequence."""
        return self._items(self.encoding, sequence.value, sequence.stop, 1)[0]

    def _elements(
        self, encoding: Encoding, at: int, stop: int, depth: int
    ) -> tuple[list[Element], int]:
        """The elements up to an offset or the mark of an item's end, and the offset behind both."""
        found: list[Element] = []
        while stop - at >= 8:
            element = self._element(encoding, at, depth)
            if element.tag == _ITEM_END:
                return found, at + 8
            if element.stop > len(self.data) and element.tag != PIXEL_DATA:
                raise DamagedError("an element is longer than the file")
            found.append(element)
            at = element.stop
        return found, at

    def _element(self, encoding: Encoding, at: int, depth: int) -> Element:
        self._count(depth)
        tag, vr, value, length = self._header(encoding, at)
        if length != _UNDEFINED:
            return Element(tag, vr, at, value, length, value + length)
        if tag == PIXEL_DATA and depth == 0:
            return Element(tag, vr, at, value, None, len(self.data))
        # A sequence whose value representation was lost is written implicitly (CP-246).
        inner = IMPLICIT if vr == b"UN" else encoding
        _, stop = self._items(inner, value, len(self.data), depth + 1)
        return Element(tag, vr, at, value, None, stop)

    def _items(
        self, encoding: Encoding, at: int, stop: int, depth: int
    ) -> tuple[list[list[Element]], int]:
        """The items up to an offset or the mark of the sequence's end, and the offset behind."""
        items: list[list[Element]] = []
        while stop - at >= 8:
            self._count(depth)
            group, number, length = struct.unpack_from(f"{encoding.order}HHI", self.data, at)
            at += 8
            tag = group << 16 | number
            if tag == _SEQUENCE_END:
                break
            if tag != _ITEM:
                raise DamagedError("a sequence holds something else than items")
            known = length != _UNDEFINED
            end = min(stop, at + length) if known else stop
            elements, behind = self._elements(encoding, at, end, depth)
            at = end if known else behind
            items.append(elements)
        return items, at

    def _header(self, encoding: Encoding, at: int) -> tuple[int, bytes, int, int]:
        """Tag, value representation, offset of the value, and its length."""
        order, data = encoding.order, self.data
        group, number = struct.unpack_from(f"{order}HH", data, at)
        tag = group << 16 | number
        vr = bytes(data[at + 4 : at + 6])
        if not encoding.explicit or group == 0xFFFE or not _LETTERS.match(vr):
            [length] = struct.unpack_from(f"{order}I", data, at + 4)
            return tag, b"", at + 8, length
        if vr in _LONG:
            [length] = struct.unpack_from(f"{order}I", data, at + 8)
            return tag, vr, at + 12, length
        [length] = struct.unpack_from(f"{order}H", data, at + 6)
        return tag, vr, at + 8, length

    def _count(self, depth: int) -> None:
        self._left -= 1
        if self._left < 0:
            raise DamagedError("too many elements")
        if depth > MAX_DEPTH:
            raise DamagedError("sequences nested too deeply")


def by_tag(elements: Iterable[Element]) -> dict[int, Element]:
    """Elements by their tags; of several with the same, the first counts."""
    found: dict[int, Element] = {}
    for element in elements:
        found.setdefault(element.tag, element)
    return found
