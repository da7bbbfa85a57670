import logging
import subprocess
import sys

import pytest

from service.observability.tracing import make_tracer
from tests.serving import ROOT

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    "environment",
    [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, ENDPOINT | {"OTEL_SDK_DISABLED": "true"}],
)
def test_without_a_collector_there_are_no_traces(environment: dict[str, str]) -> None:
    assert make_tracer(environment, "1") is None


def test_without_a_collector_nothing_of_opentelemetry_is_imported() -> None:
    code = (
        "import sys; from service.api.app import create_app; create_app();"
        "sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_without_the_package_a_warning_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "service.observability.otel", None)  # as if not installed
    with caplog.at_level(logging.WARNING):
        assert make_tracer(ENDPOINT, "1") is None
    assert "not installed" in caplog.text


def test_an_unreachable_collector_does_not_delay_the_shutdown() -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    tracer = make_tracer(ENDPOINT, "1")
    assert tracer is not None
    tracer.close()
