"""What every engine is, and what it may be given."""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Precision = Literal["fp32", "int8"]


class Engine(Protocol):
    """All members of one bundle, loaded and warm. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """Short name for logs and the description of the model."""

    @property
    def precision(self) -> Precision:
        """The arithmetic of the networks' convolutions."""

    def scores(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score a batch.

        Args:
            batch: Shape (N, *manifest.shape). Its channels are those that ``prepare`` gives or,
                where the members take several views, one for each of ``manifest.views``.

        Returns:
            Shape (N, members), probabilities in the order of the manifest's members.
        """

    def explain(
        self, batch: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score a batch and split each score over the picture.

        Args:
            batch: As for ``scores``.

        Returns:
            The scores, and maps of shape (N, members, h, w) on a grid that covers the whole of
            what the members see: what each cell adds to the network's logit.

        Raises:
            NotExplainableError: Not all networks allow a map.
        """


class Segmenter(Protocol):
    """The network that finds the lungs, loaded and warm. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """Short name of the engine that computes it."""

    @property
    def precision(self) -> Precision:
        """The arithmetic of the network's convolutions."""

    def probabilities(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Find lung tissue.

        Args:
            batch: Shape (N, side, side, 1), from 0 to 1: whole frames, each squashed to a square.

        Returns:
            Shape (N, side, side), the probability of lung for each pixel.
        """

    def look(
        self, batch: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Find lung tissue, and describe each picture as a whole.

        Args:
            batch: As for ``probabilities``.

        Returns:
            The probabilities, and features of shape (N, n), by which pictures can be compared;
            None if the network gives no features.
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
