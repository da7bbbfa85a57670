"""Pictures that are no radiographs: drawn here, or samples that come with installed packages."""

from collections.abc import Callable, Iterator
from importlib.resources import files
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

COUNT: Final = 12
"""Pictures of each kind that is drawn."""

_SAMPLES: Final = (
    ("sklearn", "datasets/images/china.jpg"),
    ("sklearn", "datasets/images/flower.jpg"),
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
    ("matplotlib", "mpl-data/sample_data/Minduka_Present_Blue_Pack.png"),
    ("matplotlib", "mpl-data/sample_data/logo2.png"),
)
_WORDS: Final = ("the", "patient", "was", "seen", "with", "fever", "cough", "and", "findings")


def other_pictures(seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Kind and file of each picture, the same for the same seed."""
    generator = np.random.default_rng(seed)
    for kind, draw in _DRAWN.items():
        for number in range(COUNT):
            yield kind, _png(draw(generator, number))
    for package, name in _SAMPLES:
        sample = files(package) / name
        if sample.is_file():
            yield "natural", sample.read_bytes()


def _png(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _text(generator: np.random.Generator, number: int) -> Image.Image:
    """A page of print, or of bright letters on a dark screen."""
    paper, ink = (250, 10) if number % 2 else (15, 230)
    page = Image.new("L", (700, 900), paper)
    draw = ImageDraw.Draw(page)
    size = 12 + 2 * (number % 6)
    for top in range(40, 860, round(1.5 * size)):
        line = " ".join(generator.choice(_WORDS, 16))
        draw.text((40, top), line, fill=ink, font=ImageFont.load_default(size))
    return page


def _drawing(generator: np.random.Generator, _: int) -> Image.Image:
    """A few ellipses and rectangles."""
    picture = Image.new("L", (512, 512), int(generator.integers(256)))
    draw = ImageDraw.Draw(picture)
    for number in range(int(generator.integers(3, 9))):
        corners = np.sort(generator.integers(0, 512, (2, 2)), axis=0)
        corners[1] += 4
        shape = draw.ellipse if number % 2 else draw.rectangle
        shape([*map(int, corners.ravel())], fill=int(generator.integers(256)))
    return picture


def _phantom(generator: np.random.Generator, _: int) -> Image.Image:
    """Two dark ellipses in a bright one: a child's drawing of a chest, and no film of one."""
    picture = Image.new("L", (512, 512), 0)
    draw = ImageDraw.Draw(picture)
    draw.ellipse([30, 10, 482, 502], fill=int(generator.integers(150, 230)))
    apart, width, height = (
        int(value) for value in generator.integers((90, 50, 110), (130, 90, 200))
    )
    for centre in (256 - apart, 256 + apart):
        box = [centre - width, 256 - height, centre + width, 256 + height]
        draw.ellipse(box, fill=int(generator.integers(20, 90)))
    return picture


def _noise(generator: np.random.Generator, number: int) -> Image.Image:
    """Noise, from single pixels to clouds."""
    side = (512, 128, 32, 8)[number % 4]
    return _grey(generator.integers(0, 256, (side, side))).resize(
        (512, 512), Image.Resampling.BICUBIC
    )


def _gradient(generator: np.random.Generator, number: int) -> Image.Image:
    """Ramps, rings and stripes."""
    y, x = np.mgrid[:512, :512] / 512
    angle = generator.uniform(0, np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    patterns = (along, np.hypot(x - 0.5, y - 0.5), np.sin(along * generator.uniform(10, 60)) / 2)
    pattern = patterns[number % 3]
    return _grey(255 * (pattern - pattern.min()) / np.ptp(pattern))


def _grey(levels: NDArray[np.number]) -> Image.Image:
    return Image.fromarray(levels.astype(np.uint8))


_DRAWN: Final[dict[str, Callable[[np.random.Generator, int], Image.Image]]] = {
    "text": _text,
    "drawing": _drawing,
    "phantom": _phantom,
    "noise": _noise,
    "gradient": _gradient,
}
