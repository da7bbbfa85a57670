"""Traces for an OpenTelemetry collector, if one is configured and the packages are installed.

The standard variables decide: OTEL_EXPORTER_OTLP_ENDPOINT (or ..._TRACES_ENDPOINT) names the
collector, OTEL_SDK_DISABLED turns it off. Without them OpenTelemetry is not imported.
"""

import logging
from collections.abc import Mapping
from typing import Final, Protocol

from service.observability.record import RequestRecord

log = logging.getLogger(__name__)

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Tracer(Protocol):
    """Exports requests as traces."""

    def export(self, record: RequestRecord) -> None:
        """Queue a request that is over for export; does not block."""

    def close(self) -> None:
        """Send what is queued, for a bounded time."""


def make_tracer(environment: Mapping[str, str], version: str) -> Tracer | None:
    """Make a tracer if the environment names a collector and OpenTelemetry is installed.

    Args:
        environment: Variables of the process.
        version: Version of the service.
    """
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or not any(environment.get(name) for name in _ENDPOINTS):
        return None
    try:
        from service.observability.otel import OtelTracer
    except ImportError:
        log.warning(
            "A trace collector is configured, but OpenTelemetry is not installed: no traces are "
            "sent. Install the extra 'otel' of this package."
        )
        return None
    return OtelTracer.over_http(version, environment)
