"""Huffman-coded JPEG without a C library: all places of a piece are looked at at once.

Where a code begins is known only when the one before it is read, which a loop in Python does
slowly. So NumPy first looks up, for each bit of a piece, how far a code that began there would
reach. What is left to the loop is to hop from one to the next; what the hops found, NumPy then
reads at once.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from service.imaging.dicom.jpeg_markers import HuffmanTable
from service.imaging.layout import DamagedError

PIECE: Final = 1 << 15
"""Bytes that are looked at at once: eight places a byte."""

PIECE_BYTES: Final = 30_000_000
"""Most memory that looking at one piece takes."""

_SPARE: Final = 16
"""Zero bytes behind the last, so that windows may reach over it."""

Windows = NDArray[np.uint16]


def lookup(table: HuffmanTable) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Symbol and length of the code that each window of 16 bits begins with; length 0 for none.

    Raises:
        DamagedError: More codes than there can be.
    """
    symbols = np.zeros(1 << 16, dtype=np.uint8)
    lengths = np.zeros(1 << 16, dtype=np.uint8)
    code = at = 0
    for length, count in enumerate(table.counts, start=1):
        span = 1 << (16 - length)
        for symbol in table.symbols[at : at + count]:
            start = code * span
            if start + span > 1 << 16:
                raise DamagedError("an overfull Huffman table")
            symbols[start : start + span] = symbol
            lengths[start : start + span] = length
            code += 1
        at += count
        code <<= 1
    return symbols, lengths


def padded(coded: bytes) -> NDArray[np.uint8]:
    """The bytes with some zeros behind them."""
    return np.frombuffer(coded + bytes(_SPARE), dtype=np.uint8)


def windows(coded: NDArray[np.uint8], start: int, stop: int) -> Windows:
    """The 16 bits from each bit of some bytes on: 8 windows for each byte."""
    piece = coded[start : stop + 2].astype(np.uint32)
    three = piece[:-2] << 16 | piece[1:-1] << 8 | piece[2:]
    shifts = np.arange(8, 0, -1, dtype=np.uint32)
    return (three[:, None] >> shifts).astype(np.uint16).ravel()


def window_at(coded: NDArray[np.uint8], places: NDArray[np.int64]) -> Windows:
    """The 16 bits from some bits on."""
    first = places >> 3
    three = (
        coded[first].astype(np.uint32) << 16
        | coded[first + 1].astype(np.uint32) << 8
        | coded[first + 2]
    )
    return np.asarray(three >> (8 - (places & 7)).astype(np.uint32)).astype(np.uint16)


def differences(
    coded: NDArray[np.uint8], places: NDArray[np.int64], sizes: NDArray[np.integer[Any]]
) -> NDArray[np.int32]:
    """The numbers of some sizes in bits that begin at some bits (T.81, F.2.2.1: EXTEND).

    Args:
        coded: Bytes.
        places: Offsets in bits.
        sizes: From 0 to 15 bits; 16 stands for 32,768 and takes none (H.1.2.2).
    """
    read = np.where(sizes > 15, 0, sizes).astype(np.uint32)
    window = window_at(coded, places).astype(np.uint32)
    values = (window >> (16 - read)).astype(np.int32)
    limits = np.left_shift(1, read.astype(np.int32))
    values = np.where(values < limits >> 1, values - limits + 1, values)
    return np.where(sizes > 15, 32768, np.where(sizes == 0, 0, values)).astype(np.int32)


def zigzag() -> Sequence[int]:
    """Row x 8 + column of each coefficient of a block, in the order in which they are coded."""
    places = [(row, column) for row in range(8) for column in range(8)]
    return [
        row * 8 + column
        for row, column in sorted(places, key=lambda at: (sum(at), at[0] if sum(at) % 2 else at[1]))
    ]
