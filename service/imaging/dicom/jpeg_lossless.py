"""Lossless JPEG with Huffman coding (ITU-T T.81, annex H), of one component."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.imaging.dicom import huffman
from service.imaging.dicom.jpeg_markers import Markers, intervals
from service.imaging.layout import DamagedError

Samples16 = NDArray[np.uint16]
Integers = NDArray[np.int32]

_MOST_SIZE: Final = 16


def decode_lossless(data: bytes, markers: Markers) -> Samples16:
    """Decode the samples.

    Returns:
        Shape (rows, columns), from 0 to 2 ** precision - 1.

    Raises:
        DamagedError: Codes that no table has, or fewer samples than the frame promises.
    """
    component_tables, predictor, point = markers.scan[2], markers.scan[-3], markers.scan[-1] & 15
    table = markers.huffman.get(component_tables >> 4)
    if table is None or not 1 <= predictor <= 7 or not point < markers.precision <= 16:
        raise DamagedError("a scan without its table")
    symbols, lengths = huffman.lookup(table)
    if int(symbols[lengths > 0].max(initial=0)) > _MOST_SIZE:
        raise DamagedError("a difference of too many bits")
    rows, columns = markers.rows, markers.columns
    samples: Samples16 = np.empty((rows, columns), dtype=np.uint16)
    # A restart interval is a whole number of rows (H.1.1).
    together = markers.restart // columns if markers.restart else rows
    if together == 0 or (markers.restart and markers.restart % columns):
        raise DamagedError("restarts within a row")
    coded = iter(intervals(data, markers))
    start = np.uint16(1 << (markers.precision - point - 1))
    for top in range(0, rows, together):
        band = samples[top : top + together]
        _read_differences(next(coded, b""), symbols, lengths, band.reshape(-1))
        _predict(band, predictor, start)
    return samples << np.uint16(point) if point else samples


def _read_differences(
    interval: bytes,
    symbols: NDArray[np.uint8],
    lengths: NDArray[np.uint8],
    into: Samples16,
) -> None:
    coded = huffman.padded(interval)
    # How far a code and its number reach; the 16th size has no number.
    reach = (lengths + np.where(symbols > 15, 0, symbols)).astype(np.uint8)
    reach[lengths == 0] = 0
    place = done = 0
    for start in range(0, len(interval), huffman.PIECE):
        stop = min(start + huffman.PIECE, len(interval))
        reaches = reach[huffman.windows(coded, start, stop)].tobytes()
        found = _hop(reaches, place - 8 * start, into.size - done)
        if not found.size:
            continue
        places = found[:-1] + 8 * start
        place = int(found[-1]) + 8 * start
        window = huffman.window_at(coded, places)
        sizes = symbols[window]
        values = huffman.differences(coded, places + lengths[window], sizes)
        into[done : done + places.size] = values.astype(np.uint16)
        done += places.size
        if done == into.size:
            break
    if done < into.size or place > 8 * len(interval):
        raise DamagedError("fewer samples than there should be")


def _hop(reaches: bytes, place: int, most: int) -> NDArray[np.int64]:
    """Where codes begin in a piece, and where the one behind it begins."""
    places: list[int] = []
    take = places.append
    end = len(reaches)
    while place < end and most:
        step = reaches[place]
        if not step:
            raise DamagedError("a code that no table has")
        take(place)
        place += step
        most -= 1
    take(place)
    return np.array(places, dtype=np.int64)


def _predict(differences: Samples16, predictor: int, start: np.uint16) -> None:
    """Turn differences into samples, in place and modulo 65,536 (H.1.2.1)."""
    differences[:1, :1] += start  # an array, which wraps around in silence
    np.cumsum(differences[0], dtype=np.uint16, out=differences[0])
    if len(differences) == 1:
        return
    if predictor == 2:
        np.cumsum(differences, axis=0, dtype=np.uint16, out=differences)
        return
    np.cumsum(differences[:, 0], dtype=np.uint16, out=differences[:, 0])
    if predictor == 1:
        np.cumsum(differences[1:], axis=1, dtype=np.uint16, out=differences[1:])
    else:
        _predict_from_three(differences, predictor)


def _predict_from_three(samples: Samples16, predictor: int) -> None:
    """Predict from left, above and above left: one diagonal after another, each at once."""
    rows, columns = samples.shape
    flat = samples.reshape(-1)
    if columns == 1:
        return
    step = columns - 1
    for diagonal in range(2, rows + columns - 1):
        # Row r and column diagonal - r, both from 1 on.
        top, bottom = max(1, diagonal - columns + 1), min(rows - 1, diagonal - 1)
        if top > bottom:
            continue
        first = top * columns + diagonal - top
        count = bottom - top + 1
        here = slice(first, first + (count - 1) * step + 1, max(step, 1))
        left, above, corner = (
            flat[here.start - back : here.stop - back : here.step].astype(np.int32)
            for back in (1, columns, columns + 1)
        )
        flat[here] += _from_three(left, above, corner, predictor).astype(np.uint16)


def _from_three(left: Integers, above: Integers, corner: Integers, predictor: int) -> Integers:
    """The prediction (T.81, table H.1)."""
    match predictor:
        case 3:
            return corner
        case 4:
            return left + above - corner
        case 5:
            return left + ((above - corner) >> 1)
        case 6:
            return above + ((left - corner) >> 1)
        case _:
            return (left + above) >> 1
