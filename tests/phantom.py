"""A synthetic chest, drawn from ellipses: tests need radiographs and may hold no patient's."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def _ellipse(
    x: NDArray[np.float64], y: NDArray[np.float64], cx: float, cy: float, rx: float, ry: float
) -> NDArray[np.float64]:
    """Soft-edged ellipse: 1 inside, 0 outside."""
    distance = np.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2)
    return np.clip((1.0 - distance) / 0.15, 0.0, 1.0)


def phantom(seed: int = 0, size: tuple[int, int] = (320, 256), opacity: float = 0.0) -> Image.Image:
    """Draw a chest: body, two lungs, heart, spine, ribs and, if asked for, one cloudy lung.

    Args:
        seed: Another seed is another patient (position, proportions, noise).
        size: Width and height in pixels.
        opacity: 0 for clear lungs up to 1 for a dense consolidation in one of them.

    Returns:
        Greyscale picture (mode L). Equal arguments give equal pixels.
    """
    rng = np.random.default_rng(seed)
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    x = x / width + rng.uniform(-0.03, 0.03)
    y = y / height + rng.uniform(-0.03, 0.03)
    lung = rng.uniform(0.9, 1.1)

    picture = 25 + 120 * _ellipse(x, y, 0.5, 0.55, 0.52, 0.62)
    for side in (-1, 1):
        field = _ellipse(x, y, 0.5 + side * 0.19, 0.5, 0.15 * lung, 0.33 * lung)
        picture -= 75 * field
        ribs = np.clip(np.sin((y * 9 + side * (x - 0.5) * 2.5) * 2 * np.pi), 0, 1)
        picture += 18 * ribs * field
    picture += 55 * _ellipse(x, y, 0.55, 0.62, 0.15, 0.2)
    picture += 35 * np.exp(-(((x - 0.5) / 0.03) ** 2))
    side = rng.choice([-1.0, 1.0])
    cloud_y = rng.uniform(0.4, 0.65)
    picture += 80 * opacity * _ellipse(x, y, 0.5 + side * 0.18, cloud_y, 0.13, 0.16)
    picture += rng.normal(0, 2.5, picture.shape)
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def grained(picture: Image.Image, deviation: float = 12.0) -> Image.Image:
    """Give a drawing the grain of a film: without it, it counts as blurred."""
    grain = np.random.default_rng(1).normal(0, deviation, (picture.height, picture.width))
    levels = np.asarray(picture, dtype=float) + grain
    return Image.fromarray(np.rint(levels).clip(0, 255).astype(np.uint8))
