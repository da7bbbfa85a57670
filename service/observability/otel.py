"""OpenTelemetry spans, made from a request's record once the request is over.

They hold nothing that the record does not: no file name, query, header or address.
"""

import threading
from collections.abc import Mapping
from typing import Final, Self

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.observability.record import OTHER, RequestRecord

FLUSH_TIMEOUT_S: Final = 2.0
"""How long an unresponsive collector may delay the shutdown, in seconds."""


class OtelTracer:
    """Exports one span per request and, as its children, one per stage.

    Args:
        processor: Receives the spans.
        version: Version of the service.
        environment: Variables of the process; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
            replace the service's own name.
    """

    def __init__(
        self, processor: SpanProcessor, version: str, environment: Mapping[str, str]
    ) -> None:
        resource = {"service.version": version}
        attributes = environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
        if not environment.get("OTEL_SERVICE_NAME") and "service.name=" not in attributes:
            resource["service.name"] = "pneumonia-xray"
        self._provider = TracerProvider(resource=Resource.create(resource), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("service", version)
        self._propagator = TraceContextTextMapPropagator()

    @classmethod
    def over_http(cls, version: str, environment: Mapping[str, str]) -> Self:
        """Send spans, from a background thread, to the collector that the environment names."""
        return cls(BatchSpanProcessor(OTLPSpanExporter()), version, environment)

    def export(self, record: RequestRecord) -> None:
        """Queue a request that is over for export; does not block."""
        # Only the two IDs of the caller's context are used: tracestate is free text.
        carrier = {"traceparent": record.parent} if record.parent else {}
        name = f"{record.method} {record.route}" if record.route != OTHER else record.method
        span = self._tracer.start_span(
            name,
            context=self._propagator.extract(carrier),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": record.method,
                "http.route": record.route,
                "http.response.status_code": record.status,
                "xray.request_id": record.request_id,
            },
            start_time=record.start_ns,
        )
        if record.status >= 500:
            span.set_status(StatusCode.ERROR)
            span.set_attribute("error.type", record.problems[-1] if record.problems else "500")
        context = set_span_in_context(span)
        end_ns = record.start_ns + int((record.total_s or 0.0) * 1e9)
        for timing in tuple(record.stages):
            start_ns = record.start_ns + int((timing.start_s - record.start_s) * 1e9)
            child = self._tracer.start_span(timing.stage, context=context, start_time=start_ns)
            child.end(start_ns + int(timing.seconds * 1e9))
        span.end(end_ns)

    def close(self) -> None:
        """Send what is queued, for a bounded time."""
        flush = threading.Thread(target=self._provider.shutdown, name="flush-traces", daemon=True)
        flush.start()
        flush.join(FLUSH_TIMEOUT_S)
