import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.settings import Settings, complaints, settings_table
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


def test_a_service_link_of_kubernetes_is_no_port(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XRAY_PORT", "tcp://10.0.0.1:80")
    assert Settings().port == 8000
    assert "XRAY_PORT" in caplog.text


def test_the_level_of_the_log_may_be_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_LOG_LEVEL", "INFO")
    assert Settings().log_level == "info"


def test_the_service_listens_on_this_machine_alone_unless_told_otherwise() -> None:
    assert Settings().host == "127.0.0.1"


def test_the_table_has_a_row_for_each_setting_with_its_default() -> None:
    table = settings_table()
    rows = re.findall(r"^\| `(XRAY_\w+)` \| (\S+) \|", table, flags=re.MULTILINE)
    assert [name for name, _ in rows] == [f"XRAY_{name.upper()}" for name in Settings.model_fields]
    assert dict(rows)["XRAY_PORT"] == "`8000`"
    assert dict(rows)["XRAY_THREADS"] == "unset"


def test_the_manual_holds_the_table() -> None:
    assert settings_table() in (ROOT / "docs/operating.md").read_text(encoding="utf-8")


KEYS = ("correct-horse-battery", "staple.0123456789abcdef")


def keys_of(settings: Settings) -> tuple[str, ...]:
    return tuple(key.get_secret_value() for key in settings.api_keys)


class TestKeys:
    @pytest.mark.parametrize("text", [",".join(KEYS), " , ".join(KEYS), json.dumps(KEYS)])
    def test_several_come_as_a_list(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XRAY_API_KEYS", text)
        assert keys_of(Settings()) == KEYS

    def test_a_file_may_hold_them(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "keys").write_text("\n".join(KEYS) + "\n")
        monkeypatch.setenv("XRAY_API_KEYS", f"@{tmp_path}/keys")
        assert keys_of(Settings()) == KEYS

    def test_the_file_may_come_from_windows(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "keys").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(KEYS).encode() + b"\r\n")
        monkeypatch.setenv("XRAY_API_KEYS", f"@{tmp_path}/keys")
        assert keys_of(Settings()) == KEYS

    @pytest.mark.parametrize(
        "text",
        [
            "short",
            " ",
            f"{KEYS[0]},,{KEYS[1]}",
            f"{KEYS[0]},tiny",
            "fifteen-charact",
            "with spaces in between",
            "ñ" * 20,
            "[1",
            "[]x",
            "@/nowhere/keys",
        ],
    )
    def test_what_is_no_sound_key_is_refused_unquoted(
        self, text: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XRAY_API_KEYS", text)
        with pytest.raises(ValidationError) as refusal:
            Settings()
        [told] = complaints(refusal.value)
        assert told.startswith("XRAY_API_KEYS: ")
        for key in (KEYS[0], "tiny", "short", "nowhere"):
            assert key not in told + str(refusal.value) + repr(refusal.value)

    def test_they_may_have_names(self) -> None:
        settings = Settings.model_validate({"api_keys": f"ward-3:{KEYS[0]},{KEYS[1]}"})
        assert settings.named_keys == (("ward-3", KEYS[0]), ("key-2", KEYS[1]))

    @pytest.mark.parametrize("text", ["ward:tiny-secret", f"{KEYS[0]},key-1:{KEYS[1]}"])
    def test_a_short_secret_or_the_name_of_another_key_is_refused(self, text: str) -> None:
        with pytest.raises(ValidationError, match="of"):
            Settings.model_validate({"api_keys": text})

    def test_they_are_not_shown(self) -> None:
        assert KEYS[0] not in repr(Settings.model_validate({"api_keys": KEYS[0]}))


class TestProxies:
    def test_they_are_addresses_or_networks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XRAY_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8,::1")
        assert Settings().trusted_proxies == ("127.0.0.1/32", "10.0.0.0/8", "::1/128")

    @pytest.mark.parametrize("text", ["proxy.example", "10.0.0.1/8", "*", "127.0.0.1,,10.0.0.0/8"])
    def test_what_is_neither_is_refused(self, text: str) -> None:
        with pytest.raises(ValidationError, match="address"):
            Settings.model_validate({"trusted_proxies": text})


class TestOrigins:
    def test_they_come_as_a_list(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XRAY_CORS_ORIGINS", "https://a.example, http://localhost:3000")
        assert Settings().cors_origins == ("https://a.example", "http://localhost:3000")

    def test_a_slash_or_comma_at_the_end_does_no_harm(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XRAY_CORS_ORIGINS", "https://a.example/, http://localhost:3000,")
        assert Settings().cors_origins == ("https://a.example", "http://localhost:3000")

    @pytest.mark.parametrize("text", ["a.example", "https://a.example/path", "ftp://a"])
    def test_what_is_no_origin_is_refused(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XRAY_CORS_ORIGINS", text)
        with pytest.raises(ValidationError):
            Settings()
