"""Connected regions of a mask, with numpy alone: SciPy and OpenCV would double the installation."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]


def label_regions(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number the 4-connected regions of a mask.

    Works on runs (stretches of a row), which are a few hundred in the mask of two lungs.

    Args:
        mask: Shape (rows, columns).

    Returns:
        Labels of the mask's shape, 0 outside, and the area of each region in pixels by label;
        the entry of label 0 is 0.
    """
    starts, stops = _runs(mask)
    parents = list(range(len(starts)))
    for one, other in _touching(starts, stops, mask.shape[1] + 1):
        first, second = _root(parents, one), _root(parents, other)
        parents[max(first, second)] = min(first, second)
    roots = np.array([_root(parents, run) for run in range(len(parents))], dtype=np.int64)
    _, numbers = np.unique(roots, return_inverse=True)
    lengths = stops - starts
    labels = np.zeros(mask.shape, dtype=np.int32)
    labels[mask] = np.repeat(numbers + 1, lengths)
    areas = np.bincount(numbers + 1, lengths, minlength=1).astype(np.int64)
    return labels, areas


def _runs(mask: Mask) -> tuple[Ints, Ints]:
    """Start and stop of each run, from top left to bottom right, in a line of all rows.

    Each row has one empty cell more, at its end, so that no run goes on in the next.
    """
    line = np.zeros((mask.shape[0], mask.shape[1] + 1), dtype=bool)
    line[:, :-1] = mask
    edges = np.flatnonzero(np.diff(line.ravel(), prepend=False))
    return edges[::2], edges[1::2]


def _touching(starts: Ints, stops: Ints, row: int) -> Iterator[tuple[int, int]]:
    """Pairs of runs in neighbouring rows that share a column; ``row`` is the length of a row."""
    first = np.searchsorted(stops, starts - row, side="right").tolist()
    beyond = np.searchsorted(starts, stops - row, side="left").tolist()
    for run, (start, stop) in enumerate(zip(first, beyond, strict=True)):
        for above in range(start, stop):
            yield above, run


def _root(parents: list[int], run: int) -> int:
    while parents[run] != run:
        parents[run] = parents[parents[run]]
        run = parents[run]
    return run
