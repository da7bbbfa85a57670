"""What the sampler's worker processes run, without Keras: it would cost each of them seconds."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging import InputSpec
from training.augment import augment, moved
from training.config import Augmentation
from training.frames import FrameStore, to_tensor
from training.lungs import box_of

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


def located_batch(
    positions: list[int], masks: list[NDArray[np.uint8]], seed: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Augment and prepare frames, and find the box around the lungs in each.

    A frame that was moved until no lung is left is drawn again.

    Returns:
        Shapes (N, height, width, channels) and (N, 4), see ``box_of``.
    """
    rng = np.random.default_rng((*seed, 2))
    store: FrameStore = _worker["store"]
    strength: Augmentation = _worker["augmentation"]
    images, boxes = [], []
    for position, mask in zip(positions, masks, strict=True):
        box = None
        while box is None:
            twin = copy.deepcopy(rng)
            box = box_of(np.asarray(moved(Image.fromarray(mask), twin, strength, pneumonia=False)))
            image = augment(store[position], rng, strength, pneumonia=False)
        images.append(to_tensor(image, _worker["spec"]))
        boxes.append(box)
    return np.stack(images), np.stack(boxes)
