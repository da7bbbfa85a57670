"""From a models folder to an ensemble that was tried out."""

from pathlib import Path

import numpy as np

from service.inference.bundle import open_bundle
from service.inference.engines import (
    Engine,
    EngineChoice,
    PrecisionChoice,
    Segmenter,
    load_engine,
    load_segmenter,
)
from service.inference.ensemble import Ensemble, sound_scores
from service.inference.errors import BundleError
from service.inference.golden import golden_inputs, lungs_answers
from service.inference.manifest import Manifest
from service.inference.novelty import read_novelty


def load_ensemble(
    directory: Path,
    *,
    threads: int,
    engine: EngineChoice = "auto",
    precision: PrecisionChoice = "auto",
) -> Ensemble:
    """Open, verify, load and try out a models folder. Blocks for seconds.

    Args:
        directory: The models folder.
        threads: See ``load_engine``.
        engine: See ``load_engine``.
        precision: See ``load_engine``.

    Raises:
        BundleError: The folder does not verify, a network does not fit the manifest, or one does
            not answer the synthetic radiographs as it should.
    """
    bundle = open_bundle(directory)
    loaded = load_engine(bundle, threads=threads, choice=engine, precision=precision)
    _check_golden(loaded.engine, bundle.manifest)
    warnings = [loaded.warning]
    entry = bundle.manifest.suitability
    novelty = read_novelty(bundle.contents[entry.file], file=entry.file) if entry else None
    lungs = load_segmenter(bundle, threads=threads, choice=engine, precision=precision)
    if lungs:
        _check_lungs(lungs.segmenter, bundle.manifest)
        warnings.append(lungs.warning)
    return Ensemble(
        bundle.without_contents(),
        loaded.engine,
        segmenter=lungs.segmenter if lungs else None,
        novelty=novelty,
        warning=" ".join(filter(None, warnings)),
    )


def _check_golden(engine: Engine, manifest: Manifest) -> None:
    inputs = golden_inputs(manifest.input, len(manifest.views))
    # One at a time: ONNX Runtime keeps the memory of the largest batch that it was ever given.
    scores = np.concatenate([engine.scores(each[np.newaxis]) for each in inputs.values()])
    answers = sound_scores(scores, len(inputs), manifest)
    by_kind = dict(zip(inputs, answers, strict=True))
    quantised = manifest.compiled.int8 if manifest.compiled else None
    own = quantised.golden if quantised and engine.precision == "int8" else manifest.golden
    for golden in own:
        expected = np.asarray(golden.probabilities)
        differences = np.abs(np.subtract(by_kind[golden.kind], expected))
        worst = int(np.argmax(differences))
        if differences[worst] > golden.tolerance:
            raise BundleError(
                f"The network {manifest.members[worst].file} answers the test image "
                f"{golden.kind!r} with {by_kind[golden.kind][worst]:.4f} where the manifest "
                f"expects {expected[worst]:.4f}."
            )


def _check_lungs(segmenter: Segmenter, manifest: Manifest) -> None:
    entry = manifest.lungs
    if entry is None:
        return
    quantised = entry.compiled.int8 if entry.compiled else None
    own = quantised.golden if quantised and segmenter.precision == "int8" else entry.golden
    answers = lungs_answers(segmenter, entry.side)
    for golden in own:
        apart = np.abs(answers[golden.kind] - np.asarray(golden.probabilities))
        if not (apart <= golden.tolerance).all():
            raise BundleError(
                f"The network {entry.file} finds other lungs in the test image {golden.kind!r} "
                "than the manifest expects."
            )
