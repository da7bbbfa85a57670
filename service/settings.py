"""Every setting of the service: an ``XRAY_*`` environment variable with a safe default."""

import ipaddress
import json
import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

log = logging.getLogger(__name__)

MIB = 1024 * 1024

WAITING_PER_THREAD: Final = 8
"""Length of the queue, where ``queue_size`` is unset."""

_SOUND_KEY: Final = re.compile(r"[!-~]{16,}")
_NAMED_KEY: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,31}):(.*)")
_NUMBERED: Final = re.compile(r"key-\d+")
_LIKE_A_SETTING: Final = re.compile(r"XRAY_(?!DICOM_|SERVICE_|PORT_)")
_ORIGIN: Final = re.compile(r"\*|https?://[A-Za-z0-9.\[\]:-]+")


def lower_case(given: object) -> object:
    """For values whose case does not matter."""
    return given.lower() if isinstance(given, str) else given


def split_list(given: object) -> object:
    """Split a variable's text: a JSON list, or items separated by commas."""
    if not isinstance(given, str):
        return given
    if given.lstrip().startswith("["):
        try:
            return tuple(json.loads(given))
        except ValueError:
            raise PydanticCustomError("list", "this is not a JSON list") from None
    return tuple(item.strip() for item in given.strip().strip(",").split(","))


T = TypeVar("T")
Listed = Annotated[tuple[T, ...], NoDecode, BeforeValidator(split_list)]
"""A variable that holds several items."""


class Settings(BaseSettings):
    """Read from the environment once, when the application is made; an empty variable is unset."""

    model_config = SettingsConfigDict(
        env_prefix="XRAY_", env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    models_dir: Path = Field(Path("models"), description="Folder with the manifest and networks.")
    host: str = Field(
        "127.0.0.1", description="Address to listen on; the default is this machine alone."
    )
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    root_path: str = Field(
        "",
        pattern="^(/[A-Za-z0-9._~-]+)*$",
        description="Path under which a proxy serves the service, such as `/xray`; "
        "X-Forwarded-Prefix takes precedence.",
    )
    engine: Literal["auto", "onnx", "tensorflow"] = Field(
        "auto",
        description="`onnx` (the compiled graphs), `tensorflow`, or `auto`: the compiled graphs if "
        "they were made from exactly the bundle's networks, else TensorFlow.",
    )
    precision: Literal["auto", "fp32", "int8"] = Field(
        "auto",
        description="Arithmetic of the compiled graphs: `fp32`, `int8` (faster, and in rare cases "
        "another verdict near the threshold), or `auto`: `int8` on processors on which it was "
        "measured to be faster.",
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=256,
        description="Inference threads; unset takes the CPU quota of the container or machine.",
    )
    queue_size: int | None = Field(
        None,
        ge=0,
        description=f"Requests that may wait for a thread; unset is {WAITING_PER_THREAD} for each "
        "thread. A short queue refuses clients early instead of having them wait.",
    )
    queue_seconds: float = Field(
        10.0, gt=0, description="Longest wait for a thread, after which the answer is 503."
    )
    max_upload_mib: int = Field(40, ge=1, description="Largest file, in MiB; beyond it 413.")
    max_batch_mib: int = Field(
        128, ge=1, description="Largest batch upload in all, in MiB; beyond it 413."
    )
    upload_memory_mib: int = Field(
        384,
        ge=1,
        description="Memory for all uploads in flight, in MiB; beyond it 503. "
        "Uploads never touch the disk.",
    )
    max_pixels: int = Field(
        30_000_000,
        ge=1024,
        description="Largest number of pixels of an image, checked in its header before decoding.",
    )
    prevalence: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Share of pneumonia among the films that are sent here, such as `0.1`: answers "
        "then say in `local` what they mean at that share. Unset leaves that out.",
    )
    upload_seconds: float = Field(
        30.0,
        gt=0,
        description="Time for one upload, in addition to the time for its bytes; then 408.",
    )
    upload_bytes_per_second: int = Field(
        32768,
        ge=1,
        description="Slowest speed of an upload, which gives the time for its bytes.",
    )
    header_seconds: float = Field(
        10.0,
        gt=0,
        description="Longest time for the headers of a request; then the connection is closed.",
    )
    keep_alive_seconds: int = Field(5, ge=1, description="How long an idle connection stays open.")
    shutdown_seconds: int = Field(
        25, ge=1, description="On SIGTERM, how long requests in flight may take to be answered."
    )
    log_level: Annotated[
        Literal["critical", "error", "warning", "info", "debug"], BeforeValidator(lower_case)
    ] = Field("info", description="Lowest severity that is logged.")
    log_format: Literal["auto", "json", "text"] = Field(
        "auto",
        description="`json`, `text`, or `auto`: text in a terminal, else JSON, one line "
        "for each request and event.",
    )
    api_keys: Listed[SecretStr] = Field(
        (),
        description="API keys, comma-separated or as a JSON list, or `@` and the path of a file "
        "that holds them; unset leaves the service open. Each is a secret of at least 16 "
        "characters, or `name:secret`, whose name stands in the log.",
    )
    trusted_proxies: Listed[str] = Field(
        (),
        description="Addresses or networks (`10.0.0.0/8`) of proxies, comma-separated, whose "
        "X-Forwarded-For is trusted; unset trusts none.",
    )
    audit_log: Path | None = Field(
        None,
        description="File that gets one JSON line for each verdict and refusal, on disk before the "
        "answer leaves; unset keeps none.",
    )
    audit_max_mib: int = Field(
        64, ge=1, description="Size in MiB at which the audit log continues in a new file."
    )
    rate_limit: float | None = Field(
        None,
        gt=0,
        le=10_000,
        description="Radiographs per second that one key may send (one address, where there are no "
        "keys); beyond it 429. Unset sets no limit.",
    )
    rate_burst: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="Radiographs that may come at once after a pause; unset is those of one "
        "second, and at least 1.",
    )
    dicom_uid_root: str = Field(
        "2.25",
        pattern=r"^[0-2](\.(0|[1-9][0-9]*))+$",
        max_length=24,
        description="Root of the UIDs of DICOM results; `2.25` needs no registration.",
    )
    cors_origins: Listed[str] = Field(
        (),
        description="Origins whose pages may use the service (`https://host`, comma-separated, or "
        "`*`); unset allows none but its own.",
    )

    @field_validator("port", mode="before")
    @classmethod
    def _ignore_service_link(cls, given: object) -> object:
        # Kubernetes sets XRAY_PORT=tcp://... in every pod beside a Service that is named "xray".
        if isinstance(given, str) and given.startswith("tcp://"):
            log.warning("XRAY_PORT is a Kubernetes service link and is ignored")
            return cls.model_fields["port"].default
        return given

    @field_validator("root_path", mode="before")
    @classmethod
    def _strip_slash(cls, given: object) -> object:
        return given.rstrip("/") if isinstance(given, str) else given

    @field_validator("api_keys", mode="before")
    @classmethod
    def _read_keys(cls, given: object) -> object:
        if isinstance(given, str) and given.startswith("@"):
            try:
                # utf-8-sig: Windows editors put a byte order mark first.
                return ",".join(Path(given[1:]).read_text(encoding="utf-8-sig").split())
            except (OSError, ValueError):
                raise PydanticCustomError("keys", "the file of keys cannot be read") from None
        return given

    @field_validator("api_keys")
    @classmethod
    def _check_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for number, (name, secret) in enumerate(_named(keys), start=1):
            place = {"number": number, "count": len(keys)}
            if not _SOUND_KEY.fullmatch(secret):
                raise PydanticCustomError(
                    "keys",
                    "key {number} of {count} has fewer than 16 characters or other characters than "
                    "ASCII letters, digits and punctuation",
                    place,
                )
            if _NUMBERED.fullmatch(name) and name != f"key-{number}":
                raise PydanticCustomError(
                    "keys",
                    "key {number} of {count} has a name that keys without one are given",
                    place,
                )
        return keys

    @property
    def named_keys(self) -> tuple[tuple[str, str], ...]:
        """Name and secret of each key; one without a name is called ``key-1`` by its place."""
        return _named(self.api_keys)

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(str(ipaddress.ip_network(proxy)) for proxy in proxies)
        except ValueError:
            raise PydanticCustomError(
                "proxies", "each is an address, or a network such as 10.0.0.0/8"
            ) from None

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        # Copied from an address bar, an origin ends in a slash.
        origins = tuple(origin.rstrip("/") for origin in origins)
        if not all(_ORIGIN.fullmatch(origin) for origin in origins):
            raise PydanticCustomError(
                "origins", "each origin is https://host, http://host:port or the like, or *"
            )
        return origins


def _named(keys: tuple[SecretStr, ...]) -> tuple[tuple[str, str], ...]:
    entries = []
    for number, key in enumerate(keys, start=1):
        named = _NAMED_KEY.fullmatch(key.get_secret_value())
        entries.append((named[1], named[2]) if named else (f"key-{number}", key.get_secret_value()))
    return tuple(entries)


def unknown_names(names: Iterable[str]) -> list[str]:
    """Variables that are named like a setting and are none, perhaps by a slip of the finger.

    Those of the DICOM node, and those that Kubernetes sets for a Service, are passed over.
    """
    known = {f"XRAY_{field.upper()}" for field in Settings.model_fields}
    return sorted(set(filter(_LIKE_A_SETTING.match, map(str.upper, names))) - known)


def complaints(error: ValidationError) -> list[str]:
    """One line for each variable that is out of range, without its value."""
    lines = []
    for wrong in error.errors(include_url=False, include_input=False):
        name = "_".join(str(part) for part in wrong["loc"]).upper()
        lines.append(f"XRAY_{name}: {wrong['msg']}" if name else wrong["msg"])
    return lines


def settings_table(fields: Mapping[str, FieldInfo] = Settings.model_fields) -> str:
    """The table of settings in docs/operating.md, as Markdown; a test compares the two."""
    rows = ["| Variable | Default | Meaning |", "| --- | --- | --- |"]
    for name, field in fields.items():
        plain = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        default = "unset" if field.default in {None, ()} else f"`{plain}`"
        rows.append(f"| `XRAY_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(settings_table(), end="")  # noqa: T201 - it is a command whose output is the table
