"""How far a picture is from the films that the networks were trained on.

The distance is that of Mahalanobis, of features of the network that finds the lungs (Lee et al.
2018, arXiv:1807.03888, of features of a classifier). Where other pictures were at hand (CT slices,
lateral films, hands, text), a linear score of the same features says which of both it is nearer.
"""

import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.inference.errors import BundleError

MAX_FEATURES: Final = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Novelty:
    """How the features of training films are distributed.

    Attributes:
        mean: Shape (n,), float32.
        whitening: W of shape (n, n), float32: ``W.T @ W`` is the inverse of their covariance.
        others: Shape (n + 1,), float32: weights of whitened features, and an offset; None where no
            other pictures were at hand.
    """

    mean: NDArray[np.float32]
    whitening: NDArray[np.float32]
    others: NDArray[np.float32] | None = None

    def distances(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mahalanobis distances.

        Args:
            features: Shape (N, n).

        Returns:
            Shape (N,). Films like those of the training have about the square root of n.
        """
        return np.asarray(np.linalg.norm(self.whitened(features), axis=1), dtype=np.float32)

    def otherness(self, features: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Log odds of being another picture, if as many of either kind came.

        Args:
            features: Shape (N, n).

        Returns:
            Shape (N,); None where no other pictures were at hand.
        """
        if self.others is None:
            return None
        return np.asarray(self.whitened(features) @ self.others[:-1] + self.others[-1])

    def whitened(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features of shape (N, n) whose covariance is the identity for films of the training."""
        return np.asarray((features - self.mean) @ self.whitening.T, dtype=np.float32)

    def write(self, path: Path) -> None:
        """Write the arrays as a NumPy archive."""
        arrays = {"mean": self.mean, "whitening": self.whitening}
        if self.others is not None:
            arrays["others"] = self.others
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)


def read_novelty(data: bytes, *, file: str) -> Novelty:
    """Read what ``Novelty.write`` wrote.

    Args:
        data: The whole file.
        file: Its name, for the message.

    Raises:
        BundleError: It is no such archive, or its arrays do not fit together.
    """
    try:
        with np.load(BytesIO(data), allow_pickle=False) as archive:
            mean, whitening = archive["mean"], archive["whitening"]
            others = archive["others"] if "others" in archive.files else None
    except (EOFError, KeyError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise BundleError(f"The file {file} is not the archive that it should be.") from error
    sound = (
        mean.dtype == whitening.dtype == np.float32
        and mean.ndim == 1
        and 0 < len(mean) <= MAX_FEATURES
        and whitening.shape == (len(mean), len(mean))
        and np.isfinite(mean).all()
        and np.isfinite(whitening).all()
    )
    if others is not None:
        sound = bool(
            sound
            and others.dtype == np.float32
            and others.shape == (len(mean) + 1,)
            and np.isfinite(others).all()
        )
    if not sound:
        raise BundleError(f"The arrays in {file} do not describe features.")
    return Novelty(mean, whitening, others)
