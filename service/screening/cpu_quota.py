"""How many CPUs this process may use.

``os.cpu_count()`` counts the processors of the host, whatever the quota of the container. With
one thread for each of them, the kernel throttles the process in the middle of its work.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def available_cpus(root: Path = Path("/")) -> int:
    """The smallest of CPU affinity and the cgroup quotas in force, rounded up, at least 1.

    Args:
        root: Root of the file system.
    """
    limits = [float(_affinity()), *_quotas_v2(root), *_quotas_v1(root)]
    return max(1, math.ceil(min(limits)))


def _affinity() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        return os.cpu_count() or 1


def _quotas_v2(root: Path) -> Iterator[float]:
    """CPUs by ``cpu.max`` ("200000 100000", "max 100000") of our cgroup and all above it."""
    for group in _groups(root, controller=""):
        fields = _read(root / "sys/fs/cgroup" / group / "cpu.max").split()
        if len(fields) == 2:
            yield from _ratio(*fields)


def _quotas_v1(root: Path) -> Iterator[float]:
    """CPUs by ``cpu.cfs_quota_us`` (-1 for none) of our cgroup and all above it."""
    for group in _groups(root, controller="cpu"):
        for mount in ("cpu", "cpu,cpuacct"):
            folder = root / "sys/fs/cgroup" / mount / group
            yield from _ratio(
                _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
            )


def _groups(root: Path, controller: str) -> Iterator[str]:
    """Our cgroup's path and those above it, relative to the mount; the mount itself always.

    A quota may be set on any of them. In a container without its own cgroup namespace the path is
    the host's and does not exist here, while the mount itself carries the quota.
    """
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, entry = line.partition(":")  # "4:cpu,cpuacct:/docker/1f" or, in version 2, "0::/x"
        controllers, _, path = entry.partition(":")
        if controller in controllers.split(","):
            below = PurePosixPath(path.lstrip("/"))
            yield from (str(group) for group in (below, *below.parents) if str(group) != ".")
    yield "."


def _ratio(quota: str, period: str) -> Iterator[float]:
    if quota.isdigit() and period.isdigit() and int(quota) > 0 and int(period) > 0:
        yield int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
