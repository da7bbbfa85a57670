"""Asks pip, for each supported platform and Python, whether the locks install from wheels alone.

pip evaluates environment markers for the machine that it runs on, whatever `--platform` says. So
the markers are evaluated here, for the target, and pip is handed the pins that are left, with their
hashes: for each it must find a wheel that fits the target and is in the lock.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

PYTHONS = ("3.11", "3.12", "3.13")
LOCKS = ("requirements.lock", "requirements-tensorflow.lock", "requirements-dev.lock")
GLIBC = [f"manylinux_2_{minor}" for minor in range(28, 16, -1)] + ["manylinux2014", "manylinux1"]

# name -> (sys_platform, platform_machine, the tags a machine of that kind accepts, its Pythons)
PLATFORMS = {
    "Linux x86-64": ("linux", "x86_64", [f"{glibc}_x86_64" for glibc in GLIBC], PYTHONS),
    "Linux arm64": ("linux", "aarch64", [f"{glibc}_aarch64" for glibc in GLIBC[:-1]], PYTHONS),
    "macOS arm64": ("darwin", "arm64", ["macosx_14_0_arm64"], PYTHONS),
    # TensorFlow's last Intel Mac wheels (2.16.2) stop at Python 3.12.
    "macOS x86-64": ("darwin", "x86_64", ["macosx_14_0_x86_64"], PYTHONS[:2]),
}


def locked(lock: Path) -> Iterator[tuple[Requirement, str]]:
    """Yields each requirement of a lock file and its ` --hash=...` options."""
    for line in lock.read_text().replace("\\\n", "").splitlines():
        if line and not line.startswith("#"):
            pin, *hashes = line.split(" --hash=")
            yield Requirement(pin), "".join(f" --hash={value.strip()}" for value in hashes)


def pins(lock: Path, python: str, system: str, machine: str) -> list[str]:
    """The lines of a lock that hold for one target, without their markers."""
    target = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": system,
        "platform_machine": machine,
        "platform_system": {"linux": "Linux", "darwin": "Darwin"}[system],
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "os_name": "posix",
    }
    return [
        f"{requirement.name}{requirement.specifier}{hashes}"
        for requirement, hashes in locked(lock)
        if requirement.marker is None or requirement.marker.evaluate(target)
    ]


def pip_says(lines: list[str], python: str, tags: list[str]) -> str | None:
    """Runs `pip install --dry-run` for a target; its complaint, or None when all is found."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "pins.txt")
        wanted.write_text("\n".join(lines))
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--no-deps"]
        command += ["--require-hashes", "--only-binary=:all:", "--target", f"{folder}/target"]
        command += ["--python-version", python, "--implementation", "cp", "-r", str(wanted)]
        command += [option for tag in tags for option in ("--platform", tag)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def main() -> int:
    """Prints one line for each lock, platform and Python; 1 when any does not resolve."""
    failed = 0
    for lock in LOCKS:
        for platform, (system, machine, tags, pythons) in PLATFORMS.items():
            for python in pythons:
                lines = pins(Path(lock), python, system, machine)
                complaint = pip_says(lines, python, tags)
                failed += complaint is not None
                outcome = complaint or f"resolves, {len(lines)} packages"
                print(f"{lock:28} {platform:13} Python {python}  {outcome}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
