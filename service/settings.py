"""Every knob of the service: an ``XRAY_*`` environment variable, one line why, a safe default."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class Settings(BaseSettings):
    """Read from the environment once, when the application is made; an empty variable is unset."""

    model_config = SettingsConfigDict(env_prefix="XRAY_", env_ignore_empty=True, frozen=True)

    models_dir: Path = Field(
        Path("models"), description="Folder of the bundle: manifest and networks."
    )
    host: str = Field(
        "127.0.0.1", description="Address to listen on; the default is this machine alone."
    )
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    engine: Literal["auto", "onnx", "tensorflow"] = Field(
        "auto",
        description="`onnx` (the compiled graph), `tensorflow`, or `auto`: the compiled graph when "
        "it was made from the very networks of the bundle, else TensorFlow.",
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
        description="Requests that may wait for a thread; unset is 8 for each thread. "
        "A short queue refuses clients early instead of having them wait.",
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
        description="Memory for all uploads under way, in MiB; beyond it 503. "
        "Uploads never touch the disk.",
    )
    max_pixels: int = Field(
        30_000_000,
        ge=1024,
        description="Most pixels of an image, checked in its header before it is decoded.",
    )
    upload_seconds: float = Field(
        30.0, gt=0, description="Longest time for one upload, after which the answer is 408."
    )
    upload_bytes_per_second: int = Field(
        1024, ge=1, description="Slowest upload that is waited for, after a start of 5 seconds."
    )
    header_seconds: float = Field(
        10.0, gt=0, description="Longest time for the headers of a request; then it is cut off."
    )
    keep_alive_seconds: int = Field(
        5, ge=1, description="How long an idle connection is kept for its client's next request."
    )
    shutdown_seconds: int = Field(
        25, ge=1, description="On SIGTERM, how long requests under way may take to be answered."
    )
    log_level: Literal["critical", "error", "warning", "info", "debug"] = Field(
        "info", description="Least severity that is logged."
    )


def settings_table() -> str:
    """The README's table of settings, as Markdown, so that it cannot go out of step."""
    rows = ["| Variable | Default | Why |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "unset" if field.default is None else f"`{field.default}`"
        rows.append(f"| `XRAY_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(settings_table(), end="")  # noqa: T201 - it is a command whose output is the table
