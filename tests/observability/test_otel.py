import pytest

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra 'otel' is optional")

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, StatusCode

from service.observability.otel import OtelTracer
from service.observability.record import RequestRecord

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def spans_of(
    *records: RequestRecord, environment: dict[str, str] | None = None
) -> list[ReadableSpan]:
    exporter = InMemorySpanExporter()
    tracer = OtelTracer(SimpleSpanProcessor(exporter), "1.2", environment or {})
    for record in records:
        tracer.export(record)
    tracer.close()
    return list(exporter.get_finished_spans())


def context_of(span: ReadableSpan) -> SpanContext:
    context = span.get_span_context()
    assert context is not None
    return context


def answered(status: int = 200, **given: str) -> RequestRecord:
    record = RequestRecord("r1", route="/predict", method="POST", **given)  # type: ignore[arg-type]
    record.add_stage("decode", record.start_s)
    record.response_started(status)
    return record


def test_a_request_is_a_span_with_a_child_per_stage() -> None:
    record = answered()
    decode, request = spans_of(record)
    assert (request.name, decode.name) == ("POST /predict", "decode")
    assert decode.parent is not None
    assert decode.parent.span_id == context_of(request).span_id
    assert request.start_time == decode.start_time == record.start_ns
    assert request.end_time == record.start_ns + int((record.total_s or 0) * 1e9)
    assert dict(request.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/predict",
        "http.response.status_code": 200,
        "xray.request_id": "r1",
    }


def test_the_trace_of_the_caller_is_continued() -> None:
    *_, request = spans_of(answered(parent=CALLER))
    assert f"{context_of(request).trace_id:032x}" == CALLER.split("-")[1]


@pytest.mark.parametrize("parent", ["", "Jane Doe", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_an_invalid_traceparent_is_ignored(parent: str) -> None:
    *_, request = spans_of(answered(parent=parent))
    assert request.parent is None
    assert "Jane" not in request.to_json()


def test_a_failure_of_the_service_is_an_error_of_its_span() -> None:
    record = answered(503)
    record.problems.append("queue_full")
    *_, failed = spans_of(record)
    assert failed.status.status_code is StatusCode.ERROR
    assert (failed.attributes or {})["error.type"] == "queue_full"
    *_, refused = spans_of(answered(404))
    assert refused.status.status_code is StatusCode.UNSET


def test_the_service_names_itself_unless_its_operator_does(monkeypatch: pytest.MonkeyPatch) -> None:
    *_, request = spans_of(answered())
    assert request.resource.attributes["service.name"] == "pneumonia-xray"
    assert request.resource.attributes["service.version"] == "1.2"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "ward 3")
    *_, request = spans_of(answered(), environment={"OTEL_SERVICE_NAME": "ward 3"})
    assert request.resource.attributes["service.name"] == "ward 3"
