"""Decompressed bytes of a TIFF to grey levels: depth, byte order, planes, predictor and colour."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging.chroma import CHROMA_SIDE, chroma_of_samples
from service.imaging.containers import tiff_directory as tags
from service.imaging.containers.tiff_chunks import Chunks, mini_tiff
from service.imaging.layout import Levels, Samples, unsupported_pixels
from service.imaging.luminance import luminance

Bytes: TypeAlias = NDArray[np.uint8]

_NONE: Final = 1
_REVERSED: Final = 2
_GROUP_BYTES: Final = 1 << 22
"""Decompressed bytes of the chunks that are decompressed together, unless one has more."""

_STEP_SAMPLES: Final = 1 << 19
"""Samples that are converted at a time, at up to 24 bytes each."""
_STEP_BYTES: Final = 24 * _STEP_SAMPLES


@dataclass(frozen=True, slots=True)
class Pixels:
    """How the samples of a picture are stored and what they mean.

    Attributes:
        chunks: Where they are.
        compression: TIFF's code; of none, LZW, deflate and PackBits.
        order: Byte order of 16-bit samples.
        fill_order: 2 where the bits of each byte are reversed.
        predicted: Whether each sample is stored as the difference from its left neighbour.
        signed: Whether samples are numbers with a sign: read where none of them uses it.
        colour: What the first samples are.
        white_is_zero: Whether 0 is white.
        palette: All reds, greens and blues, where samples are its indices.
        opacity_at: Which sample is the opacity.
    """

    chunks: Chunks
    compression: int
    order: str
    fill_order: int
    predicted: bool
    signed: bool
    colour: Literal["grey", "rgb", "cmyk", "palette"]
    white_is_zero: bool
    palette: tuple[int, ...]
    opacity_at: int | None

    @property
    def _deep(self) -> bool:
        return self.chunks.bits > 8

    def _group(self) -> int:
        """How many rows of chunks are decompressed together."""
        row_of_chunks = self.chunks.largest_bytes() * self.chunks.across * self.chunks.planes
        return max(1, min(self.chunks.down, _GROUP_BYTES // row_of_chunks))

    def working_bytes(self) -> int:
        """Memory for the grey levels, and for what is decompressed and converted at a time."""
        chunks = self.chunks
        levels = chunks.width * chunks.height * (1 + self._deep)
        levels *= 1 if self.opacity_at is None else 2
        together = self._group() * chunks.largest_bytes() * chunks.across * chunks.planes
        chunk = 0 if self.compression == _NONE else chunks.largest_bytes()
        row_samples = chunks.across * chunks.chunk_width * chunks.samples
        step = max(min(_STEP_BYTES, 24 * row_samples * chunks.height), 24 * row_samples)
        return together + max(chunk, levels + step)

    def read(self, data: bytes) -> Samples:
        """Decompress and convert, a few rows at a time.

        Raises:
            UnsupportedFormatError: A sample is below 0.
        """
        chunks = self.chunks
        kind = np.uint16 if self._deep else np.uint8
        levels = np.empty((chunks.height, chunks.width), dtype=kind)
        opacity = None if self.opacity_at is None else np.empty_like(levels)
        few: list[Levels] = []
        apart = max(1, chunks.height // CHROMA_SIDE), max(1, chunks.width // CHROMA_SIDE)
        top = 0
        for samples in self._steps(data):
            bottom = top + len(samples)
            if self.signed and samples.max() >= 1 << (chunks.bits - 1):
                raise unsupported_pixels("as numbers below 0, whose black and white no tag gives")
            levels[top:bottom] = self._grey(samples)
            if self.colour != "grey":
                few.append(self._colours(samples[-top % apart[0] :: apart[0], :: apart[1]]))
            if opacity is not None:
                opacity[top:bottom] = samples[..., self.opacity_at]
            top = bottom
        chroma = chroma_of_samples(np.concatenate(few)) if few else 0.0
        return Samples(levels, opacity, self.white_is_zero, chroma)

    def _steps(self, data: bytes) -> Iterator[Levels]:
        """Samples of some rows after the other: shape (rows, width, samples)."""
        chunks = self.chunks
        step = max(1, _STEP_SAMPLES // (chunks.across * chunks.chunk_width * chunks.samples))
        left = chunks.height
        for first in range(0, chunks.down, self._group()):
            downs = range(first, min(first + self._group(), chunks.down))
            planes = [self._decompressed(data, plane, downs) for plane in range(chunks.planes)]
            rows = min(left, sum(map(chunks.rows, downs)))
            for top in range(0, rows, step):
                bottom = min(top + step, rows)
                parts = [self._unpack(_rows(plane, top, bottom)) for plane in planes]
                yield parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
            left -= rows

    def _decompressed(self, data: bytes, plane: int, downs: range) -> Image.Image | Bytes:
        """Bytes of some rows of chunks, side by side: shape (rows, bytes), or a picture of them."""
        chunks = self.chunks
        numbers = range(
            (plane * chunks.down + downs.start) * chunks.across,
            (plane * chunks.down + downs.stop) * chunks.across,
        )
        rows = [chunks.rows(down) for down in downs]
        shape = sum(rows), chunks.across * chunks.row_bytes
        if self.compression != _NONE:
            return self._by_pillow(data, numbers, shape)
        joined = np.empty(shape, dtype=np.uint8)
        tops = [0, *itertools.accumulate(rows)]
        for place, number in enumerate(numbers):
            down, across = divmod(place, chunks.across)
            piece = np.frombuffer(
                data, np.uint8, rows[down] * chunks.row_bytes, chunks.offsets[number]
            )
            left = across * chunks.row_bytes
            joined[tops[down] : tops[down + 1], left : left + chunks.row_bytes] = piece.reshape(
                -1, chunks.row_bytes
            )
        if self.fill_order == _REVERSED:
            return np.packbits(np.unpackbits(joined, axis=-1, bitorder="little"), axis=-1)
        return joined

    def _by_pillow(self, data: bytes, numbers: range, shape: tuple[int, int]) -> Image.Image:
        """Let Pillow decompress: it is shown an 8-bit grey picture whose pixels are the bytes."""
        rows, width = shape
        own = {
            tags.WIDTH: [width],
            tags.HEIGHT: [rows],
            tags.BITS: [8],
            tags.COMPRESSION: [self.compression],
            tags.PHOTOMETRIC: [1],
            tags.SAMPLES: [1],
            tags.FILL_ORDER: [self.fill_order],
        }
        if self.chunks.tiled:
            own[tags.TILE_WIDTH] = [self.chunks.row_bytes]
        image = Image.open(BytesIO(mini_tiff(own, self.chunks, numbers, data)), formats=("TIFF",))
        image.load()
        return image

    def _unpack(self, packed: Bytes) -> Levels:
        """Bytes of some rows of one plane to samples: shape (rows, width, samples of the plane)."""
        chunks = self.chunks
        count = chunks.samples // chunks.planes
        rows = len(packed)
        by_chunk = np.ascontiguousarray(packed).reshape(rows * chunks.across, chunks.row_bytes)
        samples: Levels = by_chunk
        if chunks.bits == 16:
            samples = by_chunk.view(f"{self.order}u2").astype(np.uint16)
        elif chunks.bits != 8:
            samples = unpack_bits(by_chunk, chunks.bits, chunks.chunk_width * count)
        samples = samples.reshape(rows, chunks.across, chunks.chunk_width, count)
        if self.predicted:
            samples = np.cumsum(samples, axis=2, dtype=samples.dtype)
        return samples.reshape(rows, -1, count)[:, : chunks.width]

    def _grey(self, samples: Levels) -> Levels:
        """Samples of shape (rows, width, samples) to grey levels of shape (rows, width)."""
        if self.colour == "palette":  # few colours, many samples
            return luminance(self._palette())[samples[..., 0]]
        if self.colour == "grey":
            return self._stretched(samples)[0][..., 0]
        return luminance(self._colours(samples))

    def _colours(self, samples: Levels) -> Levels:
        """Samples of a colour picture to red, green and blue, of shape (rows, width, 3 or more)."""
        if self.colour == "palette":
            return self._palette()[samples[..., 0]]
        samples, top = self._stretched(samples)
        if self.colour == "rgb":
            return samples
        full, inks = np.uint32(top), samples.astype(np.uint32)
        paper = ((full - inks[..., :3]) * (full - inks[..., 3:4]) + full // 2) // full
        return paper.astype(samples.dtype)

    def _stretched(self, samples: Levels) -> tuple[Levels, int]:
        """Samples of fewer than 8 bits to 8, and the largest value that samples can have."""
        top = (1 << self.chunks.bits) - 1
        if self._deep or top == 255:
            return samples, top
        stretched = np.rint(np.arange(top + 1) * (255 / top)).astype(np.uint8)
        return stretched[samples], 255

    def _palette(self) -> Levels:
        """The colours of all indices: shape (indices, 3)."""
        colours = np.asarray(self.palette, dtype=np.uint32).reshape(3, -1).T
        if colours.max() > 255:  # some writers store 8 bits where 16 belong
            colours //= 256
        return np.resize(colours.astype(np.uint8), (1 << self.chunks.bits, 3))


def _rows(plane: Image.Image | Bytes, top: int, bottom: int) -> Bytes:
    # A picture as a whole would be copied.
    if isinstance(plane, Image.Image):
        return np.asarray(plane.crop((0, top, plane.width, bottom)))
    return plane[top:bottom]


def unpack_bits(packed: Bytes, bits: int, count: int) -> Levels:
    """Take samples of 1 to 15 bits from rows of bytes, of which the first bit is the highest.

    Args:
        packed: Shape (rows, bytes).
        bits: Bits of a sample.
        count: Samples of a row.

    Returns:
        Shape (rows, count): uint8 for up to 8 bits, else uint16.
    """
    first, shift = np.divmod(np.arange(count, dtype=np.int32) * bits, 8)
    padded = np.pad(packed, ((0, 0), (0, 2))).astype(np.int32)
    window = (padded[:, first] << 16) | (padded[:, first + 1] << 8) | padded[:, first + 2]
    samples = window >> (24 - bits - shift) & ((1 << bits) - 1)
    unpacked: Levels = samples.astype(np.uint8 if bits <= 8 else np.uint16)
    return unpacked
