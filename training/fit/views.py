"""Views of cached crops, on tensors: what a member sees, without and with augmentation.

The views match ``service.lungs``: the box with its margin, and outside the lungs the median of the
inside. Augmentation draws, for every class alike, what tells the classes of the training set apart
without being disease: where the frame ends, how large the lungs stand in it, sharpness and tone.
Mixing grey levels between films follows the idea that style can be exchanged and content cannot
(MixStyle: Zhou 2021, arXiv:2104.02008), here by matching quantiles.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from service.lungs import MARGIN, View
from training.data.fields import BOX_SHARE
from training.fit.draws import Draws, each
from training.fit.spectrum import exchanged_spectrum

RIM: Final = 2
"""Pixels by which the mask of a crop is widened in a view that is not augmented."""

_QUANTILES: Final = 17
_NEVER: Final = 9.0
"""A limit that no coordinate of a view reaches."""


@dataclass(frozen=True, slots=True)
class ViewSpec:
    """What a member sees.

    Attributes:
        view: All of the lung field, or the lungs only.
        side: In pixels.
        histogram: Share of the films in a batch whose grey levels are mixed with another's.
        spectrum: Share of them that take the spectrum of another's detail.
        margin: Around the lungs' box, as a share of its width or height.
    """

    view: View
    side: int
    histogram: float = 0.5
    spectrum: float = 0.6
    margin: float = MARGIN

    @property
    def reach(self) -> float:
        """Half of the view's extent in a crop whose own reaches from -1 to 1."""
        return BOX_SHARE * (1 + 2 * self.margin)


def plain_view(crops: Tensor, masks: Tensor, spec: ViewSpec) -> Tensor:
    """The view as the service makes it.

    Args:
        crops: Shape (N, 1, height, width), 0 to 1.
        masks: Of the lungs in them, the same shape.
        spec: What is seen.

    Returns:
        Shape (N, 2, side, side), 0 to 1: what is seen, and the lungs in it with their rim.
    """
    count, reach = len(crops), spec.reach
    matrix = torch.tensor([[reach, 0.0, 0.0], [0.0, reach, 0.0]]).expand(count, 2, 3)
    grid = functional.affine_grid(matrix, [count, 1, spec.side, spec.side], align_corners=False)
    seen = _sampled(crops, grid, "border")
    lungs = _sampled(_widened(masks, RIM), grid, "zeros")
    return torch.cat([lungs_only(seen, lungs) if spec.view == "lungs_only" else seen, lungs], 1)


def augmented_view(
    crops: Tensor, masks: Tensor, spec: ViewSpec, generator: torch.Generator
) -> Tensor:
    """Draw one variant of each view; arguments and result as for ``plain_view``."""
    draws = Draws(len(crops), generator)
    grid = _jittered(spec, draws)
    framed = _framed(grid, draws)
    x = _sampled(crops, framed, "border")
    on_film = (framed == grid).all(-1)[:, None]
    lungs = _sampled(_widened(masks, draws.integer(0, 5)), grid, "zeros") * on_film
    x = _mixed(x, spec.histogram, draws)
    x = exchanged_spectrum(x, spec.spectrum, draws)
    x = _toned(x, draws)
    x = _resolved(x, draws)
    x = x + draws.noise(x) * each(draws.uniform(0, 0.03) * draws.happens(0.5))
    _markers(x, draws)
    return torch.cat([lungs_only(x, lungs) if spec.view == "lungs_only" else x, lungs], 1)


def lungs_only(x: Tensor, masks: Tensor) -> Tensor:
    """Give all but the lungs the median grey level of the lungs, softly at the rim."""
    hidden = torch.empty_like(x)
    for film, (picture, mask) in enumerate(zip(x, masks, strict=True)):
        inside = picture[mask > 0.5]
        level = (inside if inside.numel() else picture).median()
        hidden[film] = mask * picture + (1 - mask) * level
    return hidden


def _jittered(spec: ViewSpec, draws: Draws) -> Tensor:
    """Where each pixel of a view lies in its crop: size, turn, shear, shift and mirror drawn."""
    across = spec.reach * torch.exp(draws.uniform(-0.10, 0.12))
    down = spec.reach * torch.exp(draws.uniform(-0.10, 0.12))
    angle, flip, shear = draws.uniform(-0.14, 0.14), draws.flip(), draws.uniform(-0.08, 0.08)
    right = draws.uniform(-0.06, 0.06) * 2 * BOX_SHARE
    below = draws.uniform(-0.06, 0.06) * 2 * BOX_SHARE
    cos, sin = angle.cos(), angle.sin()
    matrix = torch.stack(
        [
            torch.stack([across * cos * flip, -down * sin + shear * down, right], 1),
            torch.stack([across * sin * flip, down * cos, below], 1),
        ],
        1,
    )
    return functional.affine_grid(
        matrix, [draws.count, 1, spec.side, spec.side], align_corners=False
    )


def _framed(grid: Tensor, draws: Draws) -> Tensor:
    """Let the film end at or near the lungs, on any side, in a third of the films."""
    limits = [
        torch.where(draws.happens(0.35), BOX_SHARE * (1 + 2 * draws.uniform(-0.03, 0.10)), _NEVER)
        for _ in range(4)
    ]
    left, right, top, bottom = (limit[:, None, None] for limit in limits)
    columns = torch.minimum(torch.maximum(grid[..., 0], -left), right)
    rows = torch.minimum(torch.maximum(grid[..., 1], -top), bottom)
    return torch.stack([columns, rows], -1)


def _sampled(x: Tensor, grid: Tensor, padding: str) -> Tensor:
    return functional.grid_sample(x, grid, "bilinear", padding, align_corners=False)


def _widened(masks: Tensor, rim: int) -> Tensor:
    return functional.max_pool2d(masks, 2 * rim + 1, 1, rim) if rim else masks


def _mixed(x: Tensor, share: float, draws: Draws) -> Tensor:
    """Bend the grey levels of some films towards those of another film of the batch."""
    steps = torch.linspace(0, 1, _QUANTILES)
    levels = torch.quantile(x.flatten(1)[:, ::7], steps, dim=1).T
    partner = draws.order()
    amount = draws.uniform(0, 1) * draws.happens(share)
    mixed = x.numpy().copy()
    for film in torch.nonzero(amount).flatten().tolist():
        own = np.maximum.accumulate(levels[film].numpy() + np.arange(_QUANTILES) * 1e-6)
        other = levels[partner[film]]
        target = (1 - amount[film]) * levels[film] + amount[film] * other
        mixed[film] = np.interp(mixed[film], own, target.numpy())
    return torch.from_numpy(mixed)


def _toned(x: Tensor, draws: Draws) -> Tensor:
    """Gamma, brightness, contrast and, in three films of ten, a display's S-curve."""
    x = x.clamp(1e-4, 1) ** each(torch.exp(draws.uniform(-0.5, 0.5)))
    x = each(draws.uniform(0, 0.2)) + x * each(draws.uniform(0.6, 1.0))
    steepness = each(torch.exp(draws.uniform(-1, 1.6)))
    curve = torch.sigmoid(steepness * 3 * (x - each(draws.uniform(0.35, 0.65))))
    return torch.where(each(draws.happens(0.3)), curve, x)


def _resolved(x: Tensor, draws: Draws) -> Tensor:
    """In seven batches of ten, the detail of a smaller picture."""
    if draws.one() >= 0.7:
        return x
    side = x.shape[-1]
    small = int(side * (0.4 + 0.6 * draws.one()))
    x = functional.interpolate(x, size=(small, small), mode="bilinear", antialias=True)
    return functional.interpolate(x, size=(side, side), mode="bilinear")


def _markers(x: Tensor, draws: Draws) -> None:
    """Plain rectangles over a quarter of the films, as of markers, tubes and labels."""
    side = x.shape[-1]
    for _ in range(2):
        if draws.one() >= 0.4:
            continue
        chosen = draws.order()[: draws.count // 4]
        height, width = (draws.integer(6, side // 5) for _ in range(2))
        top, left = (draws.integer(0, side - 40) for _ in range(2))
        x[chosen, :, top : top + height, left : left + width] = draws.one()
