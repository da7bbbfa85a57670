"""Virtual environments of the peers: outside the repository, created once per list of packages."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

from benchmarks.process import ContenderError

REQUIREMENTS = Path(__file__).parent / "peers"
SHARED_PACKAGES = ("numpy", "onnxruntime", "pillow", "pydantic")
"""Packages that peers use in the same versions as the service."""


def environment(name: str, *, with_ours: bool = False) -> Path:
    """The interpreter of a peer's environment, which is created if necessary.

    Args:
        name: Name of its list of packages, ``peers/NAME.txt``.
        with_ours: Whether it also sees the packages of this environment: the old script uses the
            same Keras and TensorFlow as the service.

    Raises:
        ContenderError: Its packages cannot be installed.
    """
    requirements = REQUIREMENTS / f"{name}.txt"
    pins = "" if with_ours else "\n".join(f"{it}=={version(it)}" for it in SHARED_PACKAGES)
    recipe = f"{sys.version}\n{sys.prefix}\n{requirements.read_text()}\n{pins}"
    folder = _cache() / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    done = folder / "done"
    if not done.exists():
        _make(folder, python, requirements, pins)
        if with_ours:
            _share_our_packages(folder)
        done.touch()
    return python


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "pneumonia-xray-benchmarks")


def _make(folder: Path, python: Path, requirements: Path, pins: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shared = folder / "shared.txt"
    shared.write_text(pins + "\n")
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [*install, "-r", str(requirements), "-r", str(shared)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ContenderError(f"Its packages cannot be installed: {last[:200]}")


def _share_our_packages(folder: Path) -> None:
    ours = sysconfig.get_paths()["purelib"]
    [theirs] = folder.glob("lib/python*/site-packages")
    (theirs / "service.pth").write_text(ours + "\n")
