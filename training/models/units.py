"""Convolution, normalisation and rectifier as one unit: what every network here is made of."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.models.shapes import LOCAL_CELLS, LOCAL_FLOOR, LOCAL_WEIGHTS

Activation = Literal["relu", "relu6"]
Padding = Literal["centred", "same"]
"""Where a convolution with a stride looks: ``centred`` pads alike on both sides, ``same`` as
TensorFlow does, one pixel more at the end if their number is odd."""


class ConvNorm(nn.Module):
    """A convolution without bias, batch normalisation, and perhaps a rectifier.

    Names of the parameters: ``conv.weight``, ``norm.weight`` and so on. ``training.models.port``
    folds both into one convolution of the served network.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        activation: Activation | None = None,
        padding: Padding = "centred",
        epsilon: float = 1e-5,
    ) -> None:
        super().__init__()
        self.same = padding == "same" and stride > 1
        pad = 0 if self.same else kernel // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, pad, groups=groups, bias=False)
        # Running statistics follow within tens of steps; the slower default of 0.01 to 0.1 either
        # lags behind a short fine-tuning or swings with single batches.
        self.norm = nn.BatchNorm2d(outputs, eps=epsilon, momentum=0.05)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Shape (N, inputs, h, w) to (N, outputs, h / stride, w / stride)."""
        if self.same:
            x = functional.pad(x, self._padding(x.shape[-2], x.shape[-1]))
        x = self.norm(self.conv(x))
        if self.activation == "relu6":
            return functional.relu6(x)
        return functional.relu(x) if self.activation == "relu" else x

    def _padding(self, height: int, width: int) -> tuple[int, int, int, int]:
        kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
        sides = []
        for length in (width, height):
            total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
            sides += [total // 2, total - total // 2]
        return sides[0], sides[1], sides[2], sides[3]


def standardise(x: Tensor, floor: float) -> Tensor:
    """Subtract each picture's mean and divide by its standard deviation plus ``floor``.

    Args:
        x: Shape (N, channels, height, width), 0 to 1; only the first channel is changed.
        floor: See ``STANDARD_FLOORS``.
    """
    picture = x[:, :1]
    mean = picture.mean((1, 2, 3), keepdim=True)
    deviation = picture.std((1, 2, 3), keepdim=True)
    return torch.cat([(picture - mean) / (deviation + floor), x[:, 1:]], 1)


def local_contrast(x: Tensor) -> Tensor:
    """Even out how strong contrast is in each part of a picture, and weaken its large shades.

    A pixel's distance from the mean around it is divided by how far pixels around it are from
    theirs (local contrast normalisation: Jarrett 2009, doi:10.1109/ICCV.2009.5459469). So a film
    that its device processed to be soft looks much like one that was processed to be hard.

    Args:
        x: Standardised, shape (N, 1, side, side), the side a multiple of ``LOCAL_CELLS``.

    Returns:
        Shape of ``x``.
    """
    near, wide = LOCAL_CELLS
    mean = _smooth(x, near)
    apart = x - mean
    contrast = apart / (_smooth(apart.abs(), wide) + LOCAL_FLOOR)
    return LOCAL_WEIGHTS[0] * mean + LOCAL_WEIGHTS[1] * contrast


def _smooth(x: Tensor, cell: int) -> Tensor:
    """Means over cells, and between their centres what lies between."""
    means = functional.avg_pool2d(x, cell)
    return functional.interpolate(means, scale_factor=cell, mode="bilinear", align_corners=False)
