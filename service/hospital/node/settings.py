"""The settings of the DICOM node: those of the service, and ``XRAY_DICOM_*``."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from service.hospital.results import KINDS, Kind
from service.i18n import Language
from service.settings import Listed, Settings, lower_case, settings_table

AE_TITLE: Final = r"[!-?A-\[\]-~](?:[ -?A-\[\]-~]{0,14}[!-?A-\[\]-~])?"
"""One to sixteen ASCII characters, without spaces around them, backslash (PS3.5, AE) and @."""

_PEER: Final = re.compile(rf"(?P<title>{AE_TITLE})(?:@(?P<address>[0-9A-Fa-f.:/]+))?")
_DESTINATION: Final = re.compile(
    rf"dicom(-tls)?://{AE_TITLE}@[A-Za-z0-9.\[\]:-]+:\d{{1,5}}|https?://[^\s@?#]+"
)
_WEB: Final = re.compile(r"https?://[^\s@?#]+")


class NodeSettings(Settings):
    """Read from the environment once, when ``pneumonia-xray dicom`` starts."""

    dicom_ae_title: str = Field(
        "PNEUMONIA_XRAY",
        pattern=f"^{AE_TITLE}$",
        description="AE title of the node; associations that call another are refused.",
    )
    dicom_port: int = Field(
        11112,
        ge=0,
        le=65535,
        description="Port on which it receives by C-STORE, at the address `XRAY_HOST`.",
    )
    dicom_peers: Listed[str] = Field(
        (),
        description="Who may send: `AETITLE` or `AETITLE@10.0.0.0/24`, comma-separated; unset "
        "allows everybody who reaches the port.",
    )
    dicom_associations: int = Field(
        5,
        ge=1,
        le=200,
        description="Most associations at once; further ones are refused for the moment. Each may "
        "hold three times `XRAY_MAX_UPLOAD_MIB` of memory.",
    )
    dicom_tls_cert: Path | None = Field(
        None, description="Certificate (PEM) of the node; with it, it receives by TLS alone."
    )
    dicom_tls_key: Path | None = Field(None, description="Its private key (PEM).")
    dicom_tls_ca: Path | None = Field(
        None,
        description="Certificates (PEM) that vouch for others: senders must then show one, and so "
        "must the PACS; unset, HTTPS trusts the system's.",
    )
    dicom_send_to: str | None = Field(
        None,
        description="Where results go: `dicom://AETITLE@host:port`, `dicom-tls://...`, or the root "
        "of a DICOMweb service, `https://host/dicom-web`.",
    )
    dicom_results: Listed[Annotated[Kind, BeforeValidator(lower_case)]] = Field(
        KINDS,
        description="Which objects are made: structured report, PDF, secondary capture, "
        "segmentation.",
    )
    dicom_language: Language = Field("en", description="Language of the results, `en` or `es`.")
    dicom_poll: str | None = Field(
        None,
        pattern=f"^{_WEB.pattern}$",
        description="Root of a DICOMweb service that is asked for new studies.",
    )
    dicom_poll_seconds: float = Field(30.0, gt=0, description="Time between two such queries.")
    dicom_poll_days: int = Field(
        2, ge=0, le=3650, description="How many days back the studies' dates may lie."
    )
    dicom_poll_modalities: Listed[str] = Field(
        ("CR", "DX"), description="Modalities that are asked for, comma-separated."
    )
    dicom_web_user: str | None = Field(
        None, description="Name for HTTP Basic authentication at both DICOMweb services."
    )
    dicom_web_password: SecretStr | None = Field(
        None, description="Its password, or `@` and the path of a file that holds it."
    )
    dicom_web_token: SecretStr | None = Field(
        None, description="A bearer token instead, or `@` and the path of a file that holds it."
    )
    dicom_dir: Path = Field(
        Path("dicom-node"),
        description="Folder of the queue. It holds patients' images until their results have been "
        "delivered.",
    )
    dicom_queue_size: int = Field(
        10_000, ge=1, description="Most images that wait; then C-STORE is answered A700."
    )
    dicom_min_free_mib: int = Field(
        512, ge=0, description="Free space of the disk, in MiB, below which nothing is received."
    )
    dicom_ledger_days: int = Field(
        90,
        ge=1,
        description="How long the node remembers which images it has screened, and keeps those in "
        "quarantine.",
    )
    dicom_retry_seconds: float = Field(
        600.0,
        gt=0,
        description="Longest wait between two attempts to deliver; the first is a second.",
    )

    @field_validator("dicom_peers")
    @classmethod
    def _check_peers(cls, peers: tuple[str, ...]) -> tuple[str, ...]:
        for peer in peers:
            split_peer(peer)
        return peers

    @field_validator("dicom_poll_modalities")
    @classmethod
    def _check_modalities(cls, modalities: tuple[str, ...]) -> tuple[str, ...]:
        if not modalities or not all(re.fullmatch("[A-Z0-9]{1,16}", each) for each in modalities):
            raise PydanticCustomError("modalities", "modalities are codes such as CR and DX")
        return modalities

    @field_validator("dicom_send_to")
    @classmethod
    def _check_destination(cls, given: str | None) -> str | None:
        if given is not None and not _DESTINATION.fullmatch(given):
            raise PydanticCustomError(
                "destination",
                "a destination is dicom://AETITLE@host:port, dicom-tls://AETITLE@host:port or "
                "https://host/path; credentials have settings of their own",
            )
        return given

    @field_validator("dicom_web_password", "dicom_web_token", mode="before")
    @classmethod
    def _read_secret(cls, given: object) -> object:
        if isinstance(given, str) and given.startswith("@"):
            try:
                return Path(given[1:]).read_text(encoding="utf-8-sig").strip()
            except (OSError, ValueError):
                raise PydanticCustomError("secret", "the file cannot be read") from None
        return given

    @model_validator(mode="after")
    def _check_pairs(self) -> "NodeSettings":
        if (self.dicom_tls_cert is None) != (self.dicom_tls_key is None):
            raise PydanticCustomError(
                "tls", "XRAY_DICOM_TLS_CERT and XRAY_DICOM_TLS_KEY are set together"
            )
        if (self.dicom_web_user is None) != (self.dicom_web_password is None):
            raise PydanticCustomError(
                "web", "XRAY_DICOM_WEB_USER and XRAY_DICOM_WEB_PASSWORD are set together"
            )
        return self


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def split_peer(peer: str) -> tuple[str, Network | None]:
    """The AE title of an entry of ``dicom_peers``, and its address if it names one.

    Raises:
        PydanticCustomError: It is not of that form.
    """
    wrong = PydanticCustomError("peers", "each peer is AETITLE, AETITLE@address or AETITLE@network")
    found = _PEER.fullmatch(peer)
    if not found:
        raise wrong
    address = found["address"]
    try:
        return found["title"], ipaddress.ip_network(address, strict=False) if address else None
    except ValueError:
        raise wrong from None


def node_settings_table() -> str:
    """The table of the node's own settings in docs/operating.md; a test compares the two."""
    shared = Settings.model_fields
    own = {name: each for name, each in NodeSettings.model_fields.items() if name not in shared}
    return settings_table(own)


if __name__ == "__main__":
    print(node_settings_table(), end="")  # noqa: T201 - it is a command whose output is the table
