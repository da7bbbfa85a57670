"""Real radiographs, where they are at hand; and what the shipped service says of a drawn chest."""

from pathlib import Path
from typing import Final

import pytest

ORIGINALS: Final = Path(__file__).parents[2] / "shared/data/originals"
"""Untouched films of the public training split, in folders named after their class."""

needs_films = pytest.mark.skipif(
    not ORIGINALS.is_dir(), reason="the shipped networks judge real radiographs; none are here"
)


def films() -> list[Path]:
    """Every film, in order of its path; none where they are not at hand."""
    return sorted(ORIGINALS.rglob("*.jpeg"))


def was_looked_at(status: int, body: bytes) -> bool:
    """Tell whether a file was decoded and shown to the networks.

    The shipped bundle answers a drawn chest with a verdict and a warning, or refuses it as no chest
    film: which of the two, its gate decides. Either means that the picture was read.
    """
    return status == 200 or (status == 422 and b'"not_a_chest_radiograph"' in body)
