"""TIFF directories, classic and BigTIFF, in both byte orders; and which of them is the picture."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from service.imaging.layout import DamagedError

MAX_ENTRIES: Final = 4_096
MAX_VALUES: Final = 1 << 18
"""Most numbers of one tag: the offsets of 65,536 tiles in four planes."""

MAX_DIRECTORIES: Final = 64
"""Most directories; pyramids have about ten."""

SUBFILE_TYPE, OLD_SUBFILE_TYPE = 254, 255
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES = 273, 274, 277, 278, 279
PLANAR, T4_OPTIONS, T6_OPTIONS, PREDICTOR, PALETTE = 284, 292, 293, 317, 320
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325
SUB_DIRECTORIES, INK_SET, EXTRA_SAMPLES, SAMPLE_FORMAT = 330, 332, 338, 339
JPEG_TABLES, SUBSAMPLING = 347, 530

_SINGLE: Final = frozenset(
    {SUBFILE_TYPE, OLD_SUBFILE_TYPE, WIDTH, HEIGHT, COMPRESSION, PHOTOMETRIC, FILL_ORDER, SAMPLES}
    | {ROWS_PER_STRIP, PLANAR, T4_OPTIONS, T6_OPTIONS, PREDICTOR, TILE_WIDTH, TILE_HEIGHT, INK_SET}
)
_NEEDED: Final = _SINGLE | {
    *(BITS, STRIP_OFFSETS, STRIP_BYTES, TILE_OFFSETS, TILE_BYTES, ORIENTATION, PALETTE),
    *(SUB_DIRECTORIES, EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES, SUBSAMPLING),
}

_CODES: Final = {1: "B", 3: "H", 4: "I", 7: "B", 13: "I", 16: "Q", 18: "Q"}
"""Types whose numbers are read: the whole ones, offsets of directories and plain bytes."""

_SIGNED_CODES: Final = {6: "b", 8: "h", 9: "i", 17: "q"}
"""Types that some writers use for the orientation."""

_BIG: Final = 43
_REDUCED, _MASK = 1, 4
_OLD_REDUCED: Final = 2


@dataclass(frozen=True, slots=True)
class Directory:
    """The needed tags of one directory.

    Attributes:
        order: Byte order of the file as ``struct`` writes it.
        tags: The numbers of each tag.
    """

    order: str
    tags: Mapping[int, tuple[int, ...]]

    def one(self, tag: int, default: int) -> int:
        """The first number of a tag."""
        return (self.tags.get(tag) or (default,))[0]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.one(WIDTH, 0), self.one(HEIGHT, 0)

    @property
    def is_auxiliary(self) -> bool:
        """Whether the file calls this a smaller copy or a mask of another picture."""
        flags = self.one(SUBFILE_TYPE, 0)
        return bool(flags & (_REDUCED | _MASK)) or self.one(OLD_SUBFILE_TYPE, 1) == _OLD_REDUCED

    def is_copy_of(self, other: "Directory") -> bool:
        """Whether this has the shape of a thumbnail of another picture, or of a pyramid's level.

        Many writers mark neither. Two films of one size are never taken for copies.
        """
        (width, height), (full_width, full_height) = self.size, other.size
        if 2 * width > full_width + 1 or 2 * height > full_height + 1:
            return False
        # Each side was rounded to whole pixels.
        return abs(width * full_height - height * full_width) <= full_width + full_height


def main_directory(data: bytes) -> tuple[Directory, bool]:
    """The directory of the picture, and whether the file holds several pictures.

    Thumbnails, levels of a pyramid and masks are passed over.

    Raises:
        DamagedError: A directory contradicts itself or the file's length.
        struct.error: It breaks off.
    """
    everything: list[Directory] = []
    for directory in _walk(data):
        everything.append(directory)
        # That is enough to know, and a file of a thousand frames is not read to its end.
        if sum(not one.is_auxiliary for one in everything) > MAX_DIRECTORIES // 2:
            break
    if not everything:
        raise DamagedError("no directory")
    pictures = [one for one in everything if not one.is_auxiliary] or everything
    main = max(pictures, key=lambda one: one.size[0] * one.size[1])
    others = [one for one in pictures if one is not main]
    return main, not all(one.is_copy_of(main) or one.is_auxiliary for one in others)


def _walk(data: bytes) -> Iterator[Directory]:
    """All directories, in the order of the file; one that follows itself counts as another."""
    order = "<" if data[:2] == b"II" else ">"
    [version] = struct.unpack_from(f"{order}H", data, 2)
    big = version == _BIG
    if big and struct.unpack_from(f"{order}HH", data, 4) != (8, 0):
        raise DamagedError("offsets of an unknown width")
    offset_code = f"{order}{'Q' if big else 'I'}"
    chain = list(struct.unpack_from(offset_code, data, 8 if big else 4))
    below: list[int] = []
    for _ in range(MAX_DIRECTORIES):
        if chain and chain[0]:
            directory, chain = _directory(data, chain[0], order, big=big)
        elif below:
            try:
                directory, _ = _directory(data, below.pop(0), order, big=big)
            except (DamagedError, struct.error):
                continue  # a broken thumbnail costs nobody their answer
        else:
            return
        yield directory
        below = [*below, *directory.tags.get(SUB_DIRECTORIES, ())][:MAX_DIRECTORIES]


def _directory(data: bytes, at: int, order: str, *, big: bool) -> tuple[Directory, list[int]]:
    """One directory, and where the next one is said to be."""
    entry_bytes, count_code, offset_code = (20, "Q", "Q") if big else (12, "H", "I")
    [number] = struct.unpack_from(f"{order}{count_code}", data, at)
    at += struct.calcsize(f"{order}{count_code}")
    if number > MAX_ENTRIES:
        raise DamagedError("too many entries")
    tags: dict[int, tuple[int, ...]] = {}
    for entry in range(at, at + number * entry_bytes, entry_bytes):
        [tag] = struct.unpack_from(f"{order}H", data, entry)
        if tag in _NEEDED:
            if tag in tags:
                raise DamagedError("a tag stands twice")
            tags[tag] = _numbers(data, entry, order, offset_code)
    following = struct.unpack_from(f"{order}{offset_code}", data, at + number * entry_bytes)
    return Directory(order, tags), list(following)


def _numbers(data: bytes, at: int, order: str, offset_code: str) -> tuple[int, ...]:
    tag, kind, count = struct.unpack_from(f"{order}HH{offset_code}", data, at)
    code = (_CODES | _SIGNED_CODES if tag == ORIENTATION else _CODES).get(kind)
    if code is None or count > MAX_VALUES or (tag in _SINGLE and count != 1):
        if tag == ORIENTATION:
            return ()  # broken or not, it costs nobody their answer
        raise DamagedError("numbers of an unknown kind")
    width = struct.calcsize(f"{order}{offset_code}")
    place = at + 4 + width
    if struct.calcsize(f"{order}{count}{code}") > width:
        [place] = struct.unpack_from(f"{order}{offset_code}", data, place)
    return struct.unpack_from(f"{order}{count}{code}", data, place)
