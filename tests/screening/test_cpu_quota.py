import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from service.screening.cpu_quota import available_cpus


@pytest.fixture(autouse=True)
def _many_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Affinity is no limit, unless a test says so."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)


def tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_a_cgroup_the_affinity_counts(tmp_path: Path) -> None:
    assert available_cpus(tmp_path) == 64


def test_without_affinity_the_processors_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert available_cpus(tmp_path) == 6


@pytest.mark.parametrize(
    ("quota", "cpus"),
    [
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("100000 100000", 1),
        ("25000 100000", 1),
        ("max 100000", 64),
        ("nonsense", 64),
        ("", 64),
        ("0 0", 64),
    ],
)
def test_the_quota_of_a_container_counts_and_is_rounded_up(
    tmp_path: Path, quota: str, cpus: int
) -> None:
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": quota}
    assert available_cpus(tree(tmp_path, files)) == cpus


def test_the_smallest_quota_of_nested_groups_counts(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/pod/container\n",
        "sys/fs/cgroup/pod/cpu.max": "300000 100000",
        "sys/fs/cgroup/pod/container/cpu.max": "max 100000",
    }
    assert available_cpus(tree(tmp_path, files)) == 3


def test_a_path_of_the_host_falls_back_to_the_mount(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/system.slice/docker-1f.scope\n",
        "sys/fs/cgroup/cpu.max": "400000 100000",
    }
    assert available_cpus(tree(tmp_path, files)) == 4


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize("group", ["", "docker/1f"])
def test_the_quota_of_cgroup_version_1_counts(tmp_path: Path, mount: str, group: str) -> None:
    folder = Path("sys/fs/cgroup") / mount / group
    files = {
        "proc/self/cgroup": "9:memory:/docker/1f\n4:cpu,cpuacct:/docker/1f\n",
        f"{folder}/cpu.cfs_quota_us": "250000\n",
        f"{folder}/cpu.cfs_period_us": "100000\n",
    }
    assert available_cpus(tree(tmp_path, files)) == 3


def test_no_quota_in_cgroup_version_1_is_no_limit(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:cpu,cpuacct:/\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    }
    assert available_cpus(tree(tmp_path, files)) == 64


def test_this_machine_has_at_least_one() -> None:
    assert available_cpus() >= 1
