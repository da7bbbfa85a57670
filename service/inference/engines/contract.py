"""What every engine is, and what it may be given."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Engine(Protocol):
    """All members of one bundle, loaded and warm. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """Short name for logs and the description of the model."""

    def scores(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score a batch.

        Args:
            batch: Shape (N, height, width, channels), as ``prepare`` gives each image.

        Returns:
            Shape (N, members), probabilities in the order of the manifest's members.
        """


def check_batch(batch: NDArray[np.float32], shape: tuple[int, int, int]) -> None:
    """Refuse a batch of another type or shape than (N, *shape): a bug of the caller.

    Raises:
        ValueError: It names what was expected and what was received.
    """
    if batch.dtype != np.float32 or batch.shape[1:] != shape:
        raise ValueError(
            f"Expected a float32 batch of shape {('N', *shape)}. "
            f"Received: dtype={batch.dtype}, shape={batch.shape}"
        )
