"""A member of the ensemble in PyTorch: EfficientNet-Lite0 with two taps."""

from torch import Tensor, nn

from training.models.shapes import LITE0, LiteShape
from training.models.units import ConvNorm


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
    """A standardised view to the logit of pneumonia and, for training only, of the aetiology.

    The second output, normal / bacterial / viral, makes the shared features describe the lung; it
    is dropped in the served twin, ``training.models.twins.build_member``.
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
        self.head = nn.Linear(shape.deep, 1)
        self.mid_head = nn.Linear(shape.mid, 1, bias=False)
        self.aetiology = nn.Linear(shape.deep, 3)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Shape (N, 1, side, side), the side a multiple of 32, to (N,) and (N, 3)."""
        x = self.stem(x)
        for block in self.blocks[: self.shape.mid_block]:
            x = block(x)
        mid = self.mid(x).mean((2, 3))
        for block in self.blocks[self.shape.mid_block :]:
            x = block(x)
        deep = self.deep(x).mean((2, 3))
        # Logits in 32 bits, also where the convolutions run in bfloat16.
        deep, mid = self.dropout(deep.float()), self.dropout(mid.float())
        return (self.head(deep) + self.mid_head(mid))[:, 0], self.aetiology(deep)


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
