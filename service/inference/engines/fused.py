"""All networks of a bundle as one Keras model: their probabilities and, if they allow it, maps.

A class activation map (Zhou et al. 2016, arXiv:1512.04150) splits an answer over the frame. Where
a network ends in global average pooling and one dense unit, its logit is the mean over the cells of
its last features of one linear function of each, so the split is exact and costs next to nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.imaging import InputSpec
from service.inference.engines.layout import Layout, call_of, common_grid, layout_of
from service.inference.errors import NotExplainableError

IMAGE: Final = "radiograph"
PROBABILITIES: Final = "probabilities"
MAPS: Final = "activation_maps"

_IDENTITY: Final = frozenset({"Dropout", "GaussianDropout", "GaussianNoise"})


@dataclass(frozen=True, slots=True)
class Fused:
    """One model over all networks.

    Attributes:
        model: Takes (N, height, width, channels) and gives probabilities, shape (N, members), or,
            if there are maps, a list of probabilities and maps, shape (N, members, h, w).
            All are float32.
        without_maps: One sentence why there are no maps; empty when there are.
    """

    model: Any
    without_maps: str = ""


@dataclass(frozen=True, slots=True)
class _Explainable:
    """The end of a network that allows a map, and where its features lie on the frame."""

    features: Any
    dense: Any
    layout: Layout


def fuse(models: Sequence[Any], spec: InputSpec) -> Fused:
    """Join networks that each take one image and give one probability.

    A map's values are in logits: summed over its grid they are the network's own logit, before any
    calibration. The grid covers the whole frame and is the coarsest one on which each cell of any
    network's features fills whole cells; what a network crops away adds nothing to its answer. A
    layer that does not crop is taken to spread its output evenly over what its input covers.

    Args:
        models: Keras models, in the order of the members.
        spec: What they take.
    """
    import keras  # noqa: PLC0415

    image = keras.Input((spec.height, spec.width, spec.channels), name=IMAGE)
    try:
        ends = [_explainable(model, spec) for model in models]
        layouts = [end.layout for end in ends]
        grid = (common_grid(layouts, 0, spec.height), common_grid(layouts, 1, spec.width))
    except NotExplainableError as error:
        parts = [_part(model, model.outputs[0], number) for number, model in enumerate(models)]
        joined = _join([part(image) for part in parts], PROBABILITIES)
        return Fused(keras.Model(image, joined), str(error))
    probabilities, maps = [], []
    for number, (model, end) in enumerate(zip(models, ends, strict=True)):
        heat = end.layout.spread(end.features, end.dense, grid)
        answer, heat = _part(model, [model.outputs[0], heat], number)(image)
        probabilities.append(answer)
        maps.append(heat)
    outputs = [_join(probabilities, PROBABILITIES), _join(maps, MAPS)]
    return Fused(keras.Model(image, outputs))


def _part(model: Any, outputs: Any, number: int) -> Any:
    import keras  # noqa: PLC0415

    # Two networks of one name cannot be parts of one model.
    return keras.Model(model.inputs[0], outputs, name=f"member_{number}")


def _join(tensors: list[Any], name: str) -> Any:
    import keras  # noqa: PLC0415

    if len(tensors) == 1:
        return keras.layers.Activation("linear", dtype="float32", name=name)(tensors[0])
    return keras.layers.Concatenate(axis=1, dtype="float32", name=name)(tensors)


def _explainable(model: Any, spec: InputSpec) -> _Explainable:
    """Find the dense unit and the features under it, or say why there is no map."""
    import keras  # noqa: PLC0415

    layer, tensor = _maker(model.outputs[0])
    if type(layer).__name__ == "Activation" and layer.activation is keras.activations.sigmoid:
        dense, tensor = _maker(tensor)
        ends_well = getattr(dense, "activation", None) is keras.activations.linear
    else:
        dense = layer
        ends_well = getattr(dense, "activation", None) is keras.activations.sigmoid
    pooling, tensor = _maker(tensor)
    while type(pooling).__name__ in _IDENTITY:
        pooling, tensor = _maker(tensor)
    if not (
        ends_well
        and type(dense).__name__ == "Dense"
        and type(pooling).__name__ == "GlobalAveragePooling2D"
        and pooling.data_format == "channels_last"
    ):
        raise NotExplainableError
    # A network for images of any size has features of any size, until it is given an image.
    image = keras.Input((spec.height, spec.width, spec.channels))
    shape = _part(model, tensor, 0)(image).shape
    return _Explainable(tensor, dense, layout_of(tensor, model.inputs[0], shape))


def _maker(tensor: Any) -> tuple[Any, Any]:
    """The layer that made a tensor, and the first tensor that it took."""
    layer, inputs = call_of(tensor)
    return layer, inputs[0] if inputs else tensor
