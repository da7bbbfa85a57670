"""What an AV1 stream says of its picture before it is decoded (AV1 bitstream, 5.3 to 5.5)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from service.imaging.layout import DamagedError

MAX_FRAMES: Final = 4
"""Most frames of a still picture: pictures in layers have up to four."""

MAX_UNITS: Final = 5_000
"""Most units: those of a picture are a few, and one for each of its tiles."""

_SEQUENCE_BYTES: Final = 512
"""No sequence header is as long."""

_SEQUENCE, _FRAME_HEADER, _FRAME = 1, 3, 6
_CHOSEN_LATER: Final = 2
_PROFILE_OF_FULL_COLOUR: Final = 1
_PROFILE_WITH_12_BITS: Final = 2
_PIXEL_SAMPLES: Final = {0: 1.5}
"""By profile: the main one knows colour at half of the rows and columns only."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """The header that all frames share.

    Attributes:
        width: Of the largest frame, in pixels.
        height: Of the largest frame, in pixels.
        frame_pixels: Most pixels of a frame that a decoder would set memory aside for.
        high: Whether samples have more than 8 bits.
        monochrome: Whether there is luminance only.
        pixel_samples: Most samples for each pixel, those of colour included.
    """

    width: int
    height: int
    frame_pixels: int
    high: bool
    monochrome: bool
    pixel_samples: float


class _Bits:
    """Reads a stream of bits from the highest of the first byte on."""

    def __init__(self, data: bytes) -> None:
        self._bits, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise DamagedError("a header that breaks off")
        return self._bits >> self._left & ((1 << count) - 1)

    def flag(self) -> bool:
        return bool(self.take(1))

    def variable(self) -> None:
        """Pass over a number that says how long it is."""
        zeros = 0
        while not self.flag():
            zeros += 1
        self.take(min(zeros, 32))


def read_sequence(stream: bytes) -> Sequence:
    """Find the sequence header in the stream of a still picture.

    Raises:
        DamagedError: It has none, another one that differs, or more frames than a still picture.
    """
    found: set[Sequence] = set()
    frames = 0
    for kind, content in _units(stream):
        if kind == _SEQUENCE:
            found.add(_sequence(_Bits(content)))
        frames += kind in {_FRAME_HEADER, _FRAME}
    if len(found) != 1 or not 1 <= frames <= MAX_FRAMES:
        raise DamagedError("no still picture")
    return found.pop()


def _units(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and content of each unit of a stream."""
    at = 0
    for _ in range(MAX_UNITS):
        if at >= len(stream):
            return
        header = stream[at]
        at += 2 if header & 4 else 1
        length = len(stream) - at
        if header & 2:
            length = 0
            for shift in range(0, 56, 7):
                byte = stream[at] if at < len(stream) else 0
                at += 1
                length |= (byte & 0x7F) << shift
                if byte < 0x80:
                    break
        if header & 0x80 or not 0 <= length <= len(stream) - at:
            raise DamagedError("a unit is longer than the stream")
        kind = header >> 3 & 15
        yield kind, stream[at : at + min(length, _SEQUENCE_BYTES)]
        at += length
    raise DamagedError("too many units")


def _sequence(bits: _Bits) -> Sequence:
    profile = bits.take(3)
    bits.flag()  # a still picture
    reduced = bits.flag()
    if reduced:
        bits.take(5)  # level
    else:
        _pass_operating_points(bits)
    widths = bits.take(4) + 1, bits.take(4) + 1
    width, height = bits.take(widths[0]) + 1, bits.take(widths[1]) + 1
    if not reduced and bits.flag():
        bits.take(7)  # lengths of frame numbers
    bits.take(3)
    if not reduced:
        _pass_tools(bits)
    bits.take(3)
    high = bits.flag()
    if profile == _PROFILE_WITH_12_BITS and high:
        bits.flag()
    monochrome = profile != _PROFILE_OF_FULL_COLOUR and bits.flag()
    return Sequence(
        width,
        height,
        # A frame may have another size than the header says, of as many bits.
        frame_pixels=width * height if reduced else 1 << sum(widths),
        high=high,
        monochrome=monochrome,
        pixel_samples=1 if monochrome else _PIXEL_SAMPLES.get(profile, 3),
    )


def _pass_operating_points(bits: _Bits) -> None:
    delay_bits = 0
    timed = bits.flag()
    if timed:
        bits.take(64)
        if bits.flag():
            bits.variable()
        if bits.flag():
            delay_bits = bits.take(5) + 1
            bits.take(42)
    delayed = bits.flag()
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.flag()  # tier
        if delay_bits and bits.flag():
            bits.take(2 * delay_bits + 1)
        if delayed and bits.flag():
            bits.take(4)


def _pass_tools(bits: _Bits) -> None:
    bits.take(4)
    ordered = bits.flag()
    if ordered:
        bits.take(2)
    screen = _CHOSEN_LATER if bits.flag() else bits.take(1)
    if screen and not bits.flag():
        bits.flag()
    if ordered:
        bits.take(3)
