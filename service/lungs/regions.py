"""Connected regions of a mask, with numpy alone: SciPy and OpenCV would double the installation."""

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def label_regions(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number the 4-connected regions of a mask.

    Works on runs (stretches of a row), which are a few hundred in the mask of two lungs.

    Args:
        mask: Shape (rows, columns).

    Returns:
        Labels of the mask's shape, 0 outside, and the area of each region in pixels by label;
        the entry of label 0 is 0.
    """
    rows, starts, stops = _runs(mask)
    parents = list(range(len(rows)))
    for one, other in _touching(rows, starts, stops):
        first, second = _root(parents, one), _root(parents, other)
        parents[max(first, second)] = min(first, second)
    roots = np.array([_root(parents, run) for run in range(len(rows))], dtype=np.int64)
    _, numbers = np.unique(roots, return_inverse=True)
    labels = np.zeros(mask.shape, dtype=np.int32)
    for row, start, stop, number in zip(rows, starts, stops, numbers.tolist(), strict=True):
        labels[row, start:stop] = number + 1
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    return labels, areas


def _runs(mask: Mask) -> tuple[list[int], list[int], list[int]]:
    """Row, first column and column after the last of each run, from top left to bottom right."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    _, stops = np.nonzero(edges == -1)
    return rows.tolist(), starts.tolist(), stops.tolist()


def _touching(rows: list[int], starts: list[int], stops: list[int]) -> list[tuple[int, int]]:
    """Pairs of runs in neighbouring rows that share a column."""
    pairs: list[tuple[int, int]] = []
    above = 0
    for run, row in enumerate(rows):
        while rows[above] < row - 1 or (rows[above] == row - 1 and stops[above] <= starts[run]):
            above += 1
        candidate = above
        while rows[candidate] == row - 1 and starts[candidate] < stops[run]:
            pairs.append((candidate, run))
            candidate += 1
    return pairs


def _root(parents: list[int], run: int) -> int:
    while parents[run] != run:
        parents[run] = parents[parents[run]]
        run = parents[run]
    return run
