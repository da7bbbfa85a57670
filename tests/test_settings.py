import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.settings import Settings, settings_table
from tests.serving import ROOT


def test_every_setting_says_in_one_line_what_it_is_for() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
        assert "\n" not in field.description, name


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_MODELS_DIR", "elsewhere")
    monkeypatch.setenv("XRAY_THREADS", "3")
    settings = Settings()
    assert settings.models_dir == Path("elsewhere")
    assert settings.threads == 3


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_THREADS", "")
    assert Settings().threads is None


def test_a_value_out_of_range_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_THREADS", "0")
    with pytest.raises(ValidationError):
        Settings()


def test_the_service_listens_on_this_machine_alone_unless_told_otherwise() -> None:
    assert Settings().host == "127.0.0.1"


def test_the_table_has_a_row_for_each_setting_with_its_default() -> None:
    table = settings_table()
    rows = re.findall(r"^\| `(XRAY_\w+)` \| (\S+) \|", table, flags=re.MULTILINE)
    assert [name for name, _ in rows] == [f"XRAY_{name.upper()}" for name in Settings.model_fields]
    assert dict(rows)["XRAY_PORT"] == "`8000`"
    assert dict(rows)["XRAY_THREADS"] == "unset"


@pytest.mark.parametrize("readme", ["README.md", "README.es.md"])
def test_the_readme_holds_the_table(readme: str) -> None:
    assert settings_table() in (ROOT / readme).read_text(encoding="utf-8")
