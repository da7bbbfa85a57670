"""Bundles of two tiny random networks: made in half a second, and with answers that differ."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from service.imaging import InputSpec, Radiograph, prepare
from service.inference import (
    MANIFEST_FILE,
    Calibration,
    LungsEntry,
    Manifest,
    MemberEntry,
    Threshold,
    describe_members,
    file_sha256,
    load_engine,
    load_segmenter,
    make_golden,
    make_lungs_golden,
    open_bundle,
)
from service.inference.manifest import ViewName
from tests.phantom import phantom

LUNGS_FILE = "lungs.keras"
LUNGS_SIDE = 64
FILES = ("modelo_afinado_tuning.keras", "modelo_2_ensamble.keras")
CALIBRATION = Calibration(method="platt", slope=1.2, intercept=-0.1, fitted_on="nothing")


def write_tiny_bundle(
    directory: Path,
    *,
    seed: int = 0,
    manifest: bool = True,
    size: int | None = None,
    pooled: bool = False,
    views: Sequence[ViewName] = ("frame", "frame"),
) -> Path:
    """Write a models folder of two random networks and, if asked for, their manifest.

    The last layer of each is scaled so that phantoms get probabilities well apart from each other.

    Args:
        directory: Made if it does not exist.
        seed: Another seed gives other networks.
        manifest: Without one the folder is a bring-your-own folder.
        size: Side of the input in pixels; 32, or the 256 that a folder without manifest implies.
        pooled: Whether small networks end in global pooling too, and so allow maps.
        views: What each member sees. If one sees the lungs, the bundle has a network that finds
            those of phantoms.

    Returns:
        ``directory``.
    """
    size = size or (32 if manifest else 256)
    spec = InputSpec(height=size, width=size)
    directory.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(FILES):
        network = tiny_network(spec, seed=2 * seed + number, pooled=pooled)
        save_network(network, directory / file)
    if manifest:
        names = dict(zip(("first", "second"), FILES, strict=True))
        entries = tuple(
            entry.model_copy(update={"view": view})
            for entry, view in zip(describe_members(directory, names), views, strict=True)
        )
        bare = tiny_manifest(spec, entries, lungs=_write_lungs(directory, views))
        bare.write(directory / MANIFEST_FILE)
        bundle = open_bundle(directory)
        engine = load_engine(bundle, threads=1).engine
        added: dict[str, Any] = {"golden": make_golden(engine, spec, views=len(bare.views))}
        lungs = load_segmenter(bundle, threads=1)
        if lungs and bare.lungs:
            golden = make_lungs_golden(lungs.segmenter, bare.lungs.side)
            added["lungs"] = bare.lungs.model_copy(update={"golden": golden})
        bare.model_copy(update=added).write(directory / MANIFEST_FILE)
    return directory


def _write_lungs(directory: Path, views: Sequence[ViewName]) -> LungsEntry | None:
    if set(views) == {"frame"}:
        return None
    path = directory / LUNGS_FILE
    save_network(dark_finder(LUNGS_SIDE), path)
    return LungsEntry(file=LUNGS_FILE, sha256=file_sha256(path), side=LUNGS_SIDE, margin=0.1)


def dark_finder(side: int) -> Any:
    """A segmentation network that finds a phantom's lungs: darker than the body, not black."""
    import keras  # noqa: PLC0415

    layers = keras.layers
    image = keras.Input((side, side, 1))
    bounds = layers.Conv2D(2, 3, padding="same", activation="sigmoid")
    both = layers.Conv2D(1, 1, activation="sigmoid")
    # A phantom's corners hold the same greys; no lung reaches the rim.
    inner = layers.Cropping2D(side // 8)(both(bounds(image)))
    model = keras.Model(image, layers.ZeroPadding2D(side // 8)(inner))
    steep = 120.0
    signs = np.array([1, -1], np.float32)
    bounds.set_weights(
        [np.broadcast_to(signs * steep / 9, (3, 3, 1, 2)), -signs * steep * [0.19, 0.41]]
    )
    both.set_weights([np.full((1, 1, 2, 1), 12.0), np.array([-18.0])])
    return model


def tiny_manifest(
    spec: InputSpec, members: tuple[MemberEntry, ...], *, lungs: LungsEntry | None = None
) -> Manifest:
    """Describe two tiny networks, with a calibration and a threshold that are not the defaults."""
    return Manifest(
        name="tiny",
        version="1.0",
        input=spec,
        members=members,
        lungs=lungs,
        combine="mean",
        calibration=CALIBRATION,
        threshold=Threshold(value=0.45, rule="chosen for tests"),
    )


def tiny_network(spec: InputSpec, *, seed: int = 0, pooled: bool = False) -> Any:
    """Build a random network of the layers that the shipped ones use."""
    import keras  # noqa: PLC0415 - loading it takes seconds, which only these callers pay

    layers = keras.layers
    start = keras.initializers.HeNormal(seed=seed)
    image = keras.Input((spec.height, spec.width, spec.channels))
    x = layers.GroupNormalization(groups=1, center=False, scale=False)(image)
    x = layers.Conv2D(6, 3, strides=2, padding="same", kernel_initializer=start)(x)
    x = layers.BatchNormalization()(x)
    skip = x = layers.ReLU()(x)
    spread = keras.initializers.GlorotUniform(seed=seed)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, depthwise_initializer=spread)(x)
    x = layers.Add()([layers.Dropout(0.2, seed=seed)(x), skip])
    x = layers.MaxPooling2D(4)(x)
    flat = spec.height <= 64 and not pooled
    x = layers.Flatten()(x) if flat else layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(1, kernel_initializer=start)(x)
    model = keras.Model(image, layers.Activation("sigmoid")(x))
    _spread_answers(keras.Model(image, x), spec)
    return model


def save_network(model: Any, path: Path) -> None:
    """Save a network. Keras reads its own variables in a way that NumPy 2 warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model.save(path)


def _spread_answers(logits_of: Any, spec: InputSpec) -> None:
    """Shift and scale the last layer until phantoms' logits have mean 0 and spread 1.5."""
    dense = logits_of.layers[-1]
    batch = np.stack([_prepared(seed, spec) for seed in range(12)])
    logits = logits_of(batch, training=False).numpy()
    kernel, bias = dense.kernel.numpy(), dense.bias.numpy()
    factor = 1.5 / float(logits.std())
    dense.set_weights([kernel * factor, (bias - logits.mean()) * factor])


def _prepared(seed: int, spec: InputSpec) -> Any:
    picture = phantom(seed, opacity=seed % 3 / 2)
    return prepare(Radiograph(picture, "PNG", ""), spec)
