"""What the sampler's worker processes run, without Keras: it would cost each of them seconds."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.imaging import InputSpec
from training.augment import augment
from training.config import Augmentation
from training.frames import FrameStore, to_tensor

# What a worker process holds: set once when it starts.
_worker: dict[str, Any] = {}


def start_worker(store: Path, augmentation: Augmentation, spec: InputSpec) -> None:
    """Open the frames in a new worker process."""
    _worker.update(store=FrameStore(store), augmentation=augmentation, spec=spec)


def augmented_batch(
    positions: list[int], pneumonia: list[bool], seed: tuple[int, ...]
) -> NDArray[np.float32]:
    """Augment and prepare the frames at these positions, whose classes are told as well.

    Returns:
        Array of shape (N, height, width, channels), the same for the same positions and seed.
    """
    rng = np.random.default_rng((*seed, 1))
    store: FrameStore = _worker["store"]
    return np.stack(
        [
            to_tensor(
                augment(store[position], rng, _worker["augmentation"], pneumonia=is_pneumonia),
                _worker["spec"],
            )
            for position, is_pneumonia in zip(positions, pneumonia, strict=True)
        ]
    )
