"""``pneumonia-xray check``: is everything installed, and if not, what is to be done?"""

# It must start without the libraries in order to report that one is missing.

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final, Literal

from rich.console import Console
from rich.text import Text

from service import __version__
from service.cli.errors import SOME_FAILED, SUCCESS

PYTHONS: Final = ((3, 11), (3, 13))
"""Oldest and newest version that are tested."""

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
    """The result of one check.

    Attributes:
        level: ``fail`` if screening is not possible.
        subject: What was checked.
        text: What was found.
        advice: What to do about it; may be empty.
    """

    level: Literal["ok", "warn", "fail"]
    subject: str
    text: str
    advice: str = ""


def check(options: Mapping[str, Any]) -> int:
    """Run all checks and print a line for each.

    Args:
        options: Values by name of setting; None where an option was not given.

    Returns:
        The exit code: 0, or 1 if a check failed.
    """
    console = Console(highlight=False)
    failed = False
    for finding in _findings(options):
        _print(finding, console)
        failed = failed or finding.level == "fail"
    return SOME_FAILED if failed else SUCCESS


def _print(finding: Finding, console: Console) -> None:
    level = Text(f"{finding.level:5}", _STYLES[finding.level])
    console.print(level + Text(f"{finding.subject:10} {finding.text}"), soft_wrap=True)
    if finding.advice:
        console.print(Text(f"{'':5}{'':10} -> {finding.advice}"), soft_wrap=True)


def _findings(options: Mapping[str, Any]) -> Iterator[Finding]:
    yield _python()
    libraries = _libraries()
    yield libraries
    yield _engines()
    if libraries.level != "fail":
        from service.cli.self_test import self_test

        yield from self_test(options)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    text = f"{version}, pneumonia-xray {__version__}"
    oldest, newest = (".".join(map(str, each)) for each in PYTHONS)
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        return Finding(
            "warn", "Python", text, f"Use a tested version: Python {oldest} to {newest}."
        )
    return Finding("ok", "Python", text)


def _libraries() -> Finding:
    versions = {name: _version(name) for name in LIBRARIES}
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        return Finding(
            "fail",
            "Libraries",
            f"missing: {', '.join(missing)}",
            "Install them: `make serve`, or pip install -r requirements.lock.",
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
