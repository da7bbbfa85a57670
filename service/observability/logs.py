"""The log: one line for each event, as JSON or as text, to standard error.

Nothing of a request's content is in any line. An exception is told by its type and the lines of
source that it came through; its own text, which may quote what a client sent, is left out.
"""

import json
import logging
import logging.config
import sys
import threading
import traceback
from asyncio import AbstractEventLoop
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal

from pydantic_core import PydanticSerializationError, to_json

from service.observability.stages import ImageNote, Journal

log = logging.getLogger(__name__)
requests_log = logging.getLogger("service.requests")

LogFormat = Literal["auto", "json", "text"]

_FRAMES: Final = 40
"""Most lines of source of one exception; an endless recursion has a thousand."""

_CHAIN: Final = 8
"""Most exceptions behind an exception that are told."""

# These quote what they could not parse.
_SILENCED: Final = ("python_multipart", "PIL")


def log_config(level: str, log_format: LogFormat) -> dict[str, Any]:
    """What ``logging.config.dictConfig`` takes: everything to standard error.

    Args:
        level: Least severity.
        log_format: ``auto`` is text when standard error is a terminal, else JSON.
    """
    if log_format == "auto":
        log_format = "text" if sys.stderr.isatty() else "json"
    formatter = JsonLines if log_format == "json" else TextLines
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {name: {"level": logging.getLevelName(logging.CRITICAL)} for name in _SILENCED},
    }


def leave_out_what_no_line_tells() -> None:
    """Spare the logging library the thread, process and task of every event, for the process."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    if sys.version_info >= (3, 12):
        logging.logAsyncioTasks = False


def log_request(journal: Journal) -> None:
    """Write the one line of a request; a failure of the service is a warning."""
    level = logging.WARNING if journal.status >= 500 else logging.INFO
    if requests_log.isEnabledFor(level):
        # Logger.log would look for the line of source that called it, which no line here tells.
        fields = {"fields": request_fields(journal)}
        requests_log.handle(
            requests_log.makeRecord(
                requests_log.name, level, "", 0, "request", (), None, extra=fields
            )
        )


def request_fields(journal: Journal) -> dict[str, Any]:
    """What the log says of a request: digests, names of our own and figures."""
    fields: dict[str, Any] = {
        "request_id": journal.request_id,
        "method": journal.method,
        "route": journal.route,
        "status": journal.status,
        "ms": journal.milliseconds(),
    }
    if journal.problems:
        fields["problems"] = list(journal.problems)
    if journal.images:
        images = tuple(journal.images)
        fields["model"] = next((each.model_digest for each in images if each.model_digest), None)
        fields["images"] = [_image_fields(each) for each in images]
    return fields


def trace_of(error: BaseException) -> str:
    """Tell where an exception and those behind it came from, without any of their texts."""
    told: list[str] = []
    pending: list[BaseException] = [error]
    seen: set[int] = set()
    while pending and len(seen) < _CHAIN:
        current = pending.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        frames = traceback.format_tb(current.__traceback__, limit=-_FRAMES)
        told.append("".join(frames) + type(current).__qualname__)
        if isinstance(current, BaseExceptionGroup):
            pending.extend(current.exceptions)
        behind = current.__cause__ or current.__context__
        if behind is not None:
            pending.append(behind)
    return "\nbehind it:\n".join(told)


def guard_last_resorts(loop: AbstractEventLoop) -> None:
    """Keep the texts of exceptions that reach nobody out of the log as well.

    Python prints those of threads and finalisers, and asyncio those of tasks and callbacks, with
    their texts and the values that they were called with.
    """

    def tell(error: BaseException | None) -> None:
        kind = type(error).__qualname__ if error else "trouble"
        trace = trace_of(error) if error else ""
        log.error("Unforeseen %s outside of a request\n%s", kind, trace)

    loop.set_exception_handler(lambda _, context: tell(context.get("exception")))
    threading.excepthook = lambda args: tell(args.exc_value)
    sys.unraisablehook = lambda args: tell(args.exc_value)


class _Lines(logging.Formatter):
    """What both formats share."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is the library's
        """Tell an exception without its text."""
        return trace_of(ei[1]) if ei[1] is not None else ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """ISO 8601, UTC, to the millisecond."""
        seconds, thousandths = divmod(round(record.created * 1e3), 1000)
        return f"{_second(seconds)}.{thousandths:03d}Z"


class JsonLines(_Lines):
    """Each event is one line that holds a JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Make the line."""
        entry: dict[str, Any] = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        try:
            # As the answers: the code that writes both is warm by now, that of ``json`` is not.
            return to_json(entry, ensure_ascii=True, fallback=str).decode()
        except PydanticSerializationError:  # half a character, as in a path that is not UTF-8
            return json.dumps(entry, default=str, separators=(",", ":"))


class TextLines(_Lines):
    """Each event is a line for people: time, level, where from, what; figures as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        """Make the line; only a trace takes more than one."""
        fields = "".join(f" {name}={_plain(value)}" for name, value in _flat(record).items())
        trace = "\n" + self.formatException(record.exc_info) if record.exc_info else ""
        where = f"{record.levelname} {record.name}: {record.getMessage()}"
        return f"{self.formatTime(record)} {where}{fields}{trace}"


@lru_cache(maxsize=1)
def _second(moment: int) -> str:
    """A second since 1970; most lines are of the same as the line before."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _image_fields(image: ImageNote) -> dict[str, Any]:
    return {"sha256": image.sha256, "bytes": image.size, "verdict": image.predicted_class}


def _flat(record: logging.LogRecord) -> dict[str, Any]:
    fields: Mapping[str, Any] = getattr(record, "fields", {})
    return {name: value for name, value in fields.items() if value != {}}


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
