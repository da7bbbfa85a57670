"""Finds the film within an even surround: letterbox, slide, padding, the bars of a phone's screen.

A network that was trained on films takes the frame's proportions and white margins for findings.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PixelBox = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels; the last two are exclusive."""

FLAT: Final = 4
"""Most grey levels between the darkest and the brightest pixel of a flat line: what JPEG and WebP
leave of an even shade. With 8, an overexposed belly counted as a white margin."""

STRAY: Final = 0.005
"""Share of a line's pixels at either end of the scale that do not count."""

GAP: Final = 0.01
"""Fewest flat lines that part two things, as a share of all."""

ASIDE: Final = 0.25
"""Largest size of what is left aside (a clock, a title, a row of buttons), as a share of the
film's. Two things of like size are both part of the picture."""

MIN_SIDE: Final = 0.15
"""Shortest side of a film, as a share of the frame's."""

MIN_PIXELS: Final = 64
ASPECTS: Final = (0.4, 2.5)
"""Width / height of a film of a chest; originals have 0.8 to 2.2."""

BLACK: Final = 24
"""Brightest grey level of a black surround."""

LEAST_BLACK: Final = 0.2
"""Share of the frame that a black surround must take. Films have black collimated borders of their
own: up to 0.19 of the frame in 250 of those that the networks were trained on."""

_SAMPLES: Final = 512
_MAX_LINES: Final = 4096
_MAX_NESTED: Final = 6
_FRINGE: Final = 8
"""Lines beside a film into which a JPEG's blocks carry traces of it."""
_FRINGE_LEVELS: Final = 12
_FRINGE_SHARE: Final = 0.9


def find_film(picture: Image.Image) -> PixelBox | None:
    """Find what is left of a picture without flat lines around it.

    Rows and columns are cut in turns, for one surround may hold another. Small things in the
    surround that flat lines part from the film go with it.

    Args:
        picture: Mode L.

    Returns:
        The film's box; None where it fills the frame but for borders of its own, or where what
        remained would be too small or too long to be a film of a chest.
    """
    whole: PixelBox = (0, 0, *picture.size)
    box = whole
    for _ in range(_MAX_NESTED):
        before = box
        left, top, right, bottom = box
        start, stop = _without_flat_ends(picture, box, upright=False)
        top, bottom = top + start, top + stop
        start, stop = _without_flat_ends(picture, (left, top, right, bottom), upright=True)
        box = (left + start, top, left + stop, bottom)
        if box == before:
            break
    if box == whole or not _can_be_a_film(box, picture.size) or _is_collimation(picture, box):
        return None
    return box


def _can_be_a_film(box: PixelBox, size: tuple[int, int]) -> bool:
    width, height = box[2] - box[0], box[3] - box[1]
    large = min(width / size[0], height / size[1]) >= MIN_SIDE and min(width, height) >= MIN_PIXELS
    return large and ASPECTS[0] <= width / height <= ASPECTS[1]


def _is_collimation(picture: Image.Image, box: PixelBox) -> bool:
    """Tell whether what is around a box is little and black."""
    left, top, right, bottom = box
    share = 1 - (right - left) * (bottom - top) / (picture.width * picture.height)
    if share >= LEAST_BLACK:
        return False
    sides = (
        (0, 0, picture.width, top),
        (0, bottom, picture.width, picture.height),
        (0, top, left, bottom),
        (right, top, picture.width, bottom),
    )
    return all(
        np.median(_lines(picture, side, (64, 64), upright=False)) <= BLACK
        for side in sides
        if side[0] < side[2] and side[1] < side[3]
    )


def _without_flat_ends(picture: Image.Image, box: PixelBox, *, upright: bool) -> tuple[int, int]:
    """Where the film starts and stops among the rows of a box or, upright, among its columns."""
    width, height = box[2] - box[0], box[3] - box[1]
    length, across = (width, height) if upright else (height, width)
    sampled = min(length, _MAX_LINES), min(across, _SAMPLES)
    ends = _lines(picture, box, (min(length, 64), sampled[1]), upright=upright)
    if not _is_flat(ends[[0, -1]]).any():
        return 0, length
    lines = _lines(picture, box, sampled, upright=upright)
    start, stop = _film_among(lines)
    # Outwards where several lines stand for one.
    step = length / sampled[0]
    return int(start * step), min(length, int(np.ceil(stop * step)))


def _lines(
    picture: Image.Image, box: PixelBox, sampled: tuple[int, int], *, upright: bool
) -> NDArray[np.uint8]:
    """Some pixels of some lines: shape ``sampled``."""
    size = sampled if upright else sampled[::-1]
    some = np.asarray(picture.resize(size, Image.Resampling.NEAREST, box=box))
    return some.T if upright else some


def _is_flat(lines: NDArray[np.uint8]) -> NDArray[np.bool_]:
    stray = int(STRAY * lines.shape[1])
    low, high = stray, lines.shape[1] - 1 - stray
    # A line of 512 pixels need not be sorted for two of them.
    ordered = np.partition(lines, (low, high), axis=1)
    flat: NDArray[np.bool_] = ordered[:, high] - ordered[:, low] <= FLAT
    return flat


def _film_among(lines: NDArray[np.uint8]) -> tuple[int, int]:
    flat = _is_flat(lines)
    runs = _runs(~flat, gap=max(1, round(GAP * len(lines))))
    if not runs:
        return 0, len(lines)
    start, stop = film = max(runs, key=lambda run: run[1] - run[0])
    most_aside = ASIDE * (stop - start)
    if any(run[1] - run[0] > most_aside for run in runs if run != film):
        return 0, len(lines)
    if start > 0:
        start += _fringe(lines[start : stop + 1], int(np.median(lines[start - 1])))
    if stop < len(lines):
        stop -= _fringe(lines[start:stop][::-1], int(np.median(lines[stop])))
    return start, stop


def _runs(wanted: NDArray[np.bool_], gap: int) -> list[tuple[int, int]]:
    """Start and stop of each run of wanted lines; those less than a gap apart are one."""
    runs: list[tuple[int, int]] = []
    for at in np.flatnonzero(wanted).tolist():
        if runs and at - runs[-1][1] < gap:
            runs[-1] = (runs[-1][0], at + 1)
        else:
            runs.append((at, at + 1))
    return runs


def _fringe(lines: NDArray[np.uint8], shade: int) -> int:
    """How many of the first lines are surround with traces of the film."""
    near = np.abs(lines[:_FRINGE].astype(np.int16) - shade) <= _FRINGE_LEVELS
    beyond = np.flatnonzero(near.mean(axis=1) < _FRINGE_SHARE)
    return int(beyond[0]) if beyond.size else 0
