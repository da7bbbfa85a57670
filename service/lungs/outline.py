"""The outline of a mask as a polygon, for people and programs that draw it."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.lungs.regions import Mask, label_regions

Point = tuple[float, float]

_TOLERANCE: Final = 0.6
"""How far, in cells of the mask, the polygon may run from the traced border."""

_RIGHT_OF: Final = {(0, 1): (1, 0), (1, 0): (0, -1), (0, -1): (-1, 0), (-1, 0): (0, 1)}
"""The direction (rows, columns) after a turn to the right."""


def outline(mask: Mask) -> tuple[Point, ...]:
    """Trace the outer border of a mask's largest region.

    The border is followed along the edges of its cells; the polygon joins the middles of these
    edges, and points that lie within ``_TOLERANCE`` of a straight line are left out
    (Douglas and Peucker 1973).

    Args:
        mask: Shape (rows, columns), over the whole frame.

    Returns:
        Corners (x, y) as shares of the frame's width and height, clockwise as the picture is seen;
        empty for an empty mask. The first is not repeated at the end.
    """
    labels, areas = label_regions(mask)
    if not areas.any():
        return ()
    border = np.array(list(_walk(labels == areas.argmax())), dtype=np.float64)
    # A closed line has no ends: it is simplified in two parts, between points far apart.
    far = int(np.hypot(*(border - border[0]).T).argmax())
    halves = (border[: far + 1], np.vstack([border[far:], border[:1]]))
    corners = np.vstack([_simplified(half)[:-1] for half in halves])
    rows, columns = mask.shape
    return tuple((float(x) / columns, float(y) / rows) for y, x in corners)


def _walk(mask: Mask) -> Iterator[tuple[float, float]]:
    """Middles (row, column) of the border's cell edges, with the region always on the right."""
    inside = np.pad(mask, 1)
    row, column = (int(place) for place in np.argwhere(inside)[0])
    start = corner = (row, column)  # of the topmost cell, its upper left corner
    direction = (0, 1)
    while True:
        yield corner[0] - 1 + direction[0] / 2, corner[1] - 1 + direction[1] / 2
        corner = (corner[0] + direction[0], corner[1] + direction[1])
        direction = _next(inside, corner, direction)
        if (corner, direction) == (start, (0, 1)):
            return


def _next(inside: Mask, corner: tuple[int, int], direction: tuple[int, int]) -> tuple[int, int]:
    """Where to go on from a corner of the grid: right if that cell is out, else ahead or left."""
    right = _RIGHT_OF[direction]
    left = (-right[0], -right[1])
    if not _cell(inside, corner, direction, right):
        return right
    return left if _cell(inside, corner, direction, left) else direction


def _cell(
    inside: Mask, corner: tuple[int, int], ahead: tuple[int, int], side: tuple[int, int]
) -> bool:
    """Whether the cell ahead of a corner, on one side of the way, belongs to the region."""
    row = corner[0] + min(ahead[0] + side[0], 0)
    column = corner[1] + min(ahead[1] + side[1], 0)
    return bool(inside[row, column])


def _simplified(line: NDArray[np.float64]) -> NDArray[np.float64]:
    keep = np.zeros(len(line), dtype=bool)
    keep[[0, -1]] = True
    pending = [(0, len(line) - 1)]
    while pending:
        first, last = pending.pop()
        if last - first < 2:
            continue
        start, along = line[first], line[last] - line[first]
        between = line[first + 1 : last] - start
        length = float(np.hypot(*along))
        away = (
            np.abs(between[:, 0] * along[1] - between[:, 1] * along[0]) / length
            if length
            else np.hypot(*between.T)
        )
        farthest = int(away.argmax())
        if away[farthest] > _TOLERANCE:
            keep[first + 1 + farthest] = True
            pending += [(first, first + 1 + farthest), (first + 1 + farthest, last)]
    return line[keep]
