"""Compiles Python bytecode before the measurement, as the image and installed packages have it."""

import compileall
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contenders import ROOT

PACKAGES = (ROOT / "service", ROOT / "benchmarks")
"""Packages that contenders import and that no installer has compiled."""


def compile_bytecode(packages: Sequence[Path] = PACKAGES) -> bool:
    """Compile what has not been compiled yet, as the build of the image does.

    Otherwise, with PYTHONDONTWRITEBYTECODE set, every start would compile the whole service.

    Returns:
        Whether everything is compiled now; a folder may be read-only.
    """
    done = [compileall.compile_dir(package, quiet=2) for package in packages]
    return all(done)
