"""Regions are those that a flood fill finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.lungs.regions import Mask, label_regions


def flooded(mask: Mask) -> list[set[tuple[int, int]]]:
    left = {(int(row), int(column)) for row, column in np.argwhere(mask)}
    found = []
    while left:
        region, edge = set(), [left.pop()]
        while edge:
            row, column = edge.pop()
            region.add((row, column))
            around = {(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)}
            edge.extend(around & left)
            left -= around
        found.append(region)
    return found


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_regions_are_those_of_a_flood_fill(mask: Mask) -> None:
    labels, areas = label_regions(mask)
    expected = flooded(mask)
    found = [
        {(int(row), int(column)) for row, column in np.argwhere(labels == label)}
        for label in range(1, len(areas))
    ]
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected))
    assert areas[1:].tolist() == [len(region) for region in found]
    assert areas[0] == 0


@pytest.mark.parametrize(
    ("mask", "regions"), [(np.eye(5, dtype=bool), 5), (np.ones((3, 4), bool), 1)]
)
def test_corners_do_not_connect(mask: Mask, regions: int) -> None:
    _, areas = label_regions(mask)
    assert len(areas) - 1 == regions
