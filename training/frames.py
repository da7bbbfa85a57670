"""Pixels to what a network takes."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging import InputSpec, Radiograph, prepare


def to_tensor(pixels: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.float32]:
    """Prepare a frame with the service's own function: shape (height, width, channels)."""
    return prepare(Radiograph(Image.fromarray(pixels), format="PNG", sha256=""), spec)
