import ipaddress
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.hospital.node.settings import NodeSettings, node_settings_table, split_peer
from service.settings import Settings, complaints
from tests.serving import ROOT


def complaint(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    for name, value in variables.items():
        monkeypatch.setenv(f"XRAY_DICOM_{name}", value)
    with pytest.raises(ValidationError) as refusal:
        NodeSettings()
    [told] = complaints(refusal.value)
    return told


def test_every_setting_says_in_one_line_what_it_is_for() -> None:
    for name, field in NodeSettings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
        assert "\n" not in field.description, name


def test_the_manual_holds_the_table_of_its_own_settings() -> None:
    table = node_settings_table()
    assert table in (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    own = NodeSettings.model_fields.keys() - Settings.model_fields.keys()
    assert all(name.startswith("dicom_") for name in own)
    assert table.count("\n") == len(own) + 2


def test_they_come_from_the_environment_as_the_service_s_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XRAY_MAX_UPLOAD_MIB", "7")
    monkeypatch.setenv("XRAY_DICOM_PEERS", " ORTHANC@10.0.0.5, CT 1 ,")
    monkeypatch.setenv("XRAY_DICOM_RESULTS", "SR,pdf")
    monkeypatch.setenv("XRAY_DICOM_POLL_MODALITIES", "DX")
    settings = NodeSettings()
    assert settings.max_upload_mib == 7
    assert settings.dicom_peers == ("ORTHANC@10.0.0.5", "CT 1")
    assert settings.dicom_results == ("sr", "pdf")
    assert settings.dicom_poll_modalities == ("DX",)


@pytest.mark.parametrize(
    "address",
    [
        "dicom://PACS@10.0.0.7:104",
        "dicom-tls://MAIN PACS@pacs.hospital.example:2762",
        "dicom://PACS@[fd00::7]:11112",
        "http://orthanc:8042/dicom-web",
        "https://pacs.example/dcm4chee-arc/aets/DCM4CHEE/rs",
    ],
)
def test_a_destination_is_an_address(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_DICOM_SEND_TO", address)
    assert NodeSettings().dicom_send_to == address


@pytest.mark.parametrize(
    "address",
    [
        "PACS@10.0.0.7:104",
        "dicom://10.0.0.7:104",
        "dicom://SEVENTEEN_LETTERS@10.0.0.7:104",
        "dicom://PACS@10.0.0.7",
        "https://user:secret@pacs.example/rs",
        "ftp://pacs.example",
    ],
)
def test_anything_else_is_not(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = complaint(monkeypatch, SEND_TO=address)
    assert told.startswith("XRAY_DICOM_SEND_TO: ")
    assert "secret" not in told


@pytest.mark.parametrize("title", ["", " ", "SEVENTEEN_LETTERS", "BACK\\SLASH", " PAD", "ÑANDU"])
def test_a_title_that_the_standard_forbids_is_refused(title: str) -> None:
    with pytest.raises(ValidationError):
        NodeSettings.model_validate({"dicom_ae_title": title})


@pytest.mark.parametrize("peer", ["@10.0.0.5", "A@nowhere", "A@10.0.0.999", "A@", "A@B@10.0.0.5"])
def test_a_peer_that_is_none_is_refused(peer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert complaint(monkeypatch, PEERS=peer).startswith("XRAY_DICOM_PEERS: ")


def test_a_peer_may_have_an_address_or_a_network() -> None:
    assert split_peer("A") == ("A", None)
    assert split_peer("A@10.0.0.5") == ("A", ipaddress.ip_network("10.0.0.5/32"))
    assert split_peer("A B@fd00::/8") == ("A B", ipaddress.ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"RESULTS": "sr,gif"}, "XRAY_DICOM_RESULTS"),
        ({"POLL": "orthanc:8042"}, "XRAY_DICOM_POLL"),
        ({"POLL_MODALITIES": "cr"}, "XRAY_DICOM_POLL_MODALITIES"),
        ({"TLS_CERT": "a.pem"}, "XRAY_DICOM_TLS_KEY"),
        ({"WEB_USER": "a"}, "XRAY_DICOM_WEB_PASSWORD"),
        ({"WEB_TOKEN": "@/nowhere/token"}, "XRAY_DICOM_WEB_TOKEN"),
        ({"UID_ROOT": "1.02"}, "XRAY_DICOM_UID_ROOT"),
    ],
)
def test_what_cannot_be_used_is_named(
    variables: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert named in complaint(monkeypatch, **variables)


def test_secrets_may_be_in_a_file_and_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_bytes(b"\xef\xbb\xbfthe-secret-token\r\n")
    monkeypatch.setenv("XRAY_DICOM_WEB_TOKEN", f"@{tmp_path}/token")
    settings = NodeSettings()
    assert settings.dicom_web_token is not None
    assert settings.dicom_web_token.get_secret_value() == "the-secret-token"
    assert "the-secret-token" not in repr(settings)
