"""The doctor: is everything here that is needed, and what is to be done where it is not?"""

# Only the standard library up here: a doctor that cannot start without a library cannot say that it
# is missing.

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final, Literal

from rich.console import Console
from rich.text import Text

from service import __version__
from service.cli.refusing import ALL_WELL, SOME_FAILED

PYTHONS: Final = ((3, 11), (3, 13))
"""Oldest and newest that are tested."""

LIBRARIES: Final = (
    "numpy",
    "pillow",
    "pydantic",
    "pydantic-settings",
    "fastapi",
    "uvicorn",
    "python-multipart",
    "prometheus-client",
    "reportlab",
)
ENGINES: Final = ("onnxruntime", "tensorflow", "tensorflow-cpu")

_STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: ``fail`` when screening is not possible like this.
        subject: What was looked at.
        said: What was found.
        advice: What to do about it; empty when there is nothing to do.
    """

    level: Literal["ok", "warn", "fail"]
    subject: str
    said: str
    advice: str = ""


def check(given: Mapping[str, Any]) -> int:
    """Look at everything and print a line each.

    Args:
        given: Options by the name of their setting; None where one was not given.

    Returns:
        The status to end with: 0, or 1 when something failed.
    """
    console = Console(highlight=False)
    failed = False
    for finding in _findings(given):
        _print(finding, console)
        failed = failed or finding.level == "fail"
    return SOME_FAILED if failed else ALL_WELL


def _print(finding: Finding, console: Console) -> None:
    level = Text(f"{finding.level:5}", _STYLES[finding.level])
    console.print(level + Text(f"{finding.subject:10} {finding.said}"), soft_wrap=True)
    if finding.advice:
        console.print(Text(f"{'':5}{'':10} -> {finding.advice}"), soft_wrap=True)


def _findings(given: Mapping[str, Any]) -> Iterator[Finding]:
    yield _python()
    libraries = _libraries()
    yield libraries
    yield _engines()
    if libraries.level != "fail":
        from service.cli.self_test import self_test  # noqa: PLC0415 - needs the libraries

        yield from self_test(given)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    said = f"{version}, pneumonia-xray {__version__}"
    oldest, newest = (".".join(map(str, each)) for each in PYTHONS)
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        return Finding(
            "warn", "Python", said, f"It is tested with Python {oldest} to {newest}: use one."
        )
    return Finding("ok", "Python", said)


def _libraries() -> Finding:
    versions = {name: _version(name) for name in LIBRARIES}
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        return Finding(
            "fail",
            "Libraries",
            f"missing: {', '.join(missing)}",
            "Install them again: `make serve`, or pip install -r requirements.lock.",
        )
    return Finding("ok", "Libraries", ", ".join(f"{name} {v}" for name, v in versions.items()))


def _engines() -> Finding:
    found = [f"{name} {version}" for name in ENGINES if (version := _version(name))]
    if not found:
        return Finding(
            "fail", "Engines", "none", "Install onnxruntime: pip install -r requirements.lock."
        )
    return Finding("ok", "Engines", ", ".join(found))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
