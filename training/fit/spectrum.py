"""Sharpness, noise and processing of another device: amplitude spectra changed ring by ring.

What a detector, its dose and its processing do to a film is nearly the same in every direction:
they weaken or strengthen detail of a given size. What a lung looks like is in the phase. So a film
takes over, partway, how strong detail of each size is in another film (the idea of Fourier style
exchange: Yang 2020, arXiv:2004.05498; Xu 2021, arXiv:2105.11182, here on means over rings rather
than on whole spectra), and its lowest frequencies, which hold the opacities, stay.
"""

import math
from functools import cache
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from training.fit.draws import Draws, each

KNOTS: Final = (2.0, 3.0, 4.5, 7.0, 10.0, 15.0, 22.0, 33.0, 50.0, 75.0, 96.0)
"""Cycles across the view between which the gain is interpolated, evenly in their logarithm."""

_KEPT_BELOW: Final = 1.5
"""Cycles across the view; what is slower stays as it was."""
_BORDER: Final = 32
"""Pixels by which a view is reflected beyond its edge before it is filtered."""
_LARGEST_LOG_GAIN: Final = 2.0
_CURVE_KNOTS: Final = 4
_CURVE_SPREAD: Final = 0.35
_CURVE_SHARE: Final = 0.5


def exchanged_spectrum(x: Tensor, share: float, draws: Draws) -> Tensor:
    """Give some views the spectrum of another's detail, partway, and half of them a random tilt.

    Args:
        x: Shape (N, 1, side, side), 0 to 1.
        share: Of the views, how many take another's.
        draws: Their chance.

    Returns:
        Shape of ``x``; the mean of each view is kept, its range is not.
    """
    side = x.shape[-1]
    rings, kept = _rings(side)
    mean = x.mean((2, 3), keepdim=True)
    profile = _profile((x - mean)[:, 0], rings)
    partner = draws.order()
    amount = draws.uniform(0, 1) * draws.happens(share)
    log_gain = amount[:, None] * (profile[partner] - profile)
    log_gain = log_gain + _random_curve(log_gain.shape[1], draws)
    log_gain = (log_gain - log_gain[:, :1]).clamp(-_LARGEST_LOG_GAIN, _LARGEST_LOG_GAIN)
    gain = torch.exp(torch.einsum("nk,khw->nhw", log_gain, rings)) * (1 - kept) + kept
    changed = each(log_gain.abs().sum(1) > 0)
    return torch.where(changed, _filtered(x - mean, gain) + mean, x)


def _random_curve(knots: int, draws: Draws) -> Tensor:
    """Logarithm of a smooth gain for each view, shape (N, knots); none for half of them."""
    shape = torch.zeros(draws.count, _CURVE_KNOTS)
    curve = functional.interpolate(
        (draws.noise(shape) * _CURVE_SPREAD)[:, None], size=knots, mode="linear", align_corners=True
    )
    return curve[:, 0] * draws.happens(_CURVE_SHARE)[:, None]


def _profile(x: Tensor, rings: Tensor) -> Tensor:
    """Mean log amplitude in each ring: shape (N, knots) of (N, side, side)."""
    window = torch.hann_window(x.shape[-1], periodic=False)
    amplitude = torch.fft.rfft2(x * window[:, None] * window[None]).abs()
    log_amplitude = torch.log(amplitude + 1e-3)
    return torch.einsum("nhw,khw->nk", log_amplitude, rings) / rings.sum((1, 2))


def _filtered(x: Tensor, gain: Tensor) -> Tensor:
    """Multiply spectra by a gain that was made for the size of the views, without their edges."""
    side = x.shape[-1]
    wide = functional.pad(x, (_BORDER,) * 4, mode="reflect")[:, 0]
    spectrum = torch.fft.rfft2(wide)
    finer = functional.interpolate(
        torch.fft.fftshift(gain, dim=1)[:, None],
        size=tuple(spectrum.shape[-2:]),
        mode="bilinear",
        align_corners=False,
    )[:, 0]
    out = torch.fft.irfft2(spectrum * torch.fft.ifftshift(finer, dim=1), s=wide.shape[-2:])
    return out[:, None, _BORDER : _BORDER + side, _BORDER : _BORDER + side]


@cache
def _rings(side: int) -> tuple[Tensor, Tensor]:
    """Weights of each knot, shape (knots, side, side // 2 + 1), and where nothing is changed."""
    rows, columns = torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)[None]
    cycles = (rows * rows + columns * columns).sqrt() * side
    first, last, count = KNOTS[0], KNOTS[-1], len(KNOTS)
    place = (cycles.clamp(min=1e-3).log() - math.log(first)) / math.log(last / first)
    place = (place * (count - 1)).clamp(0, count - 1)
    below = place.floor().long().clamp(max=count - 2)
    weights = torch.zeros(count, *cycles.shape)
    weights.scatter_(0, below[None], (1 - (place - below))[None])
    weights.scatter_add_(0, below[None] + 1, (place - below)[None])
    return weights, (cycles < _KEPT_BELOW).float()
