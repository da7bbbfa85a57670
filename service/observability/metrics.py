"""Metrics in the format of Prometheus.

Each application has its own registry. No label takes its value from a client: routes are the
service's own templates, and everything that it does not know shares one value, so that nobody can
create series without limit.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from service.observability.record import STAGES, RequestRecord, VerdictRecord

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds in seconds: from a small image to the longest upload that is accepted."""

BUCKETS_PROBABILITY = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)

ASSESSMENTS = ("pneumonia", "normal", "indeterminate")

REFUSALS = ("no_lungs", "unlike_training_films", "uncertain_lungs")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The loaded model.

    Attributes:
        labels: Labels of ``xray_model_info``: its name, version, digest and engine.
        classes: Names of the classes that it predicts.
    """

    labels: dict[str, str]
    classes: tuple[str, ...]


class Metrics:
    """The metrics of one application.

    Args:
        version: Version of the service.
        problem_codes: Codes of all problems; each series starts at 0.
        model: Returns the loaded model, or None while there is none.
    """

    def __init__(
        self, *, version: str, problem_codes: Iterable[str], model: Callable[[], ModelInfo | None]
    ) -> None:
        # The creation time of each series would double the output.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        self._model = model
        self._requests = Counter(
            "xray_requests", "Requests answered.", ("route", "method", "status"), registry=registry
        )
        self._in_flight = Gauge("xray_requests_in_flight", "Requests in flight.", registry=registry)
        self._problems = Counter(
            "xray_problems", "Problems in responses, by code.", ("code",), registry=registry
        )
        self._verdicts = Counter(
            "xray_verdicts", "Radiographs screened.", ("predicted_class",), registry=registry
        )
        self._assessments = Counter(
            "xray_assessments", "Radiographs by assessment.", ("assessment",), registry=registry
        )
        self._warnings = Counter(
            "xray_warnings", "Warnings in verdicts, by code.", ("code",), registry=registry
        )
        self._refusals = Counter(
            "xray_refusals",
            "Pictures that are not frontal chest films, by reason.",
            ("reason",),
            registry=registry,
        )
        self._probability = Histogram(
            "xray_probability",
            "Probabilities of pneumonia in verdicts.",
            buckets=BUCKETS_PROBABILITY,
            registry=registry,
        )
        self._request_seconds = Histogram(
            "xray_request_seconds",
            "From the first byte of a request to the first byte of its response.",
            ("route",),
            buckets=BUCKETS_S,
            registry=registry,
        )
        self._stage_seconds = Histogram(
            "xray_stage_seconds",
            "Upload: receiving the body. Queue: waiting for a thread. Decode: bytes to pixels. "
            "Prepare: pixels to the networks' input. Each image of a batch counts.",
            ("stage",),
            buckets=BUCKETS_S,
            registry=registry,
        )
        for code in sorted(problem_codes):
            self._problems.labels(code)
        for reason in REFUSALS:
            self._refusals.labels(reason)
        for assessment in ASSESSMENTS:
            self._assessments.labels(assessment)
        for stage in STAGES:
            self._stage_seconds.labels(stage)
        Info("xray_service", "The service.", registry=registry).info({"version": version})
        registry.register(_ModelCollector(model))
        ProcessCollector(registry=registry)

    def add_counter(
        self, name: str, description: str, label: str, values: Iterable[str]
    ) -> Counter:
        """Add a counter with one label; the series of these values start at 0."""
        counter = Counter(name, description, (label,), registry=self._registry)
        for value in values:
            counter.labels(value)
        return counter

    def add_gauge(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Add a gauge whose value is read when Prometheus scrapes."""
        Gauge(name, description, registry=self._registry).set_function(read)

    def request_started(self) -> None:
        """Count a request as in flight."""
        self._in_flight.inc()

    def request_finished(self, record: RequestRecord) -> None:
        """Count a request that was in flight and all that happened in it."""
        self._in_flight.dec()
        self.count(record)

    def count(self, record: RequestRecord) -> None:
        """Count what happened in a request."""
        self._requests.labels(record.route, record.method, str(record.status)).inc()
        if record.total_s is not None:
            self._request_seconds.labels(record.route).observe(record.total_s)
        self.count_work(record)

    def count_work(self, record: RequestRecord) -> None:
        """Count the stages, images and problems of work, whether or not HTTP brought it."""
        for timing in tuple(record.stages):
            self._stage_seconds.labels(timing.stage).observe(timing.seconds)
        for code in tuple(record.problems):
            self._problems.labels(code).inc()
        for image in tuple(record.images):
            if image.verdict is not None:
                self._count_verdict(image.verdict)
            if image.reason is not None:
                self._refusals.labels(image.reason).inc()

    def _count_verdict(self, verdict: VerdictRecord) -> None:
        self._verdicts.labels(verdict.predicted_class).inc()
        self._assessments.labels(verdict.assessment).inc()
        self._probability.observe(verdict.probability)
        for code in verdict.warnings:
            self._warnings.labels(code).inc()

    def render(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        model = self._model()
        if model is not None:  # each class starts at 0
            for name in model.classes:
                self._verdicts.labels(name)
        return generate_latest(self._registry)


class _ModelCollector(Collector):
    """Reports whether a model is loaded, and which."""

    def __init__(self, model: Callable[[], ModelInfo | None]) -> None:
        self._model = model

    def collect(self) -> Iterator[Metric]:
        model = self._model()
        if model is not None:
            yield InfoMetricFamily("xray_model", "The loaded model.", model.labels)
        ready = float(model is not None)
        yield GaugeMetricFamily(
            "xray_model_ready", "1 when the model is verified and loaded.", ready
        )
