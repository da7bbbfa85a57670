"""Engines compute the members' probabilities; which one serves a bundle is decided here."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.inference.bundle import Bundle


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


def load_engine(bundle: Bundle, *, threads: int) -> Engine:
    """Load the members of a freshly opened bundle.

    Args:
        bundle: As ``open_bundle`` gave it, with the contents of its files.
        threads: Processor threads that one call may use.

    Raises:
        BundleError: The engine cannot be had here, or a network does not fit the manifest.
    """
    # The import takes seconds and hundreds of megabytes; only who needs TensorFlow pays for it.
    from service.inference.engines.tensorflow import TensorFlowEngine  # noqa: PLC0415

    return TensorFlowEngine(bundle, threads=threads)
