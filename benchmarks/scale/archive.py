"""An archive to screen: copies of a few real films, as many as are wanted."""

import shutil
from pathlib import Path
from typing import Final

from benchmarks.images import SUFFIXES

FILMS_PER_FOLDER: Final = 500


def make_archive(films: Path, folder: Path, count: int) -> float:
    """Copy films into folders, round and round.

    Args:
        films: A folder of radiographs.
        folder: Where the copies go; made anew.
        count: How many.

    Returns:
        Their mean size, in bytes.

    Raises:
        FileNotFoundError: There are no films.
    """
    found = sorted(path for path in films.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise FileNotFoundError(f"No image in {films}.")
    total = 0
    for number in range(count):
        source = found[number % len(found)]
        below = folder / f"{number // FILMS_PER_FOLDER:03d}"
        below.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, below / f"{number:06d}{source.suffix}")
        total += source.stat().st_size
    return total / count
