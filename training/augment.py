"""Random acquisition: each image as another scanner, export or archive might have made it.

In the public data the label leaks through things that are not disease: normal films were saved at a
higher JPEG quality, are sharper and less wide. Every such property is drawn at random here, for
both classes alike, so that it says nothing about the label.
"""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from training.config import Augmentation

_RESAMPLERS = (
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)


def augment(
    pixels: NDArray[np.uint8],
    rng: np.random.Generator,
    strength: Augmentation,
    *,
    pneumonia: bool,
) -> NDArray[np.uint8]:
    """Draw one variant of a frame.

    Args:
        pixels: Shape (height, width), uint8.
        rng: Source of all randomness: equal states give equal variants.
        strength: Ranges and probabilities.
        pneumonia: The true class, for what takes the label out of the aspect ratio.

    Returns:
        Square frame, uint8, of a random side within ``strength.sides``.
    """
    image = _field_of_view(Image.fromarray(pixels), rng, strength, pneumonia=pneumonia)
    if rng.random() < strength.flip:
        image = ImageOps.mirror(image)
    image = _geometry(image, rng, strength)
    image = _tone(image, rng, strength)
    image = _sharpness(image, rng, strength)
    image = _blank(image, rng, strength)
    image = _noise(image, rng, strength)
    if rng.random() < strength.jpeg:
        image = recompress(image, int(rng.integers(*strength.jpeg_quality)))
    return np.asarray(image)


def recompress(image: Image.Image, quality: int) -> Image.Image:
    """Save as JPEG of a quality from 1 to 95 and read it back."""
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    with Image.open(buffer, formats=("JPEG",)) as saved:
        return saved.convert("L")


def _field_of_view(
    image: Image.Image, rng: np.random.Generator, a: Augmentation, *, pneumonia: bool
) -> Image.Image:
    """Crop one axis, so that the squashed square shows the chest wider or narrower.

    Cropping, and not a border, because a border on one pair of sides would itself tell the class.
    """
    if not a.field and not a.recentre:
        return image
    centre = a.recentre / 2 if pneumonia else -a.recentre / 2
    narrower = rng.uniform(-a.field, a.field) + centre
    kept_width, kept_height = np.exp(-max(narrower, 0.0)), np.exp(min(narrower, 0.0))
    left = (1 - kept_width) * rng.random() * image.width
    top = (1 - kept_height) * rng.random() * image.height
    box = (left, top, left + kept_width * image.width, top + kept_height * image.height)
    return image.crop(tuple(round(edge) for edge in box))


def _geometry(image: Image.Image, rng: np.random.Generator, a: Augmentation) -> Image.Image:
    """Rescale, then turn and stretch, or crop and border, or leave the frame as it is."""
    side = int(rng.integers(*a.sides))
    square = image.resize((side, side), _RESAMPLERS[int(rng.integers(len(_RESAMPLERS)))])
    if rng.random() < a.affine:
        return _turned(square, rng, a)
    # A network that has only seen turned frames takes an upright one for something unusual.
    return _reframed(square, rng, a) if rng.random() < 0.5 else square


def _reframed(square: Image.Image, rng: np.random.Generator, a: Augmentation) -> Image.Image:
    """Crop from each border, or add to it: another field of view, and with it another stretch."""
    side = square.width
    left, top, right, bottom = rng.uniform(-a.frame, a.frame, 4) * side
    return square.transform(
        square.size,
        Image.Transform.EXTENT,
        (left, top, side - right, side - bottom),
        resample=Image.Resampling.BICUBIC,
        fillcolor=_fill(square, rng),
    )


def _turned(square: Image.Image, rng: np.random.Generator, a: Augmentation) -> Image.Image:
    """Stretch, rotate, shear, zoom and shift in one affine resampling."""
    side = square.width
    # A stretch of the squashed square is the same as having had another aspect ratio.
    stretch = np.exp(rng.uniform(-a.stretch, a.stretch) / 2)
    zoom = np.exp(rng.uniform(-a.zoom, a.zoom))
    angle = np.deg2rad(rng.uniform(-a.rotation, a.rotation))
    shear = rng.uniform(-a.shear, a.shear)
    shift = rng.uniform(-a.shift, a.shift, 2) * side

    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]]) @ np.array([[1.0, shear], [0.0, 1.0]])
    matrix = turn @ np.diag([stretch, 1 / stretch]) / zoom
    centre = np.full(2, side / 2)
    offset = centre - matrix @ (centre + shift)
    coefficients = (*matrix[0], offset[0], *matrix[1], offset[1])
    return square.transform(
        square.size,
        Image.Transform.AFFINE,
        coefficients,
        resample=Image.Resampling.BICUBIC if rng.random() < 0.5 else Image.Resampling.BILINEAR,
        fillcolor=_fill(square, rng),
    )


def _fill(square: Image.Image, rng: np.random.Generator) -> int:
    """What stands beyond the frame: black, or as grey as its upper rim."""
    return int(np.median(np.asarray(square)[0])) if rng.random() < 0.5 else 0


def _tone(image: Image.Image, rng: np.random.Generator, a: Augmentation) -> Image.Image:
    """Gamma, contrast, brightness and, now and then, a histogram-equalised display curve."""
    if rng.random() < a.equalise:
        image = ImageOps.equalize(image)
    ramp = np.linspace(0.0, 1.0, 256)
    ramp = ramp ** np.exp(rng.uniform(-a.gamma, a.gamma))
    ramp = 0.5 + (ramp - 0.5) * np.exp(rng.uniform(-a.contrast, a.contrast))
    ramp = ramp + rng.uniform(-a.brightness, a.brightness)
    return image.point([int(v) for v in np.clip(np.rint(ramp * 255), 0, 255)])


def _sharpness(image: Image.Image, rng: np.random.Generator, a: Augmentation) -> Image.Image:
    choice = rng.random()
    if choice < a.blur:
        radius = rng.uniform(*a.blur_radius) * image.width / 224
        return image.filter(ImageFilter.GaussianBlur(radius))
    if choice < a.blur + a.sharpen:
        percent = int(rng.integers(30, 250))
        return image.filter(ImageFilter.UnsharpMask(rng.uniform(0.6, 2.5), percent, 0))
    return image


def _blank(image: Image.Image, rng: np.random.Generator, a: Augmentation) -> Image.Image:
    """Paint over rectangles: side markers, tubes' labels, sometimes a piece of the chest."""
    if rng.random() >= a.blank:
        return image
    pixels = np.array(image)
    side = image.width
    for _ in range(int(rng.integers(1, 4))):
        height, width = (int(v) for v in rng.uniform(0.05, 0.25, 2) * side)
        top, left = int(rng.integers(0, side - height)), int(rng.integers(0, side - width))
        pixels[top : top + height, left : left + width] = int(rng.integers(0, 256))
    return Image.fromarray(pixels)


def _noise(image: Image.Image, rng: np.random.Generator, a: Augmentation) -> Image.Image:
    if rng.random() >= a.noise:
        return image
    pixels = np.asarray(image, dtype=np.float32)
    sigma = np.float32(rng.uniform(1.0, a.noise_sigma))
    noisy = pixels + sigma * rng.standard_normal(pixels.shape, dtype=np.float32)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
