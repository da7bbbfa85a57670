"""Python's bytecode, made before anybody starts: installed programs have it, so has our image."""

import compileall
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contenders import ROOT

PACKAGES = (ROOT / "service", ROOT / "benchmarks")
"""What contenders import that no installer has compiled."""


def keep_bytecode(packages: Sequence[Path] = PACKAGES) -> bool:
    """Compile what is not compiled yet. The image does the same when it is built.

    Where PYTHONDONTWRITEBYTECODE is set, every start would else compile all of the service anew.

    Returns:
        Whether all of it is there now; a folder may be read-only.
    """
    done = [compileall.compile_dir(package, quiet=2) for package in packages]
    return all(done)
