"""Exchanged spectra: detail changes, lowest frequencies and content stay."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from training.fit.draws import Draws
from training.fit.spectrum import exchanged_spectrum

pytestmark = pytest.mark.usefixtures("one_thread")

SIDE = 96


def pair() -> Tensor:
    """A slow wave under fine noise, and the same blurred."""
    across = torch.linspace(0, 2 * torch.pi, SIDE)
    wave = 0.5 + 0.2 * torch.sin(across)[None].expand(SIDE, SIDE)
    noise = torch.randn(SIDE, SIDE, generator=torch.Generator().manual_seed(5))
    sharp = (wave + 0.05 * noise)[None, None]
    blurred = functional.avg_pool2d(functional.pad(sharp, (2,) * 4, mode="replicate"), 5, 1)
    return torch.cat([sharp, blurred])


def detail(x: Tensor) -> Tensor:
    """How much neighbouring pixels differ in each view."""
    return x.diff(dim=-1).std((1, 2, 3))


def variants(share: float, times: int = 40) -> Tensor:
    films = pair()
    return torch.stack(
        [
            exchanged_spectrum(films, share, Draws(2, torch.Generator().manual_seed(seed)))
            for seed in range(times)
        ]
    )


def test_sharp_and_blurred_films_come_closer() -> None:
    before = detail(pair())
    drawn = torch.stack([detail(films) for films in variants(1.0)])
    assert drawn[:, 0].min() < before[0] / 2
    assert drawn[:, 1].max() > before[1] * 2
    assert drawn.log().mean(0).diff().abs() < before.log().diff().abs() / 1.3


def test_mean_and_lowest_frequencies_stay() -> None:
    films = pair()
    coarse = functional.avg_pool2d(films, 16)
    for drawn in variants(1.0):
        assert torch.allclose(drawn.mean((2, 3)), films.mean((2, 3)), atol=0.01)
        assert (functional.avg_pool2d(drawn, 16) - coarse).abs().max() < 0.06


def test_without_a_share_half_of_the_films_are_untouched() -> None:
    films = pair()
    same = torch.stack([(drawn == films).all((1, 2, 3))[..., None] for drawn in variants(0.0)])
    assert 0.3 < same.float().mean() < 0.7
