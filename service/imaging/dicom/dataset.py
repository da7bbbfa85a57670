"""A DICOM file: where its data set begins, how it is written, and what an element of it says."""

import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from service.imaging.dicom.elements import (
    BIG_ENDIAN,
    EXPLICIT,
    IMPLICIT,
    PIXEL_DATA,
    Element,
    Encoding,
    Walk,
    by_tag,
)
from service.imaging.errors import TooManyPixelsError
from service.imaging.layout import DamagedError

INFLATED_BYTES: Final = 80_000_000
"""Most bytes that a deflated data set may become: the samples of 30 million pixels and more."""

_MAX_VALUE: Final = 200_000
"""Most bytes of a value that is read: a lookup table has 131,072 at most."""

_PREAMBLE: Final = 128
_META_GROUP: Final = 0x0002
_STORED_CLASS, _TRANSFER_SYNTAX = 0x00020002, 0x00020010
_BIG: Final = "1.2.840.10008.1.2.2"
_DEFLATED: Final = "1.2.840.10008.1.2.1.99"

_TEXT_PAD: Final = "\x00 "


@dataclass(frozen=True, slots=True)
class DataSet:
    """Elements of a data set or of an item, with their bytes.

    Values are read one by one, when asked for, and never fail: what cannot be read is absent. So a
    broken name or date costs nobody the pixels.
    """

    walk: Walk
    found: Mapping[int, Element]

    def __contains__(self, tag: int) -> bool:
        return tag in self.found

    def raw(self, tag: int) -> bytes:
        """The bytes of a value; empty where it is absent, a sequence, or too long to be read."""
        element = self.found.get(tag)
        if element is None or element.length is None or element.length > _MAX_VALUE:
            return b""
        return bytes(self.walk.data[element.value : element.stop])

    def text(self, tag: int) -> str:
        """The first value of a text, without padding."""
        return self.texts(tag)[0]

    def texts(self, tag: int) -> list[str]:
        """All values of a text; one that is empty where it is absent."""
        values = self.raw(tag).decode("latin-1").split("\\")
        return [value.strip(_TEXT_PAD) for value in values]

    def numbers(self, tag: int) -> list[float]:
        """Decimal or integer numbers that are written as text; none where any is not finite."""
        try:
            values = [float(text) for text in self.texts(tag) if text]
        except ValueError:
            return []
        return values if all(abs(value) < 1e12 for value in values) else []

    def whole(self, tag: int, default: int = 0, *, signed: bool = False) -> int:
        """The first 16-bit number; ``default`` where it is absent."""
        values = self.words(tag, signed=signed)
        return values[0] if values else default

    def words(self, tag: int, *, signed: bool = False) -> tuple[int, ...]:
        """All 16-bit numbers."""
        raw = self.raw(tag)
        code = "h" if signed else "H"
        return struct.unpack_from(f"{self.walk.encoding.order}{len(raw) // 2}{code}", raw)

    def first_item(self, tag: int) -> "DataSet | None":
        """The first item of a sequence."""
        element = self.found.get(tag)
        items = self.walk.items(element) if element else []
        return DataSet(self.walk, by_tag(items[0])) if items else None


@dataclass(frozen=True, slots=True)
class DicomFile:
    """One file, before anything of it is interpreted.

    Attributes:
        main: Its data set.
        stored_class: UID of what kind of object it is; empty where the file does not say it.
        transfer_syntax: UID of how its pixels are stored; empty where the file does not say it.
        start: Offset of the data set in ``main.walk.data``.
        inflated_bytes: Size of a data set that had to be inflated.
    """

    main: DataSet
    stored_class: str
    transfer_syntax: str
    start: int
    inflated_bytes: int = 0

    @property
    def pixel_data(self) -> Element | None:
        """Where the pixels are."""
        return self.main.found.get(PIXEL_DATA)


def open_file(data: bytes) -> DicomFile:
    """Walk over a file with or without its preamble and its meta header.

    Raises:
        DamagedError: The elements contradict each other or the file's length.
        TooManyPixelsError: A deflated data set that becomes larger than any film.
    """
    start = _PREAMBLE + 4 if data[_PREAMBLE : _PREAMBLE + 4] == b"DICM" else 0
    meta, start = _meta(data, start)
    syntax = meta.text(_TRANSFER_SYNTAX)
    contents: bytes = data
    inflated = 0
    if syntax == _DEFLATED:
        contents, start = _inflate(data, start), 0
        inflated = len(contents)
    walk = Walk(contents, _encoding(contents, start, syntax))
    main = DataSet(walk, by_tag(walk.elements(start)))
    if not main.found:
        raise DamagedError("no elements")
    stored = main.text(0x00080016) or meta.text(_STORED_CLASS)
    return DicomFile(main, stored, syntax, start, inflated)


def _meta(data: bytes, start: int) -> tuple[DataSet, int]:
    """The meta header, which is always written explicitly, and the offset behind it."""
    walk = Walk(data, _encoding(data, start, ""))
    found: list[Element] = []
    for element in walk.leading(start, _META_GROUP):
        found.append(element)
        start = element.stop
    return DataSet(walk, by_tag(found)), start


def _encoding(data: bytes, at: int, syntax: str) -> Encoding:
    """How a data set is written: as its first element looks, whatever the meta header says."""
    head = data[at : at + 6]
    if len(head) < 6:
        raise DamagedError("no elements")
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    # A group's number is small: its high byte is zero.
    big = head[0] == 0 and head[1] != 0
    if explicit:
        return BIG_ENDIAN if big else EXPLICIT
    if big or syntax == _BIG:
        return Encoding(explicit=False, order=">")
    return IMPLICIT


def _inflate(data: bytes, start: int) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        contents = inflater.decompress(memoryview(data)[start:], INFLATED_BYTES)
    except zlib.error as error:
        raise DamagedError("cannot be inflated") from error
    if inflater.unconsumed_tail:
        raise TooManyPixelsError(
            "The file's deflated contents are larger than any radiograph that is accepted. "
            "Export it without this compression, or at a lower resolution."
        )
    return contents


def rebuilt(file: DicomFile, kept: Iterable[Element]) -> bytes:
    """The bytes of some elements, as they stand in the file."""
    data = file.main.walk.data
    return b"".join(bytes(data[element.start : element.stop]) for element in kept)
