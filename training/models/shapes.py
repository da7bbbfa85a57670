"""What the networks are made of: the one description that both frameworks build from."""

from dataclasses import dataclass
from typing import Final

STANDARD_FLOORS: Final = {"lungs": 0.01, "member": 0.02}
"""Added to the standard deviation of a view by which a network divides it: a nearly flat picture
is not blown up into noise."""


MASK_SHARPNESS: Final = 10.0
"""How sharply a member tells lung from what is not: a cell without lung counts exp(-10) times as
much as one full of it."""

LOCAL_CELLS: Final = (16, 32)
"""Pixels of a view over which local contrast takes the mean, and how far pixels are from it."""

LOCAL_FLOOR: Final = 0.1
"""Added to that distance, in standard deviations of the view: flat parts are not blown up."""

LOCAL_WEIGHTS: Final = (0.85, 0.75)
"""Of the mean and of the local contrast, so that their sum varies about as much as a view."""

EVIDENCE_STRIDE: Final = 8
"""Pixels of a view on each side of a cell of a member's evidence map."""


@dataclass(frozen=True, slots=True)
class UNetShape:
    """A U-Net (Ronneberger 2015, arXiv:1505.04597) that adds its skips instead of joining them.

    The first and the last step work at half the resolution, so that a mask of 192 px costs a
    quarter of what it would.

    Attributes:
        widths: Channels of each resolution, from half the input's downwards, each half as large.
    """

    widths: tuple[int, ...] = (16, 24, 40, 64, 96)


@dataclass(frozen=True, slots=True)
class Stage:
    """Inverted residual blocks of one width (Sandler 2018, arXiv:1801.04381).

    Attributes:
        expansion: By how much a block widens its input before the depthwise convolution.
        width: Channels of the result.
        blocks: How many.
        stride: Of the first block.
        kernel: Side of the depthwise convolutions.
    """

    expansion: int
    width: int
    blocks: int
    stride: int
    kernel: int


@dataclass(frozen=True, slots=True)
class LiteShape:
    """EfficientNet-Lite0 (Tan and Le 2019, arXiv:1905.11946; Google 2020), with a second tap.

    The Lite family leaves out squeeze-and-excitation and takes ReLU6 for swish, so that it computes
    well in 8 bits. Evidence for pneumonia is the sum of two linear heads: one on the deepest
    features, one on features of twice the resolution, for small opacities and finer maps. The
    answer is its mean over the lungs.

    Attributes:
        stem: Channels of the first convolution.
        stages: Blocks, from the largest resolution to the smallest.
        mid_stage: Number of stages before the second tap; the stages after it halve the
            resolution once.
        mid: Channels of the second tap.
        deep: Channels of the deepest features.
    """

    stem: int = 32
    stages: tuple[Stage, ...] = (
        Stage(1, 16, 1, 1, 3),
        Stage(6, 24, 2, 2, 3),
        Stage(6, 40, 2, 2, 5),
        Stage(6, 80, 3, 2, 3),
        Stage(6, 112, 3, 1, 5),
        Stage(6, 192, 4, 2, 5),
        Stage(6, 320, 1, 1, 3),
    )
    mid_stage: int = 5
    mid: int = 256
    deep: int = 1280

    @property
    def mid_block(self) -> int:
        """Number of blocks before the second tap."""
        return sum(stage.blocks for stage in self.stages[: self.mid_stage])


LITE0: Final = LiteShape()
UNET: Final = UNetShape()
