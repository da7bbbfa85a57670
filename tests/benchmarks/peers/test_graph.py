import pytest

from benchmarks.peers.graph import Graph
from service.inference import load_ensemble
from service.screening.screen import Screening
from tests.films import films, needs_films
from tests.serving import ROOT

MODELS = ROOT / "models"


@needs_films
def test_a_peer_computes_what_the_service_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_BUNDLE", str(MODELS))
    monkeypatch.setenv("BENCH_PRECISION", "fp32")
    monkeypatch.setenv("BENCH_THREADS", "1")
    data = films()[0].read_bytes()

    answer = Graph().answer(data)

    ensemble = load_ensemble(MODELS, threads=1, engine="onnx", precision="fp32")
    ours = Screening(ensemble, max_pixels=2**24).screen(data)
    assert answer == {
        "predicted_class": ours.predicted_class,
        "probability": ours.probability,
        "members": [member.probability for member in ours.members],
    }
