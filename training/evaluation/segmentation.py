"""How well a bundle's lungs match masks that people drew."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from rich.progress import track

from service.imaging import ImagingError, Radiograph, decode
from training.evaluation.films import Film
from training.evaluation.pipeline import LungFinder, MaskFolder

Mask = NDArray[np.bool_]
FinderOf = Callable[[Film], LungFinder]
"""Gives what finds the lungs of a film: with folds, the bundle that did not train on it."""

WORST: Final = 20
SIDE: Final = 192
"""Of the square to which frame and mask are squashed before they are compared, in pixels."""

_TILE: Final = 256
_COLUMNS: Final = 5


@dataclass(frozen=True, slots=True)
class Overlap:
    """One film's lungs beside its mask.

    Attributes:
        film: The film.
        dice: From 0 to 1; 0 where no lungs were found.
        found: Whether lungs were found.
    """

    film: Film
    dice: float
    found: bool


def dice(found: Mask, truth: Mask, ignored: Mask | None = None) -> float:
    """Dice coefficient of two masks, over the pixels that are not ignored.

    Returns:
        From 0 to 1; 1 for two empty masks.
    """
    counted = np.ones(truth.shape, dtype=bool) if ignored is None else ~ignored
    shared = int((found & truth & counted).sum())
    total = int((found & counted).sum()) + int((truth & counted).sum())
    return 2 * shared / total if total else 1.0


def between_lungs(truth: Mask) -> Mask:
    """The gap between two lungs, row by row: where a mask without the heart says nothing of it.

    In each row that both lungs reach, these are the pixels between the innermost pixel of the one
    and that of the other. The halves are parted at the column where the mask, summed over the
    middle third of its width, has the fewest pixels. A mask that counts the heart as lung is
    judged outside this gap only; so is what it takes of the abdomen between the lungs' tips.

    Args:
        truth: Both lungs, the heart left out; shape (rows, columns).

    Returns:
        Of the same shape; empty where there are no two lungs.
    """
    gap = np.zeros(truth.shape, dtype=bool)
    columns = np.flatnonzero(truth.any(axis=0))
    if not len(columns):
        return gap
    first, last = int(columns[0]), int(columns[-1]) + 1
    start, stop = first + (last - first) // 3, last - (last - first) // 3
    counts = truth[:, start:stop].sum(axis=0)
    thinnest = np.flatnonzero(counts == counts.min())
    middle = start + int(np.median(thinnest))
    for row in range(truth.shape[0]):
        one = np.flatnonzero(truth[row, :middle])
        other = np.flatnonzero(truth[row, middle:])
        if len(one) and len(other):
            gap[row, one[-1] + 1 : middle + other[0]] = True
    return gap


def compare(
    films: Sequence[Film], finder: FinderOf, masks: MaskFolder, *, without_heart: bool = False
) -> tuple[list[Overlap], dict[str, list[str]]]:
    """Compare the lungs of films with their masks.

    Args:
        films: Those to look at.
        finder: The bundle that looks at a film.
        masks: The truth.
        without_heart: Whether the masks leave the heart out: the gap between the lungs is ignored.

    Returns:
        The overlaps, and the files that could not be compared, by reason.
    """
    overlaps: list[Overlap] = []
    left_out: dict[str, list[str]] = {}
    for film in track(films, description="Comparing lungs", transient=True):
        radiograph = _read(film)
        if isinstance(radiograph, str):
            left_out.setdefault(radiograph, []).append(film.file)
            continue
        lungs = finder(film).lungs(film.file, radiograph)
        truth = masks.mask(film.file, SIDE)
        if truth is None or not truth.any():
            left_out.setdefault("no mask", []).append(film.file)
            continue
        ignored = between_lungs(truth) if without_heart else None
        value = dice(lungs.mask(SIDE), truth, ignored) if lungs else 0.0
        overlaps.append(Overlap(film, value, found=lungs is not None))
    return overlaps, left_out


def dice_figures(
    overlaps: Sequence[Overlap], left_out: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Mean Dice, of all and by class or aetiology; films without lungs count as 0.

    Returns:
        ``all`` and one entry for each group, with ``films``, ``mean``, ``median``, ``low`` (the
        5th percentile) and ``not_found``; ``worst``, files and Dice of the twenty worst;
        ``left_out``, counts by reason.
    """
    groups: dict[str, list[Overlap]] = {"all": list(overlaps)}
    for one in overlaps:
        name = one.film.aetiology or one.film.file.split("/")[0].lower()
        groups.setdefault(name, []).append(one)
    worst = sorted(overlaps, key=lambda one: one.dice)[:WORST]
    return {
        **{name: _summary(group) for name, group in groups.items() if group},
        "worst": [{"file": one.film.file, "dice": round(one.dice, 4)} for one in worst],
        "left_out": {reason: len(files) for reason, files in left_out.items()},
    }


def contact_sheet(
    overlaps: Sequence[Overlap], finder: FinderOf, masks: MaskFolder, path: Path
) -> None:
    """Draw the worst films: the mask's outline in green, the lungs that were found in red.

    It shows radiographs, so it belongs outside the source tree.
    """
    worst = sorted(overlaps, key=lambda one: one.dice)[:WORST]
    rows = -(-len(worst) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * _TILE, rows * (_TILE + 16)))
    for index, one in enumerate(worst):
        place = (index % _COLUMNS * _TILE, index // _COLUMNS * (_TILE + 16))
        sheet.paste(_tile(one, finder, masks), place)
        caption = f"{one.dice:.3f} {one.film.path.stem}"
        ImageDraw.Draw(sheet).text((place[0] + 2, place[1] + _TILE + 2), caption, fill="white")
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def _tile(one: Overlap, finder: FinderOf, masks: MaskFolder) -> Image.Image:
    radiograph = decode(one.film.path.read_bytes())
    tile = radiograph.picture.resize((_TILE, _TILE), Image.Resampling.BOX).convert("RGB")
    pixels = np.array(tile)
    lungs = finder(one.film).lungs(one.film.file, radiograph)
    truth = masks.mask(one.film.file, _TILE)
    if truth is not None:
        pixels[_outline(truth)] = (0, 255, 0)
    if lungs:
        pixels[_outline(lungs.mask(_TILE))] = (255, 0, 0)
    return Image.fromarray(pixels)


def _outline(mask: Mask) -> Mask:
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(mask & ~inner)


def _read(film: Film) -> Radiograph | str:
    try:
        return decode(film.path.read_bytes())
    except (ImagingError, OSError) as error:
        return type(error).__name__


def _summary(overlaps: Sequence[Overlap]) -> dict[str, Any]:
    values = np.array([one.dice for one in overlaps])
    return {
        "films": len(overlaps),
        "mean": round(float(values.mean()), 4),
        "median": round(float(np.median(values)), 4),
        "low": round(float(np.percentile(values, 5)), 4),
        "not_found": sum(not one.found for one in overlaps),
    }
