"""Boxes of JP2 and ISO base media files (ITU-T T.800, annex I; ISO/IEC 14496-12)."""

import struct
from collections.abc import Iterator
from typing import Final

from service.imaging.layout import DamagedError

MAX_BOXES: Final = 1_000


def boxes(data: bytes | memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and content of each box, in their order.

    Raises:
        DamagedError: One is longer than what holds it, or there are more than any writer makes.
    """
    view = memoryview(data)
    at = 0
    for _ in range(MAX_BOXES):
        if len(view) - at < 8:
            return
        length, kind = struct.unpack_from(">I4s", view, at)
        head = 8
        if length == 1:
            [length] = struct.unpack_from(">Q", view, at + 8)
            head = 16
        elif length == 0:  # up to the end
            length = len(view) - at
        if length < head or at + length > len(view):
            raise DamagedError("a box is longer than what holds it")
        yield kind, view[at + head : at + length]
        at += length
    raise DamagedError("too many boxes")
