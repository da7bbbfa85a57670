"""TIFF: the first directory of a classic or a BigTIFF file (TIFF 6.0)."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from service.imaging.layout import DamagedError, Layout, unsupported_pixels

MAX_ENTRIES: Final = 4_096
MAX_CHUNKS: Final = 65_536
"""Most strips or tiles; Pillow makes a decoder for each of an uncompressed file."""

MAX_SAMPLES: Final = 8
MIN_TILE: Final = 16

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_ORIENTATION, _SAMPLES, _ROWS_PER_STRIP, _PLANAR = 274, 277, 278, 284
_STRIP_OFFSETS, _STRIP_BYTES = 273, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
_SINGLE: Final = frozenset(
    {_WIDTH, _HEIGHT, _COMPRESSION, _PHOTOMETRIC, 266, _SAMPLES, _ROWS_PER_STRIP, _PLANAR}
    | {292, 293, 317, _TILE_WIDTH, _TILE_HEIGHT, 531}
)
"""Tags of one number: what the pixels are, fill order, fax options, predictor, chroma position."""

_NEEDED: Final = _SINGLE | {
    *(_BITS, _STRIP_OFFSETS, _STRIP_BYTES, _TILE_OFFSETS, _TILE_BYTES),
    *(320, 338, 339, 347, 529, 530, 532),  # palette, extra samples, sample format, JPEG, YCbCr
}

_NONE, _JPEG = 1, 7
_READ_COMPRESSIONS: Final = frozenset({_NONE, 2, 3, 4, 5, _JPEG, 8, 32773, 32946})
"""None, fax, LZW, JPEG, deflate, PackBits. The others' decoders are rarely used or bounded."""

_TYPE_BYTES: Final = dict(zip(range(1, 14), (1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4), strict=True))
_TYPE_BYTES_BIG: Final = _TYPE_BYTES | {16: 8, 17: 8, 18: 8}
_INTEGERS: Final = {1: "B", 3: "H", 4: "I", 16: "Q"}
_CLASSIC, _BIG = 42, 43


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How numbers and directories are written."""

    order: str
    big: bool

    @property
    def offset(self) -> str:
        """Code of an offset, which is as wide as an entry's value."""
        return "Q" if self.big else "I"

    @property
    def offset_bytes(self) -> int:
        """Bytes of an offset."""
        return 8 if self.big else 4

    @property
    def count(self) -> str:
        """Code of the number of entries."""
        return "Q" if self.big else "H"

    @property
    def entry_bytes(self) -> int:
        """Bytes of an entry."""
        return 20 if self.big else 12


@dataclass(frozen=True, slots=True)
class _Entry:
    """One tag, its numbers where they are integers, and the bytes that say so."""

    numbers: tuple[int, ...]
    raw: bytes


def read_layout(data: bytes) -> Layout:
    """Check the first directory, and write it anew behind the pixels with what these need.

    A directory may be 65,535 entries long, each may point at the whole file, and the next one may
    be itself; none of that is followed.
    """
    dialect = _dialect(data)
    entries, following = _directory(data, dialect)
    geometry = _Geometry(entries)
    end = len(data)
    at = end + end % 2
    kept = [entries[tag].raw for tag in sorted(entries) if tag != _ORIENTATION]
    order = dialect.order
    [orientation] = _numbers(entries, _ORIENTATION, (1,))[:1] or (1,)
    head = struct.pack(f"{order}HH", 8, 0) if dialect.big else b""
    start = 4 + len(head)
    return Layout(
        width=geometry.width,
        height=geometry.height,
        working_bytes=geometry.working_bytes(),
        pieces=[
            data[:4] + head + struct.pack(f"{order}{dialect.offset}", at),
            memoryview(data)[start + dialect.offset_bytes :],
            bytes(at - end) + struct.pack(f"{order}{dialect.count}", len(kept)),
            *kept,
            bytes(dialect.offset_bytes),
        ],
        orientation=orientation if 1 <= orientation <= 8 else 1,
        several=following != 0,
        complete=geometry.fits(len(data)),
    )


def _dialect(data: bytes) -> _Dialect:
    order = "<" if data[:2] == b"II" else ">"
    [version] = struct.unpack_from(f"{order}H", data, 2)
    if version == _BIG and struct.unpack_from(f"{order}HH", data, 4) != (8, 0):
        raise DamagedError("offsets of an unknown width")
    return _Dialect(order, big=version == _BIG)


def _directory(data: bytes, dialect: _Dialect) -> tuple[dict[int, _Entry], int]:
    """The needed entries of the first directory, and where the next one is said to be."""
    order, offset = dialect.order, dialect.offset
    [at] = struct.unpack_from(f"{order}{offset}", data, 8 if dialect.big else 4)
    [number] = struct.unpack_from(f"{order}{dialect.count}", data, at)
    at += struct.calcsize(f"{order}{dialect.count}")
    if number > MAX_ENTRIES:
        raise DamagedError("too many entries")
    entries: dict[int, _Entry] = {}
    for _ in range(number):
        [tag] = struct.unpack_from(f"{order}H", data, at)
        if tag in _NEEDED or tag == _ORIENTATION:
            if tag in entries:
                raise DamagedError("a tag stands twice")
            entries[tag] = _entry(data, at, dialect)
        at += dialect.entry_bytes
    [following] = struct.unpack_from(f"{order}{offset}", data, at)
    return entries, following


def _entry(data: bytes, at: int, dialect: _Dialect) -> _Entry:
    order, offset = dialect.order, dialect.offset
    tag, kind, count = struct.unpack_from(f"{order}HH{offset}", data, at)
    sizes = _TYPE_BYTES_BIG if dialect.big else _TYPE_BYTES
    if kind not in sizes or (tag in _SINGLE and (count != 1 or kind not in _INTEGERS)):
        raise DamagedError("a number of an unknown kind")
    place = at + 4 + dialect.offset_bytes
    if sizes[kind] * count > dialect.offset_bytes:
        [place] = struct.unpack_from(f"{order}{offset}", data, place)
    if place + sizes[kind] * count > len(data):
        raise DamagedError("a value lies outside the file")
    numbers: tuple[int, ...] = ()
    if kind in _INTEGERS and count <= MAX_CHUNKS:
        numbers = struct.unpack_from(f"{order}{count}{_INTEGERS[kind]}", data, place)
    return _Entry(numbers, data[at : at + dialect.entry_bytes])


def _numbers(
    entries: Mapping[int, _Entry], tag: int, default: tuple[int, ...] = ()
) -> tuple[int, ...]:
    return entries[tag].numbers if tag in entries else default


class _Geometry:
    """How the pixels are cut into strips or tiles, and what each takes.

    Raises:
        UnsupportedFormatError: A compression that is not read.
        DamagedError: Strips or tiles that cannot make up this picture.
    """

    def __init__(self, entries: Mapping[int, _Entry]) -> None:
        def one(tag: int, default: int) -> int:
            return _numbers(entries, tag, (default,))[0]

        self.width, self.height = one(_WIDTH, 0), one(_HEIGHT, 0)
        self.compression = one(_COMPRESSION, _NONE)
        if self.compression not in _READ_COMPRESSIONS:
            raise unsupported_pixels()
        self.samples = one(_SAMPLES, 1)
        depths = _numbers(entries, _BITS, (1,))
        if not 1 <= self.samples <= MAX_SAMPLES or not depths or max(depths) > 64:
            raise unsupported_pixels()
        self.depth = max(depths)
        if _TILE_OFFSETS in entries:
            self.chunk_width, self.chunk_height = one(_TILE_WIDTH, 0), one(_TILE_HEIGHT, 0)
            least = MIN_TILE
            tags = _TILE_OFFSETS, _TILE_BYTES
        else:
            self.chunk_width = self.width
            self.chunk_height = min(one(_ROWS_PER_STRIP, self.height), self.height)
            least = 1
            tags = _STRIP_OFFSETS, _STRIP_BYTES
        if min(self.chunk_width, self.chunk_height) < least:
            raise DamagedError("strips or tiles without pixels")
        self.offsets, self.sizes = (_numbers(entries, tag) for tag in tags)
        self._planes = self.samples if one(_PLANAR, 1) == 2 else 1

    def fits(self, file_bytes: int) -> bool:
        """Tell whether the strips or tiles make up the picture and lie within the file."""
        across = -(-self.width // self.chunk_width)
        down = -(-self.height // self.chunk_height)
        if len(self.offsets) != across * down * self._planes:
            return False
        if self.compression == _NONE:
            # Each row of the picture is whole in the file, whatever the sizes say.
            row_bytes = (self.chunk_width * self._chunk_depth() + 7) // 8
            needed = len(self.offsets) // down * row_bytes * self.height
            return needed <= file_bytes and max(self.offsets) < file_bytes
        # Overlapping pieces would make a small file as much work as a large one.
        covered = across * self.chunk_width * down * self.chunk_height
        return (
            len(self.sizes) == len(self.offsets)
            and sum(self.sizes) <= file_bytes
            and all(
                offset + size <= file_bytes
                for offset, size in zip(self.offsets, self.sizes, strict=True)
            )
            and covered <= 2 * self.width * self.height + 2**24
        )

    def working_bytes(self) -> int:
        """Memory for Pillow's picture and for the strip or tile that is being decompressed."""
        chunk = self.chunk_width * self.chunk_height * self._chunk_depth() // 8
        pixel = 4 if self.samples > 1 else max(1, self.depth // 8)
        return self.width * self.height * pixel + (0 if self.compression == _NONE else chunk)

    def _chunk_depth(self) -> int:
        return self.depth * (1 if self._planes > 1 else self.samples)
