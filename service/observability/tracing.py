"""Traces for an OpenTelemetry collector, when one is named and the packages are installed.

The standard variables decide: OTEL_EXPORTER_OTLP_ENDPOINT (or ..._TRACES_ENDPOINT) names the
collector, OTEL_SDK_DISABLED turns it off. Without them nothing of OpenTelemetry is imported.
"""

import logging
from collections.abc import Mapping
from typing import Final, Protocol

from service.observability.stages import Journal

log = logging.getLogger(__name__)

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Tracer(Protocol):
    """Sends what happened in a request to a collector of traces."""

    def record(self, journal: Journal) -> None:
        """Hand over one request that is over; returns at once."""

    def close(self) -> None:
        """Send what is left, for a bounded time."""


def make_tracer(environment: Mapping[str, str], version: str) -> Tracer | None:
    """A tracer if the environment names a collector and the packages are there, else None.

    Args:
        environment: Variables of the process.
        version: Of the service.
    """
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or not any(environment.get(name) for name in _ENDPOINTS):
        return None
    try:
        from service.observability.otel import OtelTracer  # noqa: PLC0415 - an optional extra, and a heavy one
    except ImportError:
        log.warning(
            "A collector of traces is named but OpenTelemetry is not installed, so none are sent. "
            "The extra 'otel' of this package brings it."
        )
        return None
    return OtelTracer.over_http(version, environment)
