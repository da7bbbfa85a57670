"""Figures as PNG files. Matplotlib's file backend is used: no screen is needed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

mpl.use("Agg")

from matplotlib import pyplot as plt

_DPI = 120


def bars(counts: Mapping[str, float], title: str, path: Path) -> Path:
    """Draw one bar for each entry."""
    figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
    axes.bar(list(counts), list(counts.values()), color="#31688e")
    axes.set_title(title)
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)
    return path


def histograms(groups: Mapping[str, Sequence[float]], title: str, path: Path) -> Path:
    """Draw one outline histogram for each group, each of area 1."""
    figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
    low, high = np.percentile(np.concatenate([np.asarray(v) for v in groups.values()]), [0.5, 99.5])
    for name, values in groups.items():
        axes.hist(values, bins=50, range=(low, high), histtype="step", density=True, label=name)
    axes.set_title(title)
    axes.legend()
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)
    return path


def sheet(frames: Mapping[str, Sequence[NDArray[np.uint8]]], path: Path) -> Path:
    """Draw a row of example frames for each group."""
    columns = max(len(row) for row in frames.values())
    figure, axes = plt.subplots(
        len(frames), columns, figsize=(1.8 * columns, 2 * len(frames)), layout="constrained"
    )
    for row, (name, examples) in zip(np.atleast_2d(axes), frames.items(), strict=True):
        for cell in row:
            cell.set_axis_off()
        for cell, frame in zip(row, examples, strict=False):
            cell.imshow(frame, cmap="gray", vmin=0, vmax=255)
        row[0].set_title(name, loc="left")
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)
    return path
