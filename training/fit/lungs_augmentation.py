"""Variants of frames for the segmentation network: other framings, other tones, opaque lungs.

Other hospitals crop films elsewhere, leave borders and burn in labels; an opaque lung is as bright
as the belly. Each is drawn at random here, whatever the film.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from training.fit.draws import Draws, each

_PADDINGS = ("zeros", "border", "reflection")


def augment(
    frames: Tensor, masks: Tensor, generator: torch.Generator, side: int = 192
) -> tuple[Tensor, Tensor]:
    """Draw one variant of each frame, and of its mask.

    Args:
        frames: Shape (N, height, width), uint8.
        masks: Shape (N, height, width), uint8; 255 is lung.
        generator: Equal states give equal variants.
        side: Of the result.

    Returns:
        Two tensors of shape (N, 1, side, side), float32 from 0 to 1.
    """
    draws = Draws(len(frames), generator)
    x, m = _framed(frames.float()[:, None] / 255, masks.float()[:, None] / 255, draws, side)
    x = _clouded(x, m, draws)
    x = _toned(x, draws)
    _strips(x, m, draws)
    return x.clamp(0, 1), m


def _framed(x: Tensor, m: Tensor, draws: Draws, side: int) -> tuple[Tensor, Tensor]:
    """Zoom by 0.65 to 1.6, stretch, turn, shift and mirror; what lies beyond the film varies."""
    zoom = torch.exp(draws.uniform(math.log(0.62), math.log(1.55)))
    aspect = torch.exp(draws.uniform(-0.25, 0.25))
    angle = draws.uniform(-1, 1) ** 3 * 0.45  # mostly small
    across, down = zoom * aspect.sqrt(), zoom / aspect.sqrt()
    flip = draws.flip()
    cos, sin = angle.cos(), angle.sin()
    right, below = draws.uniform(-0.25, 0.25), draws.uniform(-0.25, 0.25)
    matrix = torch.stack(
        [
            torch.stack([across * cos * flip, -down * sin, right], 1),
            torch.stack([across * sin * flip, down * cos, below], 1),
        ],
        1,
    )
    grid = functional.affine_grid(matrix, [draws.count, 1, side, side], align_corners=False)
    padding = _PADDINGS[draws.integer(0, 3)]
    framed = functional.grid_sample(x, grid, "bilinear", padding, align_corners=False)
    mask = functional.grid_sample(m, grid, "bilinear", "zeros", align_corners=False)
    if padding == "reflection":
        # Mirrored lungs are none; a border of one grey covers them.
        beyond = (grid.abs() > 1).any(-1).float()[:, None]
        framed = framed * (1 - beyond) + beyond * each(draws.uniform(0, 1))
    return framed, mask


def _clouded(x: Tensor, m: Tensor, draws: Draws) -> Tensor:
    """In three films of ten, a soft bright opacity within the lungs; they remain lungs."""
    side = x.shape[-1]
    line = torch.linspace(-1, 1, side)
    rows, columns = torch.meshgrid(line, line, indexing="ij")
    column, row = draws.uniform(-0.7, 0.7)[:, None, None], draws.uniform(-0.7, 0.7)[:, None, None]
    radius = draws.uniform(0.1, 0.5)[:, None, None]
    distance = ((columns - column) ** 2 + (rows - row) ** 2) / radius**2
    cloud = torch.exp(-(distance**2))[:, None]
    there = each(draws.happens(0.3).float())
    grey = each(draws.uniform(0.5, 0.95))
    opacity = cloud * m * there * each(draws.uniform(0.4, 0.95))
    return x * (1 - opacity) + opacity * (grey + 0.2 * (x - 0.5))


def _toned(x: Tensor, draws: Draws) -> Tensor:
    """Gamma, contrast, negatives, coarser resolution, noise."""
    x = x.clamp(1e-4, 1) ** each(torch.exp(draws.uniform(-0.7, 0.7)))
    low, high = each(draws.uniform(0, 0.25)), each(draws.uniform(0.75, 1))
    x = low + (high - low) * x
    x = torch.where(each(draws.happens(0.1)), 1 - x, x)
    if draws.one() < 0.4:
        coarse = functional.avg_pool2d(x, draws.integer(2, 5))
        x = functional.interpolate(coarse, size=x.shape[-2:], mode="bilinear", align_corners=False)
    return x + draws.noise(x) * each(draws.uniform(0, 0.04))


def _strips(x: Tensor, m: Tensor, draws: Draws) -> None:
    """Bright or dark strips at the rim of half the films, as of labels and collimators."""
    for _ in range(2):
        if draws.one() >= 0.4:
            continue
        width, grey, edge = draws.integer(4, 24), draws.one(), draws.integer(0, 4)
        chosen = draws.happens(0.5)
        for plane, value in ((x, grey), (m, 0.0)):
            strips = (
                plane[..., :width, :],
                plane[..., -width:, :],
                plane[..., :width],
                plane[..., -width:],
            )
            strips[edge][chosen] = value
