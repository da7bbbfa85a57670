"""The log: one line per event, as JSON or as text, on standard error.

No line holds anything from a request's content. Exceptions are logged by type and traceback only:
their messages may quote what a client sent.
"""

import json
import logging
import sys
import threading
import traceback
from asyncio import AbstractEventLoop
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

from service.observability.record import ImageRecord, RequestRecord

log = logging.getLogger(__name__)
requests_log = logging.getLogger("service.requests")

LogFormat = Literal["auto", "json", "text"]

_MAX_FRAMES: Final = 40
"""Traceback frames logged per exception; infinite recursion has a thousand."""

_MAX_CHAINED: Final = 8
"""Exceptions logged from one chain of causes."""

_SILENCED: Final = (
    "python_multipart",
    "PIL",
    "pydicom",
    "pynetdicom",
    "httpx",
    "httpcore",
)
"""Libraries whose messages quote what they could not parse, or the addresses of studies."""


def log_config(level: str, log_format: LogFormat) -> dict[str, Any]:
    """Configuration for ``logging.config.dictConfig``: everything goes to standard error.

    Args:
        level: Minimum severity.
        log_format: ``auto`` is text when standard error is a terminal, else JSON.
    """
    if log_format == "auto":
        log_format = "text" if sys.stderr.isatty() else "json"
    formatter = JsonFormatter if log_format == "json" else TextFormatter
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {name: {"level": "CRITICAL"} for name in _SILENCED},
    }


def log_request(record: RequestRecord) -> None:
    """Log a request that is over, in one line; a 5xx response is a warning."""
    level = logging.WARNING if record.status >= 500 else logging.INFO
    requests_log.log(level, "request", extra={"fields": request_fields(record)})


def request_fields(record: RequestRecord) -> dict[str, Any]:
    """What the log holds about a request: digests, our own names, and durations."""
    fields: dict[str, Any] = {
        "request_id": record.request_id,
        "method": record.method,
        "route": record.route,
        "status": record.status,
        "client": record.client,
        "ms": record.durations_ms(),
    }
    if record.key is not None:
        fields["key"] = record.key
    if record.problems:
        fields["problems"] = list(record.problems)
    if record.images:
        images = tuple(record.images)
        verdicts = [each.verdict for each in images]
        fields["model"] = next((each.model_digest for each in verdicts if each), None)
        fields["images"] = [_image_fields(each) for each in images]
    return fields


def _image_fields(image: ImageRecord) -> dict[str, Any]:
    verdict = image.verdict
    fields: dict[str, Any] = {
        "sha256": image.sha256,
        "bytes": image.size,
        "verdict": verdict.predicted_class if verdict else None,
    }
    if image.problem is not None:
        fields["problem"] = image.problem
    if verdict and verdict.warnings:
        fields["warnings"] = list(verdict.warnings)
    return fields


def redacted_traceback(error: BaseException) -> str:
    """The traceback of an exception and of those that caused it, without their messages."""
    parts: list[str] = []
    pending: list[BaseException] = [error]
    seen: set[int] = set()
    while pending and len(seen) < _MAX_CHAINED:
        current = pending.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        frames = traceback.format_tb(current.__traceback__, limit=-_MAX_FRAMES)
        parts.append("".join(frames) + type(current).__qualname__)
        if isinstance(current, BaseExceptionGroup):
            pending.extend(current.exceptions)
        cause = current.__cause__ or current.__context__
        if cause is not None:
            pending.append(cause)
    return "\ncaused by:\n".join(parts)


def install_exception_hooks(loop: AbstractEventLoop) -> None:
    """Redact exceptions that nothing catches.

    By default Python prints those of threads and finalizers, and asyncio those of tasks and
    callbacks, with their messages and arguments.
    """

    def report(error: BaseException | None) -> None:
        name = type(error).__qualname__ if error else "error"
        log.error(
            "Unhandled %s outside a request\n%s", name, redacted_traceback(error) if error else ""
        )

    loop.set_exception_handler(lambda _, context: report(context.get("exception")))
    threading.excepthook = lambda args: report(args.exc_value)
    sys.unraisablehook = lambda args: report(args.exc_value)


class JsonFormatter(logging.Formatter):
    """Formats each event as one line with one JSON object, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        """Format the event; ``extra={"fields": {...}}`` adds to the object."""
        entry: dict[str, Any] = {
            "time": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if trace := _trace(record):
            entry["trace"] = trace
        return json.dumps(entry, default=str, separators=(",", ":"))


class TextFormatter(logging.Formatter):
    """Formats each event as one line for people; only a traceback takes more than one."""

    def format(self, record: logging.LogRecord) -> str:
        """Format the event; ``extra={"fields": {...}}`` becomes name=value pairs."""
        line = f"{_timestamp(record)} {record.levelname} {record.name}: {record.getMessage()}"
        for name, value in _fields(record).items():
            if value != {}:
                line += f" {name}={_plain(value)}"
        trace = _trace(record)
        return f"{line}\n{trace}" if trace else line


def _timestamp(record: logging.LogRecord) -> str:
    """ISO 8601, UTC, in milliseconds."""
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    return redacted_traceback(error) if error else ""


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = getattr(record, "fields", {})
    return fields


def _plain(value: object) -> str:
    match value:
        case Mapping():
            return ",".join(f"{name}:{_plain(each)}" for name, each in value.items())
        case list():
            return ";".join(_plain(each) for each in value)
        case None:
            return "-"
        case _:
            return str(value)
