import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from benchmarks.images import radiographs
from benchmarks.peers.graph import Graph
from service.inference import load_ensemble
from service.inference.probability import calibrate, combine
from service.screening.screen import Screening

MODELS = Path(__file__).parents[3] / "models"


def test_a_peer_computes_what_the_service_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble = load_ensemble(MODELS, threads=1, engine="onnx", precision="fp32")
    manifest = ensemble.bundle.manifest
    assert manifest.compiled is not None
    monkeypatch.setenv("BENCH_GRAPH", str(MODELS / manifest.compiled.file))
    monkeypatch.setenv("BENCH_INPUT", json.dumps(asdict(manifest.input)))
    monkeypatch.setenv("BENCH_THREADS", "1")
    item = radiographs(None)[0]

    answer = Graph().answer(item.data)

    ours = Screening(ensemble, max_pixels=2**24).screen(item.data)
    combined = combine(np.array([answer["members"]], dtype=np.float64), manifest.combine)
    [theirs] = calibrate(combined, manifest.calibration)
    assert theirs == pytest.approx(ours.probability, abs=1e-4)  # rounded
    assert set(answer) == {"predicted_class", "probability", "members"}
