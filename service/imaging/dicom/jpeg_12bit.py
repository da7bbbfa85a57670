"""Extended sequential JPEG of 12 bits with Huffman coding (ITU-T T.81, annex F), of one component.

The inverse transform is the integer one of the Independent JPEG Group ("islow", after Loeffler,
Ligtenberg and Moschytz 1989), so that the samples are those of libjpeg to the bit.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.imaging.dicom import huffman
from service.imaging.dicom.jpeg_markers import Markers, intervals
from service.imaging.layout import DamagedError

Integers = NDArray[np.int64]

PRECISION: Final = 12
_BLOCK: Final = 64
_END_OF_BLOCK: Final = 64
_BLOCK_ROWS: Final = 16
"""Rows of blocks that are transformed at a time."""

_CONSTANT_BITS: Final = 13
_FIRST_PASS_BITS: Final = 1


def decode_12bit(data: bytes, markers: Markers) -> NDArray[np.uint16]:
    """Decode the samples.

    Returns:
        Shape (rows, columns), from 0 to 4095.

    Raises:
        DamagedError: Codes that no table has, or fewer blocks than the frame promises.
    """
    across, down = -(-markers.columns // 8), -(-markers.rows // 8)
    divisors = markers.quantisation.get(markers.table_of_component)
    if divisors is None or len(markers.scan) < 3:
        raise DamagedError("a scan without its tables")
    coefficients = _read_blocks(data, markers, across * down)
    scaled = np.zeros(_BLOCK, dtype=np.int64)
    scaled[list(huffman.zigzag())] = divisors
    samples = np.empty((down * 8, across * 8), dtype=np.uint16)
    for top in range(0, down, _BLOCK_ROWS):
        bottom = min(top + _BLOCK_ROWS, down)
        band = coefficients[top * across : bottom * across].astype(np.int64) * scaled
        levels = _inverse_transform(band.reshape(-1, 8, 8))
        tiles = levels.reshape(bottom - top, across, 8, 8).transpose(0, 2, 1, 3)
        samples[top * 8 : bottom * 8] = tiles.reshape(-1, across * 8)
    return samples[: markers.rows, : markers.columns]


@dataclass(frozen=True, slots=True, eq=False)
class _Codes:
    """A Huffman table, and for each window of 16 bits how far its code and number reach."""

    symbols: NDArray[np.uint8]
    lengths: NDArray[np.uint8]
    reach: NDArray[np.uint8]

    @classmethod
    def of(cls, markers: Markers, number: int) -> "_Codes":
        table = markers.huffman.get(number)
        if table is None:
            raise DamagedError("a scan without its table")
        symbols, lengths = huffman.lookup(table)
        reach = np.where(lengths > 0, lengths + (symbols & 15), 0).astype(np.uint8)
        return cls(symbols, lengths, reach)


def _read_blocks(data: bytes, markers: Markers, blocks: int) -> NDArray[np.int16]:
    """The quantised coefficients of all blocks, in natural order: shape (blocks, 64)."""
    tables = markers.scan[2]
    first, rest = _Codes.of(markers, tables >> 4), _Codes.of(markers, 16 | (tables & 15))
    coefficients = np.zeros((blocks, _BLOCK), dtype=np.int16)
    together = markers.restart or blocks
    coded = iter(intervals(data, markers))
    for start in range(0, blocks, together):
        part = coefficients[start : start + together]
        _read_interval(next(coded, b""), first, rest, part)
        # The first coefficient is coded as its difference from that of the block before.
        part[:, 0] = np.cumsum(part[:, 0], dtype=np.int16)
    return coefficients


class _Hops:
    """Where the codes of an interval begin; the state of reading it piece by piece."""

    def __init__(self, blocks: int) -> None:
        self.place = 0
        self.block = 0
        self.blocks = blocks
        self.within = 0
        """Which coefficient of the block comes next."""

    def through(
        self, origin: int, first: bytes, rest: bytes, skips: bytes
    ) -> tuple[Integers, Integers]:
        """Hop through a piece.

        Args:
            origin: Offset of the piece in bits.
            first: From each bit on, how far a code of a first coefficient reaches.
            rest: The same for the others.
            skips: How many coefficients further a code of theirs leads.

        Returns:
            Where codes with a number begin, in bits of the interval, and for each of them, block x
            64 + place of its coefficient.
        """
        places: list[int] = []
        targets: list[int] = []
        place, end, within = self.place - origin, len(first), self.within
        while place < end and self.block < self.blocks:
            if within == 0:
                step, skip = first[place], 1
            else:
                step, skip = rest[place], skips[place]
            if not step:
                raise DamagedError("a code that no table has")
            within += skip
            if within <= _BLOCK:
                places.append(place)
                targets.append(self.block * _BLOCK + within - 1)
            place += step
            if within >= _BLOCK:
                within = 0
                self.block += 1
        self.place, self.within = place + origin, within
        return np.array(places, dtype=np.int64) + origin, np.array(targets, dtype=np.int64)


def _read_interval(interval: bytes, first: _Codes, rest: _Codes, into: NDArray[np.int16]) -> None:
    coded = huffman.padded(interval)
    # A symbol is a run of zeros and a size; a size of 0 ends the block or skips 16 zeros.
    ends = (rest.symbols & 15) == 0
    skips = np.where(ends, _END_OF_BLOCK + 1, (rest.symbols >> 4) + 1)
    skips[rest.symbols == 0xF0] = 16
    skips = skips.astype(np.uint8)
    natural = np.array(huffman.zigzag(), dtype=np.int64)
    flat = into.reshape(-1)
    hops = _Hops(len(into))
    for start in range(0, len(interval), huffman.PIECE):
        stop = min(start + huffman.PIECE, len(interval))
        window = huffman.windows(coded, start, stop)
        places, targets = hops.through(
            8 * start,
            first.reach[window].tobytes(),
            rest.reach[window].tobytes(),
            skips[window].tobytes(),
        )
        at = huffman.window_at(coded, places)
        is_first = targets % _BLOCK == 0
        symbols = np.where(is_first, first.symbols[at], rest.symbols[at])
        lengths = np.where(is_first, first.lengths[at], rest.lengths[at])
        numbers = huffman.differences(coded, places + lengths, symbols & 15)
        flat[targets - targets % _BLOCK + natural[targets % _BLOCK]] = numbers
        if hops.block == hops.blocks:
            break
    if hops.block < hops.blocks or hops.place > 8 * len(interval):
        raise DamagedError("fewer blocks than there should be")


def _inverse_transform(blocks: Integers) -> NDArray[np.uint16]:
    """Coefficients to samples: shape (n, 8, 8)."""
    columns = _one_pass(np.moveaxis(blocks, 1, 0), _CONSTANT_BITS - _FIRST_PASS_BITS)
    rows = _one_pass(np.moveaxis(columns, 2, 0), _CONSTANT_BITS + _FIRST_PASS_BITS + 3)
    # (column, row, n) after two moves of the axes.
    levels = np.clip(rows + (1 << (PRECISION - 1)), 0, (1 << PRECISION) - 1)
    return levels.transpose(2, 1, 0).astype(np.uint16)


def _one_pass(values: Integers, shift: int) -> Integers:
    """One dimension of the transform, along the first axis."""
    v = values
    z1 = (v[2] + v[6]) * 4433
    even2, even3 = z1 - v[6] * 15137, z1 + v[2] * 6270
    even0, even1 = (v[0] + v[4]) << _CONSTANT_BITS, (v[0] - v[4]) << _CONSTANT_BITS
    sums = (even0 + even3, even1 + even2, even1 - even2, even0 - even3)
    z5 = (v[7] + v[3] + v[5] + v[1]) * 9633
    z1, z2 = (v[7] + v[1]) * -7373, (v[5] + v[3]) * -20995
    z3, z4 = (v[7] + v[3]) * -16069 + z5, (v[5] + v[1]) * -3196 + z5
    odds = (
        v[1] * 12299 + z1 + z4,
        v[3] * 25172 + z2 + z3,
        v[5] * 16819 + z2 + z4,
        v[7] * 2446 + z1 + z3,
    )
    half = 1 << (shift - 1)
    outer = [(even + odd + half) >> shift for even, odd in zip(sums, odds, strict=True)]
    inner = [(even - odd + half) >> shift for even, odd in zip(sums, odds, strict=True)]
    return np.stack([*outer, *reversed(inner)])
