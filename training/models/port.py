"""From a fitted PyTorch network to its Keras twin."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from torch import nn

from training.models.lite0 import Lite0
from training.models.twins import build_lungs, build_member
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


def port_member(network: Lite0, side: int, *, halved: bool = True) -> keras.Model:
    """The served form of a fitted member.

    Args:
        network: As fitted; its weights are read.
        side: Of the square view that it takes, in pixels.
        halved: Round the weights of convolutions to what 16 bits hold, so that the compiled graph
            takes half the space. Figures of a bundle are always those of the rounded network.
    """
    twin = build_member(side, network.shape)
    _set_units(network, twin)
    twin.get_layer("head").set_weights([_kernel(network.head), _array(network.head.bias)])
    twin.get_layer("mid_head").set_weights([_kernel(network.mid_head)])
    if halved:
        for layer in twin.layers:
            weights = layer.get_weights()
            layer.set_weights([_halved(each) if each.ndim == 4 else each for each in weights])
    return twin


def _set_units(network: nn.Module, twin: keras.Model) -> None:
    """Fold each normalisation into its convolution and give both to the layer of that name."""
    for name, unit in network.named_modules():
        if isinstance(unit, ConvNorm):
            twin.get_layer(name.replace(".", "_")).set_weights(_folded(unit))


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


def _halved(weights: Weights) -> Weights:
    return weights.astype(np.float16).astype(np.float32)
