"""OpenTelemetry spans, made from a request's journal once the request is over.

So they can hold nothing that the journal does not: no file name, query, header or address.
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

from service.observability.stages import UNKNOWN, Journal

LAST_SECONDS: Final = 2.0
"""How long a collector that does not answer can hold up the end of the service."""


class OtelTracer:
    """One span for each request and, below it, one for each stage.

    Args:
        processor: Takes the spans.
        version: Of the service.
        environment: Variables of the process; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
            replace the service's own name.
    """

    def __init__(
        self, processor: SpanProcessor, version: str, environment: Mapping[str, str]
    ) -> None:
        own = {"service.version": version}
        named = environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
        if not environment.get("OTEL_SERVICE_NAME") and "service.name=" not in named:
            own["service.name"] = "pneumonia-xray"
        self._provider = TracerProvider(resource=Resource.create(own), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("service", version)
        self._propagator = TraceContextTextMapPropagator()

    @classmethod
    def over_http(cls, version: str, environment: Mapping[str, str]) -> Self:
        """Send spans to the collector that the standard variables name, from a thread beside."""
        return cls(BatchSpanProcessor(OTLPSpanExporter()), version, environment)

    def record(self, journal: Journal) -> None:
        """Hand over one request that is over; returns at once."""
        # Of the caller's context only the two numbers are taken: tracestate is free text.
        carrier = {"traceparent": journal.parent} if journal.parent else {}
        name = f"{journal.method} {journal.route}" if journal.route != UNKNOWN else journal.method
        span = self._tracer.start_span(
            name,
            context=self._propagator.extract(carrier),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": journal.method,
                "http.route": journal.route,
                "http.response.status_code": journal.status,
                "xray.request_id": journal.request_id,
            },
            start_time=journal.start_ns,
        )
        if journal.status >= 500:
            span.set_status(StatusCode.ERROR)
            span.set_attribute("error.type", journal.problems[-1] if journal.problems else "500")
        context = set_span_in_context(span)
        end_ns = journal.start_ns + int((journal.total_s or 0.0) * 1e9)
        for lap in tuple(journal.laps):
            start_ns = journal.start_ns + int((lap.start_s - journal.start_s) * 1e9)
            below = self._tracer.start_span(lap.stage, context=context, start_time=start_ns)
            below.end(start_ns + int(lap.seconds * 1e9))
        span.end(end_ns)

    def close(self) -> None:
        """Send what is left, for a bounded time."""
        last = threading.Thread(target=self._provider.shutdown, name="last-traces", daemon=True)
        last.start()
        last.join(LAST_SECONDS)
