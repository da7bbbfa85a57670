"""A small child's chest film, drawn by code: the shipped networks judge it; no patient is in it.

``tests.phantom`` draws faster and far more crudely; the input gate refuses that as no chest film.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Layer = NDArray[np.float32]
Points = Sequence[tuple[float, float]]

WIDTH: Final = 1024
HEIGHT: Final = 900


def _points(text: str) -> Points:
    """Reads "u v, u v"."""
    pairs = (pair.split() for pair in text.split(","))
    return [(float(u), float(v)) for u, v in pairs]


# How far from the middle, to the right of the picture, and how far down; in heights of the frame.
_TRUNK: Final = _points(
    "0.13 -0.1, 0.15 0.02, 0.30 0.05, 0.47 0.06, 0.53 0.14, 0.51 0.28, 0.485 0.42, 0.495 0.6, "
    "0.505 0.8, 0.50 1.1"
)
_BELLY: Final = _points(
    "-0.47 0.83, -0.36 0.73, -0.22 0.70, -0.1 0.71, 0.1 0.72, 0.24 0.735, 0.36 0.76, 0.47 0.84, "
    "0.47 1.1, -0.47 1.1"
)
_MIDDLE: Final = _points(
    "-0.09 0.1, 0.09 0.1, 0.12 0.4, 0.16 0.5, 0.235 0.68, 0.193 0.76, -0.09 0.76, -0.13 0.6, "
    "-0.1 0.4"
)
_MARKER: Final = _points(
    "-0.5 0.26, -0.5 0.21, -0.478 0.21, -0.472 0.222, -0.478 0.235, -0.5 0.235, -0.484 0.235, "
    "-0.47 0.26"
)
_STOMACH: Final = _points("0.17 0.80, 0.27 0.78, 0.33 0.83, 0.28 0.89, 0.18 0.87")
_JAW: Final = _points("-0.14 -0.1, -0.11 0.0, 0.0 0.035, 0.11 0.0, 0.14 -0.1")
_CLAVICLE: Final = _points("0.045 0.155, 0.10 0.125, 0.17 0.105, 0.25 0.10, 0.33 0.075")
_BLADE: Final = _points("0.31 0.12, 0.41 0.09, 0.42 0.17, 0.37 0.34, 0.32 0.26")
_WALL_V: Final = (0.10, 0.13, 0.17, 0.23, 0.31, 0.40, 0.52, 0.66, 0.80, 0.95)
_WALL_U: Final = (0.09, 0.15, 0.20, 0.26, 0.32, 0.365, 0.41, 0.44, 0.45, 0.45)
_RIBS: Final = 10


class _Child:
    """How one child is built: what the seed decides."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.shift = rng.uniform(-0.02, 0.02)
        self.lower = rng.uniform(-0.02, 0.02)
        self.width = rng.uniform(0.95, 1.03)
        self.heart = rng.uniform(0.93, 1.08)
        self.dome = rng.uniform(-0.015, 0.02)

    def across(self) -> Layer:
        """How far each column is from the middle of the chest, to the right of the picture."""
        u = (np.arange(WIDTH, dtype=np.float32) - WIDTH / 2) / HEIGHT - self.shift
        return np.asarray(u / self.width, dtype=np.float32)[None]

    def pixels(self, points: Points, side: int = 1) -> list[tuple[float, float]]:
        """Points of the chest as pixels of the picture."""
        return [
            (
                (0.5 * WIDTH / HEIGHT + self.shift + side * self.width * u) * HEIGHT,
                (v + self.lower) * HEIGHT,
            )
            for u, v in points
        ]

    def shape(self, points: Points, blur: float, side: int = 1) -> Layer:
        """A filled outline with a soft edge: 0 outside, 1 inside."""
        return self.shapes([points], blur, side)

    def shapes(self, outlines: Sequence[Points], blur: float, side: int = 1) -> Layer:
        """Filled outlines."""
        layer = Image.new("L", (WIDTH, HEIGHT))
        draw = ImageDraw.Draw(layer)
        for points in outlines:
            draw.polygon(self.pixels(_rounded(points), side), fill=255)
        return _soft(layer, blur)

    def strokes(self, curves: Sequence[Points], width: float, blur: float, side: int = 1) -> Layer:
        """Curves of this width."""
        layer = Image.new("L", (WIDTH, HEIGHT))
        draw = ImageDraw.Draw(layer)
        for points in curves:
            draw.line(self.pixels(points, side), 255, max(1, round(width * HEIGHT)), "curve")
        return _soft(layer, blur)

    def bones(
        self, curves: Sequence[Points], width: float, side: int = 1, blur: float = 1.4
    ) -> Layer:
        """Curves like bones: their edges, of compact bone, are denser than what they enclose."""
        outer = self.strokes(curves, width, blur, side)
        return outer - 0.2 * self.strokes(curves, width - 0.011, blur + 0.8, side)


def _soft(layer: Image.Image, blur: float) -> Layer:
    blurred = layer.filter(ImageFilter.GaussianBlur(blur))
    return np.asarray(blurred, dtype=np.float32) / np.float32(255)


def _rounded(points: Points, times: int = 3) -> Points:
    """Cuts the corners of a closed outline (Chaikin)."""
    outline = np.asarray(points, dtype=np.float64)
    for _ in range(times):
        after = np.roll(outline, -1, axis=0)
        cut = np.stack([0.75 * outline + 0.25 * after, 0.25 * outline + 0.75 * after], axis=1)
        outline = cut.reshape(-1, 2)
    return [(float(u), float(v)) for u, v in outline]


def _wall(v: float) -> float:
    """How far the chest wall is from the middle."""
    return float(np.interp(v, _WALL_V, _WALL_U))


def _cloudy(rng: np.random.Generator, grain: int) -> Layer:
    """Smooth noise of about unit variance."""
    coarse = rng.normal(0, 1, (HEIGHT // grain + 2, WIDTH // grain + 2)).astype(np.float32)
    size = (WIDTH, HEIGHT)
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))


def _lung(child: _Child, side: int) -> Points:
    """The outline of a lung; ``side`` is 1 for the left one, on the right of the picture."""
    outer = [(_wall(v), v) for v in np.linspace(0.15, 0.78, 14)]
    top = 0.735 + child.dome + (0.035 if side > 0 else 0.0)
    base = [(0.44, 0.81), (0.40, top + 0.055), (0.32, top + 0.012), (0.22, top), (0.14, top + 0.01)]
    if side > 0:
        heart = 0.84 * child.heart
        border = [(0.29, top + 0.005), (0.275, 0.66), (0.235, 0.56), (0.17, 0.46)]
        inner = [(heart * u, v) for u, v in border]
        inner += _points("0.125 0.40, 0.10 0.34, 0.10 0.28, 0.085 0.2")
        base = base[:3]
    else:
        heart = child.heart
        inner = [(0.105, top + 0.01), (0.125 * heart, 0.64), (0.13 * heart, 0.56)]
        inner += _points("0.105 0.47, 0.085 0.38, 0.085 0.28, 0.08 0.2")
    return [(0.11, 0.135), (0.15, 0.13), *outer, *base, *inner]


def _body(child: _Child) -> Layer:
    """Soft tissue, denser where it is thicker."""
    half = np.asarray(_TRUNK)
    outline = [*_TRUNK, *((-u, v) for u, v in reversed(_TRUNK))]
    tissue = child.shape(outline, 5)
    v = np.arange(HEIGHT) / HEIGHT - child.lower
    reach = np.interp(v, half[:, 1], half[:, 0])[:, None]
    thickness = np.sqrt(np.clip(1 - (child.across() / (reach + 0.01)) ** 2, 0, 1))
    low = 1 / (1 + np.exp(-(v - 0.22) / 0.05))[:, None]
    return np.asarray(tissue * (18 + (60 + 45 * low) * thickness**0.8), dtype=np.float32)


def _ribs(child: _Child, side: int) -> Layer:
    """Ribs of one side: from the spine outwards, down the wall, and fading to the front."""
    backs, fronts = [], []
    for number in range(_RIBS):
        start = 0.135 + 0.0685 * number
        drop = 0.085 + 0.0095 * number
        reach = _wall(start + drop) + 0.004
        curve = [
            (
                0.045 + (reach - 0.045) * np.sin(a) ** 0.9,
                start - 0.018 * np.sin(min(2 * a, np.pi)) + drop * (1 - np.cos(a)),
            )
            for a in np.linspace(0.0, 0.86 * np.pi, 60)
        ]
        backs.append(curve[:36])
        fronts.append(curve[33:])
    back = child.bones(backs[::2], 0.026, side) + child.bones(backs[1::2], 0.026, side)
    fading = np.clip((side * child.across() - 0.20) / 0.16, 0, 1)
    front = fading * child.bones(fronts, 0.028, side, 2.2)
    return np.asarray(back + 1.3 * front, dtype=np.float32)


def _spine(child: _Child) -> Layer:
    """Vertebral bodies, their discs, and the pedicles."""
    drawn = 22 * child.shape([(-0.05, -0.1), (0.05, -0.1), (0.06, 1.1), (-0.06, 1.1)], 6)
    bodies, pedicles = [], []
    for number in range(17):
        v = -0.02 + 0.0625 * number
        wide = 0.043 + 0.0008 * number
        edge = [(wide, v), (wide * 0.94, v + 0.022), (wide, v + 0.046)]
        bodies.append([(-wide, v), *edge, *((-u, w) for u, w in edge[:0:-1])])
        pedicles += [[(u, v + 0.012), (u, v + 0.03)] for u in (-0.62 * wide, 0.62 * wide)]
    rims = [[*outline, outline[0]] for outline in bodies]
    drawn += 15 * child.shapes(bodies, 2.0) + 9 * child.strokes(rims, 0.006, 1.5)
    return drawn + 8 * child.strokes(pedicles, 0.014, 2)


def _shoulders(child: _Child) -> Layer:
    """Clavicles, scapulae, upper arms."""
    drawn = np.zeros((HEIGHT, WIDTH), np.float32)
    for side in (-1, 1):
        drawn += 42 * child.bones([_curve(_CLAVICLE)], 0.026, side)
        drawn += 34 * child.bones(
            [_curve([(0.42, 0.1), (0.455, 0.03), (0.50, -0.1)])], 0.055, side, 2
        )
        drawn += 16 * child.strokes([[(0.42, 0.1), (0.40, 0.2), (0.36, 0.33)]], 0.010, 2.5, side)
        drawn += 12 * child.shape(_BLADE, 3, side)
    return drawn + 45 * child.shape(_JAW, 4)


def _curve(points: Points) -> Points:
    """A smooth open curve near these points."""
    rounded = _rounded(points, 3)
    return [points[0], *rounded[4:-8], points[-1]]


def _vessels(child: _Child, side: int) -> Layer:
    """Vessels that branch from the hilum and grow thinner."""
    rng = child.rng
    layer = Image.new("L", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(layer)
    ends = [
        ((0.10, 0.43 + 0.045 * towards), towards, 0.011) for towards in np.linspace(-1.2, 1.3, 6)
    ]
    for _ in range(5):
        grown = []
        for (u, v), towards, width in ends:
            bent = towards + rng.normal(0, 0.15)
            long = rng.uniform(0.04, 0.07)
            end = (u + long * np.cos(bent), v + long * np.sin(bent))
            level = round(255 * width / 0.011)
            draw.line(child.pixels([(u, v), end], side), level, max(2, round(width * HEIGHT)))
            grown.append((end, bent + rng.normal(0, 0.1), width * 0.75))
            if rng.uniform() < 0.45:
                grown.append((end, bent + rng.choice([-0.5, 0.5]), width * 0.6))
        ends = grown
    return _soft(layer, 2.0)


def _consolidation(child: _Child, lungs: Layer) -> Layer:
    """Soft clouds in both lungs, denser in one of them, and a haze over all of both."""
    rng = child.rng
    drawn = np.zeros((HEIGHT, WIDTH), np.float32)
    worse = rng.choice((-1, 1))
    for side in (-1, 1):
        dense = 1.0 if side == worse else rng.uniform(0.65, 0.9)
        for _ in range(8):
            u, v = rng.uniform(0.14, 0.36), rng.uniform(0.34, 0.72)
            turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
            radius = rng.uniform(0.07, 0.12) * rng.uniform(0.75, 1.25, 12)
            blob = [
                (u + r * np.cos(a), v + r * np.sin(a)) for r, a in zip(radius, turn, strict=True)
            ]
            drawn = np.maximum(drawn, dense * child.shape(blob, 22, side))
    patchy = np.clip(0.85 + 1.5 * (0.16 * _cloudy(rng, 24) + 0.10 * _cloudy(rng, 9)), 0, 1.2)
    haze = 0.4 * np.clip(0.8 + 0.3 * _cloudy(rng, 30), 0, 2)
    return np.asarray((drawn * patchy + haze) * lungs, dtype=np.float32)


def drawn_film(
    seed: int = 0, size: tuple[int, int] = (WIDTH, HEIGHT), opacity: float = 0.0
) -> Image.Image:
    """Draw a frontal chest film of a small child.

    Args:
        seed: Another seed is another child, and another place of the consolidation.
        size: Width and height in pixels; the chest is drawn for about 8 to 7.
        opacity: 0 for clear lungs up to 1 for dense consolidations, more of them in one lung.

    Returns:
        Greyscale picture (mode L). Equal arguments give equal pixels.
    """
    rng = np.random.default_rng(seed)
    child = _Child(rng)
    sides = (-1, 1)
    inside = child.shape(_lung(child, -1), 3.0, -1) + child.shape(_lung(child, 1), 3.0, 1)
    picture = _body(child)

    picture += 36 * child.shape(_BELLY, 22)
    picture -= 22 * child.shape(_STOMACH, 8)
    picture += 8 * child.shape(_MIDDLE, 9)
    picture -= 92 * inside
    picture += 82 * opacity * _consolidation(child, inside)

    picture += _spine(child) + _shoulders(child)
    for side in sides:
        picture += 29 * _ribs(child, side)
        picture += 45 * _vessels(child, side) * inside
    picture -= 16 * child.strokes([[(0.0, -0.05), (0.002, 0.2), (-0.006, 0.36)]], 0.03, 4)
    for side in sides:
        picture -= 8 * child.strokes([[(0.0, 0.36), (0.05, 0.43), (0.09, 0.46)]], 0.017, 4, side)

    picture += inside * (0.8 * _cloudy(rng, 5) + 0.8 * _cloudy(rng, 14))
    picture += 3 * _cloudy(rng, 160)
    picture = 255 * (np.clip(1.28 * picture, 0, 255) / 255) ** 0.85
    picture = np.maximum(picture, 235 * child.strokes([_MARKER], 0.006, 0.7))

    film = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    if size != film.size:
        film = film.resize(size, Image.Resampling.BICUBIC)
    grain = rng.normal(0, 1.6, (size[1], size[0]))
    levels = np.asarray(film, dtype=np.float32)
    return Image.fromarray(np.clip(levels + grain * (levels > 3), 0, 255).astype(np.uint8))
