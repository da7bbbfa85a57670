import re
from pathlib import Path

import pytest

from benchmarks import contenders as module
from benchmarks.contenders import Work, contenders

WORK = Work(Path("models"), "fp32", "fp32", cores=2)


def test_ours_is_first_and_returns_verdicts() -> None:
    first, *_ = contenders(2)
    command, variables = first.start(WORK, 8123)
    assert first.verdicts
    assert command[1:] == ["-m", "service"]
    assert (variables["XRAY_ENGINE"], variables["XRAY_PORT"]) == ("onnx", "8123")


def test_ours_is_started_as_in_the_image() -> None:
    _, variables = contenders(2)[0].start(WORK, 8123)
    image = Path("Dockerfile").read_text()
    limits = re.findall(r"MALLOC_\w+=\d+", image)
    assert limits == [f"{name}={variables[name]}" for name in variables if "MALLOC" in name]
    assert limits


def test_names_are_unique() -> None:
    names = [contender.name for contender in contenders(2)]
    assert len(set(names)) == len(names)


def test_every_peer_gets_all_cores_as_workers_or_as_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "environment", lambda _name: Path("elsewhere/bin/python"))
    peers = [it for it in contenders(2) if it.name.startswith(("LitServe", "BentoML"))]
    shares = []
    for peer in peers:
        command, variables = peer.start(WORK, 8123)
        assert command[0] == "elsewhere/bin/python"
        assert (variables["BENCH_BUNDLE"], variables["BENCH_PRECISION"]) == ("models", "fp32")
        shares.append((variables["BENCH_WORKERS"], variables["BENCH_THREADS"]))
    assert shares == [("2", "1"), ("1", "2")] * 2
