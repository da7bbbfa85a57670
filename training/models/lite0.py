"""A member of the ensemble in PyTorch: EfficientNet-Lite0 with two taps."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.models.shapes import EVIDENCE_STRIDE, LITE0, MASK_SHARPNESS, LiteShape
from training.models.units import ConvNorm, local_contrast


class Block(nn.Module):
    """An inverted residual block: widen, look around in each channel, narrow."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.has_skip = stride == 1 and inputs == outputs
        self.expand = _unit(inputs, inner, rectified=True) if expansion > 1 else nn.Identity()
        self.depthwise = _unit(inner, inner, kernel, stride, groups=inner, rectified=True)
        self.project = _unit(inner, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (N, inputs, h, w) to (N, outputs, h / stride, w / stride)."""
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.has_skip else y


class Lite0(nn.Module):
    """A view and the lungs in it to the logit of pneumonia and, for training only, the aetiology.

    Contrast is evened out first. The logit is the mean of an evidence map over the lungs: what lies
    outside of them has no vote, however the film was framed. The second output, normal / bacterial
    / viral, makes the shared features describe the lung; it is dropped in the served twin,
    ``training.models.twins.build_member``.
    """

    def __init__(self, shape: LiteShape = LITE0, dropout: float = 0.2) -> None:
        super().__init__()
        self.shape = shape
        self.stem = _unit(1, shape.stem, 3, 2, rectified=True)
        blocks, width = [], shape.stem
        for stage in shape.stages:
            for number in range(stage.blocks):
                stride = stage.stride if number == 0 else 1
                blocks.append(Block(width, stage.width, stage.expansion, stage.kernel, stride))
                width = stage.width
        self.blocks = nn.ModuleList(blocks)
        self.deep = _unit(width, shape.deep, rectified=True)
        self.mid = _unit(shape.stages[shape.mid_stage - 1].width, shape.mid, rectified=True)
        self.head = nn.Conv2d(shape.deep, 1, 1)
        self.mid_head = nn.Conv2d(shape.mid, 1, 1, bias=False)
        self.aetiology = nn.Linear(shape.deep, 3)
        # Whole channels, as dropout of pooled features would drop them.
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Shape (N, 2, side, side), the side a multiple of 32, to (N,) and (N, 3).

        The first channel is the standardised view, the second the lungs, 0 to 1.
        """
        x, mask = x[:, :1], x[:, 1:].float()
        x = self.stem(local_contrast(x))
        for block in self.blocks[: self.shape.mid_block]:
            x = block(x)
        mid = self.mid(x)
        for block in self.blocks[self.shape.mid_block :]:
            x = block(x)
        deep = self.deep(x)
        # Evidence and logits in 32 bits, also where the convolutions run in bfloat16.
        with torch.autocast(x.device.type, enabled=False):
            deep, mid = self.dropout(deep.float()), self.dropout(mid.float())
            evidence = _doubled(self.head(deep), "nearest") + self.mid_head(mid)
            evidence = _doubled(evidence, "bilinear")
            weights = lung_weights(mask)
            coarse = functional.avg_pool2d(weights, weights.shape[-1] // deep.shape[-1])
            pooled = (deep * coarse).mean((2, 3))
            return (evidence * weights).mean((1, 2, 3)), self.aetiology(pooled)


def lung_weights(mask: Tensor) -> Tensor:
    """How much each cell of the evidence counts: next to nothing outside the lungs, 1 on average.

    Args:
        mask: Of the lungs, 0 to 1, shape (N, 1, height, width).

    Returns:
        Shape (N, 1, height / EVIDENCE_STRIDE, width / EVIDENCE_STRIDE): a softmax of the cells'
        share of lung, so that a view without any lung is averaged as a whole.
    """
    share = functional.avg_pool2d(mask, EVIDENCE_STRIDE)
    cells = share[0, 0].numel()
    return torch.softmax((MASK_SHARPNESS * share).flatten(1), 1).view_as(share) * cells


def is_new(name: str) -> bool:
    """Whether a parameter is not part of the pretrained trunk."""
    return name.startswith(("head", "mid", "aetiology"))


def _unit(
    inputs: int,
    outputs: int,
    kernel: int = 1,
    stride: int = 1,
    *,
    groups: int = 1,
    rectified: bool = False,
) -> ConvNorm:
    return ConvNorm(
        inputs,
        outputs,
        kernel,
        stride,
        groups=groups,
        activation="relu6" if rectified else None,
        padding="same",
        epsilon=1e-3,
    )


def _doubled(x: Tensor, mode: str) -> Tensor:
    align = None if mode == "nearest" else False
    return functional.interpolate(x, scale_factor=2, mode=mode, align_corners=align)
