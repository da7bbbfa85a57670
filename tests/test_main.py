import platform

import pytest

from service import __main__ as program
from service.server import serving
from service.settings import Settings


def test_settings_out_of_range_end_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XRAY_THREADS", "none")
    monkeypatch.setenv("XRAY_PORT", "123456")
    with pytest.raises(SystemExit) as end:
        program.main()
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert [line.split(":")[0] for line in said.splitlines()] == ["XRAY_PORT", "XRAY_THREADS"]


def test_it_serves_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Settings] = []
    monkeypatch.setenv("XRAY_PORT", "8123")
    monkeypatch.setattr(serving, "serve", served.append)
    program.main()
    assert [settings.port for settings in served] == [8123]


def test_a_misspelt_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service whose XRAY_API_KEY lacks its last letter is open."""
    monkeypatch.setattr(serving, "serve", lambda _: None)
    for name in ("XRAY_API_KEY", "XRAY_HOST", "XRAY_DICOM_PORT", "XRAY_SERVICE_HOST"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setenv("XRAY_PORT_8000_TCP_ADDR", "10.0.0.1")
    program.main()
    assert capsys.readouterr().err.splitlines() == ["XRAY_API_KEY is not a setting and is ignored"]


def test_native_windows_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    with pytest.raises(SystemExit) as end:
        program.main()
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("Native Windows is not supported. Use WSL 2")
