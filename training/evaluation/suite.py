"""The perturbation suite: fixed distortions that change a file and nothing of the disease."""

from collections.abc import Callable
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image, ImageFilter

Perturbation = Callable[[Image.Image], Image.Image]


def recompressed(quality: int) -> Perturbation:
    """Save as JPEG at a quality from 1 to 95 and read it again."""

    def apply(image: Image.Image) -> Image.Image:
        buffer = BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        with Image.open(buffer, formats=("JPEG",)) as again:
            return again.convert("L")

    return apply


def _scaled(short_side: int) -> Perturbation:
    """Down to a short side in pixels and back up: the detail of a small thumbnail."""

    def apply(image: Image.Image) -> Image.Image:
        factor = short_side / min(image.size)
        small = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        return image.resize(small, Image.Resampling.BILINEAR).resize(
            image.size, Image.Resampling.BICUBIC
        )

    return apply


def _stretched(factor: float) -> Perturbation:
    """Crop one axis to 1 / factor, so that the squashed square shows the chest stretched."""

    def apply(image: Image.Image) -> Image.Image:
        width, height = image.size
        if factor > 1:
            margin = (width - width / factor) / 2
            box = (margin, 0.0, width - margin, float(height))
        else:
            margin = (height - height * factor) / 2
            box = (0.0, margin, float(width), height - margin)
        return image.resize(image.size, Image.Resampling.BICUBIC, box=box)

    return apply


def _cropped(share: float) -> Perturbation:
    def apply(image: Image.Image) -> Image.Image:
        dx, dy = image.width * share, image.height * share
        return image.crop((round(dx), round(dy), round(image.width - dx), round(image.height - dy)))

    return apply


def _bordered(share: float) -> Perturbation:
    def apply(image: Image.Image) -> Image.Image:
        dx, dy = round(image.width * share), round(image.height * share)
        framed = Image.new("L", (image.width + 2 * dx, image.height + 2 * dy), 0)
        framed.paste(image, (dx, dy))
        return framed

    return apply


def _gamma(exponent: float) -> Perturbation:
    table = [round(255 * (level / 255) ** exponent) for level in range(256)]
    return lambda image: image.point(table)


def _contrast(gain: float) -> Perturbation:
    table = [min(255, max(0, round(128 + (level - 128) * gain))) for level in range(256)]
    return lambda image: image.point(table)


def _noisy(sigma: float) -> Perturbation:
    def apply(image: Image.Image) -> Image.Image:
        pixels = np.asarray(image, dtype=np.float32)
        # One seed for all images: the same call must perturb equally in every run.
        noise = np.random.default_rng(0).standard_normal(pixels.shape, dtype=np.float32)
        return Image.fromarray(np.clip(pixels + sigma * noise, 0, 255).astype(np.uint8))

    return apply


def _without_markers(image: Image.Image) -> Image.Image:
    """Black out the corners, where side markers and letters stand."""
    blanked = image.copy()
    width, height = image.width // 6, image.height // 6
    for left in (0, image.width - width):
        for top in (0, image.height - height):
            blanked.paste(0, (left, top, left + width, top + height))
    return blanked


SUITE: Final[dict[str, Perturbation]] = {
    "jpeg-30": recompressed(30),
    "jpeg-50": recompressed(50),
    "jpeg-95": recompressed(95),
    "scale-96": _scaled(96),
    "scale-half": lambda image: _scaled(min(image.size) // 2)(image),
    "wider-25": _stretched(0.8),
    "narrower-25": _stretched(1.25),
    "crop-6": _cropped(0.06),
    "border-8": _bordered(0.08),
    "gamma-0.6": _gamma(0.6),
    "gamma-1.6": _gamma(1.6),
    "contrast-0.6": _contrast(0.6),
    "blur": lambda image: image.filter(ImageFilter.GaussianBlur(min(image.size) / 150)),
    "sharpen": lambda image: image.filter(ImageFilter.UnsharpMask(min(image.size) / 150, 200, 0)),
    "noise": _noisy(10.0),
    "no-markers": _without_markers,
}
"""Name to distortion of a greyscale (mode L) picture; lengths are relative to its short side."""
