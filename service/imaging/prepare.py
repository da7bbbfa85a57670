"""Radiograph to tensor, as a manifest asks: the one preprocessing of service and training."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging.decode import Radiograph

Resampling = Literal["nearest", "bilinear", "bicubic", "lanczos", "box"]

_FILTERS: dict[Resampling, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
}


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What the networks of a bundle take as input.

    The defaults are what the project's predecessor did: 256x256 greyscale, Pillow's default filter,
    grey levels divided by 255.

    Attributes:
        height: Rows of the tensor, in pixels.
        width: Columns of the tensor, in pixels.
        channels: 1 for greyscale; 3 repeats the grey plane for networks that were built for colour.
        scale: Factor from grey level (0 to 255) to tensor value.
        resampling: Filter of the resize. All but ``nearest`` average over the source area when
            they shrink, so that fine structure is not aliased.
    """

    height: int = 256
    width: int = 256
    channels: Literal[1, 3] = 1
    scale: float = 1 / 255
    resampling: Resampling = "bicubic"


def prepare(radiograph: Radiograph, spec: InputSpec) -> NDArray[np.float32]:
    """Resize the whole frame to the input size and scale its grey levels.

    The aspect ratio is not kept: the networks are trained on randomly stretched frames instead, so
    that the shape of the frame says nothing about the class.

    Args:
        radiograph: Upright greyscale pixels.
        spec: The input that the bundle's manifest describes.

    Returns:
        Array of shape (height, width, channels), float32, from 0 to ``255 * spec.scale``.
    """
    resized = radiograph.picture.resize(
        (spec.width, spec.height), _FILTERS[spec.resampling], box=(0, 0, *extent(radiograph))
    )
    plane = np.multiply(np.asarray(resized), np.float32(spec.scale), dtype=np.float32)
    tensor = plane[..., np.newaxis]
    return tensor if spec.channels == 1 else np.repeat(tensor, spec.channels, axis=-1)


def extent(radiograph: Radiograph) -> tuple[float, float]:
    """Columns and rows that the picture fills: of a reduced one, the last may be half empty."""
    reduction = round(radiograph.width / radiograph.picture.width)
    return radiograph.width / reduction, radiograph.height / reduction
