"""The network that finds the lungs, in PyTorch."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from training.models.shapes import UNET, UNetShape
from training.models.units import ConvNorm


class LungsNet(nn.Module):
    """A standardised greyscale picture to the logits of lung, pixel by pixel.

    Its Keras twin, ``training.models.twins.build_lungs``, standardises the picture itself and gives
    probabilities.
    """

    def __init__(self, shape: UNetShape = UNET) -> None:
        super().__init__()
        self.shape = shape
        widths = shape.widths
        steps = list(pairwise(widths))
        self.stem = _unit(1, widths[0], 5, 2)
        self.first = _unit(widths[0], widths[0])
        self.down = nn.ModuleList(_unit(wide, deep, 3, 2) for wide, deep in steps)
        self.encode = nn.ModuleList(
            nn.Sequential(*(_unit(deep, deep) for _ in range(convolutions(level))))
            for level, (_, deep) in enumerate(steps)
        )
        self.up = nn.ModuleList(_unit(deep, wide, 1) for wide, deep in steps)
        self.decode = nn.ModuleList(_unit(wide, wide) for wide in widths[:-1])
        self.out = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (N, 1, side, side) to the same, the side a multiple of ``2 ** len(widths)``."""
        levels = [self.first(self.stem(x))]
        for down, encode in zip(self.down, self.encode, strict=True):
            levels.append(encode(down(levels[-1])))
        y = levels.pop()
        for up, decode, skip in zip(
            reversed(self.up), reversed(self.decode), reversed(levels), strict=True
        ):
            y = decode(_doubled(up(y)) + skip)
        return _doubled(self.out(y))


def convolutions(level: int) -> int:
    """Convolutions of a level of the encoder after the one with the stride."""
    return 1 if level == 0 else 2


def _unit(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> ConvNorm:
    return ConvNorm(inputs, outputs, kernel, stride, activation="relu")


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
