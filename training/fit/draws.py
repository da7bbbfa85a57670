"""Random numbers for a batch, from one generator that a checkpoint can hold."""

import torch
from torch import Tensor


class Draws:
    """Draws for a batch of pictures.

    Args:
        count: Pictures in the batch.
        generator: Equal states give equal draws.
    """

    def __init__(self, count: int, generator: torch.Generator) -> None:
        self.count = count
        self.generator = generator

    def uniform(self, low: float, high: float) -> Tensor:
        """One number for each picture: shape (N,)."""
        return torch.rand(self.count, generator=self.generator) * (high - low) + low

    def happens(self, share: float) -> Tensor:
        """For each picture, true with this probability: shape (N,)."""
        return torch.rand(self.count, generator=self.generator) < share

    def flip(self) -> Tensor:
        """-1 or 1 for each picture, equally often: shape (N,)."""
        return torch.where(self.happens(0.5), -1.0, 1.0)

    def one(self) -> float:
        """One number from 0 to 1 for the whole batch."""
        return float(torch.rand(1, generator=self.generator))

    def integer(self, low: int, high: int) -> int:
        """One number from ``low`` to ``high - 1`` for the whole batch."""
        return int(torch.randint(low, high, (1,), generator=self.generator))

    def order(self) -> Tensor:
        """The pictures' positions in a random order."""
        return torch.randperm(self.count, generator=self.generator)

    def noise(self, like: Tensor) -> Tensor:
        """Normally distributed numbers of a tensor's shape."""
        return torch.randn(like.shape, generator=self.generator)


def each(values: Tensor) -> Tensor:
    """One value for each picture, shaped to meet (N, 1, height, width)."""
    return values[:, None, None, None]
