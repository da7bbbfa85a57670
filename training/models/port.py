"""From fitted PyTorch networks to their Keras twin."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from torch import nn

from training.models.lite0 import Lite0
from training.models.rounding import rounded
from training.models.twins import build_lungs, build_member, fit_name
from training.models.unet import LungsNet
from training.models.units import ConvNorm

Weights = NDArray[np.float32]


def port_lungs(network: LungsNet, side: int) -> keras.Model:
    """The served form of a fitted segmentation network.

    Args:
        network: As fitted; its weights are read.
        side: Of the square that it takes, in pixels.
    """
    twin = build_lungs(side, network.shape)
    _set_units(network, twin)
    twin.get_layer("out").set_weights([_kernel(network.out), _array(network.out.bias)])
    return twin


def port_member(fits: Sequence[Lite0], side: int, *, exact: bool = False) -> keras.Model:
    """The served form of a member: one network that answers with the mean logit of its fits.

    Args:
        fits: As fitted, of one shape; their weights are read.
        side: Of the square view that they take, in pixels.
        exact: Keep the weights as they are. Otherwise those of convolutions are rounded (see
            ``training.models.rounding``), so that the compiled graph takes less than a third of the
            space. Figures of a bundle are always those of the rounded network.
    """
    twin = build_member(side, fits[0].shape, len(fits))
    for number, network in enumerate(fits):
        name = fit_name(number)
        _set_units(network, twin, name)
        head, mid_head = (twin.get_layer(f"{name}{each}") for each in ("head", "mid_head"))
        head.set_weights([_kernel(network.head), _array(network.head.bias)])
        mid_head.set_weights([_kernel(network.mid_head)])
    if not exact:
        for layer in twin.layers:
            # A depthwise kernel has its channels before the last axis, which has one place.
            axis = 2 if isinstance(layer, keras.layers.DepthwiseConv2D) else 3
            weights = layer.get_weights()
            layer.set_weights([rounded(each, axis) if each.ndim == 4 else each for each in weights])
    return twin


def _set_units(network: nn.Module, twin: keras.Model, prefix: str = "") -> None:
    """Fold each normalisation into its convolution and give both to the layer of that name."""
    for name, unit in network.named_modules():
        if isinstance(unit, ConvNorm):
            twin.get_layer(prefix + name.replace(".", "_")).set_weights(_folded(unit))


def _folded(unit: ConvNorm) -> list[Weights]:
    """Kernel and bias of a convolution that does what convolution and normalisation do."""
    norm = unit.norm
    deviation = np.sqrt(_array(norm.running_var).astype(np.float64) + norm.eps)
    scale = _array(norm.weight) / deviation
    bias = _array(norm.bias) - _array(norm.running_mean) * scale
    kernel = _kernel(unit.conv)
    depthwise = unit.conv.groups > 1
    scaled = kernel * (scale[:, np.newaxis] if depthwise else scale)
    return [scaled.astype(np.float32), bias.astype(np.float32)]


def _kernel(conv: nn.Conv2d) -> Weights:
    """Of shape (rows, columns, inputs, outputs), or (rows, columns, channels, 1) if depthwise."""
    order = (2, 3, 0, 1) if conv.groups > 1 else (2, 3, 1, 0)
    return _array(conv.weight).transpose(order)


def _array(tensor: Any) -> Weights:
    array: Weights = tensor.detach().float().cpu().numpy()
    return array
