"""Synthetic radiographs that show whether an engine still computes what its bundle promises."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging import InputSpec, Radiograph, prepare
from service.inference.engines import Engine, Segmenter
from service.inference.manifest import Golden, GoldenKind

# Larger than a usual input and not square, so that the resize of the preparation is checked too.
_HEIGHT, _WIDTH = 384, 512


def golden_inputs(spec: InputSpec, views: int = 1) -> dict[GoldenKind, NDArray[np.float32]]:
    """Make the synthetic inputs, the same ones in training and in service.

    They are radiographs that went through ``prepare``: a change of the resize shows as well. Where
    there are several views, each is the one before it turned by a quarter, so that a member that is
    given the wrong channel answers otherwise.

    Args:
        spec: The input that the manifest describes; a square one if there are several views.
        views: How many views the members take.

    Returns:
        For each kind an array of shape (height, width, channels), as the engine takes it.
    """
    # A column and a row that numpy spreads over the plane only where both meet.
    y, x = np.ogrid[0 : 1 : _HEIGHT * 1j, 0 : 1 : _WIDTH * 1j]
    drawings: dict[GoldenKind, NDArray[np.float64]] = {
        "ramp": (x + y) / 2,
        "checker": ((x * 16).astype(int) + (y * 12).astype(int)) % 2 * 0.8 + 0.1,
        "chest": _chest(x, y),
    }
    inputs = {kind: prepare(_radiograph(drawing), spec) for kind, drawing in drawings.items()}
    if views == 1:
        return inputs
    return {
        kind: np.concatenate([np.rot90(plane, turns) for turns in range(views)], axis=-1)
        for kind, plane in inputs.items()
    }


def make_golden(
    engine: Engine, spec: InputSpec, *, views: int = 1, tolerance: float = 1e-3
) -> tuple[Golden, ...]:
    """Record what each member answers to the synthetic inputs, for the manifest.

    Args:
        engine: The engine over the very files that the manifest names.
        spec: The input that the manifest describes.
        views: How many views the members take.
        tolerance: Most that an answer may differ from these later.
    """
    inputs = golden_inputs(spec, views)
    scores = engine.scores(np.stack(list(inputs.values())))
    return _entries(inputs, scores, tolerance)


def lungs_answers(segmenter: Segmenter, side: int) -> dict[GoldenKind, NDArray[np.float32]]:
    """What a segmentation network makes of the synthetic radiographs.

    Args:
        segmenter: The engine over the network.
        side: Of its input, in pixels.

    Returns:
        For each kind, the mean probability of lung in the four quarters of the frame.
    """
    inputs = golden_inputs(InputSpec(side, side, resampling="box"))
    # One at a time: ONNX Runtime keeps the memory of the largest batch that it was ever given.
    maps = np.concatenate([segmenter.probabilities(each[np.newaxis]) for each in inputs.values()])
    half = side // 2
    quarters = [maps[:, rows, columns] for rows in _halves(half) for columns in _halves(half)]
    means = np.stack([quarter.mean(axis=(1, 2)) for quarter in quarters], axis=1)
    return dict(zip(inputs, means, strict=True))


def make_lungs_golden(
    segmenter: Segmenter, side: int, *, tolerance: float = 1e-3
) -> tuple[Golden, ...]:
    """Record what the segmentation network answers to the synthetic radiographs.

    Args:
        segmenter: The engine over the very file that the manifest names.
        side: Of its input, in pixels.
        tolerance: Most that an answer may differ from these later.
    """
    answers = lungs_answers(segmenter, side)
    return _entries(answers, np.stack(list(answers.values())), tolerance)


def _halves(half: int) -> tuple[slice, slice]:
    return slice(None, half), slice(half, None)


def _entries(
    kinds: Iterable[GoldenKind], rows: NDArray[np.float32], tolerance: float
) -> tuple[Golden, ...]:
    return tuple(
        Golden(
            kind=kind,
            probabilities=tuple(round(float(score), 6) for score in row),
            tolerance=tolerance,
        )
        for kind, row in zip(kinds, rows, strict=True)
    )


def _chest(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two dark lungs with ribs in a bright trunk: near enough to a chest to be no extreme input."""
    lungs = sum(
        np.exp(-(((x - centre) / 0.13) ** 4 + ((y - 0.5) / 0.33) ** 4)) for centre in (0.3, 0.7)
    )
    ribs = 0.08 * np.sin(40 * y + 6 * np.abs(x - 0.5))
    trunk = 0.75 * np.exp(-(((x - 0.5) / 0.48) ** 8))
    return np.asarray(np.clip(trunk - lungs * (0.45 - ribs), 0, 1))


def _radiograph(drawing: NDArray[np.float64]) -> Radiograph:
    picture = Image.fromarray(np.rint(drawing * 255).astype(np.uint8))
    return Radiograph(picture, format="PNG", sha256="")
