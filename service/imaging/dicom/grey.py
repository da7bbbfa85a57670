"""From what a DICOM file stores to what its picture shows: one table for all samples.

Modality, values of interest and presentation (PS3.3, C.11.1, C.11.2, C.11.6; PS3.4, N.2) are
functions of a sample alone. So they are computed once for each value that a sample can have, 65,536
at most, and not in floating-point planes of the picture's size.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from service.imaging.dicom.dataset import DataSet
from service.imaging.greyscale import BAND, depth_in_use, histogram
from service.imaging.layout import DamagedError, Levels, Samples

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
WindowFunction = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]

_MODALITY_LUTS, _VOI_LUTS = 0x00283000, 0x00283010
_DESCRIPTOR, _LUT_DATA = 0x00283002, 0x00283006
_INTERCEPT, _SLOPE = 0x00281052, 0x00281053
_CENTRE, _WIDTH, _FUNCTION = 0x00281050, 0x00281051, 0x00281056
_PADDING, _PADDING_LIMIT = 0x00280120, 0x00280121
_SHAPE: Final = 0x20500020


@dataclass(frozen=True, slots=True, eq=False)
class LookupTable:
    """A lookup table (PS3.3, C.11.1.1.1).

    Attributes:
        first: The input that the first entry is for; inputs below it have that entry too, and those
            beyond the last have the last.
        entries: One for each input.
        bits: Depth of the entries.
    """

    first: int
    entries: Floats
    bits: int

    def __call__(self, values: Floats) -> Floats:
        """Look values up."""
        at = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1).astype(np.intp)
        return np.asarray(self.entries[at])


@dataclass(frozen=True, slots=True)
class Window:
    """A window of values of interest (PS3.3, C.11.2.1.2 and C.11.2.1.3)."""

    centre: float
    width: float
    function: WindowFunction

    def __call__(self, values: Floats) -> Floats:
        """Map values to shares of the range from black to white."""
        centre, width = self.centre, self.width
        if self.function == "SIGMOID":
            exponent = np.clip(-4 * (values - centre) / width, -700, 700)
            return np.asarray(1 / (1 + np.exp(exponent)))
        if self.function == "LINEAR_EXACT":
            return np.asarray(np.clip((values - centre) / width + 0.5, 0, 1))
        if width == 1:
            return np.asarray(values > centre - 0.5, dtype=np.float64)
        return np.asarray(np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Rendering:
    """How samples become grey levels.

    Attributes:
        bits: Stored bits of a sample.
        signed: Whether they are a two's complement.
        modality: Lookup table; in its place ``slope`` and ``intercept`` count.
        slope: Of the rescaling.
        intercept: Of the rescaling.
        interest: What of the values is shown; None where the file does not say it.
        inverted: Whether low values are bright.
        padding: Lowest and highest stored value that stand for no picture at all.
    """

    bits: int
    signed: bool
    modality: LookupTable | None = None
    slope: float = 1.0
    intercept: float = 0.0
    interest: LookupTable | Window | None = None
    inverted: bool = False
    padding: tuple[int, int] | None = None

    def shown(self, samples: Levels) -> Samples:
        """The grey levels of some samples, each from 0 to 2 ** bits - 1."""
        tops = range(0, len(samples), BAND)
        table = self.table(histogram(samples[top : top + BAND] for top in tops))
        levels = np.empty(samples.shape, dtype=np.uint8)
        for top in tops:
            levels[top : top + BAND] = table[samples[top : top + BAND]]
        return Samples(levels)

    def table(self, counts: Counts) -> NDArray[np.uint8]:
        """The grey level of each sample.

        Args:
            counts: How often each sample is found, as an unsigned number.

        Returns:
            Shape (2 ** bits,), from 0 for black to 255 for white. Padding is black.
        """
        stored = np.arange(1 << self.bits, dtype=np.float64)
        if self.signed:
            stored[1 << (self.bits - 1) :] -= 1 << self.bits
        padded = np.zeros(stored.shape, dtype=np.bool_)
        if self.padding is not None:
            padded = (stored >= self.padding[0]) & (stored <= self.padding[1])
        counts = np.where(padded, 0, counts[: stored.size])
        shares = self._shares(stored, counts)
        levels = 255 * (1 - shares if self.inverted else shares)
        return np.where(padded, 0, np.rint(levels)).astype(np.uint8)

    def _shares(self, stored: Floats, counts: Counts) -> Floats:
        """How bright each sample is, from 0 to 1, before an inversion."""
        values = self.modality(stored) if self.modality else stored * self.slope + self.intercept
        if isinstance(self.interest, Window):
            return self.interest(values)
        if self.interest is not None:
            return self.interest(values) / ((1 << self.interest.bits) - 1)
        if not self.signed and self.modality is None and (self.slope, self.intercept) == (1, 0):
            # As of a 16-bit PNG of the same samples, whose depth nothing says either.
            depth = min(self.bits, depth_in_use(counts))
            return np.asarray(np.minimum(values / ((1 << depth) - 1), 1))
        used = values[counts > 0]
        low, high = (used.min(), used.max()) if used.size else (0.0, 0.0)
        return np.asarray(np.clip((values - low) / max(high - low, 1e-12), 0, 1))


def read_rendering(main: DataSet, bits: int, *, signed: bool) -> Rendering:
    """Read what a data set says of the way from samples to grey levels.

    The first lookup table or window counts, a table before a window, as in common viewers. A window
    without a usable width is none.

    Raises:
        DamagedError: A lookup table that is broken: without it the picture would be another one.
    """
    modality = _lookup_table(main.first_item(_MODALITY_LUTS), signed=signed)
    slope = (main.numbers(_SLOPE) or [1.0])[0]
    intercept = (main.numbers(_INTERCEPT) or [0.0])[0]
    rescaled = modality is None and intercept < 0
    interest = _lookup_table(main.first_item(_VOI_LUTS), signed=signed or rescaled)
    return Rendering(
        bits=bits,
        signed=signed,
        modality=modality,
        slope=slope or 1.0,
        intercept=intercept,
        interest=interest or _window(main),
        inverted=main.text(0x00280004) == "MONOCHROME1" or main.text(_SHAPE) == "INVERSE",
        padding=_padding(main, signed=signed),
    )


def _lookup_table(item: DataSet | None, *, signed: bool) -> LookupTable | None:
    if item is None:
        return None
    described = item.words(_DESCRIPTOR)
    if len(described) != 3:
        raise DamagedError("a lookup table without its descriptor")
    size = described[0] or 0x10000
    first = item.words(_DESCRIPTOR, signed=signed)[1]
    raw = item.raw(_LUT_DATA)
    if len(raw) >= 2 * size:
        entries = np.array(item.words(_LUT_DATA)[:size], dtype=np.float64)
    elif len(raw) >= size:  # entries of 8 bits, two of them in a word
        entries = np.frombuffer(raw, dtype=np.uint8, count=size).astype(np.float64)
    else:
        raise DamagedError("a lookup table that breaks off")
    # Some writers state fewer bits than their entries have.
    bits = max(described[2], int(entries.max()).bit_length())
    if not 1 <= bits <= 16:
        raise DamagedError("a lookup table of an impossible depth")
    return LookupTable(first, entries, bits)


def _window(main: DataSet) -> Window | None:
    centres, widths = main.numbers(_CENTRE), main.numbers(_WIDTH)
    named = main.text(_FUNCTION)
    function: WindowFunction = "LINEAR"
    if named in {"LINEAR_EXACT", "SIGMOID"}:
        function = "SIGMOID" if named == "SIGMOID" else "LINEAR_EXACT"
    least = 1 if function == "LINEAR" else 1e-6
    if not centres or not widths or widths[0] < least:
        return None
    return Window(centres[0], widths[0], function)


def _padding(main: DataSet, *, signed: bool) -> tuple[int, int] | None:
    if _PADDING not in main:
        return None
    values = main.words(_PADDING, signed=signed)
    if not values:
        return None
    limit = main.whole(_PADDING_LIMIT, values[0], signed=signed)
    return min(values[0], limit), max(values[0], limit)
