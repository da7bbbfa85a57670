"""What the processor can do, as far as it decides which graph answers."""

from pathlib import Path
from typing import Final

_INT8_FLAGS: Final = frozenset({"avx512_vnni", "avx_vnni"})


def favours_int8(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Tell whether 8-bit graphs were measured to be faster on processors like this one.

    They are where one instruction multiplies and adds four 8-bit pairs: on x86 that is VNNI. On
    others they may be, but nobody has measured it; 32 bits are the safe choice there.

    Args:
        cpuinfo: Where Linux describes the processor. Elsewhere there is no such file.
    """
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    flags = [line.partition(":")[2].split() for line in lines if line.startswith("flags")]
    return bool(flags) and all(_INT8_FLAGS & set(each) for each in flags)
