"""Segmentation results drawn by hand: what a network would give for a chest."""

import numpy as np
from numpy.typing import NDArray

SIDE = 192


def ellipse(cx: float, cy: float, rx: float, ry: float, side: int = SIDE) -> NDArray[np.bool_]:
    """An ellipse in shares of the frame."""
    y, x = np.mgrid[0:side, 0:side] / side + 0.5 / side
    return np.asarray(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1)


def two_lungs(
    cx: float = 0.5, cy: float = 0.5, apart: float = 0.2, rx: float = 0.15, ry: float = 0.3
) -> NDArray[np.bool_]:
    """Two upright ellipses side by side."""
    return ellipse(cx - apart, cy, rx, ry) | ellipse(cx + apart, cy, rx, ry)


def as_probabilities(mask: NDArray[np.bool_], sure: float = 0.95) -> NDArray[np.float32]:
    """``sure`` inside and its complement outside."""
    return np.where(mask, sure, 1 - sure).astype(np.float32)
