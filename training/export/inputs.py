"""Labelled images as the networks of a bundle see them in service."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.inference.bundle import Bundle
from service.inference.engines import Segmenter
from service.lungs import find_lungs, member_input, segmentation_input
from training.data import Record, read_radiograph

Images = NDArray[np.float32]


def frames(records: Sequence[Record], side: int) -> Images:
    """What the segmentation network takes: shape (N, side, side, 1)."""
    return np.stack([segmentation_input(read_radiograph(r.path), side) for r in records])


def seen(
    bundle: Bundle, segmenter: Segmenter | None, records: Sequence[Record]
) -> tuple[Images, list[Record]]:
    """What the members take.

    Args:
        bundle: Says which views its members take.
        segmenter: Finds the lungs; None for a bundle of whole frames.
        records: Which images.

    Returns:
        Shape (N, *manifest.shape), and the records that it holds: an image in which no lungs are
        found gets no verdict in service either, and is left out.
    """
    manifest = bundle.manifest
    entry = manifest.lungs
    images, kept = [], []
    for record in records:
        radiograph, field = read_radiograph(record.path), None
        if segmenter and entry:
            [lungs] = segmenter.probabilities(segmentation_input(radiograph, entry.side)[None])
            field = find_lungs(lungs, radiograph.width, radiograph.height, entry.threshold)
            if field is None:
                continue
        margin = entry.margin if entry else 0.0
        images.append(member_input(radiograph, field, manifest.input, manifest.views, margin))
        kept.append(record)
    if not images:
        return np.empty((0, *manifest.shape), np.float32), []
    return np.stack(images), kept
