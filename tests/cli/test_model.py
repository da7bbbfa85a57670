import json
from pathlib import Path

import httpx
import pytest

from service.cli import loading
from service.cli.loading import read_settings
from service.cli.model import model
from service.inference import Bundle, Ensemble, Metrics
from tests.cli.conftest import Cli
from tests.fake_engine import FakeEngine, fake_bundle, fake_ensemble


def ensemble_with(bundle: Bundle) -> Ensemble:
    return Ensemble(bundle, FakeEngine(), warning="Something is out of date.")


def test_it_prints_the_manifest(cli: Cli) -> None:
    status, out, err = cli("model")
    assert (status, err) == (0, "")
    said = " ".join(out.split())
    bundle = fake_bundle()
    for value in (
        "fake 1.2.3",
        bundle.digest,
        "fake, fp32",
        "32 x 32 pixels",
        "checksum: checksum.keras, sha256 " + "a" * 64,
        "platt: slope 1.1, intercept 0.1; fitted on nothing",
        "PNEUMONIA above 0.5, else NORMAL",
        "the middle",
        "guessed",
    ):
        assert value in said


def test_figures_come_with_their_intervals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = fake_ensemble().bundle
    auc = {"value": 0.99312, "low": 0.98, "high": 0.999}
    metrics = Metrics(protocol="out of fold", figures={"ensemble": {"auc": auc, "n": 3}})
    manifest = plain.manifest.model_copy(update={"metrics": metrics})
    bundle = Bundle(Path("nowhere"), manifest, plain.digest, "manifest")
    monkeypatch.setattr(loading, "load_ensemble", lambda *_, **__: ensemble_with(bundle))
    model(read_settings({}), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].split() == ["auc", "0.993", "(0.980-0.999)"]
    assert any(line.split()[:2] == ["Warning", "Something"] for line in lines)


@pytest.mark.anyio
async def test_its_json_equals_the_answer_of_the_service(
    cli: Cli, client: httpx.AsyncClient
) -> None:
    assert json.loads(cli("model", "--json").out) == (await client.get("/model")).json()
