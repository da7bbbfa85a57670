from pathlib import Path

import pytest

from service.server import serving
from service.settings import Settings
from tests.cli.conftest import Cli


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings with which the server was started."""
    settings: list[Settings] = []
    monkeypatch.setattr(serving, "serve", settings.append)
    return settings


def test_options_take_precedence_over_the_environment(
    cli: Cli, served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAY_PORT", "8123")
    monkeypatch.setenv("XRAY_HOST", "10.0.0.1")
    status = cli("serve", "--port", "8124", "--models", "elsewhere").status
    assert status == 0
    [settings] = served
    assert (settings.host, settings.port) == ("10.0.0.1", 8124)
    assert settings.models_dir == Path("elsewhere")


def test_a_port_out_of_range_is_explained(cli: Cli, served: list[Settings]) -> None:
    status, _, err = cli("serve", "--port", "123456")
    assert (status, served) == (2, [])
    assert err.startswith("XRAY_PORT: ")
