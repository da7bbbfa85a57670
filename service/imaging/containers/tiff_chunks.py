"""How a TIFF is cut into strips or tiles, and small TIFFs made of some of them."""

import struct
from collections.abc import Mapping, Sequence
from typing import Final

from service.imaging.containers import tiff_directory as tags
from service.imaging.containers.tiff_directory import Directory
from service.imaging.layout import DamagedError

MAX_CHUNKS: Final = 65_536
"""Most strips or tiles of a plane."""

MIN_TILE: Final = 16
_SINGLE_STRIP_ROWS: Final = 256
_MAX_ROWS: Final = MAX_CHUNKS
_LONG, _SHORT, _BYTES = 4, 3, 7


class Chunks:
    """Strips, which are as wide as the picture, or tiles; both are called chunks.

    Attributes:
        width: Columns of the picture, in pixels.
        height: Rows of the picture, in pixels.
        samples: Samples of a pixel.
        bits: Bits of a sample.
        planes: 1, or as many as samples where each sample has chunks of its own.
        tiled: Whether they are tiles.
        chunk_width: Columns of a chunk, in pixels.
        chunk_height: Rows of a chunk; the last strip may have fewer.
        across: Chunks side by side.
        down: Chunks one below the other.
        offsets: Where each starts in the file; plane by plane, row by row.
        sizes: Bytes of each in the file.

    Raises:
        DamagedError: They have no pixels.
    """

    def __init__(
        self, directory: Directory, *, samples: int, bits: int, uncompressed: bool
    ) -> None:
        self.width, self.height = directory.size
        self.samples, self.bits = samples, bits
        self.planes = samples if directory.one(tags.PLANAR, 1) == 2 else 1
        self.tiled = tags.TILE_OFFSETS in directory.tags
        if self.tiled:
            self.chunk_width = directory.one(tags.TILE_WIDTH, 0)
            self.chunk_height = directory.one(tags.TILE_HEIGHT, 0)
            offsets, sizes = tags.TILE_OFFSETS, tags.TILE_BYTES
        else:
            self.chunk_width = self.width
            self.chunk_height = min(directory.one(tags.ROWS_PER_STRIP, self.height), self.height)
            offsets, sizes = tags.STRIP_OFFSETS, tags.STRIP_BYTES
        if min(self.chunk_width, self.chunk_height) < (MIN_TILE if self.tiled else 1):
            raise DamagedError("strips or tiles without pixels")
        self.across = -(-self.width // self.chunk_width)
        self.down = -(-self.height // self.chunk_height)
        self.offsets = directory.tags.get(offsets, ())
        self.sizes = directory.tags.get(sizes, ())
        self.uncompressed = uncompressed
        single = uncompressed and not self.tiled and self.down == 1
        if single and _SINGLE_STRIP_ROWS < self.height <= _MAX_ROWS:
            self._cut_single_strips()

    @property
    def row_bytes(self) -> int:
        """Decompressed bytes of one row of a chunk."""
        return (self.chunk_width * self.samples // self.planes * self.bits + 7) // 8

    def rows(self, down: int) -> int:
        """Rows that the chunks hold that are so far down."""
        if self.tiled:
            return self.chunk_height
        return min(self.chunk_height, self.height - down * self.chunk_height)

    def largest_bytes(self) -> int:
        """Bytes of one decompressed chunk."""
        return self.row_bytes * self.chunk_height

    def fit(self, file_bytes: int) -> bool:
        """Tell whether the chunks make up the picture and lie within the file."""
        if self.across * self.down > MAX_CHUNKS:
            raise DamagedError("too many strips or tiles")
        if len(self.offsets) != self.across * self.down * self.planes:
            return False
        if self.uncompressed:
            # Each row of the picture is whole in the file, whatever the sizes say.
            return all(
                offset + self.row_bytes * self.rows(number // self.across % self.down) <= file_bytes
                for number, offset in enumerate(self.offsets)
            )
        # Overlapping pieces would make a small file as much work as a large one.
        covered = self.across * self.chunk_width * self.down * self.chunk_height
        return (
            len(self.sizes) == len(self.offsets)
            and sum(self.sizes) <= file_bytes
            and all(
                offset + size <= file_bytes
                for offset, size in zip(self.offsets, self.sizes, strict=True)
            )
            and covered <= 2 * self.width * self.height + 2**24
        )

    def _cut_single_strips(self) -> None:
        """Cut each plane's one uncompressed strip into several, to hold one at a time."""
        starts = range(0, self.height, _SINGLE_STRIP_ROWS)
        self.offsets = tuple(at + row * self.row_bytes for at in self.offsets for row in starts)
        self.chunk_height, self.down = _SINGLE_STRIP_ROWS, len(starts)


def mini_tiff(
    own: Mapping[int, Sequence[int]],
    chunks: Chunks,
    numbers: range,
    data: bytes,
    jpeg_tables: bytes = b"",
) -> bytes:
    """Write a classic little-endian TIFF that holds nothing but some chunks of another.

    Args:
        own: Tags of the new file beside those that say where its chunks are.
        chunks: Those of the other file; the new one has the same height of chunks, and the same
            width unless ``own`` says otherwise.
        numbers: Which of them.
        data: The other file.
        jpeg_tables: What the JPEG streams of all chunks share.
    """
    view = memoryview(data)
    pieces = [
        view[chunks.offsets[one] : chunks.offsets[one] + chunks.sizes[one]] for one in numbers
    ]
    places, at = [], 8
    for piece in pieces:
        places.append(at)
        at += len(piece)
    offsets, sizes = (
        (tags.TILE_OFFSETS, tags.TILE_BYTES)
        if chunks.tiled
        else (tags.STRIP_OFFSETS, tags.STRIP_BYTES)
    )
    heights = (
        {tags.TILE_WIDTH: [chunks.chunk_width], tags.TILE_HEIGHT: [chunks.chunk_height]}
        if chunks.tiled
        else {tags.ROWS_PER_STRIP: [chunks.chunk_height]}
    )
    every = {**heights, **own, offsets: places, sizes: [len(piece) for piece in pieces]}
    values = {tag: _value(tag, numbers) for tag, numbers in every.items()}
    if jpeg_tables:
        values[tags.JPEG_TABLES] = (_BYTES, len(jpeg_tables), jpeg_tables)
    directory, beyond = struct.pack("<H", len(values)), b""
    for tag, (kind, count, packed) in sorted(values.items()):
        if len(packed) > 4:
            beyond += bytes(len(beyond) % 2)
            place = struct.pack("<I", at + 6 + 12 * len(values) + len(beyond))
            beyond += packed
        else:
            place = packed.ljust(4, b"\x00")
        directory += struct.pack("<HHI", tag, kind, count) + place
    start = struct.pack("<4sI", b"II*\x00", at)
    return b"".join((start, *pieces, directory, bytes(4), beyond))


def _value(tag: int, numbers: Sequence[int]) -> tuple[int, int, bytes]:
    # Readers take bits and subsampling as short numbers only.
    kind, code = (_SHORT, "H") if tag in {tags.BITS, tags.SUBSAMPLING} else (_LONG, "I")
    return kind, len(numbers), struct.pack(f"<{len(numbers)}{code}", *numbers)
