"""Networks to ONNX graphs, in 32 bits and in 8; whether they are any good is judged elsewhere."""

import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from service.imaging import InputSpec
from service.inference.engines.fused import fuse
from service.inference.engines.onnx import (
    FEATURES_NAME,
    INPUT_NAME,
    LUNGS_NAME,
    MAPS_NAME,
    OUTPUT_NAME,
)
from training.export.eight_bits import suit_eight_bits
from training.export.shifts import correct_shifts
from training.export.streamline import streamline
from training.models.rounding import steps_of

CALIBRATION_IMAGES: Final = 64
"""More take gigabytes of memory for their activations and change nothing."""

MAX_ERROR: Final = 0.1
"""Largest root mean square of what 8 bits may change in a member's logits of the calibration
images, for fewer convolutions to stay in 32 bits. The gate has the last word. One verdict in 20 to
30 lies within half a unit of the threshold, so that about 3 of 1,024 change at this error."""

MOST_SIZES: Final = 2
"""Sizes of maps whose convolutions may stay in 32 bits. The next ones hold most of the time that 8
bits save."""

_BATCH: Final = 16

_LARGE: Final = 1024
"""Numbers that a weight has at least to be worth a step of its own."""

Floats = NDArray[np.float32]


def export(
    files: Mapping[Path, Path],
    spec: InputSpec,
    *,
    channels: Sequence[slice] | None = None,
) -> None:
    """Write each network as a graph in ONNX, without any check.

    All graphs take the same input, with the channels of every network, and their maps have one
    grid.

    Args:
        files: The graph's file for each member's ``.keras`` file, in the order of their scores.
        spec: What each of them takes.
        channels: Which channels of the input each takes; see ``fuse``.
    """
    models = [keras.saving.load_model(file, compile=False) for file in files]
    fused = fuse(models, spec, channels=channels)
    for part, target in zip(fused.parts, files.values(), strict=True):
        _export(part, target, (OUTPUT_NAME, MAPS_NAME))


def export_lungs(file: Path, side: int, target: Path) -> None:
    """Write a segmentation network as ONNX, without any check.

    Args:
        file: The ``.keras`` file; its network may give features of the picture as well.
        side: Of its square input, in pixels.
        target: The graph's file.
    """
    network = keras.saving.load_model(file, compile=False)
    image = keras.Input((side, side, 1), name=INPUT_NAME)
    _export(keras.Model(image, network(image)), target, (LUNGS_NAME, FEATURES_NAME))


def _export(model: Any, target: Path, outputs: tuple[str, str]) -> None:
    model(np.zeros((1, *model.inputs[0].shape[1:]), np.float32))  # exporting needs it
    model.export(target, format="onnx", verbose=False)
    _name_outputs(target, outputs)
    streamline(target)


def quantise_lungs(graph: Path, images: Floats, target: Path) -> None:
    """Write a segmentation graph in 8 bits: as ``quantise``, and its enlarging too.

    Args:
        graph: What ``export_lungs`` wrote.
        images: Shape (N, side, side, 1); as for ``quantise``.
        target: The new graph's file.
    """
    quantise(graph, images, target, also=("Resize",))


def quantise_member(graph: Path, images: Floats, target: Path) -> int:
    """Write a member's graph in 8 bits: as ``quantise``, as far as that is precise enough.

    Errors of 8 bits weigh most in the first convolutions, on whose few channels all others rest,
    and those gain the least time. So the convolutions of the largest maps stay in 32 bits, one size
    of maps after the other, until the member's logits of the images are within ``MAX_ERROR``.

    Args:
        graph: What ``export`` wrote.
        images: As for ``quantise``.
        target: The new graph's file.

    Returns:
        How many sizes stay in 32 bits: at most ``MOST_SIZES``, and never all, even if that does not
        do.
    """
    exact = _logits(scores_of(graph, images))
    for sizes in range(min(MOST_SIZES, len(_sizes(_maps(graph))) - 1) + 1):
        quantise(graph, images, target, kept=widest(graph, sizes))
        error = _logits(scores_of(target, images)) - exact
        if np.sqrt(np.mean(error**2)) <= MAX_ERROR:
            break
    return sizes


def widest(graph: Path, sizes: int) -> frozenset[str]:
    """Names of the convolutions of the largest maps, and of those that give one channel.

    One channel is the evidence itself, which costs nothing in 32 bits.

    Args:
        graph: An ONNX file.
        sizes: How many sizes of maps, from the largest.
    """
    maps = _maps(graph)
    large = set(_sizes(maps)[:sizes])
    return frozenset(
        n for n, (count, *sides) in maps.items() if count == 1 or tuple(sides) in large
    )


def _maps(graph: Path) -> dict[str, list[int]]:
    """Channels, rows and columns of what each convolution gives, by its name."""
    import onnx  # noqa: PLC0415

    inferred = onnx.shape_inference.infer_shapes(onnx.load(graph)).graph
    shapes = {
        value.name: [side.dim_value for side in value.type.tensor_type.shape.dim[1:]]
        for value in (*inferred.value_info, *inferred.output)
    }
    return {node.name: shapes[node.output[0]] for node in inferred.node if node.op_type == "Conv"}


def _sizes(maps: dict[str, list[int]]) -> list[tuple[int, ...]]:
    """Rows and columns of maps of more than one channel, the largest first."""
    return sorted({tuple(sides) for count, *sides in maps.values() if count > 1}, reverse=True)


def quantise(
    graph: Path,
    images: Floats,
    target: Path,
    *,
    also: Sequence[str] = (),
    kept: Collection[str] = (),
) -> None:
    """Write a graph whose convolutions multiply 8-bit integers.

    Static quantisation in QDQ format (ONNX Runtime), weights per channel, activations by the range
    that holds all but a hundred-thousandth of their values on the given images. Convolutions first
    get the form that suits 8 bits (``suit_eight_bits``). What only picks among 8-bit numbers,
    rectifiers and maximum pooling, does so in 8 bits and is not widened for it. All else stays in
    32 bits: additions gain nothing from 8 bits here, and the standardisation of the image and the
    maps need more. Weights take 7 bits, so that no sum of two products overflows the 16 bits in
    which x86 processors without VNNI hold it: the graph answers alike everywhere. What that does to
    the means of the convolutions is taken back (``correct_shifts``).

    Args:
        graph: What ``export`` wrote.
        images: Prepared radiographs, shape (N, height, width, channels), ``CALIBRATION_IMAGES`` of
            which are used, drawn evenly.
        target: The new graph's file.
        also: Further operators that are to work on 8-bit numbers.
        kept: Names of convolutions that stay in 32 bits.
    """
    from onnxruntime import quantization as ort  # noqa: PLC0415

    shown = images[:: max(1, len(images) // CALIBRATION_IMAGES)]

    class Reader(ort.CalibrationDataReader):
        def __init__(self) -> None:
            self._images = iter(shown)

        def get_next(self) -> dict[str, Floats] | None:
            image = next(self._images, None)
            return None if image is None else {INPUT_NAME: image[None]}

    # It tells of its progress by print().
    with tempfile.TemporaryDirectory() as scratch, redirect_stdout(StringIO()):
        suited, inferred = Path(scratch) / "suited.onnx", Path(scratch) / "inferred.onnx"
        suit_eight_bits(graph, suited, kept)
        ort.quant_pre_process(suited, inferred, skip_symbolic_shape=True)
        ort.quantize_static(
            inferred,
            target,
            Reader(),
            quant_format=ort.QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "MaxPool", "Relu", "Clip", *also],
            per_channel=True,
            reduce_range=True,
            calibrate_method=ort.CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": 99.999},
            activation_type=ort.QuantType.QUInt8,
            weight_type=ort.QuantType.QInt8,
            nodes_to_exclude=list(kept),
        )
        correct_shifts(inferred, target, images)


def shrink(graph: Path, target: Path) -> None:
    """Write a graph whose large weights take 8 or 16 bits, wherever that loses nothing.

    It computes as before, in 32 bits: the engine widens the weights once, when it loads the graph.
    The members of ``training.models.port`` have such weights, others stay as they are.
    """
    import onnx  # noqa: PLC0415
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    model = onnx.load(graph)
    widened, steps = [], []
    for tensor in model.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.dtype != np.float32 or weights.size < _LARGE:
            continue
        small, step = _narrow(weights)
        if small is None:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(small, f"{name}/small"))
        wide = name if step is None else f"{name}/wide"
        widened.append(helper.make_node("Cast", [tensor.name], [wide], to=TensorProto.FLOAT))
        if step is not None:
            steps.append(numpy_helper.from_array(step, f"{name}/step"))
            widened.append(helper.make_node("Mul", [wide, f"{name}/step"], [name]))
    model.graph.initializer.extend(steps)
    nodes = [*widened, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)


def _narrow(weights: Floats) -> tuple[NDArray[Any] | None, Floats | None]:
    """The same weights in 8 bits, with the step of each channel, or in 16, or none."""
    if weights.ndim == 4:
        whole, step = steps_of(weights, 0)
        if np.array_equal(whole * step, weights):
            return whole, step
    with np.errstate(over="ignore"):  # what is too large for 16 bits is not equal below
        half = weights.astype(np.float16)
    return (half if np.array_equal(half.astype(np.float32), weights) else None), None


def _logits(scores: Floats) -> Floats:
    sure = np.clip(scores, 1e-6, 1 - 1e-6)
    logits: Floats = np.log(sure / (1 - sure))
    return logits


def scores_of(graph: Path, images: Floats) -> Floats:
    """Score images with a graph alone: shape (N, its members)."""
    import onnxruntime  # noqa: PLC0415

    session = onnxruntime.InferenceSession(graph)
    batches = (images[i : i + _BATCH] for i in range(0, len(images), _BATCH))
    return np.concatenate([session.run([OUTPUT_NAME], {INPUT_NAME: b})[0] for b in batches])


def _name_outputs(path: Path, wanted: tuple[str, str]) -> None:
    """Give the graph's outputs their names; the exporter calls them after TensorFlow operations."""
    import onnx  # noqa: PLC0415

    model = onnx.load(path)
    names = {o.name: name for o, name in zip(model.graph.output, wanted, strict=False)}
    for output in model.graph.output:
        output.name = names[output.name]
    for node in model.graph.node:
        for tensors in (node.input, node.output):
            tensors[:] = [names.get(tensor, tensor) for tensor in tensors]
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
