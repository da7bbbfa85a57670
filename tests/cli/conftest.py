"""What the command line's tests share: fake networks in it, and a folder of synthetic chests."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from service.cli import loading
from service.cli.app import app
from tests.fake_engine import FakeEngine, fake_ensemble
from tests.serving import radiograph


class Result(NamedTuple):
    """How a command ended and what it printed."""

    status: int
    out: str
    err: str


Cli = Callable[..., Result]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """The fake networks that answer instead of the bundle's."""
    engine = FakeEngine()
    monkeypatch.setattr(loading, "load_ensemble", lambda *_, **__: fake_ensemble(engine))
    monkeypatch.setenv("XRAY_THREADS", "2")
    return engine


@pytest.fixture
def cli(engine: FakeEngine) -> Cli:  # noqa: ARG001 - it is what answers
    """Runs the command line in this process, with the fake networks."""

    def run(*arguments: object) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return Result(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def chests(tmp_path: Path) -> Path:
    """A folder of six radiographs, in two folders below it."""
    folder = tmp_path / "chests"
    for seed in range(6):
        path = folder / "ab"[seed % 2] / f"{seed}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(radiograph(seed))
    return folder
