import asyncio
import json
import logging
import logging.config
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.observability.logs import (
    JsonFormatter,
    TextFormatter,
    install_exception_hooks,
    log_config,
    log_request,
    redacted_traceback,
    request_fields,
)
from service.observability.record import ImageRecord, RequestRecord, VerdictRecord

SECRET = "Jane Doe"
NOTED = VerdictRecord("sha256:d", "NORMAL", "normal", 0.2, ("low_contrast",))


def record(message: str = "hello", **extra: Any) -> logging.LogRecord:
    record = logging.LogRecord("service.x", logging.INFO, "x.py", 1, message, (), None)
    record.created = datetime(2026, 11, 23, 18, 40, 1, 123456, UTC).timestamp()
    record.__dict__.update(extra)
    return record


def failed() -> BaseException:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise RuntimeError(SECRET) from error
    except RuntimeError as error:
        return error


def screened() -> RequestRecord:
    record = RequestRecord("r1", route="/predict", method="POST")
    record.images.append(ImageRecord("a" * 64, 1234, NOTED))
    record.response_started(200)
    return record


class TestLines:
    def test_a_json_line_is_one_object(self) -> None:
        line = JsonFormatter().format(record("two\nlines", fields={"status": 200}))
        assert "\n" not in line
        assert json.loads(line) == {
            "time": "2026-11-23T18:40:01.123Z",
            "level": "info",
            "logger": "service.x",
            "message": "two\nlines",
            "status": 200,
        }

    @pytest.mark.parametrize(
        "value", ["ñ \u2028 \U0001fac1", "half a character: \udc80", Path("/m")]
    )
    def test_a_json_line_is_ascii_for_any_value(self, value: object) -> None:
        line = JsonFormatter().format(record(fields={"value": value}))
        assert line.isascii()
        assert json.loads(line)["value"] == str(value)
        assert ", " not in line.replace(str(value), "")

    def test_a_text_line_holds_the_same(self) -> None:
        fields = {"status": 200, "ms": {"decode": 1.5, "total": 2.0}, "images": [{"verdict": None}]}
        line = TextFormatter().format(record(fields=fields))
        assert line == (
            "2026-11-23T18:40:01.123Z INFO service.x: hello status=200 ms=decode:1.5,total:2.0 "
            "images=verdict:-"
        )

    @pytest.mark.parametrize("lines", [JsonFormatter(), TextFormatter()])
    def test_an_exception_is_logged_without_its_message(self, lines: logging.Formatter) -> None:
        error = failed()
        line = lines.format(record(exc_info=(type(error), error, error.__traceback__)))
        assert "RuntimeError" in line
        assert "test_logs.py" in line
        assert SECRET not in line


class TestTraces:
    def test_causes_are_named(self) -> None:
        trace = redacted_traceback(failed())
        assert "RuntimeError" in trace
        assert "KeyError" in trace
        assert SECRET not in trace

    def test_exceptions_of_a_group_are_named(self) -> None:
        trace = redacted_traceback(
            ExceptionGroup(SECRET, [ValueError(SECRET), OSError(2, SECRET, SECRET)])
        )
        assert "ValueError" in trace
        assert "FileNotFoundError" in trace
        assert SECRET not in trace

    def test_an_infinite_recursion_is_shortened(self) -> None:
        def deeper() -> None:
            deeper()

        with pytest.raises(RecursionError) as caught:
            deeper()
        assert len(redacted_traceback(caught.value).splitlines()) < 200

    def test_a_cycle_of_causes_ends(self) -> None:
        first, second = ValueError(), TypeError()
        first.__context__, second.__context__ = second, first
        assert redacted_traceback(first).count("ValueError") == 1


class TestRequestLine:
    def test_it_identifies_image_and_model_without_the_probability(self) -> None:
        fields = request_fields(screened())
        total = fields["ms"].pop("total")
        assert total >= 0
        assert fields == {
            "request_id": "r1",
            "method": "POST",
            "route": "/predict",
            "status": 200,
            "client": None,
            "ms": {},
            "model": "sha256:d",
            "images": [
                {
                    "sha256": "a" * 64,
                    "bytes": 1234,
                    "verdict": "NORMAL",
                    "warnings": ["low_contrast"],
                }
            ],
        }

    def test_a_refused_file_is_named_by_its_digest_and_reason(self) -> None:
        record = RequestRecord("r1")
        record.images.append(ImageRecord("b" * 64, 9))
        record.problems.append("corrupt_image")
        fields = request_fields(record)
        assert fields["problems"] == ["corrupt_image"]
        assert fields["images"] == [{"sha256": "b" * 64, "bytes": 9, "verdict": None}]
        assert fields["model"] is None

    @pytest.mark.parametrize(("status", "level"), [(200, "INFO"), (404, "INFO"), (503, "WARNING")])
    def test_a_failure_of_the_service_is_a_warning(
        self, status: int, level: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        record = RequestRecord("r1")
        record.response_started(status)
        with caplog.at_level(logging.INFO, "service.requests"):
            log_request(record)
        assert [each.levelname for each in caplog.records] == [level]


class TestConfiguration:
    @pytest.mark.parametrize(
        ("asked", "terminal", "formatter"),
        [
            ("json", True, JsonFormatter),
            ("text", False, TextFormatter),
            ("auto", True, TextFormatter),
            ("auto", False, JsonFormatter),
        ],
    )
    def test_a_person_at_a_terminal_gets_text_and_a_machine_json(
        self, asked: Any, terminal: bool, formatter: type, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
        assert log_config("info", asked)["formatters"]["line"]["()"] is formatter

    def test_libraries_that_quote_what_they_read_are_silent(self) -> None:
        loggers = log_config("debug", "json")["loggers"]
        assert {name: each["level"] for name, each in loggers.items()} == dict.fromkeys(
            ("python_multipart", "PIL", "pydicom", "pynetdicom", "httpx", "httpcore"), "CRITICAL"
        )


@pytest.fixture
def _restored_hooks() -> Iterator[None]:
    hooks = threading.excepthook, sys.unraisablehook
    yield
    threading.excepthook, sys.unraisablehook = hooks


@pytest.mark.usefixtures("_restored_hooks")
def test_unhandled_exceptions_are_logged_without_their_messages(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Unhappy:
        def __del__(self) -> None:
            raise OSError(SECRET)

    def fail(_: object = None) -> None:
        raise LookupError(SECRET)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        install_exception_hooks(loop)
        loop.call_soon(fail, SECRET)
        await asyncio.sleep(0)
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        Unhappy()
        loop.call_exception_handler({"message": SECRET})

    with caplog.at_level(logging.DEBUG):
        asyncio.run(main())
    told = [line.split()[1] for line in caplog.messages if line.startswith("Unhandled")]
    assert told == ["LookupError", "LookupError", "OSError", "error"]
    assert SECRET not in caplog.text
