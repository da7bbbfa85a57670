"""TIFFs put together by hand, for what no library writes."""

import struct
from collections.abc import Mapping, Sequence

_LONG, _SHORT = 4, 3


def bare_tiff(
    strip: bytes,
    size: tuple[int, int],
    *,
    bits: int | Sequence[int] = 8,
    photometric: int | None = 1,
    order: str = "<",
    samples: int = 1,
    more: Mapping[int, Sequence[int]] | None = None,
) -> bytes:
    """A classic TIFF of one strip.

    Args:
        strip: The stored pixels.
        size: Width and height in pixels.
        bits: Of a sample, or of each.
        photometric: What the samples mean; None leaves the tag out.
        order: ``<`` little-endian, ``>`` big-endian.
        samples: Of a pixel.
        more: Other tags, which win over those from above.
    """
    depths = [bits] * samples if isinstance(bits, int) else bits
    tags: dict[int, Sequence[int]] = {
        256: [size[0]], 257: [size[1]], 258: depths, 259: [1], 273: [8], 277: [samples],
        278: [size[1]], 279: [len(strip)],
    }  # fmt: skip
    if photometric is not None:
        tags[262] = [photometric]
    tags |= more or {}
    at = 8 + len(strip) + len(strip) % 2
    directory, beyond = struct.pack(f"{order}H", len(tags)), b""
    for tag, numbers in sorted(tags.items()):
        kind, code = (_SHORT, "H") if max(numbers) < 0x10000 else (_LONG, "I")
        packed = struct.pack(f"{order}{len(numbers)}{code}", *numbers)
        if len(packed) > 4:
            place = struct.pack(f"{order}I", at + 6 + 12 * len(tags) + len(beyond))
            beyond += packed
        else:
            place = packed.ljust(4, b"\x00")
        directory += struct.pack(f"{order}HHI", tag, kind, len(numbers)) + place
    magic = b"II*\x00" if order == "<" else b"MM\x00*"
    start = magic + struct.pack(f"{order}I", at)
    return start + strip + bytes(len(strip) % 2) + directory + bytes(4) + beyond
