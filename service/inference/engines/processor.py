"""What the processor can do, as far as it decides which graph answers."""

from pathlib import Path
from typing import Final

CPUINFO: Final = Path("/proc/cpuinfo")
"""Where Linux describes the processor. Elsewhere there is no such file."""

_INT8_FLAGS: Final = frozenset({"avx2"})

_FLAG_LINES: Final = ("flags", "Features")
"""What the line of flags begins with: on x86, and on ARM."""


def favours_int8(cpuinfo: Path = CPUINFO) -> bool:
    """Tell whether 8-bit graphs were measured to be faster on processors like this one.

    They are on x86 with AVX2: without VNNI they took two thirds of the time of 32 bits, with it
    less. On others they may be, but nobody has measured it; 32 bits are the safe choice there.

    Args:
        cpuinfo: As ``has_one_of`` takes it.
    """
    return has_one_of(_INT8_FLAGS, cpuinfo)


def has_one_of(flags: frozenset[str], cpuinfo: Path = CPUINFO) -> bool:
    """Tell whether every core has at least one of these flags, by Linux' names for them.

    Args:
        flags: Such as ``avx2``.
        cpuinfo: Linux' description of the processor; without it the answer is no.
    """
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    found = [line.partition(":")[2].split() for line in lines if line.startswith(_FLAG_LINES)]
    return bool(found) and all(flags & set(each) for each in found)
